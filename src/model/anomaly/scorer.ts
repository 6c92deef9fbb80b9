/**
 * Scores each sample of a metric from 0 (usual) to 1, with a reason; 0.5 and above is an anomaly. What is usual it learns from the
 * metric's own samples, in constant memory (see state.ts) and without allocating.
 *
 * - Level and spread are robust: each sample is clipped before it moves an average (Huber, "Robust Estimation of a Location
 *   Parameter", 1964), and the usual range is the quantiles 2 %, 50 % and 98 % of the recent level, by stochastic approximation
 *   (Robbins and Monro, "A Stochastic Approximation Method", 1951; for quantiles: Tierney, "A Space-Efficient Recursive Procedure
 *   for Estimating a Quantile of an Unknown Distribution", 1983). So a single sample moves nothing far.
 * - Agreement: a sample votes by how far it is out of range, at most 1, and takes away little if it is not; an anomaly takes
 *   several votes. This is the decision rule of CUSUM charts (Page, "Continuous Inspection Schemes", 1954) with bounded votes.
 * - A new normal is accepted after {@link ACCEPTED_AFTER} samples, and said.
 *
 * A scorer has no state of its own but the reason of its last sample, so one scores any number of metrics.
 */
import { MetricKind, NOISE_FLOORS, type NoiseFloor } from './metric-kind.ts';
import { type AnomalyReason, ReasonCode } from './reason.ts';
import { STATE_FLOATS, StateFloat, TIME_WRAP_S } from './state.ts';

/** From this score on a sample is an anomaly. */
export const ANOMALY_SCORE = 0.5;

/** Rates are those of samples that come every 5 s; others count for as much as time has passed, within limits. */
const SAMPLE_S = 5;
const LEAST_WEIGHT = 0.2;
const MOST_WEIGHT = 4;

/** Share of a sample in the recent level, and in the recent spread. */
const RECENT_SHARE = 1 / 8;
const SPREAD_SHARE = 1 / 16;
/** A sample counts as at most so many recent spreads away: for the level, and for the spread itself. */
const LEVEL_CLIP = 6;
const SPREAD_CLIP = 3;
/** Spread of the recent level of uncorrelated samples, as share of their mean step. */
const LEVEL_SPREAD_SHARE = 0.25;

/** The usual range has all but this share of the samples on each side. */
const OUTSIDE = 0.02;
/** So many standard deviations of a normal distribution are within it on each side. */
const RANGE_SPREADS = 2.05;
/** How fast the usual range is learned: fast at first, and in the end in about a day. */
const FASTEST = 0.05;
const SLOWEST = 0.001;
const LEARNS_OVER = 64;

/** No anomalies before so many samples. */
const WARM_UP = 360;
/** Only averages are formed. */
const FIRST = 60;

/** Votes begin so many spreads from the usual level; a full vote is at so many more. */
const VOTES_FROM = 4.5;
const FULL_VOTE = 2;
const DISSENT = 0.25;
/** Votes that make an anomaly; it is over below half of them. */
const AGREED = 3;
const MOST_VOTES = 2 * AGREED;
/** The usual variation of the spread (logarithm) is never taken for smaller. */
const LEAST_LOG_RANGE = 0.2;

/** A metric that varies stands still: at least so many samples, and so many times its longest run so far. */
const STILL_LEAST = 36;
const STILL_TIMES = 4;
/** Metrics with runs as long as that are constant by nature. */
const STILL_MOST = 2047;

/** A custom metric that has risen so many times, and hardly ever fallen, is a counter: its rate is scored. */
const COUNTER_FROM = 40;
const COUNTER_MOST = 63;
const COUNTER_RESET = 16;

/** Samples after which what was unusual is the new usual: an hour. */
export const ACCEPTED_AFTER = 720;
/** The reference follows what is expected in about so many samples: 10 minutes. */
const REFERENCE_OVER = 120;
/** After the first expected value the range is learned anew as if it were that young. */
const AGE_AT_FIRST_EXPECTED = 2000;
const MOST_AGE = 1e6;
const MOST_VALUE = 1e30;

const RUN_UNITS = 4096;
/** Highest bit of `since`. */
const IS_ANOMALY = 0x800000;
/** Evidence is kept in eighths of votes, 6 bits each. */
const VOTE_UNITS = 8;

/** The expected value of this hour, from the time of the week; NaN: unknown. The state must be of the thread that calls. */
export function expectValue(floats: Float32Array, at: number, expected: number): void {
  const reference = floats[at + StateFloat.reference] as number;
  if (!Number.isFinite(expected) || Math.abs(expected) > MOST_VALUE) {
    floats[at + StateFloat.expected] = reference;
    return;
  }
  const isFirst = reference === 0 && floats[at + StateFloat.expected] === 0;
  floats[at + StateFloat.expected] = expected;
  if (!isFirst) return;
  // The same range as before, told from the expected value: nothing is out of it because of that.
  floats[at + StateFloat.reference] = expected;
  for (const each of [StateFloat.recent, StateFloat.low, StateFloat.usual, StateFloat.high]) {
    floats[at + each] = (floats[at + each] as number) - expected;
  }
  floats[at + StateFloat.age] = Math.min(floats[at + StateFloat.age] as number, AGE_AT_FIRST_EXPECTED);
}

/** Begins a new state with what is known from elsewhere, instead of with its first samples; does nothing to one that is not new. */
export function beginWith(floats: Float32Array, at: number, usual: number, spread: number): void {
  if (floats[at + StateFloat.age] !== 0) return;
  floats[at + StateFloat.recent] = usual;
  floats[at + StateFloat.recentSpread] = spread;
  floats[at + StateFloat.low] = usual - RANGE_SPREADS * spread;
  floats[at + StateFloat.usual] = usual;
  floats[at + StateFloat.high] = usual + RANGE_SPREADS * spread;
  floats[at + StateFloat.usualLogSpread] = Math.log(Math.max(spread, 1e-9));
  floats[at + StateFloat.logSpreadRange] = RANGE_SPREADS * LEAST_LOG_RANGE;
  floats[at + StateFloat.age] = WARM_UP - FIRST;
}

export class Scorer implements AnomalyReason {
  /** Of the last sample. */
  score = 0;
  code: ReasonCode = ReasonCode.none;
  value = 0;
  usual = 0;
  ratio = 0;
  samples = 0;

  /** What was learned of the last sample: see `#learn`. */
  #level = 0;
  #spreadRatio = 0;
  /** How far the recent level, and the recent spread, are from the usual: in usual spreads. */
  #z = 0;
  #zSpread = 0;
  /** The sample itself is in the usual range, whatever the ones before it were. */
  #isBack = false;

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
    const age = floats[at + StateFloat.age] as number;
    const last = floats[at + StateFloat.last] as number;
    floats[at + StateFloat.last] = sample;
    let packed = (floats[at + StateFloat.evidence] as number) | 0;
    let counter = (packed >>> 18) & COUNTER_MOST;
    let level = sample;
    let isCounter = false;
    if (kind === MetricKind.any && (age > 0 || counter > 0)) {
      const wasCounter = counter >= COUNTER_FROM;
      if (sample > last) counter = Math.min(COUNTER_MOST, counter + 1);
      else if (sample < last) counter = Math.max(0, counter - COUNTER_RESET);
      isCounter = counter >= COUNTER_FROM;
      packed = (packed & 0x3ffff) | (counter << 18);
      floats[at + StateFloat.evidence] = packed;
      if (isCounter !== wasCounter) {
        forgetLevels(floats, at);
        return 0;
      }
      if (isCounter) {
        if (sample < last) return 0;
        level = (sample - last) / Math.max(gapS, 0.001);
      }
    }
    const { least, share } = NOISE_FLOORS[kind] as NoiseFloor;
    const step = age === 0 ? 0 : isCounter ? level - (floats[at + StateFloat.recent] as number) : sample - last;
    this.#learn(floats, at, Math.max(least, leastSpread), share, weight, level, step);
    const canFreeze = !isCounter && kind !== MetricKind.interval && kind !== MetricKind.distance;
    const still = !canFreeze ? 0 : this.#still(floats, at, kind, age, weight, sample, last);
    return this.#judge(floats, at, still, weight);
  }

  #learn(
    floats: Float32Array,
    at: number,
    least: number,
    share: number,
    weight: number,
    level: number,
    step: number,
  ): void {
    const age = floats[at + StateFloat.age] as number;
    floats[at + StateFloat.age] = Math.min(age + weight, MOST_AGE);
    let reference = floats[at + StateFloat.reference] as number;
    reference += ((floats[at + StateFloat.expected] as number) - reference) * Math.min(1, weight / REFERENCE_OVER);
    floats[at + StateFloat.reference] = reference;
    const x = level - reference;
    let recent = floats[at + StateFloat.recent] as number;
    let spread = floats[at + StateFloat.recentSpread] as number;
    if (age === 0) recent = x;
    let low = floats[at + StateFloat.low] as number;
    let usual = floats[at + StateFloat.usual] as number;
    let high = floats[at + StateFloat.high] as number;
    const floor = least + share * Math.abs((age === 0 ? x : usual) + reference);

    const away = x - recent;
    const shareOfMean = 1 / (age + 1);
    const spreadFloor = floor / LEVEL_SPREAD_SHARE / 2;
    const clip = LEVEL_CLIP * Math.max(spread, spreadFloor);
    recent += Math.max(RECENT_SHARE, shareOfMean) * Math.min(Math.max(away, -clip), clip);
    const distance = Math.min(Math.abs(step), SPREAD_CLIP * Math.max(spread, spreadFloor));
    spread += Math.max(SPREAD_SHARE, shareOfMean) * (distance - spread);
    floats[at + StateFloat.recent] = recent;
    floats[at + StateFloat.recentSpread] = spread;

    const logSpread = Math.log(Math.max(spread, spreadFloor));
    let usualLog = floats[at + StateFloat.usualLogSpread] as number;
    let logRange = floats[at + StateFloat.logSpreadRange] as number;
    if (age < FIRST) {
      usual = recent;
      const range = RANGE_SPREADS * Math.max(LEVEL_SPREAD_SHARE * spread, floor);
      low = usual - range;
      high = usual + range;
      usualLog = logSpread;
      logRange = RANGE_SPREADS * LEAST_LOG_RANGE;
      this.#z = 0;
      this.#zSpread = 0;
    } else {
      const scale = Math.max((high - low) / (2 * RANGE_SPREADS), floor);
      const toHigh = Math.max((high - usual) / RANGE_SPREADS, (usual - low) / RANGE_SPREADS / 4, floor);
      const toLow = Math.max((usual - low) / RANGE_SPREADS, (high - usual) / RANGE_SPREADS / 4, floor);
      this.#z = recent >= usual ? (recent - usual) / toHigh : (recent - usual) / toLow;
      this.#isBack = this.#z >= 0 ? x < usual + RANGE_SPREADS * toHigh : x > usual - RANGE_SPREADS * toLow;
      const spreadScale = Math.max(logRange / RANGE_SPREADS, LEAST_LOG_RANGE);
      this.#zSpread = (logSpread - usualLog) / spreadScale;
      this.#spreadRatio = Math.exp(logSpread - usualLog);

      // An anomaly teaches nothing until it is accepted.
      const isAnomaly = (floats[at + StateFloat.since] as number) >= IS_ANOMALY;
      const rate = isAnomaly ? 0 : Math.min(Math.max(LEARNS_OVER / age, SLOWEST), FASTEST) * weight;
      const move = rate * scale;
      high += recent > high ? move * (1 - OUTSIDE) : -move * OUTSIDE;
      low += recent < low ? -move * (1 - OUTSIDE) : move * OUTSIDE;
      const middle = Math.min(Math.abs(recent - usual), move / 4);
      usual += recent > usual ? middle : -middle;
      if (high < usual) high = usual;
      if (low > usual) low = usual;
      const logStep = rate * spreadScale;
      usualLog += logSpread > usualLog ? logStep / 4 : -logStep / 4;
      logRange += logSpread > usualLog + logRange ? logStep * (1 - OUTSIDE) : -logStep * OUTSIDE;
      if (logRange < 0) logRange = 0;
    }
    this.#level = usual + reference;
    floats[at + StateFloat.low] = low;
    floats[at + StateFloat.usual] = usual;
    floats[at + StateFloat.high] = high;
    floats[at + StateFloat.usualLogSpread] = usualLog;
    floats[at + StateFloat.logSpreadRange] = logRange;
  }

  /** @returns how much speaks for a metric that stands still, in votes */
  #still(
    floats: Float32Array,
    at: number,
    kind: MetricKind,
    age: number,
    weight: number,
    sample: number,
    last: number,
  ): number {
    const packed = (floats[at + StateFloat.runs] as number) | 0;
    let run = packed % RUN_UNITS;
    let longest = (packed / RUN_UNITS) | 0;
    // Idle and full are no sensors that froze.
    const isIdle = sample === 0 || (kind === MetricKind.percent && sample >= 100);
    if (age === 0 || isIdle) run = 0;
    else if (sample === last) run = Math.min(run + 1, RUN_UNITS - 1);
    else {
      longest = Math.max(longest, run, 1);
      run = 0;
      if (Math.floor(age / 256) !== Math.floor((age + weight) / 256) && longest > 1) longest--;
    }
    const needed = Math.max(STILL_LEAST, STILL_TIMES * longest + 12);
    const canAlarm = longest > 0 && needed <= STILL_MOST && age > WARM_UP;
    if (!canAlarm && longest > 0) longest = Math.max(longest, run);
    floats[at + StateFloat.runs] = run + longest * RUN_UNITS;
    if (!canAlarm) return 0;
    this.samples = run;
    return Math.min(MOST_VOTES, (AGREED * run) / needed);
  }

  #judge(floats: Float32Array, at: number, still: number, weight: number): number {
    const packed = (floats[at + StateFloat.evidence] as number) | 0;
    const age = floats[at + StateFloat.age] as number;
    if (age < WARM_UP) return 0;
    const vote = this.#isBack ? -DISSENT : voteOf(Math.abs(this.#z));
    const forLevel = votes((packed & 63) / VOTE_UNITS, vote);
    const forSpread = votes(((packed >>> 6) & 63) / VOTE_UNITS, voteOf(this.#zSpread));
    const forCycle = ((packed >>> 12) & 63) / VOTE_UNITS;
    const agreed = Math.max(forLevel, forSpread, forCycle, still);

    const sincePacked = (floats[at + StateFloat.since] as number) | 0;
    let since = (sincePacked >>> 13) & 1023;
    let isAnomaly = ((sincePacked >>> 23) & 1) === 1;
    const run = this.samples;
    since = agreed > 0 ? Math.min(since + Math.max(1, Math.round(weight)), 1023) : 0;
    const slowly = !isAnomaly && since > 24;
    isAnomaly = agreed >= AGREED || (isAnomaly && agreed >= AGREED / 2);
    if (isAnomaly && since >= ACCEPTED_AFTER) {
      const usual = this.#level;
      this.#accept(floats, at, packed);
      floats[at + StateFloat.since] = sincePacked & 8191;
      this.score = ANOMALY_SCORE;
      this.#says(ReasonCode.accepted, usual, 0, since);
      return this.score;
    }
    floats[at + StateFloat.since] = (sincePacked & 8191) + since * 8192 + (isAnomaly ? 1 : 0) * IS_ANOMALY;
    floats[at + StateFloat.evidence] =
      (packed & ~4095) | Math.round(forLevel * VOTE_UNITS) | (Math.round(forSpread * VOTE_UNITS) << 6);
    const share = Math.min(1, agreed / MOST_VOTES);
    // One that goes on stays one, and what is none stays below, however the numbers are rounded.
    this.score = isAnomaly ? Math.max(ANOMALY_SCORE, share) : Math.min(share, ANOMALY_SCORE - 0.01);
    if (agreed === still && still > 0) this.#says(ReasonCode.still, this.#level, 0, run);
    else if (forLevel >= forSpread) {
      const up = this.#z >= 0;
      const code = slowly ? (up ? ReasonCode.rising : ReasonCode.falling) : up ? ReasonCode.above : ReasonCode.below;
      this.#says(agreed > 0 ? code : ReasonCode.none, this.#level, Math.abs(this.#z), since);
    } else this.#says(ReasonCode.varying, 0, this.#spreadRatio, since);
    return this.score;
  }

  /** What it does now is usual; what was usual stays so, too. */
  #accept(floats: Float32Array, at: number, packed: number): void {
    const recent = floats[at + StateFloat.recent] as number;
    const [low, usual, high] = [
      floats[at + StateFloat.low] as number,
      floats[at + StateFloat.usual] as number,
      floats[at + StateFloat.high] as number,
    ];
    floats[at + StateFloat.usual] = recent;
    floats[at + StateFloat.low] = Math.min(low, recent - (usual - low));
    floats[at + StateFloat.high] = Math.max(high, recent + (high - usual));
    const spread = Math.log(Math.max(floats[at + StateFloat.recentSpread] as number, Number.MIN_VALUE));
    floats[at + StateFloat.usualLogSpread] = Math.max(floats[at + StateFloat.usualLogSpread] as number, spread);
    const runs = (floats[at + StateFloat.runs] as number) | 0;
    const run = runs % RUN_UNITS;
    floats[at + StateFloat.runs] = run + Math.max(run, (runs / RUN_UNITS) | 0) * RUN_UNITS;
    floats[at + StateFloat.evidence] = packed & ~0x3ffff;
  }

  #says(code: ReasonCode, usual: number, ratio: number, samples: number): void {
    this.code = code;
    this.usual = usual;
    this.ratio = ratio;
    this.samples = samples;
  }
}

function voteOf(spreads: number): number {
  return Math.min(Math.max((spreads - VOTES_FROM) / FULL_VOTE, -DISSENT), 1);
}

function votes(before: number, vote: number): number {
  return Math.min(Math.max(before + vote, 0), MOST_VOTES);
}

/** @returns seconds since the last sample */
function nextTime(floats: Float32Array, at: number, atMs: number): number {
  const nowS = Number.isFinite(atMs) ? Math.abs(atMs / 1000) % TIME_WRAP_S : 0;
  const gapS = nowS - (floats[at + StateFloat.at] as number);
  floats[at + StateFloat.at] = nowS;
  return gapS < 0 ? gapS + TIME_WRAP_S : gapS;
}

/** Another thread may have died while it wrote, and memory may hold anything. */
function isSound(floats: Float32Array, at: number): boolean {
  for (let each = 0; each < STATE_FLOATS; each++) {
    const value = floats[at + each] as number;
    if (!(value >= -1e32 && value <= 1e32)) return false;
  }
  for (let each = StateFloat.runs; each < STATE_FLOATS; each++) {
    const value = floats[at + each] as number;
    if (!(value >= 0 && value < 16_777_216 && Number.isInteger(value))) return false;
  }
  const low = floats[at + StateFloat.low] as number;
  const usual = floats[at + StateFloat.usual] as number;
  const age = floats[at + StateFloat.age] as number;
  return (
    low <= usual &&
    usual <= (floats[at + StateFloat.high] as number) &&
    age >= 0 &&
    age <= MOST_AGE &&
    (floats[at + StateFloat.recentSpread] as number) >= 0 &&
    (floats[at + StateFloat.logSpreadRange] as number) >= 0 &&
    Math.abs(floats[at + StateFloat.usualLogSpread] as number) < 100 &&
    (floats[at + StateFloat.at] as number) >= 0 &&
    (floats[at + StateFloat.at] as number) <= TIME_WRAP_S
  );
}

/** What was learned of levels, since the metric is scored in another way from now on. */
function forgetLevels(floats: Float32Array, at: number): void {
  const kept = [floats[at + StateFloat.at], floats[at + StateFloat.last], floats[at + StateFloat.evidence]] as const;
  floats.fill(0, at, at + STATE_FLOATS);
  [floats[at + StateFloat.at], floats[at + StateFloat.last]] = [kept[0] as number, kept[1] as number];
  floats[at + StateFloat.evidence] = (kept[2] as number) & ~0x3ffff;
}
