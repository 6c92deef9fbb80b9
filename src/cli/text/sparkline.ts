/**
 * One line that draws a metric over a range of time. Each character stands for the same length of time and shows the highest
 * value in it, so that a spike is seen however long the range is. The scale is from the lowest value to the highest.
 */

export interface SparkPoint {
  readonly atMs: number;
  /** The highest value of a bucket; the value of a sample. */
  readonly value: number;
}

export interface SparkRange {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface SparkOptions extends SparkRange {
  /** How many characters the line has; at least 1. */
  readonly columns: number;
  /** Times that are known to have no samples. */
  readonly gaps?: readonly SparkRange[];
  /** Whether the terminal shows nothing but ASCII. */
  readonly isAscii?: boolean | undefined;
}

/** From the lowest to the highest. */
const BLOCKS = [...'▁▂▃▄▅▆▇█'];
const ASCII = [...'_-=+*%#@'];
/** A time without samples. */
const NO_SAMPLE = '·';
const NO_SAMPLE_ASCII = '.';

/** A character without a sample of its own repeats the last value for this many times the usual distance of samples. */
const HELD_DISTANCES = 2;

/** What a time without samples looks like. */
export function noSampleMark(isAscii = false): string {
  return isAscii ? NO_SAMPLE_ASCII : NO_SAMPLE;
}

/** @param points in order of time; what is outside the range is left out */
export function sparkline(points: readonly SparkPoint[], options: SparkOptions): string {
  const { columns, isAscii = false } = options;
  const levels = isAscii ? ASCII : BLOCKS;
  const values = valuesByColumn(points, options);
  const known = values.filter((value) => value !== undefined);
  const low = known.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = known.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  return Array.from({ length: columns }, (_, column) => {
    const value = values[column];
    return value === undefined ? noSampleMark(isAscii) : levels[levelOf(value, low, high, levels.length)];
  }).join('');
}

/** A series that does not change has no height: it is drawn at the bottom. */
function levelOf(value: number, low: number, high: number, levels: number): number {
  // Halved first: the difference of two finite numbers may be infinite.
  const share = high === low ? 0 : (value / 2 - low / 2) / (high / 2 - low / 2);
  return Math.min(levels - 1, Math.floor(share * levels));
}

/** The highest value of each character's time; undefined: there is none. */
function valuesByColumn(points: readonly SparkPoint[], options: SparkOptions): (number | undefined)[] {
  const { fromMs, toMs, columns, gaps = [] } = options;
  const widthMs = (toMs - fromMs) / columns;
  const values = new Array<number | undefined>(columns).fill(undefined);
  const inside = points.filter(({ atMs, value }) => atMs >= fromMs && atMs <= toMs && Number.isFinite(value));
  for (const { atMs, value } of inside) {
    const column = Math.min(columns - 1, Math.floor((atMs - fromMs) / widthMs));
    values[column] = Math.max(values[column] ?? value, value);
  }
  const heldMs = HELD_DISTANCES * usualDistanceMs(inside);
  let next = 0;
  let last: SparkPoint | undefined;
  return values.map((value, column) => {
    const middleMs = fromMs + (column + 0.5) * widthMs;
    for (; next < inside.length && (inside[next] as SparkPoint).atMs <= middleMs; next += 1) last = inside[next];
    if (value !== undefined) return value;
    if (last === undefined || middleMs - last.atMs > heldMs) return undefined;
    return gaps.some((gap) => middleMs >= gap.fromMs && middleMs < gap.toMs) ? undefined : last.value;
  });
}

/** The median: gaps do not change it. */
function usualDistanceMs(points: readonly SparkPoint[]): number {
  const distances = points
    .slice(1)
    .map(({ atMs }, index) => Math.abs(atMs - (points[index] as SparkPoint).atMs))
    .sort((left, right) => left - right);
  return distances[Math.floor(distances.length / 2)] ?? 0;
}
