import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaneStarts } from '../../src/engine/lanes/lane-starts.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** How a lane's start ends. */
type End = 'ready' | 'fails' | 'fails at once';

class FakeLane {
  readonly kind: 'shared' | 'dedicated';
  readonly ends: End;
  isStarting = false;
  starts = 0;

  constructor(kind: 'shared' | 'dedicated', ends: End) {
    this.kind = kind;
    this.ends = ends;
  }

  start(): void {
    this.starts++;
    this.isStarting = this.ends !== 'fails at once';
  }
}

const ends = fc.constantFrom<End[]>('ready', 'ready', 'ready', 'fails', 'fails at once');
const lanes = fc.array(fc.tuple(fc.constantFrom('shared' as const, 'dedicated' as const), ends), { maxLength: 30 });

test('each lane is started once, in its turn, within the limit of concurrent starts; while starts fail, one at a time', () => {
  fc.assert(
    fc.property(lanes, fc.integer({ min: 1, max: 4 }), (specs, atOnce) => {
      const clock = new FakeClock();
      const starts = new LaneStarts<FakeLane>({ clock, abandonedWaitMs: 60_000, atOnce });
      const all = specs.map(([kind, end]) => new FakeLane(kind, end));
      const running = () => all.filter(({ isStarting }) => isStarting);
      for (const lane of all) starts.queue(lane);
      for (let turns = 0; turns < 100 && all.some((lane) => lane.starts === 0 || lane.isStarting); turns++) {
        expect(running().length).toBeLessThanOrEqual(atOnce);
        const [lane] = running();
        if (lane !== undefined) {
          const before = all.reduce((sum, { starts: times }) => sum + times, 0);
          if (lane.ends === 'ready') starts.gate.succeeded();
          else starts.gate.failed({ reason: '', isAbandoned: false }, clock.monotonicMs());
          lane.isStarting = false;
          starts.over(lane);
          const now = all.reduce((sum, { starts: times }) => sum + times, 0);
          if (starts.gate.isFailing) expect(now).toBe(before);
        }
        const startedBefore = running().length;
        clock.advance(10_000);
        if (starts.gate.isFailing) expect(running().length).toBeLessThanOrEqual(Math.max(1, startedBefore));
      }
      expect(all.map((lane) => lane.starts)).toEqual(all.map(() => 1));
      expect(all.some((lane) => starts.isStarting(lane))).toBe(false);
    }),
  );
});

test('shared lanes start before dedicated ones, and a cancelled lane does not start', () => {
  const starts = new LaneStarts<FakeLane>({ clock: new FakeClock(), abandonedWaitMs: 60_000, atOnce: 1 });
  const [first, own, unwanted, shared] = [
    new FakeLane('dedicated', 'ready'),
    new FakeLane('dedicated', 'ready'),
    new FakeLane('dedicated', 'ready'),
    new FakeLane('shared', 'ready'),
  ];
  const all = [first, own, unwanted, shared];
  for (const lane of all) starts.queue(lane);
  starts.cancel(unwanted);
  const order: FakeLane[] = [];
  for (const _ of all) {
    const lane = all.find((one) => starts.isStarting(one));
    if (lane === undefined) break;
    order.push(lane);
    starts.over(lane);
  }
  expect(order).toEqual([first, shared, own]);
  expect(unwanted.starts).toBe(0);
});

test('nothing is started after the stop, not even when another start ends', () => {
  const starts = new LaneStarts<FakeLane>({ clock: new FakeClock(), abandonedWaitMs: 60_000, atOnce: 1 });
  const [first, next] = [new FakeLane('shared', 'ready'), new FakeLane('dedicated', 'ready')];
  for (const lane of [first, next]) starts.queue(lane);
  starts.stop();
  starts.over(first);
  expect([first.starts, next.starts]).toEqual([1, 0]);
});

test('nothing is started after the stop when the gate would open', async () => {
  const clock = new FakeClock();
  const starts = new LaneStarts<FakeLane>({ clock, abandonedWaitMs: 60_000, atOnce: 1 });
  const [bad, next] = [new FakeLane('shared', 'fails'), new FakeLane('shared', 'ready')];
  const tried = starts.start(bad);
  starts.gate.failed({ reason: '', isAbandoned: false }, clock.monotonicMs());
  starts.over(bad);
  await tried;
  starts.queue(next);
  expect([next.starts, clock.pending]).toEqual([0, 1]);
  starts.stop();
  expect(clock.pending).toBe(0);
  clock.advance(60_000);
  expect(next.starts).toBe(0);
});
