import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clockStepMs, clockStepText, LEAST_STEP_MS } from '../../src/model/wall-clock.ts';

test('a clock that is set is told by how far, whatever time passes; one that is corrected slowly is not', () => {
  fc.assert(
    fc.property(
      fc.record({ wallMs: fc.integer({ min: 0, max: 2e12 }), monotonicMs: fc.nat(1e9) }),
      fc.nat(3_600_000),
      fc.integer({ min: -1e12, max: 1e12 }),
      (before, passedMs, stepMs) => {
        const now = { wallMs: before.wallMs + passedMs + stepMs, monotonicMs: before.monotonicMs + passedMs };
        expect(clockStepMs(before, now)).toBe(Math.abs(stepMs) < LEAST_STEP_MS ? 0 : stepMs);
      },
    ),
  );
});

test.each([
  [-2500, '2.5 s back'],
  [3_600_000, '3,600 s forward'],
  [500, '0.5 s forward'],
])('%i ms is shown as %s', (stepMs, text) => {
  expect(clockStepText(stepMs)).toBe(text);
});
