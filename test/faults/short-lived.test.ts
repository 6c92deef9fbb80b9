/** Workers that live for a moment leave nothing behind. */
import { readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type FakedMaster, startFaked } from '../support/fake-fleet.ts';
import { transitionsTo } from '../support/worker-events.ts';

const LIFE_MS = 1000;
/** Ephemeral workers are remembered for 10 minutes. */
const FORGOTTEN_AFTER_MS = 11 * 60_000;
const MIB = 1024 ** 2;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

let faked: FakedMaster | undefined;
afterEach(() => faked?.stop());

const threads = () => readdirSync('/proc/self/task').length;

/** Heap and what is outside of it, slots included, when nothing is left to collect. */
async function memoryBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await turn();
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** So many workers, one after the other; every other one says farewell. */
async function live({ clock, fleet }: FakedMaster, prefix: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    fleet.addAtOnce({ prefix: `${prefix}${i}-`, count: 1, intervalMs: 5000, ephemeral: true });
    clock.advance(LIFE_MS);
    if (i % 2 === 0) fleet.leave(fleet.ids);
    fleet.remove(fleet.ids);
    // Lanes live in real time.
    if (i % 20 === 0) await turn();
  }
}

test('10,000 in sequence: memory, threads and roster return to where they were', async () => {
  faked = await startFaked();
  const { clock, manager } = faked;
  const isEmpty = () => {
    const { workers, lanes, pending } = manager.internalState();
    const served = lanes.reduce((sum, lane) => sum + lane.workers, 0);
    const announced = manager.announcements().filter(({ type }) => type === 'slotAdded').length;
    return workers + served + pending.length + manager.directory.size + announced === 0;
  };
  // These pay for what is kept for good: code, and a log of events that is full.
  await live(faked, 'first-', 2500);
  clock.advance(FORGOTTEN_AFTER_MS);
  await eventually(isEmpty);
  const threadsBefore = threads();
  const bytesBefore = await memoryBytes();

  await live(faked, 'w', 10_000);
  // Of those that came last, some are still remembered; the others are gone.
  expect(manager.directory.size).toBeGreaterThan(0);
  expect(manager.directory.size).toBeLessThanOrEqual(FORGOTTEN_AFTER_MS / LIFE_MS);
  clock.advance(FORGOTTEN_AFTER_MS);
  await eventually(isEmpty);
  await eventually(() => threads() <= threadsBefore);
  // Their slots alone had 240 MiB.
  expect((await memoryBytes()) - bytesBefore).toBeLessThan(16 * MIB);
});

test('a lane of its own for each: the threads end with their workers', async () => {
  faked = await startFaked({ maxDedicatedLanes: 4 });
  const { clock, fleet, manager } = faked;
  const lanesBefore = manager.internalState().lanes.length;
  const threadsBefore = threads();
  for (let i = 0; i < 30; i++) {
    await fleet.add({ prefix: `w${i}-`, count: 1, intervalMs: 5000, ephemeral: true });
    clock.advance(LIFE_MS);
    await eventually(() =>
      manager.internalState().lanes.some(({ kind, state, workers }) => {
        return kind === 'dedicated' && state === 'ready' && workers === 1;
      }),
    );
    fleet.leave(fleet.ids);
    fleet.remove(fleet.ids);
    clock.advance(FORGOTTEN_AFTER_MS);
    expect(manager.directory.size).toBe(0);
  }
  await eventually(() => manager.internalState().lanes.length <= lanesBefore);
  await eventually(() => threads() <= threadsBefore);
  await eventually(() => manager.internalState().threadsLeftBehind === 0);
});

test('an ephemeral worker is forgotten 10 minutes after its farewell, or after its last heartbeat; others are not', async () => {
  faked = await startFaked();
  const { clock, fleet, events, manager } = faked;
  await fleet.add({ prefix: 'left-', count: 1, intervalMs: 5000, ephemeral: true });
  await fleet.add({ prefix: 'silent-', count: 1, intervalMs: 5000, ephemeral: true });
  await fleet.add({ prefix: 'kept-', count: 1, intervalMs: 5000 });
  clock.advance(60_000);
  fleet.leave(['left-0']);
  fleet.silence(fleet.ids);
  clock.advance(9 * 60_000);
  expect(transitionsTo(['gone'], events())).toEqual([]);
  clock.advance(61_000);
  expect(transitionsTo(['gone'], events()).toSorted()).toEqual(['left-0', 'silent-0']);
  clock.advance(3_600_000);
  expect(Array.from(manager.directory.all(), ({ workerId }) => workerId)).toEqual(['kept-0']);
});
