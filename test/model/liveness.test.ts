import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judge } from '../../src/model/liveness.ts';

const limits = { inactivityTimeoutMs: 30_000, retentionMs: 24 * 3_600_000 };

test('a worker is active up to the timeout after its last heartbeat, and inactive beyond', () => {
  const facts = { registeredMs: 0, lastReceiptMs: 1000 };
  expect(judge(facts, 31_000, limits)).toBe('active');
  expect(judge(facts, 31_000.001, limits)).toBe('inactive');
});

test('a worker that never sent anything is registered, never inactive', () => {
  expect(judge({ registeredMs: 0, lastReceiptMs: undefined }, 3_600_000, limits)).toBe('registered');
});

test('a silent worker is forgotten after the retention, or never', () => {
  const facts = { registeredMs: 0, lastReceiptMs: 0 };
  expect(judge(facts, 24 * 3_600_000 + 1, limits)).toBe('gone');
  expect(judge(facts, 1e12, { ...limits, retentionMs: 0 })).toBe('inactive');
});

test('states only get worse as silence grows', () => {
  const order = ['active', 'inactive', 'gone'];
  fc.assert(
    fc.property(fc.nat(), fc.nat(200_000_000), fc.nat(200_000_000), (lastReceiptMs, a, b) => {
      const [sooner, later] = a < b ? [a, b] : [b, a];
      const rankAt = (silentMs: number) =>
        order.indexOf(judge({ registeredMs: 0, lastReceiptMs }, lastReceiptMs + silentMs, limits));
      expect(rankAt(later)).toBeGreaterThanOrEqual(rankAt(sooner));
    }),
  );
});
