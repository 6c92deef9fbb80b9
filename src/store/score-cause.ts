/**
 * Why a sample has its score, in one word:
 *
 *     bits 0 to 9     the metric: its place among the states (layout.ts), plus 1; 0: there is no cause
 *     bits 10 to 13   the reason's code (model/anomaly/reason.ts)
 *     bits 14 to 20   samples for which that has been so, at most {@link MOST_SAMPLES}
 *     bits 21 to 31   the reason's ratio in tenths, at most {@link MOST_RATIO}
 */
import { ReasonCode } from '../model/anomaly/reason.ts';

const METRIC_BITS = 10;
const REASON_BITS = 4;
const SAMPLES_BITS = 7;
const REASON_AT = METRIC_BITS;
const SAMPLES_AT = REASON_AT + REASON_BITS;
const RATIO_AT = SAMPLES_AT + SAMPLES_BITS;

const ones = (bits: number) => 2 ** bits - 1;
export const MOST_SAMPLES = ones(SAMPLES_BITS);
export const MOST_RATIO = ones(32 - RATIO_AT) / 10;

/** Keys of the metrics at the first places, as history names them; then come those of the columns. */
export const USAGE_KEYS = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage'] as const;

interface CauseNumbers {
  readonly code: ReasonCode;
  readonly samples: number;
  readonly ratio: number;
}

export interface ScoreCause extends CauseNumbers {
  /** The metric's place among the states. */
  readonly place: number;
}

export interface NamedCause extends CauseNumbers {
  /** The metric's key, as history names it. */
  readonly metric: string;
}

export function packedCause(place: number, { code, samples, ratio }: CauseNumbers): number {
  const tenths = Math.round(Math.min(MOST_RATIO, Math.max(0, ratio)) * 10);
  const bounded = Math.min(MOST_SAMPLES, Math.max(0, samples));
  return (place + 1) | (code << REASON_AT) | (bounded << SAMPLES_AT) | (tenths << RATIO_AT);
}

/** @returns undefined: there is none */
export function unpackedCause(word: number): ScoreCause | undefined {
  const metric = word & ones(METRIC_BITS);
  const code = (word >>> REASON_AT) & ones(REASON_BITS);
  if (metric === 0 || !isReasonCode(code)) return undefined;
  const samples = (word >>> SAMPLES_AT) & ones(SAMPLES_BITS);
  return { place: metric - 1, code, samples, ratio: (word >>> RATIO_AT) / 10 };
}

/** @param metricKeys of the columns in the same memory @returns undefined: there is no cause */
export function namedCause(word: number, metricKeys: readonly string[]): NamedCause | undefined {
  const cause = unpackedCause(word);
  if (cause === undefined) return undefined;
  const { place, ...numbers } = cause;
  const metric = keyOfPlace(place, metricKeys);
  return metric === undefined ? undefined : { metric, ...numbers };
}

export function keyOfPlace(place: number, metricKeys: readonly string[]): string | undefined {
  return USAGE_KEYS[place] ?? metricKeys[place - USAGE_KEYS.length];
}

/** The same cause after its metric has moved. @param place undefined: it is no longer there */
export function movedCause(word: number, place: number | undefined): number {
  return place === undefined ? 0 : (word & ~ones(METRIC_BITS)) | (place + 1);
}

/** The memory is not trusted. */
function isReasonCode(code: number): code is ReasonCode {
  return code <= ReasonCode.accepted;
}
