import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CLEAN_AFTER_MS,
  FAULT_WINDOW_MS,
  isCleanAgain,
  isTooMuch,
  MAX_FAULTS,
  NO_FAULTS,
  restartDelayMs,
  withFault,
} from '../../src/engine/fault-history.ts';
import { isStuck, StallWatch } from '../../src/engine/stall-watch.ts';
import { isLaneTransition, LANE_STATES, replacementReason } from '../../src/model/lanes.ts';

test('five failures within a minute are too much, however they are spread, and fewer never are', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(gaps, (gapsMs) => {
      let nowMs = 0;
      let history = NO_FAULTS;
      const all: number[] = [];
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        all.push(nowMs);
        history = withFault(history, nowMs);
        const recent = all.filter((atMs) => nowMs - atMs < FAULT_WINDOW_MS).length;
        expect(isTooMuch(history, nowMs)).toBe(recent >= MAX_FAULTS);
        expect(history.length).toBe(recent);
      }
      expect(isTooMuch(history, nowMs + FAULT_WINDOW_MS)).toBe(false);
    }),
  );
});

test('whoever comes to the penalty lane leaves it in its time, charged with anything or not', () => {
  const times = fc.array(fc.nat(10 * CLEAN_AFTER_MS), { maxLength: 20 });
  fc.assert(
    fc.property(times, fc.nat(CLEAN_AFTER_MS), fc.nat(CLEAN_AFTER_MS), (atMs, sinceMs, passedMs) => {
      const history = atMs.sort((a, b) => a - b).reduce(withFault, NO_FAULTS);
      const lastMs = Math.max(sinceMs, history.at(-1) ?? 0);
      expect(isCleanAgain(history, sinceMs, lastMs + CLEAN_AFTER_MS)).toBe(true);
      expect(isCleanAgain(history, sinceMs, lastMs + Math.min(passedMs, CLEAN_AFTER_MS - 1))).toBe(false);
    }),
  );
});

test('the next start waits longer after each failure; on a shared lane never so long that its workers miss 3 s', () => {
  let history = NO_FAULTS;
  const own: number[] = [];
  const shared: number[] = [];
  for (let failure = 0; failure < 4; failure++) {
    history = withFault(history, failure);
    own.push(restartDelayMs(history, false));
    shared.push(restartDelayMs(history, true));
  }
  expect(own).toEqual([100, 200, 400, 800]);
  expect(shared).toEqual([100, 200, 400, 400]);
});

test('a lane leaves “stopped” for nothing, “draining” for “stopped” alone, and reaches every state', () => {
  for (const to of LANE_STATES) {
    expect(isLaneTransition('stopped', to)).toBe(false);
    expect(isLaneTransition('draining', to)).toBe(to === 'stopped');
    if (to !== 'starting') expect(LANE_STATES.some((from) => isLaneTransition(from, to))).toBe(true);
  }
});

test('why a heartbeat was replaced follows from the state of its lane', () => {
  expect(LANE_STATES.map(replacementReason)).toEqual([
    'restart',
    'backlog',
    'restart',
    'quarantine',
    'backlog',
    'restart',
  ]);
});

/** Looks every 250 ms; `what` says for each what was seen since the last one. */
function watched(what: readonly ('idle' | 'progress' | 'debt' | 'both')[], stallMs = 2000): (string | undefined)[] {
  const watch = new StallWatch(stallMs);
  return what.map((seen) => {
    if (seen === 'progress' || seen === 'both') watch.noteProgress();
    if (seen === 'debt' || seen === 'both') watch.noteDebt();
    return watch.look(250, true);
  });
}

test('a thread stands still when it owes something and has done nothing for the whole time', () => {
  expect(watched(Array(7).fill('debt'))).toEqual(Array(7).fill(undefined));
  expect(watched(Array(8).fill('debt')).at(-1)).toBe('it made no progress for 2 s');
  expect(watched(Array(100).fill('both'))).toEqual(Array(100).fill(undefined));
  expect(watched(Array(100).fill('idle'))).toEqual(Array(100).fill(undefined));
  expect(watched([...Array(7).fill('debt'), 'both', ...Array(7).fill('debt')])).not.toContain(
    'it made no progress for 2 s',
  );
});

test('a thread without progress is stuck if it works or waits, and not if it only gets no processor', () => {
  const after = (stoodStillMs: number, cpuMs: number | undefined) => isStuck({ stoodStillMs, allowedMs: 2000, cpuMs });
  expect([after(2000, 1900), after(2000, 500), after(9000, 500)]).toEqual([true, true, true]);
  expect([after(2000, 0), after(2000, undefined), after(60_000, 400)]).toEqual([true, true, true]);
  expect([after(2000, 20), after(2000, 499), after(9000, 499)]).toEqual([false, false, false]);
});

test('an absence of the main thread is not held against a lane', () => {
  const watch = new StallWatch(2000);
  watch.noteDebt();
  expect(watch.look(60_000, true)).toBeUndefined();
  expect(watch.stoodStillMs).toBe(500);
});

test('a thread that is never ready is ended, and one that takes its time is not', () => {
  const watch = new StallWatch(2000);
  for (let look = 0; look < 119; look++) expect(watch.look(250, false)).toBeUndefined();
  expect(watch.look(250, false)).toBe('it was not ready within 30 s');
  watch.reset();
  expect(watch.look(250, false)).toBeUndefined();
});
