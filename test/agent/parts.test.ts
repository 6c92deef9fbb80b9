import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, MAX_BACKOFF_MS } from '../../src/agent/backoff.ts';
import { HostLag } from '../../src/agent/host-lag.ts';
import { RoundTrips } from '../../src/agent/sender/round-trips.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('the back-off', () => {
  test('stays between half and all of its step, and at most 10 s', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), random, (failures, chance) => {
        const delayMs = backoffMs(failures, chance);
        expect(delayMs).toBeGreaterThanOrEqual(250);
        expect(delayMs).toBeLessThanOrEqual(MAX_BACKOFF_MS);
      }),
    );
    expect(backoffMs(1, 0)).toBe(250);
    expect(backoffMs(1_000, 0.999_999)).toBeGreaterThan(9_999);
  });
});

describe('a round trip', () => {
  test('is never negative and never not a number, whatever the master says it held', () => {
    fc.assert(
      fc.property(fc.double(), (heldMs) => {
        const trips = new RoundTrips();
        trips.sent(1, 1_000);
        const roundTripMs = trips.answered(1, heldMs, 1_500);
        expect(roundTripMs).toBeGreaterThanOrEqual(0);
        expect(roundTripMs).toBeLessThanOrEqual(500);
      }),
    );
  });

  test('is that of the newest heartbeat of a cumulative ack; the older ones are answered too', () => {
    const trips = new RoundTrips();
    trips.sent(1, 0);
    trips.sent(2, 100);
    trips.sent(3, 200);
    expect(trips.answered(2, 50, 250)).toBe(100);
    expect(trips.oldestSentAtMs()).toBe(200);
    expect(trips.answered(2, 0, 300)).toBeUndefined();
    expect(trips.answered(99, 0, 300)).toBeUndefined();
    expect(trips.oldestSentAtMs()).toBeUndefined();
  });
});

describe('the lag of the host', () => {
  test('is the age of the probe while the host stands still, and one probe is out at a time', () => {
    const clock = new FakeClock();
    const probes: number[] = [];
    const lag = new HostLag(clock, (probe) => probes.push(probe));
    clock.advance(3);
    lag.answered(1);
    expect(lag.takeMs()).toBe(3);
    clock.advance(997);
    clock.advance(7_000);
    expect(probes).toEqual([1, 2]);
    expect(lag.takeMs()).toBe(7_000);
    clock.advance(500);
    lag.answered(2);
    // What was worst since the last report, though all is well now.
    clock.advance(2_000);
    expect(probes).toEqual([1, 2, 3]);
    lag.answered(3);
    expect(lag.takeMs()).toBe(7_500);
    expect(lag.takeMs()).toBe(0);
    lag.stop();
    expect(clock.pending).toBe(0);
  });
});
