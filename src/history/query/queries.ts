/**
 * Questions to history, for a reading thread: over the database, which may be away, and the rings. Requests and answers are plain
 * data. Every method throws QueryProblem if a request cannot be answered, and takes a budget, whose owner may cancel it.
 */
import { setImmediate } from 'node:timers/promises';
import type { WorkerEvent } from '../../model/events.ts';
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import { type Criteria, NO_CRITERIA, selectionBy } from '../../reading/selection.ts';
import { groupOf } from '../../reading/values.ts';
import type { EventFilter, HistoryReader, KnownWorker, TaskRunFilter } from '../backend.ts';
import type { ExportRequest } from '../export/export-request.ts';
import {
  type ExportPiece,
  type ExportPlan,
  exportPiece,
  exportPlan,
  type PieceRequest,
} from '../export/export-tasks.ts';
import { HistoryError } from '../history-error.ts';
import type { MetricKey } from '../samples.ts';
import type { TaskRun } from '../task-run.ts';
import type { Aggregate } from './aggregate.ts';
import { type Budget, MAX_ANSWER_POINTS } from './budget.ts';
import { orDegraded, reachNow } from './facts.ts';
import { type AggregateSeries, fleetSeries } from './fleet-series.ts';
import { areBase, keysOf, keysOrAll } from './keys.ts';
import type { StepWish, TimeRange } from './plan.ts';
import { QueryProblem } from './problem.ts';
import type { Degraded, Sources } from './read-workers.ts';
import { Rings } from './rings.ts';
import { type Series, workerSeries } from './worker-series.ts';

/** As many as the largest planned fleet. */
export const MAX_QUERY_WORKERS = 10_000;
/** The base metrics, 64 custom ones, and 40 devices with 4 each: 229; and some that were renamed meanwhile. */
export const MAX_QUERY_METRICS = 300;
/** A worker that sends less often leaves steps empty: the automatic step of an aggregate need not wait for it. */
const LONGEST_INTERVAL_MS = 60_000;

export interface WorkerQuery {
  readonly workerId: string;
  /** None: the usual metrics; `all`: all that are kept of the worker. */
  readonly metrics: readonly string[];
  readonly range: TimeRange;
  readonly wish: StepWish;
  /** When it was asked, by the wall clock: decides how far back each tier reaches. */
  readonly nowMs: number;
}

export interface FleetQuery extends Omit<WorkerQuery, 'workerId'> {
  /** Undefined: all that pass the filters. */
  readonly workerIds: readonly string[] | undefined;
  readonly criteria: Criteria;
  /** Also workers that were removed and have history; filters other than `prefix` do not pass them. */
  readonly withForgotten: boolean;
  readonly overTime: Aggregate | undefined;
  readonly overWorkers: Aggregate | undefined;
  /** `group`, or `label.<name>`; undefined: all in one series. */
  readonly by: string | undefined;
}

export type WorkerAnswer = {
  readonly workerId: string;
  readonly series: readonly Series[];
  readonly degraded: Degraded | undefined;
};

export interface FleetAnswer {
  /** How many workers were asked about. */
  readonly workers: number;
  readonly series: readonly ((Series & { readonly workerId: string }) | AggregateSeries)[];
  readonly degraded: Degraded | undefined;
}

export interface QueriesOptions {
  readonly directory: Directory;
  /** Opens the database. It is called again after it has failed. */
  readonly open: () => Promise<HistoryReader>;
}

export class HistoryQueries {
  readonly #options: QueriesOptions;
  readonly #rings: Rings;
  #reader: Promise<HistoryReader> | undefined;

  constructor(options: QueriesOptions) {
    this.#options = options;
    this.#rings = new Rings(options.directory);
  }

  /** The history of one worker, also of one that was removed. */
  async worker({ workerId, metrics, range, wish, nowMs }: WorkerQuery, budget: Budget): Promise<WorkerAnswer> {
    const { directory } = this.#options;
    const found = await orDegraded(this.#open, async (reader) => (await reader.workers([workerId]))[0], undefined);
    const known = found.value;
    if (known === undefined && directory.get(workerId) === undefined) {
      if (found.degraded !== undefined) throw away(found.degraded);
      throw new QueryProblem('not_found', `no worker is called ${JSON.stringify(workerId)}, now or in history`, 'id');
    }
    const others = new Set([...(known?.keys ?? []), ...this.#rings.keysOf(workerId)]);
    const keys = keysOrAll(metrics, others, 'metric');
    if (keys.length > MAX_QUERY_METRICS) {
      throw new QueryProblem(
        'too_large',
        `${keys.length} metrics, expected at most ${MAX_QUERY_METRICS}: name those that you need`,
        'metric',
      );
    }
    const reach = await reachNow(directory, this.#open, nowMs);
    const answer = await workerSeries(directory, this.#sources(budget), {
      workerId,
      keys,
      range,
      wish: fewerPoints(wish, keys.length),
      reach,
      known,
    });
    return { ...answer, degraded: answer.degraded ?? found.degraded };
  }

  /** The history of several workers: each by itself, or aggregates over them. */
  async fleet(query: FleetQuery, budget: Budget): Promise<FleetAnswer> {
    const { directory } = this.#options;
    const { range, wish, overTime, overWorkers } = query;
    const reach = await reachNow(directory, this.#open, query.nowMs);
    const { workerIds, known, degraded } = await this.#selected(query, range.fromMs < reach.raw);
    const keys = this.#fleetKeys(query.metrics, workerIds, known);
    if (overTime === undefined && overWorkers === undefined) {
      const series: (Series & { readonly workerId: string })[] = [];
      let why = degraded;
      for (const workerId of workerIds) {
        // Whoever cancels gets a turn, also if all values are in memory.
        await setImmediate();
        budget.check();
        const request = { workerId, keys, range, wish, reach, known: known.get(workerId) };
        const answer = await workerSeries(directory, this.#sources(budget), request);
        series.push(...answer.series.map((one) => ({ ...one, workerId })));
        why ??= answer.degraded;
      }
      return { workers: workerIds.length, series, degraded: why };
    }
    const firsts = Array.from(known.values(), ({ firstMs }) => firstMs);
    const answer = await fleetSeries(directory, this.#sources(budget), {
      workerIds,
      keys,
      range,
      wish,
      reach,
      known,
      firstMs: firsts.length === 0 ? undefined : Math.min(...firsts),
      leastStepMs: overWorkers === undefined ? 0 : 2 * this.#longestIntervalMs(workerIds),
      overTime: overTime ?? 'avg',
      overWorkers,
      memberOf: (workerId) => this.#memberOf(workerId, query.by),
    });
    return { workers: workerIds.length, series: answer.series, degraded: degraded ?? answer.degraded };
  }

  /** Newest first. @throws QueryProblem `unavailable` if the database does not answer */
  taskRuns(filter: TaskRunFilter): Promise<readonly TaskRun[]> {
    return this.#fromDatabase((reader) => reader.taskRuns(filter));
  }

  /** Oldest first. @throws QueryProblem `unavailable` if the database does not answer */
  events(filter: EventFilter): Promise<readonly WorkerEvent[]> {
    return this.#fromDatabase((reader) => reader.events(filter));
  }

  /** Whether the worker is in the database. @throws QueryProblem `unavailable` if that does not answer */
  async knows(workerId: string): Promise<boolean> {
    return this.#fromDatabase(async (reader) => (await reader.workers([workerId])).length > 0);
  }

  /** @throws QueryProblem `unavailable` if the database does not answer; `invalid_argument` for a metric that no worker has */
  exportPlan(request: ExportRequest): Promise<ExportPlan> {
    return this.#fromDatabase((reader) => exportPlan(reader, request));
  }

  /** @returns undefined: the slice has too many rows. @throws QueryProblem `unavailable` if the database does not answer */
  exportPiece(piece: PieceRequest, budget: Budget): Promise<ExportPiece | undefined> {
    return this.#fromDatabase(async (reader) => {
      try {
        return await exportPiece(reader, piece, () => budget.isOver);
      } catch (error) {
        budget.check();
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    const reader = await this.#reader?.catch(() => undefined);
    this.#reader = undefined;
    await reader?.close();
  }

  async #fromDatabase<T>(ask: (reader: HistoryReader) => Promise<T>): Promise<T> {
    try {
      return await ask(await this.#open());
    } catch (error) {
      if (!(error instanceof HistoryError)) throw error;
      throw away({ code: error.kind, detail: error.message });
    }
  }

  /** Kept open; tried again by the next question if it fails. */
  readonly #open = (): Promise<HistoryReader> => {
    const opening = this.#reader ?? this.#options.open();
    this.#reader = opening;
    opening.catch(() => {
      if (this.#reader === opening) this.#reader = undefined;
    });
    return opening;
  };

  #sources(budget: Budget): Sources {
    return { rings: this.#rings, reader: this.#open, budget };
  }

  /** @param needsAge whether it matters since when there is history of them */
  async #selected({ workerIds, criteria, withForgotten, metrics }: FleetQuery, needsAge: boolean) {
    const { directory } = this.#options;
    const there = workerIds === undefined ? this.#matching(criteria) : undefined;
    const wantsKnown = withForgotten || needsAge || !areBase(metrics) || workerIds !== undefined;
    const asked = withForgotten ? undefined : (workerIds ?? there);
    const found = await orDegraded(
      this.#open,
      async (reader) => (wantsKnown ? await reader.workers(asked) : []),
      [] as readonly KnownWorker[],
    );
    const known = new Map(found.value.map((worker) => [worker.workerId, worker]));
    const selected = new Set(workerIds ?? there);
    if (withForgotten && there !== undefined) {
      for (const id of known.keys()) {
        if (directory.get(id) === undefined && id.startsWith(criteria.prefix) && isOnlyPrefix(criteria))
          selected.add(id);
      }
    }
    for (const id of workerIds ?? []) {
      if (known.has(id) || directory.get(id) !== undefined) continue;
      if (found.degraded !== undefined) throw away(found.degraded);
      throw new QueryProblem('not_found', `no worker is called ${JSON.stringify(id)}, now or in history`, 'workers');
    }
    if (selected.size > MAX_QUERY_WORKERS) {
      throw new QueryProblem(
        'too_large',
        `${selected.size} workers, expected at most ${MAX_QUERY_WORKERS}: ask with more filters`,
        'filters',
      );
    }
    const ids = [...selected].sort();
    return {
      workerIds: ids,
      known: new Map(ids.flatMap((id) => (known.has(id) ? [[id, known.get(id) as KnownWorker] as const] : []))),
      degraded: found.degraded,
    };
  }

  #matching(criteria: Criteria): string[] {
    const { directory } = this.#options;
    const selection = selectionBy(criteria);
    return Array.from(directory.all())
      .filter((entry) => selection.matches(entry, directory))
      .map(({ workerId }) => workerId);
  }

  #fleetKeys(
    metrics: readonly string[],
    workerIds: readonly string[],
    known: ReadonlyMap<string, KnownWorker>,
  ): readonly MetricKey[] {
    const others = new Set<MetricKey>();
    if (!areBase(metrics)) {
      for (const { keys } of known.values()) for (const key of keys) others.add(key);
      for (const id of workerIds) for (const key of this.#rings.keysOf(id)) others.add(key);
    }
    return keysOf(metrics, others, 'metrics');
  }

  #longestIntervalMs(workerIds: readonly string[]): number {
    const { directory } = this.#options;
    const intervals = workerIds.map((id) => {
      const entry = directory.get(id);
      return entry === undefined ? 0 : directory.board.intervalMs(entry.row);
    });
    return Math.min(
      LONGEST_INTERVAL_MS,
      intervals.reduce((longest, each) => Math.max(longest, each), 0),
    );
  }

  /** Of a worker that was removed, nothing but its id is known. */
  #memberOf(workerId: string, by: string | undefined): string | undefined {
    if (by === undefined) return undefined;
    const entry: WorkerEntry | undefined = this.#options.directory.get(workerId);
    if (entry === undefined) return '';
    if (by === 'group') return groupOf(entry);
    const labels = entry.facts?.labels ?? {};
    const name = by.slice('label.'.length);
    return Object.hasOwn(labels, name) ? (labels[name] as string) : '';
  }
}

/** So that the answer does not become too large. */
function fewerPoints(wish: StepWish, metrics: number): StepWish {
  if (!('points' in wish)) return wish;
  return { points: Math.min(wish.points, Math.floor(MAX_ANSWER_POINTS / metrics)) };
}

function isOnlyPrefix(criteria: Criteria): boolean {
  return selectionBy({ ...criteria, prefix: '' }).key === selectionBy(NO_CRITERIA).key;
}

function away({ detail }: Degraded): QueryProblem {
  return new QueryProblem('unavailable', `the database of history does not answer: ${detail}`);
}
