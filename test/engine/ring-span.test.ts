import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addDemand,
  LEAST_SPAN_MS,
  type RingOfWorker,
  spanSteps,
  stepAfter,
} from '../../src/engine/workers/ring-span.ts';
import { ringBytes } from '../../src/store/layout.ts';
import { settledRing } from '../../src/store/slot-ring.ts';

const HOUR_MS = 3_600_000;

const ring: fc.Arbitrary<RingOfWorker> = fc.record({
  ringCapacity: fc.integer({ min: 4, max: 12 }).map((log2) => 2 ** log2),
  metricColumns: fc.constantFrom(0, 4, 64),
  columnsWanted: fc.constantFrom(0, 4, 64),
  periodMs: fc.option(fc.constantFrom(100, 1000, 5000, 60_000), { nil: undefined }),
});

function demandOf(steps: readonly number[], rings: readonly RingOfWorker[]): Float64Array {
  const demand = new Float64Array(steps.length);
  for (const one of rings) addDemand(demand, steps, one);
  return demand;
}

/** What the workers’ lanes do at their next heartbeats. */
function settled(rings: readonly RingOfWorker[], spanMs: number, areShort: boolean): RingOfWorker[] {
  return rings.map((one) => ({
    ...one,
    metricColumns: Math.max(one.metricColumns, one.columnsWanted),
    ringCapacity:
      one.periodMs === undefined ? one.ringCapacity : settledRing(one.ringCapacity, one.periodMs, spanMs, areShort),
  }));
}

const sum = (rings: readonly RingOfWorker[]) => rings.reduce((bytes, one) => bytes + ringBytes(one), 0);

test('steps go down to the least span', () => {
  expect(spanSteps(HOUR_MS).slice(0, 3)).toEqual([HOUR_MS, 2_700_000, 2_025_000]);
  expect(spanSteps(HOUR_MS).at(-1)).toBe(LEAST_SPAN_MS);
  expect(spanSteps(LEAST_SPAN_MS)).toEqual([LEAST_SPAN_MS]);
  expect(spanSteps(0)).toEqual([0]);
});

test('whatever the fleet, its rings fit once they have settled, or are as short as can be; and the span comes to rest', () => {
  fc.assert(
    fc.property(
      fc.array(ring, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 10_000, max: 20_000_000 }),
      fc.constantFrom(0, 5, 100),
      (fleet, budgetBytes, startStep) => {
        const steps = spanSteps(HOUR_MS);
        let step = Math.min(startStep, steps.length - 1);
        let rings = fleet;
        let hasRecovered = false;
        const seen: number[] = [];
        for (let round = 0; round < 2 * steps.length + 5; round++) {
          const next = stepAfter(step, demandOf(steps, rings), budgetBytes);
          if (next < step) {
            expect(next).toBe(step - 1);
            hasRecovered = true;
          }
          // Once it was lengthened, it is not shortened again while nothing else changes.
          if (next > step) expect(hasRecovered).toBe(false);
          step = next;
          rings = settled(rings, steps[step] as number, step > 0);
          if (step < steps.length - 1) expect(sum(rings)).toBeLessThanOrEqual(budgetBytes);
          seen.push(step);
        }
        expect(new Set(seen.slice(-4)).size).toBe(1);
      },
    ),
    { numRuns: 300 },
  );
});

test('a worker with many metrics shortens all rings to the same time', () => {
  const plain = { ringCapacity: 1024, metricColumns: 0, columnsWanted: 0, periodMs: 5000 };
  const heavy = { ...plain, metricColumns: 64, columnsWanted: 64 };
  const steps = spanSteps(HOUR_MS);
  const rings = [plain, plain, heavy];
  const step = stepAfter(0, demandOf(steps, rings), 0.55 * sum(rings));
  const after = settled(rings, steps[step] as number, true);
  expect(after.map(({ ringCapacity }) => ringCapacity)).toEqual([512, 512, 512]);
});
