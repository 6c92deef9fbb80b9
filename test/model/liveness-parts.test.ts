/** The smaller rules behind liveness, each by itself. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideBrake } from '../../src/model/brake.ts';
import { Cadence, patienceMs } from '../../src/model/cadence.ts';
import { EventLog } from '../../src/model/events.ts';
import { beginsToFlap, flapScore, isSteadyAgain, nextFlapStep, withChange } from '../../src/model/flapping.ts';
import { instanceKind, MAX_INSTANCES, withInstance } from '../../src/model/instances.ts';
import {
  type AssignedInterval,
  assignedIntervals,
  jitteredIntervalMs,
  longestIntervalMs,
  pacedIntervalMs,
} from '../../src/model/pace.ts';
import { SequenceWindow } from '../../src/model/sequence.ts';
import { smoothedSkewMs } from '../../src/model/skew.ts';
import { stuckReason } from '../../src/model/stuck.ts';
import { repetitions } from '../support/repetitions.ts';

function cadenceOf(...gapsMs: number[]): number {
  const cadence = new Cadence();
  for (const gapMs of gapsMs) cadence.note(gapMs);
  return cadence.intervalMs;
}

test('a lost heartbeat, or a burst, is no change of pace; several gaps in a row are', () => {
  expect(cadenceOf()).toBe(0);
  expect(cadenceOf(20_000)).toBe(0);
  expect(cadenceOf(4000, 500)).toBe(500);
  expect(cadenceOf(5000, 10_000, 5100, 15_000)).toBe(5000);
  expect(cadenceOf(20_000, 20_000, 0, 0, 0)).toBe(20_000);
  expect(cadenceOf(20_000, 20_000, 40_000, 41_000, 42_000)).toBe(20_000);
  expect(cadenceOf(20_000, 20_000, 40_000, 41_000, 42_000, 43_000)).toBe(40_000);
  expect(cadenceOf(20_000, 20_000, 15_000)).toBe(15_000);
  expect(cadenceOf(20_000, 20_000, 5000, 5000, 5000)).toBe(20_000);
  expect(cadenceOf(20_000, 20_000, 5000, 5000, 5000, 5000)).toBe(5000);
});

test('the interval that is believed is always a gap that was seen, and never more than one that is plausible', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1 }), (gaps) => {
      const intervalMs = cadenceOf(...gaps);
      expect(gaps.length < 2 ? [0] : gaps).toContain(intervalMs);
    }),
  );
});

function note(window: SequenceWindow, sequence: number, atMs = 0) {
  return window.note(sequence, atMs, 5000);
}

test('numbers are counted exactly: what is lost, what comes twice, what comes late', () => {
  const heartbeats = fc.array(
    fc.record({
      fate: fc.constantFrom('sent', 'sent', 'sent', 'lost', 'twice', 'late'),
      delay: fc.integer({ min: 1, max: 20 }),
    }),
    { minLength: 1, maxLength: 300 },
  );
  fc.assert(
    fc.property(heartbeats, (fates) => {
      // What arrives, in order of arrival; the first and the last number arrive as they should, so that all gaps are seen.
      const arrivals: { at: number; sequence: number }[] = [{ at: 0, sequence: 1 }];
      fates.forEach(({ fate, delay }, index) => {
        const sequence = index + 2;
        if (fate !== 'lost') arrivals.push({ at: fate === 'late' ? sequence + delay + 0.5 : sequence, sequence });
        if (fate === 'twice') arrivals.push({ at: sequence + delay + 0.5, sequence });
      });
      arrivals.push({ at: fates.length + 100, sequence: fates.length + 2 });
      arrivals.sort((a, b) => a.at - b.at);
      const window = new SequenceWindow();
      const seen = new Set<number>();
      let highest = 0;
      for (const { at, sequence } of arrivals) {
        const expected = seen.has(sequence) ? 'duplicate' : sequence < highest ? 'late' : 'next';
        expect(window.note(sequence, 5000 * at, 5000)).toBe(expected);
        seen.add(sequence);
        highest = Math.max(highest, sequence);
      }
      expect(window.missed).toBe(fates.filter(({ fate }) => fate === 'lost').length);
    }),
  );
});

test('counting begins with the first number that came, and anew when the worker does', () => {
  const window = new SequenceWindow();
  expect(note(window, 500)).toBe('next');
  expect(note(window, 499)).toBe('late');
  expect(window.missed).toBe(0);
  expect(note(window, 510)).toBe('next');
  expect(window.missed).toBe(9);
  expect(note(window, 1)).toBe('again');
  expect(note(window, 2)).toBe('next');
  window.reset();
  expect(note(window, 7)).toBe('next');
  expect(window.missed).toBe(9);
});

test('whatever is sent again at once is copies, and nothing is missed for it', () => {
  const copies = fc.tuple(fc.integer({ min: 2, max: 400 }), fc.integer({ min: 1, max: 400 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.array(copies, { maxLength: 5 }), (highest, bursts) => {
      const window = new SequenceWindow();
      for (let sequence = 1; sequence <= highest; sequence++) note(window, sequence, 5000 * sequence);
      let next = highest;
      for (const [from, count] of bursts) {
        for (let sequence = from; sequence < Math.min(from + count, next + 1); sequence++) {
          expect(['late', 'duplicate']).toContain(note(window, sequence, 5000 * next + sequence));
        }
        next++;
        expect(note(window, next, 5000 * next)).toBe('next');
      }
      expect(window.missed).toBe(0);
    }),
  );
});

test('an instance is the current one, an older one, or a newcomer', () => {
  let known: readonly string[] = [];
  expect(instanceKind(known, '')).toBe('unnamed');
  for (let life = 0; life < 20; life++) known = withInstance(known, `life-${life}`);
  expect(known).toHaveLength(MAX_INSTANCES);
  expect(instanceKind(known, 'life-19')).toBe('current');
  expect(instanceKind(known, 'life-18')).toBe('older');
  expect(instanceKind(known, 'life-20')).toBe('newer');
});

test('the score weighs newer changes more, and is between 0 and 1', () => {
  expect(flapScore(0)).toBe(0);
  expect(flapScore(2 ** 20 - 1)).toBeCloseTo(1);
  expect(flapScore(1)).toBeGreaterThan(flapScore(1 << 19));
});

test('a worker flaps when it changes in many steps, after eight changes, until it is quiet for minutes', () => {
  let steps = 0;
  for (let step = 0; step < 8; step++) steps = nextFlapStep(withChange(steps));
  expect(beginsToFlap(steps, 8)).toBe(false);
  expect(beginsToFlap(steps, 9)).toBe(true);
  // Nine changes of which few lie in the last minutes.
  expect(beginsToFlap(0b11, 9)).toBe(false);
  let quiet = 0;
  while (!isSteadyAgain(steps)) {
    steps = nextFlapStep(steps);
    quiet++;
  }
  expect(quiet).toBeGreaterThan(12);
  expect(quiet).toBeLessThanOrEqual(20);
});

test('the brake is for most of a group, of three at least, and is held until most are back', () => {
  const decide = (watched: number, silent: number, heldSinceMs?: number) =>
    decideBrake({ watched, silent, heldSinceMs }, 100_000, 300_000);
  expect(decide(100, 54)).toBe('off');
  expect(decide(100, 55)).toBe('engage');
  expect(decide(2, 2)).toBe('off');
  expect(decide(3, 3)).toBe('engage');
  expect(decide(100, 55, 99_000)).toBe('hold');
  expect(decide(100, 28, 99_000)).toBe('hold');
  expect(decide(100, 27, 99_000)).toBe('heard again');
  expect(decide(100, 100, -200_000)).toBe('hold');
  expect(decide(100, 100, -200_001)).toBe('longest hold over');
});

test('skew is smoothed, and taken over at once when a clock was set', () => {
  const sample = (offMs: number) => ({ sentAtUnixMs: 1e12 + offMs, receivedUnixMs: 1e12 + 10, roundTripMs: 20 });
  expect(smoothedSkewMs(undefined, sample(500))).toBe(500);
  expect(smoothedSkewMs(500, sample(580))).toBe(510);
  expect(smoothedSkewMs(500, sample(-3_600_000))).toBe(-3_600_000);
  // No round trip takes a day.
  expect(smoothedSkewMs(undefined, { ...sample(500), roundTripMs: 86_400_000 })).toBe(490);
});

test('a large fleet is told to send less often, a small one is not', () => {
  expect(pacedIntervalMs(5000, 25_000, 5000)).toBe(5000);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (workers) => {
      const intervalMs = pacedIntervalMs(5000, workers, 5000);
      expect(intervalMs).toBeGreaterThanOrEqual(5000);
      // No more than the target, and not much less.
      expect((workers / intervalMs) * 1000).toBeLessThanOrEqual(5000.001);
      if (intervalMs > 5000) expect((workers / intervalMs) * 1000).toBeGreaterThan(4500);
    }),
  );
});

test('what is told differs from one to the next, and is never less than the shortest or more than the longest', () => {
  expect(jitteredIntervalMs(5000, 5000, 0.9)).toBe(5000);
  fc.assert(
    fc.property(
      fc.double({ min: 5000, max: 1e6, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (pacedMs, random) => {
        const told = jitteredIntervalMs(pacedMs, 5000, random);
        expect(told).toBeGreaterThanOrEqual(5000);
        expect(told).toBeLessThanOrEqual(longestIntervalMs(pacedMs, 5000) + 1);
      },
    ),
  );
});

test('nobody is judged by less than it may still keep to, nor by more once nobody does, however the pace moves', () => {
  const step = fc.record({
    intervalMs: fc.constantFrom(5000, 5500, 12_000, 30_000, 60_000, 600_000),
    afterMs: fc.oneof(fc.constantFrom(250, 13_000, 123_000), fc.nat(130_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      let assigned: readonly AssignedInterval[] = [];
      let nowMs = 0;
      const told: { intervalMs: number; atMs: number }[] = [];
      for (const { intervalMs, afterMs } of steps) {
        nowMs += afterMs;
        told.push({ intervalMs, atMs: nowMs });
        assigned = assignedIntervals(assigned, intervalMs, nowMs);
        const kept = told.filter((each) => nowMs <= each.atMs + 2 * each.intervalMs + 3000);
        expect(assigned[0]?.intervalMs).toBe(Math.max(...kept.map((each) => each.intervalMs)));
        expect(assigned.length).toBeLessThanOrEqual(6);
      }
    }),
  );
});

test('stuck is a host loop that stands still, or a task that makes no progress', () => {
  const reasonAt = (hostLoopLagMs: number, taskStoodStillSinceMs: number | undefined, stuckAfterMs = 300_000) =>
    stuckReason({ hostLoopLagMs, taskStoodStillSinceMs, reportedMs: 1_000_000, steadySinceMs: 0 }, stuckAfterMs);
  expect(reasonAt(29_999, undefined)).toBeUndefined();
  expect(reasonAt(30_000, undefined)).toBe('host_loop');
  expect(reasonAt(0, 700_000)).toBeUndefined();
  expect(reasonAt(0, 699_999)).toBe('tasks');
  expect(reasonAt(0, 1, 0)).toBeUndefined();
});

test('what is not heard of is no lack of progress', () => {
  const reasonOf = (reportedMs: number, steadySinceMs: number) =>
    stuckReason({ hostLoopLagMs: 0, taskStoodStillSinceMs: 100_000, reportedMs, steadySinceMs }, 300_000);
  expect(reasonOf(400_001, 0)).toBe('tasks');
  expect(reasonOf(400_000, 0)).toBeUndefined();
  // Only since the gap is over.
  expect(reasonOf(700_000, 400_000)).toBeUndefined();
  expect(reasonOf(700_001, 400_000)).toBe('tasks');
  // The lane has not yet done the first one after it.
  expect(reasonOf(390_000, 700_000)).toBeUndefined();
});

test('a worker whose machine was set back is taken again after a few heartbeats, wherever it goes on', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
      (highest, back, arrived) => {
        const window = new SequenceWindow();
        for (let sequence = 1; sequence <= highest; sequence++) {
          if (sequence === 1 || sequence === highest || arrived[sequence % 100]) note(window, sequence);
        }
        let dropped = 0;
        let sequence = Math.max(1, highest - back);
        while (['late', 'duplicate'].includes(note(window, sequence, 5000 * sequence++))) dropped++;
        expect(dropped).toBeLessThan(8);
        if (back >= 40 && highest > back) expect(dropped).toBeLessThan(3);
        // From there on it counts as before.
        for (let i = 0; i < 10; i++) expect(note(window, sequence++)).toBe('next');
      },
    ),
    { numRuns: repetitions(100, 2000) },
  );
});

test('what was missed stays a number that can be counted, whatever the worker says', () => {
  const window = new SequenceWindow();
  for (let life = 0; life < 3; life++) {
    window.reset();
    note(window, 1);
    note(window, Number.MAX_SAFE_INTEGER);
  }
  expect(window.missed).toBe(Number.MAX_SAFE_INTEGER);
});

test('a worker that slows down is waited for until its next heartbeat is due, and a little late', () => {
  expect(patienceMs(11_000, 5000)).toBe(0);
  expect(patienceMs(60_000, 5000)).toBe(72_000);
  expect(patienceMs(86_400_000, 5000)).toBe(360_000);
});

test('the log keeps the newest events, in order, their numbers rising from one master to the next', () => {
  const log = new EventLog(3);
  for (let at = 0; at < 5; at++) log.append({ type: 'stall', detail: String(at) }, 1000 + at);
  expect(log.all().map(({ detail }) => detail)).toEqual(['2', '3', '4']);
  expect(log.all().map(({ id }) => id)).toEqual([1002, 1003, 1004]);
  const reader = new EventLog(3);
  for (const event of log.all()) reader.add(event);
  for (const event of log.all()) reader.add(event);
  expect(reader.all()).toEqual(log.all());
});
