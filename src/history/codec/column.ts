/**
 * A column: numbers of which each resembles the one before. Exact: each comes back bit for bit, -0 and infinities too; every NaN
 * comes back as NaN, which means absent.
 *
 *     column   kind (byte), then
 *              0  all absent
 *              1  all the same, a decimal      scale (byte), integer (int)
 *              2  all the same, another number eight bytes
 *              3  decimals                     scale (byte), predictor + 16 × way (byte), unit (uint), offset (int), start of the
 *                                              prediction (see prediction.ts), misses (see integers.ts)
 *              4  other numbers                eight planes: the bytes of each number XOR the one before
 *              +8 some are absent              before the rest: count of lengths (uint), way (byte), lengths of the stretches
 *                                              that are present, absent, present and so on (integers)
 *
 * Decimals are integers of a common scale, less the first one (offset), in units of their differences' largest common divisor.
 */
import { type ByteReader, type ByteWriter, damaged, MAX_INT } from './bytes.ts';
import { decimalsOf, POWERS_OF_TEN } from './decimals.ts';
import { planPacking, readPacked, writePacked } from './integers.ts';
import { readPlane, writePlane } from './planes.ts';
import { bestPrediction, readPredicted, writeStart } from './prediction.ts';

const ABSENT = 0;
const SAME_DECIMAL = 1;
const SAME_FLOAT = 2;
const DECIMALS = 3;
const FLOATS = 4;
const SOME_ABSENT = 8;
/** What the way of packing is multiplied by, beside the predictor. */
const WAY = 16;

export function writeColumn(writer: ByteWriter, column: Float64Array): void {
  const stretches = stretchesOf(column);
  if (stretches === undefined) {
    writePresent(writer, column, 0);
    return;
  }
  const present = column.filter((value) => !Number.isNaN(value));
  if (present.length === 0) writer.byte(ABSENT);
  else writePresent(writer, present, SOME_ABSENT, stretches);
}

/** @throws HistoryError damaged */
export function readColumn(reader: ByteReader, count: number): Float64Array {
  const kind = reader.byte();
  if (kind === ABSENT) return new Float64Array(count).fill(Number.NaN);
  if (kind < SOME_ABSENT) return readPresent(reader, kind, count);
  const lengths = reader.uint(count + 1);
  const stretches = new Float64Array(lengths);
  readPacked(reader, reader.byte(), stretches);
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

/** Lengths of the stretches that are present, absent, present and so on. Undefined: none is absent. */
function stretchesOf(column: Float64Array): Float64Array | undefined {
  const stretches: number[] = [];
  let isPresent = true;
  let start = 0;
  for (let index = 0; index < column.length; index++) {
    if (Number.isNaN(column[index]) !== isPresent) continue;
    stretches.push(index - start);
    start = index;
    isPresent = !isPresent;
  }
  return stretches.length === 0 ? undefined : Float64Array.from([...stretches, column.length - start]);
}

function writePresent(writer: ByteWriter, values: Float64Array, addedToKind: number, stretches?: Float64Array): void {
  const start = (kind: number) => {
    writer.byte(kind + addedToKind);
    if (stretches === undefined) return;
    const packing = planPacking(stretches);
    writer.uint(stretches.length);
    writer.byte(packing.way);
    writePacked(writer, packing);
  };
  const decimals = decimalsOf(values);
  if (decimals === undefined) {
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
  const { scale, integers } = decimals;
  const { min, max, unit } = extentOf(integers);
  if (min === max) {
    start(SAME_DECIMAL);
    writer.byte(scale);
    writer.int(min);
  } else if (max - min >= MAX_INT) {
    start(FLOATS);
    writeFloats(writer, values);
  } else {
    start(DECIMALS);
    const offset = integers[0] as number;
    for (let index = 0; index < integers.length; index++)
      integers[index] = ((integers[index] as number) - offset) / unit;
    const prediction = bestPrediction(integers, (max - min) / unit);
    const packing = planPacking(prediction.misses);
    writer.byte(scale);
    writer.byte(prediction.predictor + WAY * packing.way);
    writer.uint(unit);
    writer.int(offset);
    writeStart(writer, prediction);
    writePacked(writer, packing);
  }
}

function readPresent(reader: ByteReader, kind: number, count: number): Float64Array {
  if (kind === SAME_FLOAT) return new Float64Array(count).fill(reader.float());
  if (kind === FLOATS) return readFloats(reader, count);
  if (kind !== SAME_DECIMAL && kind !== DECIMALS) throw damaged(`a column is of the unknown kind ${kind}`);
  const power = POWERS_OF_TEN[reader.byte()];
  if (power === undefined) throw damaged('a scale is too large');
  if (kind === SAME_DECIMAL) return new Float64Array(count).fill(reader.int() / power);
  const how = reader.byte();
  const unit = reader.uint(MAX_INT);
  const offset = reader.int();
  const way = Math.floor(how / WAY);
  const column = readPredicted(reader, how % WAY, count, (misses) => readPacked(reader, way, misses));
  for (let index = 0; index < count; index++) column[index] = ((column[index] as number) * unit + offset) / power;
  return column;
}

// ── decimals ───────────────────────────────────────────────────────────────────────────────────────────────────────

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
    if (unit === 1 || value === first) continue;
    const units = (value - first) / unit;
    if (unit === 0 || Math.floor(units) !== units) unit = commonDivisor(Math.abs(value - first), unit);
  }
  return { min, max, unit };
}

function commonDivisor(larger: number, smaller: number): number {
  let [a, b] = [larger, smaller];
  while (b !== 0) [a, b] = [b, a % b];
  return a;
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
