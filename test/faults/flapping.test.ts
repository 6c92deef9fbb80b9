/** A worker that comes and goes is told a few times, then once for all. */

import { afterEach, expect, test } from 'vitest';
import type { WorkerEvent } from '../../src/model/events.ts';
import { type FakedMaster, startFaked } from '../support/fake-fleet.ts';
import { ofType } from '../support/worker-events.ts';

const HOUR_MS = 3_600_000;
/** How a worker's life begins is no change of it. */
const BEGINNINGS = [undefined, 'registered'];

let faked: FakedMaster | undefined;
afterEach(() => faked?.stop());

function transitions(events: readonly WorkerEvent[]): WorkerEvent[] {
  return ofType('state', events).filter(({ from }) => !BEGINNINGS.includes(from));
}

test.each([
  { name: 'suspect', intervalMs: 5000, inactivityTimeoutMs: 30_000 },
  { name: 'inactive', intervalMs: 2000, inactivityTimeoutMs: 10_000 },
])(
  'a worker that goes $name and comes back every 20 s for an hour: at most 8 transitions, 1 flapping',
  async ({ name, intervalMs, inactivityTimeoutMs }) => {
    faked = await startFaked({ inactivityTimeoutMs, heartbeatIntervalMs: intervalMs });
    const { clock, fleet, events } = faked;
    await fleet.add({ prefix: 'steady-', count: 4, intervalMs });
    await fleet.add({ prefix: 'flapping-', count: 1, intervalMs });
    clock.advance(60_000);
    const before = events().length;
    for (let ms = 0; ms < HOUR_MS; ms += 40_000) {
      fleet.silence(['flapping-0']);
      clock.advance(20_000);
      fleet.resume(['flapping-0']);
      clock.advance(20_000);
    }
    const told = events().slice(before);
    expect(new Set(told.map(({ workerId }) => workerId))).toEqual(new Set(['flapping-0']));
    expect(transitions(told).length).toBeGreaterThan(0);
    expect(transitions(told).length).toBeLessThanOrEqual(8);
    expect(transitions(told).some(({ to }) => to === name)).toBe(true);
    expect(ofType('flapping', told)).toHaveLength(1);
    expect(ofType('flapping_over', told)).toEqual([]);

    clock.advance(HOUR_MS);
    const after = events().slice(before + told.length);
    expect(after.map(({ type, workerId }) => ({ type, workerId }))).toEqual([
      { type: 'flapping_over', workerId: 'flapping-0' },
    ]);
    // It may die like any other from then on.
    fleet.silence(['flapping-0']);
    clock.advance(60_000);
    expect(transitions(events().slice(before + told.length)).map(({ to }) => to)).toEqual(['suspect', 'inactive']);
  },
);
