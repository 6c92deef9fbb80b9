/**
 * A worker beside its group at one instant. The group's level and spread are the median and the median absolute deviation from it
 * (Hampel, "The Influence Curve and Its Role in Robust Estimation", 1974): half of the workers may be anything.
 *
 * A worker that is always far from the others, such as one of another make, is no anomaly: what counts is its distance beside its
 * usual distance, learned as any metric is. So there is no anomaly in the first half hour. Of a worker that is like its group by
 * then, the group tells what is usual, and so it is judged as one that has been there for half a day.
 */
import { MetricKind, NOISE_FLOORS, type NoiseFloor } from './metric-kind.ts';
import { ReasonCode } from './reason.ts';
import { beginWith, type Scorer, WARM_UP } from './scorer.ts';
import { Packed, pack, StateFloat, unpack } from './state.ts';

/** In smaller groups the median is as likely wrong as the worker. */
export const LEAST_PEERS = 5;
/** The standard deviation of a normal distribution is so many median absolute deviations. */
const DEVIATIONS = 1.4826;
/** A worker is like its group while its recent level is within so many of the group's spreads … */
const ALIKE_SPREADS = 3;
/** … and has been for so many samples: whatever it does at its start may be unlike the others, within a quarter of an hour. */
const ALIKE_FOR = WARM_UP / 2;

export class GroupLevel {
  #sorted = new Float64Array(64);
  /** Of the last group. */
  median = Number.NaN;
  /** As a standard deviation. */
  spread = Number.NaN;

  /**
   * @param values of the group's workers; NaN: the worker has none
   * @returns whether the group is large enough
   */
  measure(values: ArrayLike<number>, count: number): boolean {
    if (this.#sorted.length < count) this.#sorted = new Float64Array(2 ** Math.ceil(Math.log2(count)));
    const sorted = this.#sorted;
    let known = 0;
    for (let index = 0; index < count; index++) {
      const value = values[index] as number;
      if (Number.isFinite(value)) sorted[known++] = value;
    }
    this.median = Number.NaN;
    this.spread = Number.NaN;
    if (known < LEAST_PEERS) return false;
    const part = sorted.subarray(0, known).sort();
    this.median = middleOf(part);
    for (let index = 0; index < known; index++) part[index] = Math.abs((part[index] as number) - this.median);
    this.spread = DEVIATIONS * middleOf(part.sort());
    return true;
  }
}

function middleOf(sorted: Float64Array): number {
  const half = sorted.length >> 1;
  const upper = sorted[half] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
}

/**
 * Scores a worker's distance from its group, and learns from it; the reason is in `scorer`.
 * @param floats with a state of {@link STATE_FLOATS} floats for this worker and metric at `at`, apart from that of the metric itself
 */
export function scorePeer(
  scorer: Scorer,
  floats: Float32Array,
  at: number,
  kind: MetricKind,
  atMs: number,
  value: number,
  group: Pick<GroupLevel, 'median' | 'spread'>,
): number {
  const { least, share } = NOISE_FLOORS[kind] as NoiseFloor;
  const spread = Math.max(group.spread, least + share * Math.abs(group.median));
  const before = floats[at + StateFloat.age] as number;
  scorer.take(floats, at, MetricKind.distance, atMs, value - group.median, spread);
  if (before < WARM_UP) warmUp(floats, at, spread);
  if (scorer.code !== ReasonCode.none && scorer.code !== ReasonCode.accepted) scorer.code = ReasonCode.peers;
  scorer.value = value;
  scorer.usual = group.median;
  return scorer.score;
}

function warmUp(floats: Float32Array, at: number, spread: number): void {
  const age = floats[at + StateFloat.age] as number;
  const isAlike = Math.abs(floats[at + StateFloat.recent] as number) <= ALIKE_SPREADS * spread;
  // Distances have no runs of the same value: in their place is the age at which the worker was last unlike its group.
  if (!isAlike) pack(floats, at, Packed.run, age);
  if (age < WARM_UP || age - unpack(floats, at, Packed.run) < ALIKE_FOR) return;
  beginWith(floats, at, 0, Math.max(spread, floats[at + StateFloat.recentSpread] as number));
}
