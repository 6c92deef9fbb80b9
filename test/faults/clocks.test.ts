/** Wall clocks go wrong on either side, and nobody is the worse for it. */
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type FakedMaster, startFaked } from '../support/fake-fleet.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { SimFleet } from '../support/sim-fleet.ts';
import { alarms } from '../support/worker-events.ts';

const HOUR_MS = 3_600_000;
const OFFSETS_MS = [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, 0];

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

test('an hour of clocks that are an hour off, and jump, on both sides: no transition', async () => {
  const faked: FakedMaster = await startFaked();
  closing.push(faked.stop);
  const { clock, fleet, events } = faked;
  for (const [i, clockOffsetMs] of OFFSETS_MS.entries()) {
    await fleet.add({ prefix: `clock${i}-`, count: 10, intervalMs: 5000, clockOffsetMs });
  }
  clock.advance(60_000);
  const before = events().length;
  for (let minute = 0; minute < 60; minute++) {
    const offsetMs = OFFSETS_MS[minute % OFFSETS_MS.length] as number;
    fleet.setClockOffset(fleet.ids.slice(0, 20), offsetMs);
    clock.jumpWallClock(minute % 2 === 0 ? -offsetMs : HOUR_MS);
    clock.advance(60_000);
  }
  // Each step is an event by itself.
  expect(
    events()
      .slice(before)
      .filter(({ type }) => type !== 'clock_set'),
  ).toEqual([]);
  expect(faked.manager.internalState().activeWorkers).toBe(40);
  // It is still judged: a silent one is found out whatever the clocks say.
  fleet.silence(['clock0-0']);
  clock.jumpWallClock(-HOUR_MS);
  clock.advance(31_000);
  expect(alarms(events())).toEqual(['clock0-0', 'clock0-0']);
});

test('the same over real sockets', async () => {
  // Twice what workers keep: nobody is suspected since this machine is busy.
  const master = await FaultMaster.start({ HEARTBEAT_INTERVAL: '1s', INACTIVITY_TIMEOUT: '3s' });
  closing.push(() => master.close());
  const to = { port: master.grpcPort, intervalMs: 500, link: 'shared' } as const;
  const fleet = await SimFleet.start([
    { ...to, prefix: 'ahead-', count: 20, clockOffsetMs: HOUR_MS },
    { ...to, prefix: 'behind-', count: 20, clockOffsetMs: -HOUR_MS },
    { ...to, prefix: 'right-', count: 20 },
  ]);
  closing.push(() => fleet.stop());
  await eventually(async () => (await master.get('/health')).active_workers === fleet.ids.length);
  await fleet.hasSent(1);
  expect((await master.get('/api/v1/workers/ahead-3')).skew_ms).toBeGreaterThan(HOUR_MS / 2);
  expect((await master.get('/api/v1/workers/behind-3')).skew_ms).toBeLessThan(-HOUR_MS / 2);
  for (const offsetMs of OFFSETS_MS) {
    await fleet.setClockOffset(fleet.ids.slice(0, 30), offsetMs);
    await master.jumpWallClock(offsetMs - HOUR_MS / 2);
    // Everybody is judged some times over.
    await fleet.hasSent(3);
  }
  expect(alarms(await master.events())).toEqual([]);
});
