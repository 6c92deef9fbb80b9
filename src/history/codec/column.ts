/**
 * A column: numbers of which each resembles the one before. Exact: each comes back bit for bit, -0 and infinities too; every NaN
 * comes back as NaN, which means absent.
 *
 *     column   kind (byte), then
 *              0  all absent
 *              1  all the same, a decimal      scale (byte), integer (int)
 *              2  all the same, another number eight bytes
 *              3  decimals                     scale (byte), predictor (byte), unit (uint), first (int), integers: see below
 *              4  other numbers                eight planes: the bytes of each number XOR the one before
 *              +8 some are absent              before the rest: count of lengths (uint), lengths of the stretches that are
 *                                              present, absent, present and so on (integers)
 *
 * Decimals are integers of a common scale, in units of their differences' largest common divisor. What remains is what the
 * predictor misses: 0 the smallest value, 1 the value before, 2 the value before plus the last difference.
 */
import { type ByteReader, ByteWriter, damaged, MAX_INT } from './bytes.ts';
import { commonScaleOf, POWERS_OF_TEN, scaled } from './decimals.ts';
import { readIntegers, readPlane, writeIntegers, writePlane } from './planes.ts';

const ABSENT = 0;
const SAME_DECIMAL = 1;
const SAME_FLOAT = 2;
const DECIMALS = 3;
const FLOATS = 4;
const SOME_ABSENT = 8;

export function writeColumn(writer: ByteWriter, column: Float64Array): void {
  const stretches = stretchesOf(column);
  if (stretches.length === 1) {
    writePresent(writer, column, 0);
    return;
  }
  const present = column.filter((value) => !Number.isNaN(value));
  if (present.length === 0) {
    writer.byte(ABSENT);
    return;
  }
  writePresent(writer, present, SOME_ABSENT, stretches);
}

/** @throws HistoryError damaged */
export function readColumn(reader: ByteReader, count: number): Float64Array {
  const kind = reader.byte();
  if (kind === ABSENT) return new Float64Array(count).fill(Number.NaN);
  if (kind < SOME_ABSENT) return readPresent(reader, kind, count);
  const lengths = reader.uint(count + 1);
  const stretches = readIntegers(reader, lengths);
  let present = 0;
  let total = 0;
  for (let index = 0; index < lengths; index++) {
    total += stretches[index] as number;
    if (index % 2 === 0) present += stretches[index] as number;
  }
  if (total !== count || present === 0) throw damaged('stretches do not add up to the length of their column');
  const values = readPresent(reader, kind - SOME_ABSENT, present);
  const column = new Float64Array(count).fill(Number.NaN);
  let from = 0;
  let to = 0;
  for (let index = 0; index < lengths; index++) {
    const length = stretches[index] as number;
    if (index % 2 === 0) {
      column.set(values.subarray(from, from + length), to);
      from += length;
    }
    to += length;
  }
  return column;
}

/** Lengths of the stretches that are present, absent, present and so on; one if none is absent. */
function stretchesOf(column: Float64Array): number[] {
  const stretches = [0];
  let isPresent = true;
  for (let index = 0; index < column.length; index++) {
    const value = column[index] as number;
    if (!Number.isNaN(value) !== isPresent) {
      isPresent = !isPresent;
      stretches.push(0);
    }
    stretches[stretches.length - 1] = (stretches.at(-1) as number) + 1;
  }
  return stretches;
}

function writePresent(writer: ByteWriter, values: Float64Array, addedToKind: number, stretches?: number[]): void {
  const start = (kind: number) => {
    writer.byte(kind + addedToKind);
    if (stretches === undefined) return;
    writer.uint(stretches.length);
    writeIntegers(writer, Float64Array.from(stretches));
  };
  const scale = commonScaleOf(values);
  const integers = scale === undefined ? undefined : scaled(values, scale);
  if (scale === undefined || integers === undefined) {
    const first = values[0] as number;
    if (values.every((value) => Object.is(value, first))) {
      start(SAME_FLOAT);
      writer.float(first);
      return;
    }
    start(FLOATS);
    writeFloats(writer, values);
    return;
  }
  const { min, max, unit } = extentOf(integers);
  if (min === max) {
    start(SAME_DECIMAL);
    writer.byte(scale);
    writer.int(min);
  } else if (max - min > MAX_RANGE) {
    start(FLOATS);
    writeFloats(writer, values);
  } else {
    start(DECIMALS);
    writer.byte(scale);
    const { predictor, residuals } = bestResiduals(integers, min, unit);
    writer.byte(predictor);
    writer.uint(unit);
    writer.int(predictor === FROM_MIN ? min : (integers[0] as number));
    writeIntegers(writer, residuals);
  }
}

function readPresent(reader: ByteReader, kind: number, count: number): Float64Array {
  if (kind === SAME_FLOAT) return new Float64Array(count).fill(reader.float());
  if (kind === FLOATS) return readFloats(reader, count);
  if (kind !== SAME_DECIMAL && kind !== DECIMALS) throw damaged(`a column is of the unknown kind ${kind}`);
  const power = POWERS_OF_TEN[reader.byte()];
  if (power === undefined) throw damaged('a scale is too large');
  if (kind === SAME_DECIMAL) return new Float64Array(count).fill(reader.int() / power);
  const predictor = reader.byte();
  const unit = reader.uint(MAX_INT);
  const first = reader.int();
  const column = readIntegers(reader, count);
  addPredictions(column, predictor);
  for (let index = 0; index < count; index++) column[index] = ((column[index] as number) * unit + first) / power;
  return column;
}

// ── decimals ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Differences of differences stay below 2^53. */
const MAX_RANGE = 2 ** 50;

const FROM_MIN = 0;
const FROM_LAST = 1;
const FROM_LAST_DIFFERENCE = 2;

interface Extent {
  readonly min: number;
  readonly max: number;
  /** Largest common divisor of all differences; 0: they are all the same. */
  readonly unit: number;
}

function extentOf(integers: Float64Array): Extent {
  const first = integers[0] as number;
  let min = first;
  let max = first;
  let unit = 0;
  for (let index = 1; index < integers.length; index++) {
    const value = integers[index] as number;
    if (value < min) min = value;
    else if (value > max) max = value;
    if (unit !== 1 && value !== first) unit = commonDivisor(Math.abs(value - first), unit);
  }
  return { min, max, unit };
}

function commonDivisor(larger: number, smaller: number): number {
  let [a, b] = [larger, smaller];
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

function bestResiduals(
  integers: Float64Array,
  min: number,
  unit: number,
): { readonly predictor: number; readonly residuals: Float64Array } {
  const count = integers.length;
  const first = integers[0] as number;
  const fromMin = new Float64Array(count);
  const fromLast = new Float64Array(count);
  const fromDifference = new Float64Array(count);
  let last = 0;
  let lastDifference = 0;
  for (let index = 0; index < count; index++) {
    const value = ((integers[index] as number) - first) / unit;
    const difference = value - last;
    fromMin[index] = ((integers[index] as number) - min) / unit;
    fromLast[index] = zigzag(difference);
    fromDifference[index] = zigzag(difference - lastDifference);
    last = value;
    lastDifference = difference;
  }
  const candidates = [fromMin, fromLast, fromDifference];
  const costs = candidates.map(bitsOf);
  const predictor = costs.indexOf(Math.min(...costs));
  return { predictor, residuals: candidates[predictor] as Float64Array };
}

/** A cheap estimate: the bits of all numbers by themselves. */
function bitsOf(numbers: Float64Array): number {
  let bits = 0;
  for (let index = 0; index < numbers.length; index++) bits += Math.log2((numbers[index] as number) + 1);
  return bits;
}

function addPredictions(column: Float64Array, predictor: number): void {
  let value = 0;
  let difference = 0;
  switch (predictor) {
    case FROM_MIN:
      return;
    case FROM_LAST:
      for (let index = 0; index < column.length; index++) {
        value += unzigzag(column[index] as number);
        column[index] = value;
      }
      return;
    case FROM_LAST_DIFFERENCE:
      for (let index = 0; index < column.length; index++) {
        difference += unzigzag(column[index] as number);
        value += difference;
        column[index] = value;
      }
      return;
    default:
      throw damaged(`a predictor is of the unknown kind ${predictor}`);
  }
}

/** 0, -1, 1, -2, 2 … as 0, 1, 2, 3, 4 …: small differences have small numbers, whatever their sign. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

// ── other numbers ────────────────────────────────────────────────────────────────────────────────────────────────

function writeFloats(writer: ByteWriter, values: Float64Array): void {
  const bytes = new Uint8Array(Float64Array.from(values).buffer);
  for (let at = bytes.length - 1; at >= 8; at--) bytes[at] = (bytes[at] as number) ^ (bytes[at - 8] as number);
  const plane = new Uint8Array(values.length);
  for (let number = 0; number < 8; number++) {
    for (let index = 0; index < values.length; index++) plane[index] = bytes[index * 8 + number] as number;
    writePlane(writer, plane);
  }
}

function readFloats(reader: ByteReader, count: number): Float64Array {
  const bytes = new Uint8Array(count * 8);
  for (let number = 0; number < 8; number++) {
    const plane = readPlane(reader, count);
    for (let index = 0; index < count; index++) bytes[index * 8 + number] = plane[index] as number;
  }
  for (let at = 8; at < bytes.length; at++) bytes[at] = (bytes[at] as number) ^ (bytes[at - 8] as number);
  return new Float64Array(bytes.buffer);
}

export function columnBytes(column: Float64Array): Uint8Array {
  const writer = new ByteWriter();
  writeColumn(writer, column);
  return writer.written();
}
