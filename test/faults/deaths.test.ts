/** Who really dies is found out, in time and alone: in faked time, since half a second matters. */

import { afterEach, expect, test } from 'vitest';
import type { WorkerEvent } from '../../src/model/events.ts';
import { type FakedMaster, startFaked } from '../support/fake-fleet.ts';
import { idsOf } from '../support/sim/cohort.ts';
import { alarms, inactivated, ofType } from '../support/worker-events.ts';

const INTERVAL_MS = 5000;
const TIMEOUT_MS = 30_000;
const MINUTE_MS = 60_000;

let faked: FakedMaster | undefined;
afterEach(() => faked?.stop());

test('30 % cut off: exactly those become inactive, within 30 ± 0.5 s', async () => {
  const { clock, fleet, events } = await start();
  await fleet.add({ prefix: 'w', count: 100, intervalMs: INTERVAL_MS });
  clock.advance(MINUTE_MS);
  const cut = fleet.ids.filter((_, i) => i % 10 < 3);
  fleet.silence(cut);
  clock.advance(2 * MINUTE_MS);

  expect(inactivated(events()).toSorted()).toEqual(cut.toSorted());
  expect(new Set(alarms(events()))).toEqual(new Set(cut));
  expect(ofType('brake', events())).toEqual([]);
  const wallAheadMs = clock.wallMs() - clock.monotonicMs();
  for (const { workerId, atUnixMs } of events().filter(({ to }) => to === 'inactive')) {
    const silentMs = atUnixMs - wallAheadMs - fleet.lastSentMs(String(workerId));
    expect(Math.abs(silentMs - TIMEOUT_MS), String(workerId)).toBeLessThanOrEqual(500);
  }
});

test('a group dead for good: inactive once the brake’s longest hold is over, one event for the brake', async () => {
  const { clock, fleet, events } = await start();
  const dead = { prefix: 'dead-', count: 20 };
  await fleet.add({ ...dead, intervalMs: INTERVAL_MS, group: 'rack-1' });
  await fleet.add({ prefix: 'well-', count: 20, intervalMs: INTERVAL_MS, group: 'rack-2' });
  await fleet.add({ prefix: 'single-', count: 20, intervalMs: INTERVAL_MS });
  clock.advance(MINUTE_MS);
  fleet.silence(idsOf(dead));
  const diedUnixMs = clock.wallMs();

  clock.advance(5 * MINUTE_MS);
  expect(ofType('brake', events())).toMatchObject([{ group: 'rack-1' }]);
  expect(ofType('brake_released', events())).toEqual([]);
  expect(inactivated(events())).toEqual([]);

  clock.advance(10 * MINUTE_MS);
  expect(ofType('brake', events())).toHaveLength(1);
  const [released, ...others] = ofType('brake_released', events()) as [WorkerEvent, ...WorkerEvent[]];
  expect(others).toEqual([]);
  expect(released).toMatchObject({ group: 'rack-1' });
  // The hold began when most of them had fallen silent, and so before the first of them could be inactive.
  expect(released.atUnixMs - diedUnixMs).toBeGreaterThan(5 * MINUTE_MS);
  expect(released.atUnixMs - diedUnixMs).toBeLessThanOrEqual(5 * MINUTE_MS + TIMEOUT_MS + 500);
  expect(inactivated(events()).toSorted()).toEqual(idsOf(dead).toSorted());
  expect(alarms(events()).filter((id) => !id.startsWith('dead-'))).toEqual([]);
});

test('a whole fleet cut off for 45 s and back: one event for the brake, nobody inactive', async () => {
  const { clock, fleet, events } = await start();
  await fleet.add({ prefix: 'w', count: 100, intervalMs: INTERVAL_MS });
  clock.advance(MINUTE_MS);
  fleet.silence(fleet.ids);
  clock.advance(45_000);
  expect(ofType('brake', events())).toHaveLength(1);
  expect(ofType('brake_released', events())).toEqual([]);
  fleet.resume(fleet.ids);
  clock.advance(5 * MINUTE_MS);
  expect(inactivated(events())).toEqual([]);
  expect(ofType('brake', events())).toHaveLength(1);
  expect(ofType('brake_released', events())).toHaveLength(1);
});

async function start(): Promise<FakedMaster> {
  faked = await startFaked({ inactivityTimeoutMs: TIMEOUT_MS });
  return faked;
}
