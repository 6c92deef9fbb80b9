import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../../src/history/codec/bytes.ts';
import { readColumn, writeColumn } from '../../../src/history/codec/column.ts';
import { bitsOf, columns } from './runs.ts';

function columnBytes(column: Float64Array): Uint8Array {
  const writer = new ByteWriter();
  writeColumn(writer, column);
  return writer.written();
}

function cameBack(column: Float64Array): Float64Array {
  const reader = new ByteReader(columnBytes(column));
  const back = readColumn(reader, column.length);
  expect(reader.left).toBe(0);
  return back;
}

test('a column of any numbers comes back bit for bit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }).chain(columns), (column) => {
      expect(bitsOf(cameBack(column))).toEqual(bitsOf(column));
    }),
    { numRuns: 600 },
  );
});

test.each([
  ['a single value', [14.9]],
  ['integers up to 2^53', [2 ** 53, -(2 ** 53), 2 ** 53 - 1, 0]],
  ['zeros of both signs', [0, -0, 0]],
  ['nothing but absent values', [Number.NaN, Number.NaN]],
  ['an absent start and end', [Number.NaN, 1.5, Number.NaN]],
  ['15 digits', [0.123456789012345, 99.9999999999999, 1e-9]],
  ['the extremes of a double', [Number.MAX_VALUE, Number.MIN_VALUE, -Number.MAX_VALUE]],
])('%s comes back bit for bit', (_, values) => {
  expect(bitsOf(cameBack(Float64Array.from(values)))).toEqual(bitsOf(Float64Array.from(values)));
});

test('thousands of steps of a walk come back', () => {
  const column = Float64Array.from({ length: 20_000 }, (_, index) => Math.round(500 + 300 * Math.sin(index / 50)) / 10);
  expect(cameBack(column)).toEqual(column);
});

test.each([
  ['all the same', () => 14.9, 5],
  ['all absent', () => Number.NaN, 1],
  ['absent for a while', (index: number) => (index > 100 && index < 500 ? Number.NaN : 3), 12],
  ['a counter with a constant step', (index: number) => 1_000_000 + index * 4096, 16],
])('a column that is %s takes a few bytes', (_, value, bytes) => {
  const column = Float64Array.from({ length: 720 }, (_, index) => value(index));
  expect(columnBytes(column).length).toBeLessThanOrEqual(bytes);
});
