/** The threads that ask the database of history: apart from the query pool, so that neither waits for the other. */
import type { DatabasePlace } from '../../history/database.ts';
import type { Announcement } from '../../reading/directory.ts';
import type { ReaderData } from '../../reading/reader-messages.ts';
import { HISTORY_ANSWER_WITHIN_MS, HISTORY_THREADS, MAX_HISTORY_QUERIES } from '../http-limits.ts';
import { Pool, type PoolOptions } from '../query/pool.ts';
import { concernsQueries } from '../query/query-pool.ts';
import type { HistoryAnswer, HistoryTask } from './tasks.ts';

export interface HistoryThreadData extends ReaderData {
  /** May contain a password. */
  readonly place: DatabasePlace;
}

export class HistoryPool extends Pool<HistoryTask, HistoryAnswer> {
  constructor(options: PoolOptions, place: DatabasePlace) {
    const { directory } = options;
    const data: HistoryThreadData = { board: directory.board.memory, place };
    super(options, {
      script: 'http/history/thread',
      name: 'pulselane-hist-q',
      title: 'a thread for questions to history',
      data,
      roster: () => [
        { type: 'events', events: directory.events.all() },
        ...(directory.history === undefined ? [] : [{ type: 'history', status: directory.history } as const]),
      ],
      question: 'question to history',
      reason: 'queries',
      maxThreads: HISTORY_THREADS,
      maxUnderWay: MAX_HISTORY_QUERIES,
      withinMs: HISTORY_ANSWER_WITHIN_MS,
      concerns: concernsHistory,
    });
  }
}

/** Workers; events, which show when one was silent; the reach of what is kept. */
export function concernsHistory(announcement: Announcement): boolean {
  return concernsQueries(announcement) || announcement.type === 'events' || announcement.type === 'history';
}
