/** Reads history for a program that embeds the engine: in threads of their own, as the HTTP API does. */
import type { EventFilter, TaskRunFilter } from '../history/backend.ts';
import type { DatabasePlace } from '../history/database.ts';
import type { AnswerGapReason } from '../history/query/gaps.ts';
import { rangeOf, stepWishOf } from '../history/query/request.ts';
import type { MetricKey, Tier } from '../history/samples.ts';
import type { TaskRun } from '../history/task-run.ts';
import { damagedText, exportPieces, lackingText } from '../http/history/export-pieces.ts';
import { HistoryPool } from '../http/history/pool.ts';
import { isRefused } from '../http/history/refusals.ts';
import type { HistoryAnswer, HistoryAnswers, HistoryTask, Refused } from '../http/history/tasks.ts';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import type { WorkerEvent } from '../model/events.ts';
import type { HistoryStatus } from '../model/history-status.ts';
import type { Announcement, Directory } from '../reading/directory.ts';
import {
  checkQuery,
  EVENT_QUERY,
  type EventQuery,
  EXPORT_QUERY,
  type ExportQuery,
  errorOfQuery,
  HISTORY_QUERY,
  type HistoryQuery,
  type HistoryRange,
  type HistoryTime,
  named,
  TASK_QUERY,
  type TaskQuery,
} from './history-options.ts';

export interface HistoryPoint {
  readonly atUnixMs: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** The value received last. */
  readonly last: number;
  /** How many samples. */
  readonly count: number;
}

export interface HistoryGap {
  readonly fromUnixMs: number;
  readonly toUnixMs: number;
  readonly reason: AnswerGapReason;
  /** How many samples are known to be missing; 0: unknown. */
  readonly lost: number;
}

export interface MetricHistory {
  readonly metric: MetricKey;
  readonly tier: Tier;
  /** 0: each point is a sample. */
  readonly stepMs: number;
  readonly points: readonly HistoryPoint[];
  readonly gaps: readonly HistoryGap[];
}

const DEFAULT_LIMIT = 100;

/**
 * Every method rejects with a `PulselaneError` with a code: `invalid_argument`, which names the option; `not_found` for a worker
 * of which nothing is known; `unavailable` …
 */
export class HistoryReading {
  readonly #pool: HistoryPool;
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #status: () => HistoryStatus;
  #isStopped = false;

  constructor(
    place: DatabasePlace,
    {
      directory,
      clock,
      logger,
      status,
    }: {
      readonly directory: Directory;
      readonly clock: Clock;
      readonly logger: Logger;
      readonly status: () => HistoryStatus;
    },
  ) {
    this.#directory = directory;
    this.#clock = clock;
    this.#status = status;
    this.#pool = new HistoryPool({ directory, clock, log: (level, message) => logger[level](message) }, place);
  }

  /** Where history is, until when everything is stored, and what is lost. */
  get status(): HistoryStatus {
    return this.#status();
  }

  /** The metrics of one worker over time, from the database and, for the newest, from memory. */
  async query(query: HistoryQuery): Promise<readonly MetricHistory[]> {
    checkQuery(query, HISTORY_QUERY, ['workerId']);
    const { workerId, metrics = [], stepMs, points } = query;
    const range = this.#range(query);
    const step = stepMs === undefined ? undefined : `${stepMs}ms`;
    const wish = named(() => stepWishOf({ step, points }, range));
    const asked = { workerId, metrics, range, wish, nowMs: this.#clock.wallMs() };
    const { bytes } = await this.#ask<'worker'>({ type: 'worker', query: asked, gzip: false });
    const answer = JSON.parse(Buffer.from(bytes).toString()) as AnswerJson;
    return (answer.series ?? [answer as SeriesJson]).map(metricHistory);
  }

  /** Runs of tasks that overlap the range, the newest first. */
  async tasks(query: TaskQuery = {}): Promise<readonly TaskRun[]> {
    checkQuery(query, TASK_QUERY);
    const { workerId, limit = DEFAULT_LIMIT, from: _, to: __, ...others } = query;
    const filter: TaskRunFilter = {
      ...others,
      ...(workerId === undefined ? {} : { workerIds: [workerId] }),
      ...this.#range(query),
      limit,
    };
    return (await this.#ask<'taskRuns'>({ type: 'taskRuns', filters: [filter], workerId })).taskRuns;
  }

  /** The newest events of the range, oldest first. While the database is away, those that are in memory: 10,000 at most. */
  async events(query: EventQuery = {}): Promise<readonly WorkerEvent[]> {
    checkQuery(query, EVENT_QUERY);
    const { workerId, limit = DEFAULT_LIMIT } = query;
    const range = this.#range(query);
    const inMemory = this.#directory.events.all();
    const [first] = inMemory;
    const newest = inMemory
      .filter((event) => event.atUnixMs >= range.fromMs && event.atUnixMs < range.toMs)
      .filter((event) => workerId === undefined || event.workerId === workerId)
      .slice(-limit);
    if (newest.length === limit) return newest;
    const filter: EventFilter = {
      ...(workerId === undefined ? {} : { workerId }),
      ...(first === undefined ? {} : { beforeId: first.id }),
      ...range,
      limit: limit - newest.length,
      prefer: 'newest',
    };
    // Of a worker without any event, the database may still know that there was one.
    const knownId = newest.length === 0 ? workerId : undefined;
    const found = await this.#reply<'events'>({ type: 'events', filter, workerId: knownId });
    if (!isRefused(found)) return [...found.events, ...newest];
    if (found.refused.code === 'unavailable' && newest.length > 0) return newest;
    throw errorOfQuery(found.refused);
  }

  /**
   * A file of any size, piece by piece: the next one is made when it is asked for. After everything else, it ends with an error
   * if the database has parts that cannot be read, or lacks a part of the range because it is away.
   */
  async *export(query: ExportQuery = {}): AsyncGenerator<Uint8Array, void> {
    checkQuery(query, EXPORT_QUERY);
    const { format = 'csv', tier, metrics, workerIds } = query;
    const range = this.#range(query);
    const request = { ...range, workerIds, prefix: '', metrics, tier };
    const plan = await this.#ask<'exportPlan'>({ type: 'exportPlan', request, known: workerIds ?? [] });
    const lacking = lackingText(this.#status(), range.toMs);
    const gone = new AbortController();
    try {
      const options = { history: this.#pool, plan, format, signal: gone.signal, clock: this.#clock };
      const damaged = yield* exportPieces(options);
      const missing = [...(lacking === undefined ? [] : [lacking]), ...damagedText(damaged)].join('; ');
      if (missing !== '') throw new PulselaneError('unavailable', `the export is incomplete: ${missing}`);
    } catch (error) {
      throw this.#isStopped ? stopped() : error;
    } finally {
      gone.abort();
    }
  }

  /** Publishes changes, after the directory has applied them. */
  announced(announcements: readonly Announcement[]): void {
    this.#pool.announced(announcements);
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#pool.stop();
  }

  #range({ from = '-1h', to = 'now' }: HistoryRange) {
    return named(() => rangeOf({ from: timeText(from), to: timeText(to) }, this.#clock.wallMs()));
  }

  async #ask<Type extends HistoryTask['type']>(
    task: Extract<HistoryTask, { type: Type }>,
  ): Promise<HistoryAnswers[Type]> {
    const answer: HistoryAnswer = await this.#reply<Type>(task);
    if (isRefused(answer)) throw errorOfQuery(answer.refused);
    return answer as HistoryAnswers[Type];
  }

  async #reply<Type extends HistoryTask['type']>(
    task: Extract<HistoryTask, { type: Type }>,
  ): Promise<HistoryAnswers[Type] | Refused> {
    try {
      return await this.#pool.ask<HistoryAnswers[Type] | Refused>(task);
    } catch (error) {
      throw this.#isStopped ? stopped() : error;
    }
  }
}

function stopped(): PulselaneError {
  return new PulselaneError('unavailable', 'the TelemetryManager was shut down');
}

interface SeriesJson {
  readonly metric: MetricKey;
  readonly tier: Tier;
  readonly step_ms: number;
  readonly points: readonly (Omit<HistoryPoint, 'atUnixMs'> & { readonly at: string })[];
  readonly gaps: readonly {
    readonly from: string;
    readonly to: string;
    readonly reason: AnswerGapReason;
    readonly lost?: number;
  }[];
}

type AnswerJson = Partial<SeriesJson> & { readonly series?: readonly SeriesJson[] };

function metricHistory({ metric, tier, step_ms: stepMs, points, gaps }: SeriesJson): MetricHistory {
  return {
    metric,
    tier,
    stepMs,
    points: points.map(({ at, ...figures }) => ({ atUnixMs: Date.parse(at), ...figures })),
    gaps: gaps.map(({ from, to, reason, lost = 0 }) => ({
      fromUnixMs: Date.parse(from),
      toUnixMs: Date.parse(to),
      reason,
      lost,
    })),
  };
}

function timeText(time: HistoryTime): string {
  return typeof time === 'string' ? time : new Date(time).toISOString();
}
