/** Families with the most hostile names and values that workers can send, one of each type. */
import fc from 'fast-check';
import type { FamilyWithSeries, Label } from '../../../src/metrics/family.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';

export const HOSTILE_IDS = [
  'plain',
  'line\nfeed',
  'quote"d',
  'back\\slash',
  '\\n is no line feed',
  'nul\0within',
  'carriage\rreturn\ttab',
  '__name__',
  '__proto__',
  '"} 1\npulselane_worker_up{worker="injected',
  '# EOF',
  '{a="b"}',
  ' leading and trailing ',
  'ע\u202eright to left',
  '\u2028line separator\u2029',
  '\ufeffbyte order mark',
  '😱'.repeat(256),
  'x'.repeat(1024),
];

export const HOSTILE_NAMES = [
  'temp.celsius',
  'a b',
  'line\nfeed',
  'quo"te\\',
  '__name__',
  '__proto__',
  'ünïcode',
  '0',
  'constructor',
  'nul\0',
];

/** What a lone surrogate and the like become in UTF-8. */
export const asWritten = (text: string): string => text.toWellFormed();

const text = fc.oneof(
  fc.constantFrom(...HOSTILE_IDS),
  fc.string({ unit: ANY_CHARACTER }),
  fc.string({ unit: fc.constantFrom('\\', '"', '\n', '\r', '{', '}', ',', '=', '#', ' ', '\ud800', 'a') }),
);
const number = fc.double();
const count = fc.nat();

const labels = (...reserved: string[]): fc.Arbitrary<Label[]> =>
  fc
    .uniqueArray(
      fc.tuple(fc.oneof(fc.constantFrom(...HOSTILE_NAMES), fc.string({ unit: ANY_CHARACTER, maxLength: 8 })), text),
      {
        maxLength: 4,
        selector: ([name]) => name,
      },
    )
    .map((all) => all.filter(([name]) => !reserved.includes(name)));

/** Series of one family have different `worker` labels, as in a master. */
function series<T>(value: fc.Arbitrary<T>): fc.Arbitrary<{ labels: Label[]; value: T; createdUnixMs: number }[]> {
  const one = fc.record({ id: text, value, createdUnixMs: fc.integer({ min: 1, max: 4e12 }) });
  return fc
    .uniqueArray(one, { minLength: 1, maxLength: 4, selector: ({ id }) => id.toWellFormed() })
    .map((all) => all.map(({ id, ...rest }) => ({ labels: [['worker', id]], ...rest })));
}

const histogram = fc
  .tuple(fc.array(count, { minLength: 3, maxLength: 3 }), fc.nat(), fc.double({ min: 0, max: 1e9, noNaN: true }))
  .map(([perBucket, above, sum]) => {
    let total = 0;
    const cumulativeCounts = perBucket.map((one) => {
      total += one;
      return total;
    });
    const exponential = {
      schema: 0,
      zeroThreshold: 2 ** -2,
      zeroCount: 0,
      firstIndex: -1,
      counts: [...perBucket, above],
    };
    return { upperBounds: [0.5, 1, 2], cumulativeCounts, count: total + above, sum, exponential };
  });

export const families: fc.Arbitrary<FamilyWithSeries[]> = fc
  .record({
    help: text,
    gauges: series(number),
    counters: series(count),
    histograms: series(histogram),
    info: fc.tuple(series(fc.constant(1)), labels('worker')),
    custom: fc.uniqueArray(fc.constantFrom(...HOSTILE_NAMES), { maxLength: 3 }),
    states: series(fc.constantFrom('active', 'inactive')),
  })
  .map(({ help, gauges, counters, histograms, info: [infos, more], custom, states }) => [
    { family: { name: 'pulselane_gauge_ratio', type: 'gauge', unit: 'ratio', help }, series: withoutCreated(gauges) },
    { family: { name: 'pulselane_things', type: 'counter', help }, series: counters },
    { family: { name: 'pulselane_delay_seconds', type: 'histogram', unit: 'seconds', help }, series: histograms },
    {
      family: { name: 'pulselane_worker', type: 'info', help },
      series: withoutCreated(infos).map((one) => ({ ...one, labels: [...one.labels, ...more] })),
    },
    ...custom.map(
      (name): FamilyWithSeries => ({
        family: { name: `pulselane_custom_${name}`, type: 'gauge', help },
        series: withoutCreated(gauges),
      }),
    ),
    {
      family: { name: 'pulselane_worker_state', type: 'stateset', help },
      series: states.flatMap(({ labels: of, value }) =>
        ['active', 'inactive'].map((state) => ({
          labels: [...of, ['state', state] as const],
          value: Number(state === value),
        })),
      ),
    },
  ]);

function withoutCreated<T extends { createdUnixMs: number }>(all: readonly T[]): Omit<T, 'createdUnixMs'>[] {
  return all.map(({ createdUnixMs: _, ...one }) => one);
}
