/**
 * Integers as what a predictor misses: of a walk, a counter or noise around a level, small numbers remain.
 *
 *     0        the smallest value
 *     1        a straight line below all values
 *     2 to 8   a level and a slope that follow the values (Holt's exponential smoothing): see FOLLOWING
 *
 * The arithmetic of doubles with powers of two is the same on every machine, so that a reader predicts what the writer did.
 */
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';

const FROM_MIN = 0;
const FROM_LINE = 1;
const FIRST_FOLLOWING = 2;

/** How much of a miss the level and the slope take over. Append only: columns name them by their place. */
const FOLLOWING: readonly (readonly [level: number, slope: number])[] = [
  [1, 0], // the value before
  [1, 1], // the value before and the last difference
  [1, 0.5],
  [1, 0.25], // counters whose rate scatters
  [0.5, 0],
  [0.25, 0], // noise around a level
  [0.5, 0.25],
];
const PREDICTORS = FIRST_FOLLOWING + FOLLOWING.length;

// `floor(x + 0.5)` rounds: with Math.round, which treats halves the same, decoding takes a tenth longer.

/** Within it, misses of all predictors stay below 2^53; beyond it, only those from the smallest value do. */
const MAX_FOLLOWED = 2 ** 48;
/** Misses up to here are 32-bit integers. */
const MAX_SMALL = 2 ** 31 - 1;

export interface Prediction {
  readonly predictor: number;
  /** Of the line, per value; 0 for other predictors. */
  readonly slope: number;
  /** What it starts with: the smallest value, the line's lowest start, or the first value. */
  readonly start: number;
  /** One for each value; of following predictors, none for the first. */
  readonly misses: Float64Array;
}

/**
 * @param values integers, at least two
 * @param range the difference of the largest and the smallest, below 2^53
 */
export function bestPrediction(values: Float64Array, range: number): Prediction {
  if (range > MAX_FOLLOWED) return fromLine(values, FROM_MIN, 0);
  const slope = Math.round(((values.at(-1) as number) - (values[0] as number)) / (values.length - 1));
  let best = FROM_MIN;
  let bits = lineBits(values, 0);
  const consider = (predictor: number, cost: number) => {
    if (cost >= bits) return;
    best = predictor;
    bits = cost;
  };
  if (slope !== 0) consider(FROM_LINE, lineBits(values, slope));
  for (let number = 0; number < FOLLOWING.length; number++)
    consider(FIRST_FOLLOWING + number, followingBits(values, number));
  if (best >= FIRST_FOLLOWING) return following(values, best - FIRST_FOLLOWING);
  return fromLine(values, best, best === FROM_LINE ? slope : 0);
}

function fromLine(values: Float64Array, predictor: number, slope: number): Prediction {
  const start = lineStart(values, slope);
  const misses = new Float64Array(values.length);
  for (let index = 0; index < values.length; index++) misses[index] = (values[index] as number) - slope * index - start;
  return { predictor, slope, start, misses };
}

function lineStart(values: Float64Array, slope: number): number {
  let start = values[0] as number;
  for (let index = 1; index < values.length; index++) {
    const value = (values[index] as number) - slope * index;
    if (value < start) start = value;
  }
  return start;
}

function following(values: Float64Array, number: number): Prediction {
  const [levelShare, slopeShare] = FOLLOWING[number] as readonly [number, number];
  const start = values[0] as number;
  const misses = new Float64Array(values.length - 1);
  let level = start;
  let slope = 0;
  for (let index = 1; index < values.length; index++) {
    const value = values[index] as number;
    const predicted = level + slope;
    const miss = value - Math.floor(predicted + 0.5);
    misses[index - 1] = miss < 0 ? -2 * miss - 1 : 2 * miss;
    const step = levelShare * (value - predicted);
    level = predicted + step;
    slope += slopeShare * step;
  }
  return { predictor: FIRST_FOLLOWING + number, slope: 0, start, misses };
}

// What a predictor's misses would cost, roughly: the bits of each by itself. The first values tell enough.

const TRIED = 256;

function lineBits(values: Float64Array, slope: number): number {
  const start = lineStart(values, slope);
  let bits = 0;
  const end = Math.min(values.length, TRIED);
  for (let index = 0; index < end; index++) bits += bitsOf((values[index] as number) - slope * index - start);
  return bits;
}

function followingBits(values: Float64Array, number: number): number {
  const [levelShare, slopeShare] = FOLLOWING[number] as readonly [number, number];
  let level = values[0] as number;
  let slope = 0;
  let bits = 0;
  const end = Math.min(values.length, TRIED);
  for (let index = 1; index < end; index++) {
    const value = values[index] as number;
    const predicted = level + slope;
    const miss = value - Math.floor(predicted + 0.5);
    bits += bitsOf(miss < 0 ? -2 * miss - 1 : 2 * miss);
    const step = levelShare * (value - predicted);
    level = predicted + step;
    slope += slopeShare * step;
  }
  return bits;
}

function bitsOf(miss: number): number {
  return miss <= MAX_SMALL ? 32 - Math.clz32(miss) : 63 - Math.clz32(miss / 2 ** 31);
}

export function writeStart(writer: ByteWriter, { predictor, slope, start }: Prediction): void {
  if (predictor === FROM_LINE) writer.int(slope);
  writer.int(start);
}

/** Reads {@link writeStart} and then, by `readMisses`, the misses, which it gives place for. @returns the values */
export function readPredicted(
  reader: ByteReader,
  predictor: number,
  count: number,
  readMisses: (misses: Float64Array) => void,
): Float64Array {
  if (predictor >= PREDICTORS) throw damaged(`a predictor is of the unknown kind ${predictor}`);
  const lineSlope = predictor === FROM_LINE ? reader.int() : 0;
  const start = reader.int();
  const values = new Float64Array(count);
  if (predictor >= FIRST_FOLLOWING) {
    readMisses(values.subarray(1));
    follow(values, start, predictor - FIRST_FOLLOWING);
    return values;
  }
  readMisses(values);
  for (let index = 0; index < count; index++) values[index] = (values[index] as number) + lineSlope * index + start;
  return values;
}

/** Misses become values. */
function follow(values: Float64Array, start: number, number: number): void {
  const [levelShare, slopeShare] = FOLLOWING[number] as readonly [number, number];
  values[0] = start;
  let level = start;
  if (slopeShare === 0 && levelShare === 1) {
    // The usual one, for which the rest would change nothing.
    for (let index = 1; index < values.length; index++) {
      level += signed(values[index] as number);
      values[index] = level;
    }
    return;
  }
  let slope = 0;
  for (let index = 1; index < values.length; index++) {
    const predicted = level + slope;
    const value = Math.floor(predicted + 0.5) + signed(values[index] as number);
    values[index] = value;
    const step = levelShare * (value - predicted);
    level = predicted + step;
    slope += slopeShare * step;
  }
}

/** Of 0, 1, 2, 3, 4 …: 0, -1, 1, -2, 2 … */
function signed(miss: number): number {
  if (miss <= MAX_SMALL) return (miss >>> 1) ^ -(miss & 1);
  const half = Math.floor(miss / 2);
  return half * 2 === miss ? half : -half - 1;
}
