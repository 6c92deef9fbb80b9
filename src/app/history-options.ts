/** What a program gives to the methods of the library's history, and its check: a typo must not answer another question. */
import { checkOptionNames } from '../config/option-names.ts';
import { EXPORT_FORMATS, type ExportFormat } from '../history/export/export-request.ts';
import { QueryProblem } from '../history/query/problem.ts';
import { LAST_TIME_MS } from '../history/query/time.ts';
import { TIERS, type Tier } from '../history/samples.ts';
import { TASK_OUTCOMES, type TaskOutcome } from '../history/task-run.ts';
import { PulselaneError } from '../lib/errors.ts';

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
  /** Keys such as `cpu_usage`, or names of custom metrics. `all`: every metric that is kept of the worker. Default: the five base metrics. */
  readonly metrics?: readonly string[];
  /** How much time a point stands for. Default: what `points` has room for. */
  readonly stepMs?: number;
  /** The most points per metric, 2 to 10,000. Default: 1,000. */
  readonly points?: number;
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

type Check = (value: unknown) => boolean;
type Checks<Query> = { readonly [Name in keyof Required<Query>]: readonly [check: Check, expected: string] };

/** Some MB of answers. */
const MAX_LIMIT = 10_000;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isTextList: Check = (value) => Array.isArray(value) && value.every(isText);
const isWholeNumber = (max: number): Check => {
  return (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max;
};
const isOneOf = (all: readonly string[]): Check => {
  return (value) => typeof value === 'string' && all.includes(value);
};
const isTime: Check = (value) => {
  if (typeof value === 'number' || value instanceof Date) return !Number.isNaN(new Date(value).getTime());
  return isText(value);
};

const time = [isTime, 'a time: Unix milliseconds, a Date, or a text such as "-1h"'] as const;
const range = { from: time, to: time };
const workerId = [isText, 'the id of a worker'] as const;
const metrics = [isTextList, 'a list of names of metrics'] as const;
const limit = [isWholeNumber(MAX_LIMIT), `a whole number from 1 to ${MAX_LIMIT}`] as const;

export const HISTORY_QUERY: Checks<HistoryQuery> = {
  workerId,
  metrics,
  ...range,
  stepMs: [isWholeNumber(LAST_TIME_MS), 'a whole number of milliseconds above 0'],
  points: [Number.isInteger, 'a whole number'],
};
export const TASK_QUERY: Checks<TaskQuery> = {
  workerId,
  taskId: [isText, 'the id of a task'],
  outcomes: [
    (value) => Array.isArray(value) && value.every(isOneOf(TASK_OUTCOMES)),
    `a list of ${TASK_OUTCOMES.join(', ')}`,
  ],
  status: [isText, 'a status, as the worker sent it'],
  ...range,
  limit,
};
export const EVENT_QUERY: Checks<EventQuery> = { workerId, ...range, limit };
export const EXPORT_QUERY: Checks<ExportQuery> = {
  format: [isOneOf(EXPORT_FORMATS), `one of ${EXPORT_FORMATS.join(', ')}`],
  tier: [isOneOf(TIERS), `one of ${TIERS.join(', ')}`],
  metrics,
  workerIds: [isTextList, 'a list of ids of workers'],
  ...range,
};

/** @throws PulselaneError `invalid_argument`, naming the first wrong option */
export function checkQuery<Query extends object>(
  query: Query,
  checks: Checks<Query>,
  required: readonly (keyof Query & string)[] = [],
): void {
  if (typeof query !== 'object' || query === null) throw wrong('expected an object with options');
  const given = query as Readonly<Record<string, unknown>>;
  const known = checks as Readonly<Record<string, readonly [Check, string]>>;
  checkOptionNames(query, Object.fromEntries(Object.keys(known).map((name) => [name, true as const])));
  for (const [name, [isRight, expected]] of Object.entries(known)) {
    const value = given[name];
    if (value === undefined && !(required as readonly string[]).includes(name)) continue;
    if (!isRight(value)) throw wrong(`${name}: expected ${expected}${shown(value)}`);
  }
}

/** Short values only: an object says nothing. */
function shown(value: unknown): string {
  if (typeof value === 'number') return `, got ${value}`;
  return typeof value === 'string' ? `, got ${JSON.stringify(value.slice(0, 40))}` : '';
}

/** What the HTTP API calls differently. */
const OPTION_OF_PARAMETER: Readonly<Record<string, string>> = { step: 'stepMs', metric: 'metrics', id: 'workerId' };

/** The error of a query as one of the library: it names the option. */
export function errorOfQuery({ code, message, parameter }: Pick<QueryProblem, 'code' | 'message' | 'parameter'>) {
  if (code !== 'invalid_argument' || parameter === undefined) return new PulselaneError(code, message);
  return new PulselaneError(code, `${OPTION_OF_PARAMETER[parameter] ?? parameter}: ${message}`);
}

/** @throws PulselaneError instead of QueryProblem */
export function named<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof QueryProblem ? errorOfQuery(error) : error;
  }
}

function wrong(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}
