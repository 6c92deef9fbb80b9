import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CUSTOM_PREFIX,
  customFamilyName,
  MAX_CUSTOM_NAME_BYTES,
  nameMetrics,
} from '../../src/metrics/workers/custom-names.ts';
import { ratioOf } from '../../src/metrics/workers/ratio.ts';
import { repetitions } from '../support/repetitions.ts';

const RUNS = { numRuns: repetitions(200, 20_000) };
/** As the default escaping of Prometheus does. */
const underscores = (name: string) => name.replaceAll(/[^a-zA-Z0-9_:]/gu, '_');
const unchanged = (name: string) => name;
const names = fc.uniqueArray(
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.stringMatching(/^[a_.:]{0,4}$/),
    fc.string({ minLength: 120, maxLength: 130 }),
  ),
  { maxLength: 12 },
);

describe('names of custom metrics', () => {
  it('keeps any name where the format allows it', () => {
    expect(customFamilyName('queue.depth µ "\\\n')).toBe('pulselane_custom_queue.depth µ "\\\n');
  });

  it('leaves out a name of 10 KB, and counts bytes, not characters', () => {
    expect(customFamilyName('a'.repeat(10_240))).toBeUndefined();
    expect(customFamilyName('a'.repeat(MAX_CUSTOM_NAME_BYTES))).toBeDefined();
    expect(customFamilyName('é'.repeat(MAX_CUSTOM_NAME_BYTES / 2))).toBeDefined();
    expect(customFamilyName(`é${'a'.repeat(MAX_CUSTOM_NAME_BYTES - 1)}`)).toBeUndefined();
  });

  it('lets the name win that needs no escaping, then the first', () => {
    expect(nameMetrics(['a.b', 'a_b', 'a-b'], underscores)).toEqual({
      byFamily: new Map([['pulselane_custom_a_b', 'a_b']]),
      tooLong: [],
      collided: ['a.b', 'a-b'],
    });
    expect(nameMetrics(['a.b', 'a-b'], underscores).byFamily.get('pulselane_custom_a_b')).toBe('a-b');
  });

  it('gives each name a family of its own, names it as collided, or as too long', () => {
    fc.assert(
      fc.property(names, (all) => {
        const { byFamily, collided, tooLong } = nameMetrics(all, underscores);
        expect([...byFamily.values(), ...collided, ...tooLong].sort()).toEqual([...all].sort());
        for (const [family, name] of byFamily) expect(family).toBe(underscores(CUSTOM_PREFIX + name));
        for (const name of collided) expect(byFamily.has(underscores(CUSTOM_PREFIX + name))).toBe(true);
      }),
      RUNS,
    );
  });

  it('depends on the order of names in nothing, and without escaping never collides', () => {
    fc.assert(
      fc.property(names, (all) => {
        const backwards = nameMetrics([...all].reverse(), underscores);
        expect(new Map([...backwards.byFamily].sort())).toEqual(
          new Map([...nameMetrics(all, underscores).byFamily].sort()),
        );
        expect(nameMetrics(all, unchanged).collided).toEqual([]);
      }),
      RUNS,
    );
  });
});

describe('ratios', () => {
  it('move the point of the decimal', () => {
    expect(ratioOf(14.9)).toBe(0.149);
    expect(ratioOf(0.7)).toBe(0.007);
    expect(ratioOf(28.7)).toBe(0.287);
    expect(ratioOf(1e-9)).toBe(1e-11);
    expect(ratioOf(0)).toBe(0);
    expect(ratioOf(1.5e25)).toBe(1.5e23);
  });

  it('are within half a unit in the last place of the quotient', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), (percent) => {
        expect(Math.abs(ratioOf(percent) - percent / 100)).toBeLessThanOrEqual(percent * 1e-17 + 5e-324);
      }),
      RUNS,
    );
  });
});
