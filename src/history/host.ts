/**
 * Main's side of history: keeps the thread alive and informed about workers, and knows the state of history even when the thread
 * is dead or stuck. Main waits for it only when the master stops.
 *
 * | the thread          | the state that is announced                                                          |
 * |---------------------|--------------------------------------------------------------------------------------|
 * | reports             | its own report                                                                       |
 * | is dead             | degraded (`thread`), until the next one reports that it is not                       |
 * | has been silent for | degraded (`slow`): it waits for the disk, most likely; after a while it is ended     |
 * | {@link SILENT_AFTER} looks |                                                                               |
 */
import type { Clock, Timer } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import type { ThreadDeath } from '../lib/supervised-thread.ts';
import { holdThread } from '../lib/threads.ts';
import type { HistoryProblem, HistoryStatus } from '../model/history-status.ts';
import type { Announcement } from '../reading/directory.ts';
import { ReaderHost } from '../reading/reader-host.ts';
import type { SlotKey } from '../reading/sample-drain.ts';
import type { BoardMemory } from '../store/board.ts';
import { BATCHES_PER_THREAD, LOOK_EVERY_MS, MAX_SILENCE_S, SILENT_AFTER, STOP_WITHIN_MS } from './history-limits.ts';
import type { FromHistory, HistorySettings, HistoryThreadData, ToHistory } from './messages.ts';

export interface HistoryHostOptions {
  readonly board: BoardMemory;
  readonly settings: HistorySettings;
  /** One `slotAdded` per worker and all recent events, including what `announce` is about to publish. */
  readonly roster: () => readonly Announcement[];
  /** Told once when history becomes degraded … */
  readonly onFault: (detail: string) => void;
  /** … and once when it no longer is. */
  readonly onFaultOver: (detail: string) => void;
  /** The database has an event with this id. */
  readonly onLastEventId: (id: number) => void;
  /** Of these slots of removed workers, the thread needs nothing any more. */
  readonly onSettled: (slots: readonly SlotKey[]) => void;
  /** Removed workers whose last samples were given up before the thread had them. */
  readonly givenUp: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class HistoryHost {
  readonly #options: HistoryHostOptions;
  readonly #reader: ReaderHost<ToHistory, FromHistory>;
  /** The thread's last report. */
  #reported: HistoryStatus;
  #lastBatch = 0;
  #looks: Timer | undefined;
  #looksWithoutReport = 0;
  /** What the thread cannot say itself; undefined: it reports. */
  #threadProblem: HistoryProblem | undefined;
  #toldFault: { readonly code: string; readonly sinceUnixMs: number } | undefined;
  #isStopping = false;
  readonly #listeners = new Set<(announcement: Announcement) => void>();

  /** @throws PulselaneError `environment` if the package is incomplete */
  constructor(options: HistoryHostOptions) {
    this.#options = options;
    const { board, settings, roster, clock } = options;
    holdThread('history/thread');
    this.#reported = nothingReported(settings, clock.wallMs());
    const data: HistoryThreadData = { board, settings, startedUnixMs: clock.wallMs() };
    this.#reader = new ReaderHost({
      script: 'history/thread',
      name: 'pulselane-hist',
      title: 'the history thread',
      data,
      clock,
      roster: () => [roster()],
      onFed: () => this.#reader.post({ type: 'begin', lastBatch: this.#lastBatch }),
      onMessage: (message) => this.#received(message),
      onDeath: (death) => this.#died(death),
      maxSilenceS: MAX_SILENCE_S,
      stopWithinMs: STOP_WITHIN_MS,
      finishesWork: true,
    });
  }

  /** For the display of threads, and for fault tests. */
  get thread(): ReaderHost<ToHistory, FromHistory>['thread'] {
    return this.#reader.thread;
  }

  get status(): HistoryStatus {
    const problem = this.#threadProblem ?? this.#reported.problem;
    const closedTooLate = this.#reported.closedTooLate + this.#options.givenUp();
    const status = { ...this.#reported, closedTooLate };
    return problem === null ? status : { ...status, state: 'degraded', problem };
  }

  /** For a new reader. */
  get announcement(): Announcement {
    return { type: 'history', status: this.status };
  }

  /** Calls the listener about once a second, and when the state changes. */
  follow(listener: (announcement: Announcement) => void): void {
    this.#listeners.add(listener);
  }

  start(): void {
    this.#looks = this.#options.clock.every(LOOK_EVERY_MS, () => this.#look());
    this.#reader.start();
  }

  /** Publishes changes to the thread, in order. */
  announce(items: readonly Announcement[]): void {
    this.#reader.announce(items);
  }

  /** Writes nothing any more: the database and the spool are another master's. */
  abandon(): void {
    this.#isStopping = true;
    this.#looks?.cancel();
    this.#looks = undefined;
    this.#reader.abandon();
  }

  /** Lets the thread write what is there, and ends it. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#looks?.cancel();
    const isGraceful = await this.#reader.stop();
    if (isGraceful || this.#looks === undefined) return;
    const { durableUntilUnixMs } = this.#reported;
    const since = durableUntilUnixMs === null ? 'the start' : new Date(durableUntilUnixMs).toISOString();

    this.#options.logger.error(
      `the history thread did not end in order within ${STOP_WITHIN_MS / 1000} s: what came after ${since} may be lost unless the spool has it`,
    );
  }

  #received(message: FromHistory): void {
    const { logger, onLastEventId, onSettled } = this.#options;
    switch (message.type) {
      case 'status':
        this.#lastBatch = Math.max(this.#lastBatch, message.lastBatch);
        onSettled(message.settled);
        this.#reported = message.status;
        this.#looksWithoutReport = 0;
        this.#threadProblem = undefined;
        this.#tell();
        break;
      case 'loss':
        logger.error(message.message);
        break;
      case 'lastEventId':
        onLastEventId(message.id);
        break;
      default:
        message satisfies never;
    }
  }

  #look(): void {
    // A look counts, not the time: while main does not run, it cannot hear the thread.
    if (this.#reader.thread.thread === undefined || ++this.#looksWithoutReport < SILENT_AFTER) return;
    const seconds = Math.round((this.#looksWithoutReport * LOOK_EVERY_MS) / 1000);
    this.#threadFails('slow', `the history thread has not reported for ${seconds} s: it may wait for the disk`);
  }

  #died(death: ThreadDeath): number {
    this.#looksWithoutReport = 0;
    // Higher than any number that it used after its last report.
    this.#lastBatch += BATCHES_PER_THREAD;
    const reason = death.how === 'killed' ? death.reason : `the history thread ended: ${death.reason}`;
    if (!this.#isStopping) this.#threadFails('thread', `${reason}; it restarts in ${death.backOffMs} ms`);
    return death.backOffMs;
  }

  #threadFails(code: 'thread' | 'slow', detail: string): void {
    const sinceUnixMs = this.#threadProblem?.sinceUnixMs ?? this.status.problem?.sinceUnixMs;
    this.#threadProblem = { code, detail, sinceUnixMs: sinceUnixMs ?? this.#options.clock.wallMs() };
    this.#tell();
  }

  #tell(): void {
    const { onFault, onFaultOver, logger, clock } = this.#options;
    for (const listener of this.#listeners) listener(this.announcement);
    const { problem, state } = this.status;
    const told = this.#toldFault;
    if (problem !== null) {
      if (told?.code === problem.code) return;
      this.#toldFault = { code: problem.code, sinceUnixMs: told?.sinceUnixMs ?? problem.sinceUnixMs };
      if (told === undefined) onFault(`history degraded: ${problem.detail}`);
      else logger.warn(`history still degraded: ${problem.detail}`);
      return;
    }
    // A new thread has yet to show that it can write.
    if (told === undefined || state !== 'ok') return;
    this.#toldFault = undefined;
    const seconds = Math.max(0, Math.round((clock.wallMs() - told.sinceUnixMs) / 1000));
    onFaultOver(`history is written again, after ${seconds} s`);
  }
}

function nothingReported(settings: HistorySettings, atUnixMs: number): HistoryStatus {
  const { place, shownPlace, rawMs, minuteMs, hourMs, maxBytes, spoolMaxBytes } = settings;
  return {
    state: 'starting',
    backend: place.kind,
    place: shownPlace,
    problem: null,
    atUnixMs,
    openSinceUnixMs: null,
    durableUntilUnixMs: null,
    samples: 0,
    batches: 0,
    waitingSamples: 0,
    samplesPerS: 0,
    commitMs: 0,
    lost: { overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 },
    lostEvents: 0,
    lostTaskChanges: 0,
    closedTooLate: 0,
    spool: { bytes: 0, maxBytes: spoolMaxBytes, batches: 0, damaged: 0 },
    figures: null,
    retention: { rawMs, minuteMs, hourMs, maxBytes: maxBytes ?? null },
  };
}
