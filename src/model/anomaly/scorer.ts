/**
 * Scores each sample of a metric from 0 (usual) to 1, with a reason; 0.5 and above is an anomaly. What is usual it learns from the
 * metric's own samples, in constant memory (see state.ts) and without allocating: level and spread (level.ts), how long it stands still
 * (stillness.ts), how long it takes to go up and down (rhythm.ts).
 *
 * An anomaly takes the agreement of several samples. Each votes by how far out of range it is, at most 1, and takes a little away if it is
 * in range: the decision rule of CUSUM charts (Page, "Continuous Inspection Schemes", 1954) with bounded votes, so that a single
 * sample is never enough.
 *
 * A scorer has no state of its own but the reason of its last sample, so one scores any number of metrics.
 */
import { acceptLevel, beginLevel, Comparison, learnLevel, RANGE_SPREADS } from './level.ts';
import { MetricKind, NOISE_FLOORS, type NoiseFloor } from './metric-kind.ts';
import { type AnomalyReason, ReasonCode } from './reason.ts';
import { learnRhythm, type Rhythm } from './rhythm.ts';
import { isSound, Packed, pack, STATE_FLOATS, StateFloat, TIME_WRAP_S, unpack } from './state.ts';
import { acceptStillness, learnStillness, type Stillness } from './stillness.ts';

/** From this score on a sample is an anomaly. */
export const ANOMALY_SCORE = 0.5;

/** Rates are those of samples that come every 5 s; others count for as much as time has passed, within limits. */
const SAMPLE_S = 5;
const LEAST_WEIGHT = 0.2;
const MOST_WEIGHT = 4;

/** No anomalies before so many samples: half an hour. */
export const WARM_UP = 360;
/** A state of that age, in samples, takes twice the distance for an anomaly, and a younger one more: a day has loads that an hour has not. */
const YOUNG = 8000;
/** At most so many times the distance: what is as far away as that is an anomaly at any age. */
const MOST_TOLERANCE = 5;

/** A sample's vote begins so many usual spreads from the usual level; a whole one is so many more. */
const VOTES_FROM = 4.5;
const WHOLE_VOTE = 2;
const DISSENT = 0.25;
/** A sample so near to the usual level does not vote, whatever the ones before it were. */
const IN_RANGE = 1;
/** Votes that make an anomaly; it is over below half of them. */
const AGREED = 3;
const MOST_VOTES = 2 * AGREED;
const VOTE_UNITS = 8;
/** An anomaly that took longer to be agreed on came slowly, in samples. */
const SLOW_AFTER = 24;
/** One that is over after so many samples, but farther than this from what was usual, is not over: it is accepted. */
const LEAST_ACCEPTED = 120;
const IS_ELSEWHERE = 0.75 * RANGE_SPREADS;
/** Samples after which an anomaly is accepted in any case: an hour. */
export const ACCEPTED_AFTER = 720;

/** A custom metric that has risen so many times, and hardly ever fallen, is a counter: its rate is scored. */
const COUNTER_FROM = 40;
const COUNTER_RESET = 16;

/** After the first expected value the range is learned anew as if the state were that young. */
const AGE_AT_FIRST_EXPECTED = 2000;
const MOST_VALUE = 1e30;

/** An expected 0 is kept as this, since 0 is no reference: see state.ts. */
const LEAST_REFERENCE = 1e-30;

/**
 * Tells what is expected at this time of the week; NaN: nothing new is known. Between two calls the reference stays. Does nothing to a
 * counter, of which the rate is scored. To be called by the thread that scores.
 */
export function expectValue(floats: Float32Array, at: number, expected: number): void {
  if (!Number.isFinite(expected) || Math.abs(expected) > MOST_VALUE) return;
  const reference = floats[at + StateFloat.reference] as number;
  if (unpack(floats, at, Packed.rises) >= COUNTER_FROM) return;
  const kept = Math.fround(expected) || LEAST_REFERENCE;
  const moved = kept - reference;
  floats[at + StateFloat.reference] = kept;
  for (const each of [StateFloat.recent, StateFloat.turn]) floats[at + each] = (floats[at + each] as number) - moved;
  if (reference !== 0) return;
  // The same range as before, told from the expected value: nothing is out of it because of that.
  for (const each of [StateFloat.low, StateFloat.usual, StateFloat.high]) {
    floats[at + each] = (floats[at + each] as number) - moved;
  }
  floats[at + StateFloat.age] = Math.min(floats[at + StateFloat.age] as number, AGE_AT_FIRST_EXPECTED);
}

/** Begins levels anew with what is known from elsewhere, as a state that is young but no longer new. */
export function beginWith(floats: Float32Array, at: number, usual: number, spread: number): void {
  beginLevel(floats, at, usual, spread, YOUNG);
}

export class Scorer implements AnomalyReason {
  /** Of the last sample. */
  score = 0;
  code: ReasonCode = ReasonCode.none;
  value = 0;
  usual = 0;
  ratio = 0;
  samples = 0;

  readonly #compared = new Comparison();
  readonly #rhythm: Rhythm = { usual: 0, ratio: 1, vote: 0 };
  readonly #stillness: Stillness = { run: 0, share: 0 };

  /**
   * Scores a sample and learns from it.
   * @param at index of the state's first float
   * @param atMs when the sample was received, in ms of any clock that does not go back
   * @param value NaN or infinite: the sample has no such metric
   * @param leastSpread the usual spread is not taken for smaller, in the metric's unit
   * @returns the score, also in {@link score}; the reason is in the other members until the next call
   */
  take(floats: Float32Array, at: number, kind: MetricKind, atMs: number, value: number, leastSpread = 0): number {
    this.#says(ReasonCode.none, 0, 0, 0);
    this.value = value;
    this.score = 0;
    if (!Number.isFinite(value)) return 0;
    if (!isSound(floats, at)) floats.fill(0, at, at + STATE_FLOATS);
    const sample = Math.fround(Math.min(Math.max(value, -MOST_VALUE), MOST_VALUE));
    const gapS = nextTime(floats, at, atMs);
    const weight = Math.min(Math.max(gapS / SAMPLE_S, LEAST_WEIGHT), MOST_WEIGHT);
    const last = floats[at + StateFloat.last] as number;
    floats[at + StateFloat.last] = sample;
    const age = floats[at + StateFloat.age] as number;
    let level = sample;
    let step = age === 0 ? 0 : sample - last;
    let isCounter = false;
    if (kind === MetricKind.any) {
      const rises = unpack(floats, at, Packed.rises);
      isCounter = countsUp(floats, at, rises, age === 0 ? 0 : step);
      if (isCounter !== rises >= COUNTER_FROM) {
        forgetLevels(floats, at);
        return 0;
      }
      if (isCounter) {
        // It began anew.
        if (sample < last) return 0;
        level = (sample - last) / Math.max(gapS, 0.001);
        step =
          age === 0
            ? 0
            : level - (floats[at + StateFloat.recent] as number) - (floats[at + StateFloat.reference] as number);
      }
    }
    const { least, share } = NOISE_FLOORS[kind] as NoiseFloor;
    learnLevel(floats, at, level, step, Math.max(least, leastSpread), share, weight, this.#compared);
    const wasAnomaly = unpack(floats, at, Packed.isAnomaly) === 1;
    const ofTwo = level - step / 2 - (floats[at + StateFloat.reference] as number);
    learnRhythm(floats, at, ofTwo, this.#compared.scale, this.#compared.step, wasAnomaly, this.#rhythm);
    this.#stillness.share = 0;
    if (!isCounter && kind !== MetricKind.interval && kind !== MetricKind.distance) {
      const ageAfter = floats[at + StateFloat.age] as number;
      learnStillness(floats, at, kind, sample === last, sample, WARM_UP, age, ageAfter, this.#stillness);
    }
    if (age >= WARM_UP) this.#judge(floats, at, weight, wasAnomaly, Math.min(MOST_TOLERANCE, 1 + (YOUNG / age) ** 2));
    return this.score;
  }

  #judge(floats: Float32Array, at: number, weight: number, wasAnomaly: boolean, tolerance: number): void {
    const { level, sample, spread } = this.#compared;
    const isBack = level >= 0 ? sample < IN_RANGE : sample > -IN_RANGE;
    const away = isBack ? 0 : Math.max(Math.abs(level), Math.abs(sample));
    const forLevel = counted(floats, at, Packed.levelVotes, voteOf(away / tolerance));
    const forSpread = counted(floats, at, Packed.spreadVotes, voteOf(spread / tolerance));
    const forRhythm = counted(floats, at, Packed.rhythmVotes, this.#rhythm.vote);
    const forStillness = Math.min(MOST_VOTES, AGREED * this.#stillness.share);
    const agreed = Math.max(forLevel, forSpread, forRhythm, forStillness);

    let since = unpack(floats, at, Packed.since);
    const isSlow = since > SLOW_AFTER;
    since = agreed > 0 ? since + Math.max(1, Math.round(weight)) : 0;
    const goesOn = wasAnomaly && agreed >= AGREED / 2;
    const isAnomaly = agreed >= AGREED || goesOn;
    const isElsewhere = Math.abs(level) > IS_ELSEWHERE || spread > IS_ELSEWHERE;
    if (wasAnomaly && (since >= ACCEPTED_AFTER || (!isAnomaly && isElsewhere && since >= LEAST_ACCEPTED))) {
      this.#accept(floats, at, since);
      return;
    }
    pack(floats, at, Packed.since, since);
    pack(floats, at, Packed.isAnomaly, isAnomaly ? 1 : 0);
    const share = Math.min(1, agreed / MOST_VOTES);
    // One that goes on stays one, and what is none stays below, however the numbers are rounded.
    this.score = isAnomaly ? Math.max(ANOMALY_SCORE, share) : Math.min(share, ANOMALY_SCORE - 0.01);
    if (agreed === 0) return;
    const { usual, spreadRatio } = this.#compared;
    if (forStillness === agreed) this.#says(ReasonCode.still, usual, 0, this.#stillness.run);
    else if (forLevel === agreed) {
      const isUp = (Math.abs(level) > Math.abs(sample) ? level : sample) >= 0;
      const code =
        isSlow && !wasAnomaly
          ? isUp
            ? ReasonCode.rising
            : ReasonCode.falling
          : isUp
            ? ReasonCode.above
            : ReasonCode.below;
      this.#says(code, usual, Math.max(Math.abs(level), Math.abs(sample)), since);
    } else if (forSpread === agreed) this.#says(ReasonCode.varying, 0, spreadRatio, since);
    else this.#says(ReasonCode.rhythm, this.#rhythm.usual, this.#rhythm.ratio, since);
  }

  /** What it does now is usual from now on. */
  #accept(floats: Float32Array, at: number, since: number): void {
    acceptLevel(floats, at);
    acceptStillness(floats, at);
    for (const votes of [Packed.levelVotes, Packed.spreadVotes, Packed.rhythmVotes, Packed.since, Packed.isAnomaly]) {
      pack(floats, at, votes, 0);
    }
    this.score = ANOMALY_SCORE;
    this.#says(ReasonCode.accepted, this.#compared.usual, 0, since);
  }

  #says(code: ReasonCode, usual: number, ratio: number, samples: number): void {
    this.code = code;
    this.usual = usual;
    this.ratio = ratio;
    this.samples = samples;
  }
}

function voteOf(spreads: number): number {
  return Math.min(Math.max((spreads - VOTES_FROM) / WHOLE_VOTE, -DISSENT), 1);
}

/** @returns votes including this one */
function counted(
  floats: Float32Array,
  at: number,
  which: (typeof Packed)['levelVotes' | 'spreadVotes' | 'rhythmVotes'],
  vote: number,
): number {
  const before = unpack(floats, at, which) / VOTE_UNITS;
  if (vote === 0 || (before === 0 && vote < 0)) return before;
  pack(floats, at, which, Math.min(before + vote, MOST_VOTES) * VOTE_UNITS);
  return unpack(floats, at, which) / VOTE_UNITS;
}

/** @returns whether it is a counter, with this step */
function countsUp(floats: Float32Array, at: number, rises: number, step: number): boolean {
  if (step === 0) return rises >= COUNTER_FROM;
  const now = Math.min(Packed.rises.most, Math.max(0, step > 0 ? rises + 1 : rises - COUNTER_RESET));
  pack(floats, at, Packed.rises, now);
  return now >= COUNTER_FROM;
}

/** @returns seconds since the last sample */
function nextTime(floats: Float32Array, at: number, atMs: number): number {
  const nowS = Number.isFinite(atMs) ? Math.abs(atMs / 1000) % TIME_WRAP_S : 0;
  const gapS = nowS - (floats[at + StateFloat.at] as number);
  floats[at + StateFloat.at] = nowS;
  return gapS < 0 ? gapS + TIME_WRAP_S : gapS;
}

/** Forgets what was learned of levels, since the metric is scored in another way from now on. */
function forgetLevels(floats: Float32Array, at: number): void {
  const time = floats[at + StateFloat.at] as number;
  const last = floats[at + StateFloat.last] as number;
  const rises = unpack(floats, at, Packed.rises);
  floats.fill(0, at, at + STATE_FLOATS);
  floats[at + StateFloat.at] = time;
  floats[at + StateFloat.last] = last;
  pack(floats, at, Packed.rises, rises);
}
