import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, MAX_BACKOFF_MS } from '../../src/agent/backoff.ts';
import {
  afterAccepted,
  afterDisconnect,
  type MasterRotation,
  masterOf,
  masterRotationOf,
  quietForMs,
} from '../../src/agent/sender/master-rotation.ts';
import { type Address, formatAddress } from '../../src/config/kinds.ts';

const INTERVAL_MS = 5_000;
const CALM = { nowMs: 0, quietMs: 0, intervalMs: INTERVAL_MS, random: 0 };

function masters(count: number): Address[] {
  return Array.from({ length: count }, (_, index) => ({ host: `m${index}`, port: 50_051 }));
}

/** The indexes that are tried, and the waits before them, when every try fails at once. */
function failing(count: number, tries: number, more: { quietMs?: (at: number) => number } = {}) {
  let rotation: MasterRotation = masterRotationOf(masters(count));
  let nowMs = 0;
  return Array.from({ length: tries }, () => {
    const next = afterDisconnect(rotation, { ...CALM, nowMs, quietMs: more.quietMs?.(rotation.at) ?? 0 });
    rotation = next.rotation;
    nowMs += next.delayMs;
    return [rotation.at, next.delayMs];
  });
}

describe('whose turn it is', () => {
  test('goes round the list, soon within a round and with a growing back-off between rounds', () => {
    expect(failing(3, 7)).toEqual([
      [1, 250],
      [2, 250],
      [0, 250],
      [1, 250],
      [2, 250],
      [0, 400],
      [1, 250],
    ]);
  });

  test('is always the same with one master, after a back-off that grows each time', () => {
    expect(failing(1, 4)).toEqual([
      [0, backoffMs(1, 0)],
      [0, backoffMs(2, 0)],
      [0, backoffMs(3, 0)],
      [0, backoffMs(4, 0)],
    ]);
  });

  test('skips a master that asked for quiet, and goes on with the others', () => {
    const tries = failing(3, 8, { quietMs: (at) => (at === 1 ? 60_000 : 0) });
    expect(tries.map(([at]) => at)).toEqual([1, 2, 0, 2, 0, 2, 0, 2]);
  });

  test('is that of who may be asked first when all have asked for quiet', () => {
    const [first, second] = failing(2, 2, { quietMs: (at) => (at === 0 ? 60_000 : 90_000) });
    expect(first).toEqual([1, 250]);
    expect(second).toEqual([0, 59_750]);
  });

  test('begins a new round with the first heartbeat that is taken', () => {
    const lost = afterDisconnect(masterRotationOf(masters(2)), CALM).rotation;
    const taken = afterAccepted(afterDisconnect(lost, CALM).rotation);
    expect(taken).toMatchObject({ at: 0, failed: [], roundsFailed: 0 });
    expect(afterDisconnect(taken, CALM)).toMatchObject({ rotation: { at: 1 }, delayMs: 250 });
    // Every ack comes by here: nothing is made anew for those that change nothing.
    expect(afterAccepted(taken)).toBe(taken);
  });

  test('remembers over a new list who asked for quiet', () => {
    const { rotation } = afterDisconnect(masterRotationOf(masters(1)), { ...CALM, quietMs: 60_000 });
    expect(quietForMs(masterRotationOf(masters(3), rotation), 1_000)).toBe(59_000);
    expect(quietForMs(masterRotationOf(masters(3).slice(1), rotation), 1_000)).toBe(0);
  });
});

test('no master is asked while it is to be left alone, and none that may be asked waits longer than the back-off', () => {
  const step = fc.record({
    quietMs: fc.constantFrom(0, 0, 12_000, 60_000),
    intervalMs: fc.integer({ min: 100, max: 3_600_000 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    /** Between a try and its failure. */
    triedForMs: fc.integer({ min: 0, max: 100_000 }),
    accepted: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60 }), (count, steps) => {
      const quietUntilMs = new Map<string, number>();
      let rotation = masterRotationOf(masters(count));
      let nowMs = 0;
      for (const { quietMs, intervalMs, random, triedForMs, accepted } of steps) {
        if (accepted) rotation = afterAccepted(rotation);
        const triedThisRound = new Set([...rotation.failed, rotation.at]);
        nowMs += triedForMs;
        if (quietMs > 0) quietUntilMs.set(formatAddress(masterOf(rotation)), nowMs + quietMs);
        const next = afterDisconnect(rotation, { nowMs, quietMs, intervalMs, random });
        const atMs = nowMs + next.delayMs;
        const isFree = (master: Address, when: number) => (quietUntilMs.get(formatAddress(master)) ?? 0) <= when;
        // Sums of fractions of a millisecond, in two orders.
        expect(isFree(masterOf(next.rotation), atMs + 1e-6)).toBe(true);
        const others = rotation.masters.filter((master, at) => !triedThisRound.has(at) && isFree(master, nowMs));
        if (others.length > 0) {
          expect(next.delayMs).toBeLessThanOrEqual(intervalMs);
          expect(triedThisRound).not.toContain(next.rotation.at);
        } else if (rotation.masters.some((master) => isFree(master, nowMs))) {
          expect(next.delayMs).toBeLessThanOrEqual(MAX_BACKOFF_MS);
        }
        rotation = next.rotation;
        nowMs = atMs;
      }
    }),
  );
});
