/**
 * What a metric was over time, for functions over windows: `avg_over`, `min_over`, `max_over`, `rate`, `predict`. Memory does not depend
 * on how often workers send: a window is a ring of WINDOW_PARTS parts of equal length, and each part has only what its function needs.
 *
 *     part      … 41        42        43        44  (now)
 *     ring  │ count sum … │ count sum … │        │ count sum … │     one per worker (row), by part modulo WINDOW_PARTS
 *
 * | function     | a part holds                                   | the value                                                      |
 * |--------------|------------------------------------------------|----------------------------------------------------------------|
 * | avg_over     | number and sum of values                       | their mean; each counts the same, however long it lasted       |
 * | min_over, …  | the extreme                                    | the extreme                                                    |
 * | rate         | increase, within it and since the value before | increase per second, between the first and the last value      |
 * | predict      | number, sum and mean time of values            | a line through the means of parts, at the end of `aheadMs`     |
 *
 * `rate` is of a counter: a value lower than the one before is a restart from 0, so all of it is new. `predict` is the line of least squares
 * (NIST/SEMATECH e-Handbook of Statistical Methods, section 4.1.4.1), each part weighted by its number of values.
 *
 * No value (NaN): the worker has none in the window, or the first came less than half a window ago, or, of `rate` and `predict`, there is
 * only one. Times are of the monotonic clock, so that a step of the wall clock moves nothing.
 */
import type { WindowCall } from '../expression/checked.ts';
import { LEAST_COVERED, WINDOW_PARTS } from './evaluation-limits.ts';

/** Of a part that has no values. */
const EMPTY = 0;
/** The monotonic clock begins at 0 with the machine, and history goes back further: longer than the longest window, so that no time is negative. */
const ORIGIN_MS = 30 * 86_400_000;

/** Values of several samples at a time, see `PastValues`. A single sample has four equal values and a count of 1. */
export interface WindowValue {
  /** By the monotonic clock. */
  readonly atMs: number;
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly last: number;
}

export class Window {
  readonly call: WindowCall;
  readonly #partMs: number;
  #rows = 0;
  #isReleased = false;

  // By row.
  /** When the oldest value since the last gap came; NaN: there is none. */
  #since = new Float64Array(0);
  #firstAt = new Float64Array(0);
  #first = new Float64Array(0);
  #lastAt = new Float64Array(0);
  #last = new Float64Array(0);
  /** `rate`: when the value before the last came, and the last part with an increase: most counters stand still. */
  #beforeLastAt = new Float64Array(0);
  #rose = new Float64Array(0);
  /** Number of the newest part. */
  #newest = new Float64Array(0);
  // By row and part.
  #count = new Float32Array(0);
  /** The sum, the extreme, or the increase within the part. */
  #value = new Float64Array(0);
  /** `predict`: the sum of times since the part began. `rate`: when its first value came, in the same way. */
  #time = new Float32Array(0);
  /** `rate`: the increase from the value before the part to its first one. */
  #step = new Float64Array(0);

  constructor(call: WindowCall) {
    this.call = call;
    this.#partMs = call.windowMs / WINDOW_PARTS;
  }

  /** Bytes for each worker. */
  static bytesPerRow({ kind }: WindowCall): number {
    const ofPart = 4 + 8 + (kind === 'rate' || kind === 'predict' ? 4 : 0) + (kind === 'rate' ? 8 : 0);
    return (kind === 'rate' ? 8 : 6) * 8 + ofPart * WINDOW_PARTS;
  }

  get bytes(): number {
    return this.#rows * Window.bytesPerRow(this.call);
  }

  /** False: there is not enough memory for it; it takes no values, and has none. */
  get hasRoom(): boolean {
    return !this.#isReleased;
  }

  /** Forgets everything. */
  release(): void {
    this.#isReleased = true;
    this.#rows = 0;
    this.#count = new Float32Array(0);
    this.#value = new Float64Array(0);
    this.#time = new Float32Array(0);
    this.#step = new Float64Array(0);
  }

  /** Makes room for rows below this number. */
  reserve(rows: number): void {
    this.#isReleased = false;
    if (rows <= this.#rows) return;
    const from = this.#rows;
    const { kind } = this.call;
    this.#since = grown(this.#since, rows);
    this.#firstAt = grown(this.#firstAt, rows);
    this.#first = grown(this.#first, rows);
    this.#lastAt = grown(this.#lastAt, rows);
    this.#last = grown(this.#last, rows);
    this.#newest = grown(this.#newest, rows);
    this.#count = grown(this.#count, rows * WINDOW_PARTS);
    this.#value = grown(this.#value, rows * WINDOW_PARTS);
    if (kind === 'rate' || kind === 'predict') this.#time = grown(this.#time, rows * WINDOW_PARTS);
    if (kind === 'rate') {
      this.#step = grown(this.#step, rows * WINDOW_PARTS);
      this.#beforeLastAt = grown(this.#beforeLastAt, rows);
      this.#rose = grown(this.#rose, rows);
    }
    this.#rows = rows;
    for (let row = from; row < rows; row++) this.#since[row] = Number.NaN;
  }

  /** Another worker has the row. */
  forget(row: number): void {
    if (row < this.#rows) this.#since[row] = Number.NaN;
  }

  /** A value that came after all others of the worker. */
  add(row: number, monotonicMs: number, value: number): void {
    if (row >= this.#rows) return;
    const atMs = monotonicMs + ORIGIN_MS;
    const part = Math.floor(atMs / this.#partMs);
    if (Number.isNaN(this.#since[row])) {
      this.#begin(row, part, atMs, value);
    } else {
      const ago = part - (this.#newest[row] as number);
      // An older one than the newest part cannot come: receipts of one worker are in order.
      if (ago < 0) return;
      if (ago >= WINDOW_PARTS) this.#begin(row, part, atMs, value);
      else this.#advance(row, part, ago);
    }
    this.#put(row, part, atMs, value, 1, value, value, this.#last[row] as number);
    if (this.call.kind === 'rate') this.#beforeLastAt[row] = this.#lastAt[row] as number;
    this.#last[row] = value;
    this.#lastAt[row] = atMs;
  }

  /**
   * Takes values from before the first one that was added, oldest first: once for each worker. Those that overlap what was added are left
   * out.
   */
  fill(row: number, values: Iterable<WindowValue>, monotonicMs: number): void {
    if (row >= this.#rows) return;
    const nowMs = monotonicMs + ORIGIN_MS;
    const oldestPart = Math.floor(nowMs / this.#partMs) - WINDOW_PARTS + 1;
    const isEmpty = Number.isNaN(this.#since[row]);
    const untilMs = isEmpty ? nowMs : (this.#firstAt[row] as number);
    let before = Number.NaN;
    let sinceMs = nowMs;
    let first: WindowValue | undefined;
    for (const value of values) {
      const { count, min, max, mean, last } = value;
      const atMs = value.atMs + ORIGIN_MS;
      const part = Math.floor(atMs / this.#partMs);
      if (atMs >= untilMs) break;
      if (Number.isNaN(mean)) continue;
      sinceMs = Math.min(sinceMs, atMs);
      if (part < oldestPart) continue;
      if (isEmpty) {
        if (first === undefined) this.#begin(row, part, atMs, last);
        this.#advance(row, part, part - (this.#newest[row] as number));
        this.#last[row] = last;
        this.#lastAt[row] = atMs;
      } else if ((this.#newest[row] as number) - part >= WINDOW_PARTS) continue;
      first ??= value;
      this.#put(row, part, atMs, this.call.kind === 'rate' ? last : mean, count, min, max, before);
      before = last;
    }
    if (first === undefined) return;
    if (!isEmpty) this.#join(row, before);
    this.#since[row] = sinceMs;
    this.#firstAt[row] = first.atMs + ORIGIN_MS;
    this.#first[row] = first.last;
  }

  /** The value of the function; NaN: none. */
  at(row: number, monotonicMs: number): number {
    if (row >= this.#rows) return Number.NaN;
    const nowMs = monotonicMs + ORIGIN_MS;
    const since = this.#since[row] as number;
    const { windowMs, kind } = this.call;
    if (!(nowMs - since >= windowMs * LEAST_COVERED)) return Number.NaN;
    const newest = this.#newest[row] as number;
    const oldest = Math.max(newest - WINDOW_PARTS + 1, Math.floor(nowMs / this.#partMs) - WINDOW_PARTS + 1);
    if (oldest > newest) return Number.NaN;
    switch (kind) {
      case 'avg_over':
        return this.#mean(row, oldest, newest);
      case 'min_over':
        return this.#extreme(row, oldest, newest, Math.min);
      case 'max_over':
        return this.#extreme(row, oldest, newest, Math.max);
      case 'rate':
        return this.#rate(row, oldest, newest);
      case 'predict':
        return this.#predicted(row, oldest, newest, nowMs + (this.call.aheadMs ?? 0));
      default:
        return kind satisfies never;
    }
  }

  #begin(row: number, part: number, atMs: number, value: number): void {
    const from = row * WINDOW_PARTS;
    this.#count.fill(EMPTY, from, from + WINDOW_PARTS);
    this.#newest[row] = part;
    this.#since[row] = atMs;
    this.#firstAt[row] = atMs;
    this.#first[row] = value;
    this.#lastAt[row] = Number.NaN;
    this.#last[row] = Number.NaN;
    if (this.call.kind !== 'rate') return;
    this.#beforeLastAt[row] = Number.NaN;
    this.#rose[row] = Number.NEGATIVE_INFINITY;
  }

  /** Parts between the newest one and this one have no values. */
  #advance(row: number, part: number, by: number): void {
    const newest = this.#newest[row] as number;
    for (let next = 1; next <= by; next++) this.#count[row * WINDOW_PARTS + ((newest + next) % WINDOW_PARTS)] = EMPTY;
    if (by > 0) this.#newest[row] = part;
  }

  #put(
    row: number,
    part: number,
    atMs: number,
    value: number,
    count: number,
    min: number,
    max: number,
    before: number,
  ): void {
    const index = row * WINDOW_PARTS + (part % WINDOW_PARTS);
    const isFirst = this.#count[index] === EMPTY;
    const offsetMs = atMs - part * this.#partMs;
    switch (this.call.kind) {
      case 'avg_over':
        this.#value[index] = (isFirst ? 0 : (this.#value[index] as number)) + value * count;
        break;
      case 'min_over':
        this.#value[index] = isFirst ? min : Math.min(this.#value[index] as number, min);
        break;
      case 'max_over':
        this.#value[index] = isFirst ? max : Math.max(this.#value[index] as number, max);
        break;
      case 'rate':
        if (isFirst) this.#value[index] = 0;
        // One from history may come before those that the part has.
        if (isFirst || Math.fround(offsetMs) < (this.#time[index] as number)) {
          this.#time[index] = offsetMs;
          this.#step[index] = Number.isNaN(before) ? 0 : increase(before, value);
          if (this.#step[index] !== 0) this.#rise(row, part);
        } else if (value !== before) {
          this.#value[index] = (this.#value[index] as number) + increase(before, value);
          this.#rise(row, part);
        }
        break;
      case 'predict':
        this.#value[index] = (isFirst ? 0 : (this.#value[index] as number)) + value * count;
        this.#time[index] = (isFirst ? 0 : (this.#time[index] as number)) + offsetMs * count;
        break;
      default:
        this.call.kind satisfies never;
    }
    this.#count[index] = (this.#count[index] as number) + count;
  }

  /** The first value that was added comes after what was filled in. */
  #join(row: number, before: number): void {
    if (this.call.kind !== 'rate') return;
    const part = Math.floor((this.#firstAt[row] as number) / this.#partMs);
    if ((this.#newest[row] as number) - part >= WINDOW_PARTS) return;
    const index = row * WINDOW_PARTS + (part % WINDOW_PARTS);
    const step = increase(before, this.#first[row] as number);
    if (step !== 0) this.#rise(row, part);
    const firstAt = (this.#firstAt[row] as number) - part * this.#partMs;
    // The part may have values from before, too: then the step is within it.
    if (Math.abs((this.#time[index] as number) - firstAt) < 1) this.#step[index] = step;
    else this.#value[index] = (this.#value[index] as number) + step;
  }

  #rise(row: number, part: number): void {
    this.#rose[row] = Math.max(this.#rose[row] as number, part);
  }

  #mean(row: number, oldest: number, newest: number): number {
    let count = 0;
    let sum = 0;
    for (let part = oldest; part <= newest; part++) {
      const index = row * WINDOW_PARTS + (part % WINDOW_PARTS);
      if (this.#count[index] === EMPTY) continue;
      count += this.#count[index] as number;
      sum += this.#value[index] as number;
    }
    return sum / count;
  }

  #extreme(row: number, oldest: number, newest: number, choose: (a: number, b: number) => number): number {
    let found = Number.NaN;
    for (let part = oldest; part <= newest; part++) {
      const index = row * WINDOW_PARTS + (part % WINDOW_PARTS);
      if (this.#count[index] === EMPTY) continue;
      const value = this.#value[index] as number;
      found = Number.isNaN(found) ? value : choose(found, value);
    }
    return found;
  }

  #rate(row: number, oldest: number, newest: number): number {
    const hasTwo = Math.floor((this.#beforeLastAt[row] as number) / this.#partMs) >= oldest;
    if (hasTwo && (this.#rose[row] as number) < oldest) return 0;
    let firstAt = Number.NaN;
    let sum = 0;
    for (let part = oldest; part <= newest; part++) {
      const index = row * WINDOW_PARTS + (part % WINDOW_PARTS);
      if (this.#count[index] === EMPTY) continue;
      if (Number.isNaN(firstAt)) firstAt = part * this.#partMs + (this.#time[index] as number);
      else sum += this.#step[index] as number;
      sum += this.#value[index] as number;
    }
    const seconds = ((this.#lastAt[row] as number) - firstAt) / 1000;
    // Offsets of parts are 32-bit floats, so two receipts within a millisecond are one.
    return seconds > 0.001 ? sum / seconds : Number.NaN;
  }

  #predicted(row: number, oldest: number, newest: number, thenMs: number): number {
    // Times since the newest part began, in seconds, so that squares keep their digits.
    const zeroMs = newest * this.#partMs;
    let count = 0;
    let sumT = 0;
    let sumV = 0;
    let parts = 0;
    for (let part = oldest; part <= newest; part++) {
      const index = row * WINDOW_PARTS + (part % WINDOW_PARTS);
      const n = this.#count[index] as number;
      if (n === EMPTY) continue;
      parts++;
      count += n;
      sumT += ((part * this.#partMs - zeroMs) * n + (this.#time[index] as number)) / 1000;
      sumV += this.#value[index] as number;
    }
    if (parts < 2) return Number.NaN;
    const meanT = sumT / count;
    const meanV = sumV / count;
    let covariance = 0;
    let variance = 0;
    for (let part = oldest; part <= newest; part++) {
      const index = row * WINDOW_PARTS + (part % WINDOW_PARTS);
      const n = this.#count[index] as number;
      if (n === EMPTY) continue;
      const t = (part * this.#partMs - zeroMs + (this.#time[index] as number) / n) / 1000 - meanT;
      covariance += n * t * ((this.#value[index] as number) / n - meanV);
      variance += n * t * t;
    }
    return meanV + (covariance / variance) * ((thenMs - zeroMs) / 1000 - meanT);
  }
}

/** Of a counter. */
function increase(before: number, after: number): number {
  return after >= before ? after - before : after;
}

function grown<A extends Float64Array | Float32Array>(array: A, length: number): A {
  const larger = new (array.constructor as new (length: number) => A)(length);
  larger.set(array);
  return larger;
}
