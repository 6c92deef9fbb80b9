/** Values of one metric by steps: samples and buckets of any tier go in, in the order of their receipt. */

/** One step with values. */
export interface Point {
  readonly atMs: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** The value received last. */
  readonly last: number;
  readonly count: number;
}

export class Steps {
  readonly #stepMs: number;
  readonly #firstStep: number;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly sum: Float64Array;
  readonly last: Float64Array;
  readonly count: Float64Array;

  /** @param count of steps, from the one that contains `fromMs` */
  constructor(fromMs: number, stepMs: number, count: number) {
    this.#stepMs = stepMs;
    this.#firstStep = Math.floor(fromMs / stepMs);
    this.min = new Float64Array(count);
    this.max = new Float64Array(count);
    this.sum = new Float64Array(count);
    this.last = new Float64Array(count);
    this.count = new Float64Array(count);
  }

  get length(): number {
    return this.count.length;
  }

  /** The step of a time; outside of the range it is no index. */
  indexOf(atMs: number): number {
    return Math.floor(atMs / this.#stepMs) - this.#firstStep;
  }

  startOf(index: number): number {
    return (this.#firstStep + index) * this.#stepMs;
  }

  /** @param value not NaN */
  add(index: number, value: number): void {
    this.addBucket(index, value, value, value, value, 1);
  }

  /** @param count above 0 */
  addBucket(index: number, min: number, max: number, sum: number, last: number, count: number): void {
    const before = this.count[index];
    // No such step.
    if (before === undefined) return;
    if (before === 0 || min < (this.min[index] as number)) this.min[index] = min;
    if (before === 0 || max > (this.max[index] as number)) this.max[index] = max;
    this.sum[index] = (this.sum[index] as number) + sum;
    this.last[index] = last;
    this.count[index] = before + count;
  }

  clear(): void {
    this.sum.fill(0);
    this.count.fill(0);
  }

  /** The steps that have values. */
  points(): Point[] {
    const points: Point[] = [];
    for (let index = 0; index < this.length; index++) {
      if (this.count[index] !== 0) points.push(this.point(index));
    }
    return points;
  }

  /** @param index of a step with values */
  point(index: number): Point {
    const count = this.count[index] as number;
    const min = this.min[index] as number;
    const max = this.max[index] as number;
    return {
      atMs: this.startOf(index),
      min,
      max,
      mean: meanOf(this.sum[index] as number, count, min, max),
      last: this.last[index] as number,
      count,
    };
  }
}

/** Rounding must not take the mean beyond the extremes: of three times 0.1 it is 0.1. */
export function meanOf(sum: number, count: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, sum / count));
}

export function samplePoint(atMs: number, value: number): Point {
  return { atMs, min: value, max: value, mean: value, last: value, count: 1 };
}
