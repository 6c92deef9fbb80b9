/** Where an evaluator gets the facts from: shared memory (worker-facts.ts), or a replay of history. */
import type { FactRef } from '../expression/facts.ts';
import type { FactTable } from './fact-table.ts';
import type { WindowSet } from './window-set.ts';

/** Whether values of a worker in this state are of now: in any other they have stopped. */
export function sendsValues(state: string | undefined): boolean {
  return state === 'active' || state === 'suspect' || state === 'leaving';
}

/** Key of the flag that is a worker's `is_active`. If it is not set, the state tells. */
export const IS_ACTIVE = 'is_active';

/** One moment, by both clocks. */
export interface EvaluationTime {
  readonly unixMs: number;
  readonly monotonicMs: number;
}

/** What rules read of workers. */
export interface WantedFacts {
  readonly refs: readonly FactRef[];
  /** Keys of `refs`, see `keyOf`. */
  readonly keys: ReadonlySet<string>;
}

/** Why nobody can judge at present. */
export interface Held {
  /** Restart grace, a stall of the master, or its figures are old. */
  readonly all: boolean;
  /** Groups whose brake is engaged, and silent groups of the brake that small ones share; empty text: workers without a group. */
  readonly groups: ReadonlySet<string>;
}

export interface Fleet {
  /** One row for each worker. */
  readonly workers: FactTable;
  readonly held: Held;
  /** `off`, or a state of history. */
  readonly historyState: string;
  want(wanted: WantedFacts): void;
  /** Brings the facts up to now, and windows with them. */
  refresh(now: EvaluationTime, windows: WindowSet): void;
  metricsOf(row: number): Readonly<Record<string, number>>;
  labelsOf(row: number): Readonly<Record<string, string>>;
  /** Undefined: it lists none. Members are named as in GPU_MEMBERS; those that were not measured are absent. */
  gpusOf(row: number): readonly Readonly<Record<string, unknown>>[] | undefined;
}
