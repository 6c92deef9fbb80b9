/** Reads history for a program that embeds the engine: in threads of their own, as the HTTP API does. */
import type { EventFilter, TaskRunFilter } from '../history/backend.ts';
import type { DatabasePlace } from '../history/database.ts';
import type { ExportFormat } from '../history/export/export-request.ts';
import type { AnswerGapReason } from '../history/query/gaps.ts';
import { QueryProblem } from '../history/query/problem.ts';
import { rangeOf, stepWishOf } from '../history/query/request.ts';
import type { MetricKey, Tier } from '../history/samples.ts';
import type { TaskOutcome, TaskRun } from '../history/task-run.ts';
import { damagedText, exportPieces } from '../http/history/export-pieces.ts';
import { HistoryPool } from '../http/history/pool.ts';
import { isRefused } from '../http/history/refusals.ts';
import type { HistoryAnswer, HistoryAnswers, HistoryTask, Refused } from '../http/history/tasks.ts';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import type { WorkerEvent } from '../model/events.ts';
import type { HistoryStatus } from '../model/history-status.ts';
import type { Announcement, Directory } from '../reading/directory.ts';

/** Unix milliseconds, a date, or a text as the HTTP API takes it: RFC 3339, `-1h`, `now`. */
export type HistoryTime = number | Date | string;

export interface HistoryRange {
  /** Inclusive. Default: an hour ago. */
  readonly from?: HistoryTime;
  /** Exclusive. Default: now. */
  readonly to?: HistoryTime;
}

export interface HistoryQuery extends HistoryRange {
  /** Also one that was removed. */
  readonly workerId: string;
  /** Keys such as `cpu_usage`, or names of custom metrics. Default: the five base metrics. */
  readonly metrics?: readonly string[];
  /** How much time a point stands for. Default: what `points` has room for. */
  readonly stepMs?: number;
  /** The most points per metric, 2 to 10,000. Default: 1,000. */
  readonly points?: number;
}

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

export interface TaskQuery extends HistoryRange {
  readonly workerId?: string;
  readonly taskId?: string;
  readonly outcomes?: readonly TaskOutcome[];
  /** As the worker sent it. */
  readonly status?: string;
  /** The newest ones. Default: 100. */
  readonly limit?: number;
}

export interface EventQuery extends HistoryRange {
  readonly workerId?: string;
  /** The newest ones. Default: 100. */
  readonly limit?: number;
}

export interface ExportQuery extends HistoryRange {
  /** Default: csv. */
  readonly format?: ExportFormat;
  /** Default: the finest there is for each part of the range. */
  readonly tier?: Tier;
  readonly metrics?: readonly string[];
  /** Default: all, also removed ones. */
  readonly workerIds?: readonly string[];
}

const DEFAULT_LIMIT = 100;

/** Every method rejects with a `PulselaneError` with a code: `invalid_argument`, `not_found`, `unavailable` … */
export class HistoryReading {
  readonly #pool: HistoryPool;
  readonly #clock: Clock;
  readonly #status: () => HistoryStatus;

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
    const { workerId, metrics = [], stepMs, points } = query;
    const range = this.#range(query);
    const wish = stepWishOf({ step: stepMs === undefined ? undefined : `${stepMs}ms`, points }, range);
    const asked = { workerId, metrics, range, wish, nowMs: this.#clock.wallMs() };
    const { bytes } = await this.#ask<'worker'>({ type: 'worker', query: asked, gzip: false });
    const answer = JSON.parse(Buffer.from(bytes).toString()) as AnswerJson;
    return (answer.series ?? [answer as SeriesJson]).map(metricHistory);
  }

  /** Runs of tasks that overlap the range, the newest first. */
  async tasks(query: TaskQuery = {}): Promise<readonly TaskRun[]> {
    const { workerId, limit = DEFAULT_LIMIT, from: _, to: __, ...others } = query;
    const filter: TaskRunFilter = {
      ...others,
      ...(workerId === undefined ? {} : { workerIds: [workerId] }),
      ...this.#range(query),
      limit: checkedLimit(limit),
    };
    return (await this.#ask<'taskRuns'>({ type: 'taskRuns', filters: [filter], workerId })).taskRuns;
  }

  /** The newest events of the range, oldest first. */
  async events(query: EventQuery = {}): Promise<readonly WorkerEvent[]> {
    const { workerId, limit = DEFAULT_LIMIT } = query;
    const filter: EventFilter = {
      ...(workerId === undefined ? {} : { workerId }),
      ...this.#range(query),
      limit: checkedLimit(limit),
      prefer: 'newest',
    };
    return (await this.#ask<'events'>({ type: 'events', filter })).events;
  }

  /**
   * A file of any size, piece by piece: the next one is made when it is asked for. Ends with an error if the database has parts
   * that cannot be read, after everything else.
   */
  async *export(query: ExportQuery = {}): AsyncGenerator<Uint8Array, void> {
    const { format = 'csv', tier, metrics, workerIds } = query;
    const request = { ...this.#range(query), workerIds, prefix: '', metrics, tier };
    const plan = await this.#ask<'exportPlan'>({ type: 'exportPlan', request, workerId: undefined });
    const gone = new AbortController();
    try {
      const options = { history: this.#pool, plan, format, signal: gone.signal, clock: this.#clock };
      const damaged = yield* exportPieces(options);
      const [text] = damagedText(damaged);
      if (text !== undefined) throw new PulselaneError('unavailable', `the export lacks ${text}`);
    } finally {
      gone.abort();
    }
  }

  /** Publishes changes, after the directory has applied them. */
  announced(announcements: readonly Announcement[]): void {
    this.#pool.announced(announcements);
  }

  stop(): Promise<void> {
    return this.#pool.stop();
  }

  #range({ from = '-1h', to = 'now' }: HistoryRange) {
    return rangeOf({ from: timeText(from), to: timeText(to) }, this.#clock.wallMs());
  }

  async #ask<Type extends HistoryTask['type']>(
    task: Extract<HistoryTask, { type: Type }>,
  ): Promise<HistoryAnswers[Type]> {
    const answer: HistoryAnswer = await this.#pool.ask<HistoryAnswers[Type] | Refused>(task);
    if (!isRefused(answer)) return answer as HistoryAnswers[Type];
    const { code, message, parameter } = answer.refused;
    throw new PulselaneError(code, parameter === undefined ? message : `${parameter}: ${message}`);
  }
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

/** @throws PulselaneError `invalid_argument` */
function timeText(time: HistoryTime): string {
  if (typeof time === 'string') return time;
  const date = new Date(time);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw new QueryProblem('invalid_argument', 'expected a time: Unix milliseconds, a Date, or a text such as "-1h"');
}

/** @throws PulselaneError `invalid_argument` */
function checkedLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new PulselaneError('invalid_argument', `limit: expected a whole number from 1 to ${MAX_LIMIT}, got ${limit}`);
}

/** Some MB of answers. */
const MAX_LIMIT = 10_000;
