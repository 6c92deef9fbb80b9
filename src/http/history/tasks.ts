/**
 * What a history thread is asked, and how it answers: a plain class over {@link HistoryQueries}.
 */

import type { EventFilter, TaskRunFilter } from '../../history/backend.ts';
import type { ExportFormat, ExportRequest } from '../../history/export/export-request.ts';
import { type ExportPiece, type ExportPlan, exportEnd, type PieceRequest } from '../../history/export/export-tasks.ts';
import type { RowGroupNote } from '../../history/export/parquet-rows.ts';
import { Budget } from '../../history/query/budget.ts';
import { QueryProblem } from '../../history/query/problem.ts';
import type { FleetQuery, HistoryQueries, WorkerQuery } from '../../history/query/queries.ts';
import type { TaskRun } from '../../history/task-run.ts';
import { systemClock } from '../../lib/clock.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { WorkerEvent } from '../../model/events.ts';
import { MIN_GZIP_BYTES } from '../http-limits.ts';
import { gzipped } from '../query/tasks.ts';
import { fleetAnswerJson, workerAnswerJson } from './series-json.ts';

export type HistoryTask =
  | { readonly type: 'worker'; readonly query: WorkerQuery; readonly gzip: boolean }
  | { readonly type: 'fleet'; readonly query: FleetQuery; readonly gzip: boolean }
  /** `workerId`: refused if nothing is known of it, which `parameter` gave. */
  | {
      readonly type: 'taskRuns';
      readonly filters: readonly TaskRunFilter[];
      readonly workerId: string | undefined;
      readonly parameter?: 'id' | 'worker';
    }
  /** `workerId`: refused if there is no event and nothing is known of it. */
  | { readonly type: 'events'; readonly filter: EventFilter; readonly workerId?: string | undefined }
  /** `known`: workers; refused if nothing is known of one. */
  | { readonly type: 'exportPlan'; readonly request: ExportRequest; readonly known: readonly string[] }
  | { readonly type: 'exportPiece'; readonly piece: PieceRequest }
  /** The end of a file, after `offset` bytes. */
  | {
      readonly type: 'exportEnd';
      readonly format: ExportFormat;
      readonly groups: readonly RowGroupNote[];
      readonly offset: number;
    };

export interface HistoryBody {
  /** Ready to be sent. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isGzip: boolean;
}

/** Why the request cannot be answered. */
export interface Refused {
  readonly refused: { readonly code: ErrorCode; readonly message: string; readonly parameter: string | undefined };
}

/** By task type. */
export interface HistoryAnswers {
  readonly worker: HistoryBody;
  readonly fleet: HistoryBody;
  /** Of all filters, in the order of one. */
  readonly taskRuns: { readonly taskRuns: readonly TaskRun[] };
  readonly events: { readonly events: readonly WorkerEvent[] };
  readonly exportPlan: ExportPlan;
  readonly exportPiece: ExportPiece | TooManyRows;
  readonly exportEnd: { readonly bytes: Uint8Array<ArrayBuffer> };
}
/** The slice has to be divided. */
export interface TooManyRows {
  readonly isTooMany: true;
}
export type HistoryAnswer = HistoryAnswers[HistoryTask['type']] | Refused;

export class HistoryTasks {
  readonly #queries: HistoryQueries;
  readonly #knows: (workerId: string) => boolean;
  #budget: Budget | undefined;

  /** @param knows whether the worker is present */
  constructor(queries: HistoryQueries, knows: (workerId: string) => boolean) {
    this.#queries = queries;
    this.#knows = knows;
  }

  async run(task: HistoryTask): Promise<HistoryAnswer> {
    const budget = new Budget(systemClock);
    this.#budget = budget;
    try {
      return await this.#answer(task, budget);
    } catch (error) {
      if (!(error instanceof QueryProblem)) throw error;
      const { code, message, parameter } = error;
      return { refused: { code, message, parameter } };
    } finally {
      this.#budget = undefined;
    }
  }

  /** Nobody waits for the answer any more. */
  cancel(): void {
    this.#budget?.cancel();
  }

  async #answer(task: HistoryTask, budget: Budget): Promise<HistoryAnswer> {
    switch (task.type) {
      case 'worker': {
        const { query, gzip } = task;
        const isOne = query.metrics.length === 1;
        return bodyOf(workerAnswerJson(await this.#queries.worker(query, budget), query.range, isOne), gzip);
      }
      case 'fleet':
        return bodyOf(fleetAnswerJson(await this.#queries.fleet(task.query, budget), task.query.range), task.gzip);
      case 'taskRuns': {
        const { filters, workerId, parameter = 'worker' } = task;
        const taskRuns = mergedRuns(await Promise.all(filters.map((filter) => this.#queries.taskRuns(filter))));
        if (taskRuns.length === 0) await this.#refuseUnknown(workerId, parameter);
        return { taskRuns };
      }
      case 'events': {
        const events = await this.#queries.events(task.filter);
        if (events.length === 0) await this.#refuseUnknown(task.workerId, 'worker');
        return { events };
      }
      case 'exportPlan':
        for (const workerId of task.known) await this.#refuseUnknown(workerId, 'worker');
        return await this.#queries.exportPlan(task.request);
      case 'exportPiece':
        return (await this.#queries.exportPiece(task.piece, budget)) ?? { isTooMany: true };
      case 'exportEnd':
        return { bytes: exportEnd(task.format, task.groups, task.offset) };
      default:
        return task satisfies never;
    }
  }

  /** @throws QueryProblem `not_found` */
  async #refuseUnknown(workerId: string | undefined, parameter: string): Promise<void> {
    if (workerId === undefined || this.#knows(workerId) || (await this.#queries.knows(workerId))) return;
    throw new QueryProblem(
      'not_found',
      `no worker is called ${JSON.stringify(workerId)}, now or in history`,
      parameter,
    );
  }
}

/** Each once, in the order of the database: the newest first, then by the bytes of the ids. */
function mergedRuns(lists: readonly (readonly TaskRun[])[]): readonly TaskRun[] {
  const [only, ...others] = lists;
  if (only !== undefined && others.length === 0) return only;
  const byKey = new Map(lists.flat().map((run) => [JSON.stringify([run.firstSeenMs, run.workerId, run.taskId]), run]));
  const byBytes = (left: string, right: string) => Buffer.compare(Buffer.from(left), Buffer.from(right));
  return [...byKey.values()].sort(
    (left, right) =>
      right.firstSeenMs - left.firstSeenMs ||
      byBytes(left.workerId, right.workerId) ||
      byBytes(left.taskId, right.taskId),
  );
}

function bodyOf(json: string, gzip: boolean): HistoryBody {
  const plain = Buffer.from(json);
  const isGzip = gzip && plain.length >= MIN_GZIP_BYTES;
  // Memory of their own: it is transferred.
  return { bytes: isGzip ? gzipped(plain) : new Uint8Array(plain), isGzip };
}
