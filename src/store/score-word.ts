/**
 * A sample's score and what it is of, in one word of the ring:
 *
 *     bits 0 to 6     the score in hundredths; {@link NONE}: no metric of the sample was scored
 *     bits 7 to 15    the metric: its place among the states (layout.ts), plus 1; 0: the score has no cause
 *     bits 16 to 19   the reason's code (model/anomaly/reason.ts)
 *     bits 20 to 31   the reason's ratio in tenths, at most {@link MOST_RATIO}
 *
 * For how many samples that has been so follows from those before.
 */
import { ReasonCode } from '../model/anomaly/reason.ts';

const SCORE_BITS = 7;
const METRIC_BITS = 9;
const CODE_BITS = 4;
const METRIC_AT = SCORE_BITS;
const CODE_AT = METRIC_AT + METRIC_BITS;
const RATIO_AT = CODE_AT + CODE_BITS;

const ones = (bits: number) => 2 ** bits - 1;
const NONE = ones(SCORE_BITS);
const METRIC_MASK = ones(METRIC_BITS) << METRIC_AT;
export const MOST_RATIO = ones(32 - RATIO_AT) / 10;
/** Of a sample without a score. */
export const NO_SCORE = NONE;

/** Keys of usages, as history names them. */
export const USAGE_KEYS = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage'] as const;
/** Keys of the metrics at the first places: those of SCORED_NUMBERS of layout.ts; then come those of the columns. */
export const SCORED_KEYS = [...USAGE_KEYS, 'running_tasks', 'heartbeat_interval'] as const;

export interface ScoreCause {
  /** The metric's place among the states. */
  readonly place: number;
  readonly code: ReasonCode;
  readonly ratio: number;
}

export interface NamedCause extends Omit<ScoreCause, 'place'> {
  /** The metric's key, as history names it. */
  readonly metric: string;
}

/** @param score 0 to 1 @param cause undefined: there is none */
export function scoreWord(score: number, cause: ScoreCause | undefined): number {
  const hundredths = Math.round(Math.min(1, Math.max(0, score)) * 100);
  if (cause === undefined) return hundredths;
  const { place, code, ratio } = cause;
  const tenths = Math.round(Math.min(MOST_RATIO, Math.max(0, ratio)) * 10);
  return hundredths | ((place + 1) << METRIC_AT) | (code << CODE_AT) | (tenths << RATIO_AT);
}

/** @returns NaN: there is none */
export function scoreIn(word: number): number {
  const hundredths = word & ones(SCORE_BITS);
  // The memory is not trusted.
  return hundredths > 100 ? Number.NaN : hundredths / 100;
}

/** @returns undefined: there is none */
export function causeIn(word: number): ScoreCause | undefined {
  const metric = (word & METRIC_MASK) >>> METRIC_AT;
  const code = (word >>> CODE_AT) & ones(CODE_BITS);
  if (metric === 0 || !isReasonCode(code)) return undefined;
  return { place: metric - 1, code, ratio: (word >>> RATIO_AT) / 10 };
}

/** @param metricKeys of the columns in the same memory @returns undefined: there is no cause */
export function namedCauseIn(word: number, metricKeys: readonly string[]): NamedCause | undefined {
  const cause = causeIn(word);
  if (cause === undefined) return undefined;
  const { place, ...rest } = cause;
  const metric = keyOfPlace(place, metricKeys);
  return metric === undefined ? undefined : { metric, ...rest };
}

export function keyOfPlace(place: number, metricKeys: readonly string[]): string | undefined {
  return SCORED_KEYS[place] ?? metricKeys[place - SCORED_KEYS.length];
}

/** The same after its metric has moved. @param place undefined: it is no longer there, and so there is no cause */
export function movedScoreWord(word: number, place: number | undefined): number {
  return place === undefined ? word & ones(SCORE_BITS) : (word & ~METRIC_MASK) | ((place + 1) << METRIC_AT);
}

/** The memory is not trusted. */
function isReasonCode(code: number): code is ReasonCode {
  return code <= ReasonCode.accepted;
}
