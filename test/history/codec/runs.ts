/** Samples and columns of every kind, for property tests. */
import fc from 'fast-check';
import { BASE_METRICS, type MetricKey, type SampleRun } from '../../../src/history/samples.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';

/** Bit for bit, except that every NaN is one. */
export function bitsOf(column: Float64Array | undefined): string[] {
  return Array.from(column ?? [], (value) => (Object.is(value, -0) ? '-0' : String(value)));
}

const decimal = fc
  .tuple(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.integer({ min: 0, max: 6 }))
  .map(([integer, scale]) => Number(`${integer}e-${scale}`));

/** Values of a column; each kind takes another way through the codec. */
const values: Readonly<Record<string, fc.Arbitrary<number>>> = {
  decimal,
  small: fc.integer({ min: -3, max: 3 }),
  integer: fc.maxSafeInteger(),
  'largest integers': fc.constantFrom(2 ** 53, -(2 ** 53), 2 ** 53 - 1, 0, 1),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }),
  'as received in single precision': fc.float({ noNaN: true, noDefaultInfinity: true }),
  zeros: fc.constantFrom(0, -0, 1),
  infinities: fc.constantFrom(0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  mixed: fc.oneof(decimal, fc.double({ noDefaultInfinity: true }), fc.constant(Number.NaN)),
};

function walkOf(steps: number[], unit: number): number[] {
  let value = 50;
  return steps.map((step) => {
    value += step;
    return Math.round(value * unit) / unit;
  });
}

/** A column of exactly `length` numbers. */
export function columns(length: number): fc.Arbitrary<Float64Array> {
  const size = { minLength: length, maxLength: length };
  const whole = fc.oneof(
    ...Object.values(values).map((value) => fc.array(value, size)),
    fc
      .tuple(fc.array(fc.double({ min: -2, max: 2, noNaN: true }), size), fc.constantFrom(1, 10, 100, 4096))
      .map(([steps, unit]) => walkOf(steps, unit)),
    fc.array(fc.nat(1000), size).map((steps) => walkOf(steps, 1).map((value) => value * 4096)),
    decimal.map((value) => Array.from({ length }, () => value)),
    fc.constant(Array.from({ length }, () => Number.NaN)),
  );
  const absent = fc.oneof(fc.constant(undefined), fc.array(fc.boolean(), size));
  return fc
    .tuple(whole, absent)
    .map(([column, missing]) => Float64Array.from(column, (value, index) => (missing?.[index] ? Number.NaN : value)));
}

export const keys: fc.Arbitrary<MetricKey> = fc.oneof(
  fc.constantFrom(...BASE_METRICS),
  fc.string({ unit: ANY_CHARACTER, maxLength: 30 }).map((name) => `metrics.${name.toWellFormed()}`),
  fc
    .tuple(fc.nat(2_000_000), fc.constantFrom('utilization_percent', 'memory_used_bytes', 'power_watts', 'other'))
    .map(([index, field]) => `gpus.${index}.${field}`),
  fc.string({ maxLength: 10 }),
);

/** Times of receipt, every few seconds; the clock may be set. */
export function times(length: number): fc.Arbitrary<Float64Array> {
  const step = fc.oneof(
    { weight: 30, arbitrary: fc.integer({ min: 4900, max: 5100 }) },
    { weight: 1, arbitrary: fc.integer({ min: -7_200_000, max: 7_200_000 }) },
  );
  return fc.array(step, { minLength: length, maxLength: length }).map((steps) => {
    let at = 1_800_000_000_000;
    return Float64Array.from(steps, (ms) => {
      at += ms;
      return at;
    });
  });
}

export function sampleRun(workerId: string, run: number): fc.Arbitrary<SampleRun> {
  return fc.tuple(fc.integer({ min: 1, max: 120 }), fc.uniqueArray(keys, { maxLength: 5 })).chain(([length, names]) =>
    fc.record({
      workerId: fc.constant(workerId),
      run: fc.constant(run),
      first: fc.maxSafeNat(),
      at: times(length),
      flags: fc.uint8Array({ minLength: length, maxLength: length, max: 31 }),
      columns: fc
        .tuple(...names.map(() => columns(length)))
        .map((parts) => new Map(names.map((name, index) => [name, parts[index] as Float64Array]))),
    }),
  );
}

/** Of one worker, over one to three runs of the master. */
export const sampleRuns: fc.Arbitrary<readonly SampleRun[]> = fc
  .integer({ min: 1, max: 3 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, run) => sampleRun('worker-1', run * 1000 + 1))));
