import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FAULT_WINDOW_MS } from '../../src/engine/lanes/fault-history.ts';
import { LaneSearch } from '../../src/engine/lanes/lane-search.ts';

interface Lane {
  readonly workers: Set<number>;
}

const laneOf = (n: number): Lane => ({ workers: new Set(Array.from({ length: n }, (_, worker) => worker)) });
const noLane = (): Lane => {
  throw new Error('no lane is needed');
};

test('finds any one of n workers over two lanes in ⌈log₂ n⌉ + 1 failures', () => {
  const fleets = fc.integer({ min: 1, max: 300 }).chain((n) => fc.tuple(fc.constant(n), fc.nat(n - 1)));
  fc.assert(
    fc.property(fleets, ([n, culprit]) => {
      const home = laneOf(n);
      const lanes = [home];
      const search = new LaneSearch<Lane, number>();
      const newLane = () => {
        const lane = laneOf(0);
        lanes.push(lane);
        return lane;
      };
      for (let failures = 1; ; failures++) {
        const failed = lanes.find(({ workers }) => workers.has(culprit)) as Lane;
        const step = search.afterFailure(failed, newLane, 0);
        if (step === undefined) throw new Error('the lanes of the search are searched');
        if ('found' in step) {
          expect(step.found).toBe(culprit);
          expect(failures).toBeLessThanOrEqual(Math.ceil(Math.log2(n)) + 1);
          break;
        }
        expect(step.to).not.toBe(failed);
        for (const worker of step.move) {
          failed.workers.delete(worker);
          step.to.workers.add(worker);
        }
        expect(lanes.length).toBe(2);
      }
      // Whoever is not at home goes back there.
      const stray = search.end()?.stray ?? [];
      expect([...home.workers, ...stray].sort((a, b) => a - b)).toEqual([...laneOf(n).workers]);
    }),
  );
});

test('another lane that fails meanwhile has its turn later', () => {
  const search = new LaneSearch<Lane, number>();
  const [home, second, other] = [laneOf(4), laneOf(0), laneOf(4)];
  expect(search.afterFailure(home, () => second, 0)).toEqual({ move: [0, 1], to: second });
  expect(search.afterFailure(other, noLane, 0)).toBeUndefined();
  expect(search.end()).toMatchObject({ home, stray: [] });
  // With the second lane of before.
  expect(search.afterFailure(other, noLane, 0)).toMatchObject({ to: second });
});

test('is abandoned when neither lane fails for a while; the second lane is kept until it is released', () => {
  const search = new LaneSearch<Lane, number>();
  const [home, second] = [laneOf(4), laneOf(0)];
  search.afterFailure(home, () => second, 0);
  search.afterFailure(home, noLane, 1000);
  expect(search.isInVain(1000 + FAULT_WINDOW_MS - 1)).toBe(false);
  expect(search.isInVain(1000 + FAULT_WINDOW_MS)).toBe(true);
  search.end();
  expect([search.isUnderWay, search.isInVain(2 * FAULT_WINDOW_MS), search.second]).toEqual([false, false, second]);
  expect(search.end()).toBeUndefined();
  search.releaseSecond();
  expect(search.second).toBeUndefined();
});
