import fc from 'fast-check';
import { expect, test } from 'vitest';
import { afterArrival, NEVER_MS, type RateLimit, rateLimit } from '../../src/model/heartbeat-rate.ts';
import { RateTable } from '../../src/model/rate-table.ts';
import { repetitions } from '../support/repetitions.ts';

const LIMIT = rateLimit(1, 10_000) as RateLimit;

test('ten at once, then one a second, each name for itself', () => {
  const table = new RateTable(LIMIT, 100);
  const taken = Array.from({ length: 20 }, () => table.mayGoOn('a', 0)).filter(Boolean);
  expect(taken).toHaveLength(10);
  expect(table.mayGoOn('b', 0)).toBe(true);
  expect([table.mayGoOn('a', 999), table.mayGoOn('a', 1000), table.mayGoOn('a', 1001)]).toEqual([false, true, false]);
});

test('it never holds more names than it may, and treats those it holds as if each had a rate of its own', () => {
  const steps = fc.array(fc.record({ name: fc.nat(12), gapMs: fc.nat(3000) }), { maxLength: 300 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 15 }), (taken, most) => {
      const table = new RateTable(LIMIT, most);
      const dueMs = new Map<number, number>();
      let nowMs = 0;
      for (const { name, gapMs } of taken) {
        nowMs += gapMs;
        const next = afterArrival(dueMs.get(name) ?? NEVER_MS, nowMs, LIMIT);
        if (next !== undefined) dueMs.set(name, next);
        const may = table.mayGoOn(String(name), nowMs);
        // Who had to give way to others begins anew: never stricter, and the same where all have room.
        if (most >= 13) expect(may).toBe(next !== undefined);
        else if (next !== undefined) expect(may).toBe(true);
        else if (may) dueMs.set(name, nowMs + LIMIT.intervalMs);
        expect(table.size).toBeLessThanOrEqual(most);
      }
    }),
    { numRuns: repetitions(200, 5000) },
  );
});

test('names whose time is over are let go, and one that floods refuses without growing', () => {
  const table = new RateTable(LIMIT, 1000);
  for (let i = 0; i < 500; i++) table.mayGoOn(`early-${i}`, 0);
  for (let i = 0; i < 500; i++) table.mayGoOn(`late-${i}`, 5000);
  expect(table.size).toBeLessThanOrEqual(501);
  for (let i = 0; i < 1000; i++) table.mayGoOn('flood', 5000);
  expect(table.size).toBeLessThanOrEqual(502);
});

test('without a limit everybody may, and nobody is remembered', () => {
  const table = new RateTable(undefined, 10);
  for (let i = 0; i < 100; i++) expect(table.mayGoOn('a', 0)).toBe(true);
  expect(table.size).toBe(0);
});

test('one of weight w takes the room of w, and what is refused takes none', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 60 }), (weights) => {
      const limit = rateLimit(1000, 24) as RateLimit;
      let dueMs = NEVER_MS;
      let room = 24;
      for (const weight of weights) {
        const next = afterArrival(dueMs, 0, limit, weight);
        expect(next !== undefined).toBe(weight <= room);
        if (next === undefined) continue;
        dueMs = next;
        room -= weight;
      }
    }),
    { numRuns: repetitions(200, 2000) },
  );
});
