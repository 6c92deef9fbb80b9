import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/alerts/evaluation/evaluated.ts';
import {
  type AlertCore,
  close,
  dueInMs,
  type Found,
  type RuleTimes,
  resume,
  step,
} from '../../../src/alerts/state/machine.ts';
import { FLAP_FIRINGS, FLAP_QUIET_MS, RESOLVED_KEPT_MS } from '../../../src/alerts/state/state-limits.ts';

const S = 1000;
const TIMES: RuleTimes = { forMs: 10 * S, keepFiringForMs: 0, noDataAfterMs: 100 * S };

/** Evaluates every 5 s unless said otherwise. @returns the state after each, with the reason if it closed */
function run(verdicts: readonly (Verdict | readonly [Verdict, Verdict])[], times = TIMES, stepMs = 5 * S) {
  let core: AlertCore | undefined;
  return verdicts.map((found, n) => {
    const [when, clear] = typeof found === 'string' ? [found, undefined] : found;
    const next = step(core, { when, clear }, times, n * stepMs);
    core = next.core;
    return next.closedBecause ?? core?.state ?? 'inactive';
  });
}

describe('pending', () => {
  test('an alert fires when its condition has held for as long as `for` asks', () => {
    expect(run(['fails', 'holds', 'holds', 'holds'])).toEqual(['inactive', 'pending', 'pending', 'firing']);
  });

  test('without `for` it fires at once', () => {
    expect(run(['holds'], { ...TIMES, forMs: 0 })).toEqual(['firing']);
  });

  test('it is over without having fired when the condition fails, or the worker goes', () => {
    expect(run(['holds', 'fails'])).toEqual(['pending', 'inactive']);
    expect(run(['holds', 'removed'])).toEqual(['pending', 'inactive']);
  });

  test.each(['held', 'error', 'no_data'] as const)('time while it is %s does not count for `for`', (verdict) => {
    expect(run(['holds', 'holds', verdict, verdict, 'holds', 'holds'])).toEqual([
      ...['pending', 'pending', 'pending', 'pending', 'pending'],
      'firing',
    ]);
  });

  test('it is over when values were missing for longer than `for`', () => {
    expect(run(['holds', 'no_data', 'no_data', 'no_data', 'no_data'])).toEqual([
      ...['pending', 'pending', 'pending', 'pending'],
      'inactive',
    ]);
  });

  test('after a restart it goes on with what it had; the time between does not count', () => {
    const before = step(step(undefined, found('holds'), TIMES, 0).core, found('holds'), TIMES, 8 * S).core as AlertCore;
    // The new run has another attentive time, far later.
    const after = resume(before, 8 * S);
    const first = step(after, found('holds'), TIMES, 5000 * S).core as AlertCore;
    expect(first.state).toBe('pending');
    expect(dueInMs(first, TIMES, 5000 * S)).toBe(2 * S);
    expect(step(first, found('holds'), TIMES, 5002 * S).core?.state).toBe('firing');
  });

  test('what counted until the last evaluation before the restart is kept, although only the first was stored', () => {
    const stored = step(undefined, found('holds'), TIMES, 0).core as AlertCore;
    const first = step(resume(stored, 9 * S), found('holds'), TIMES, 70 * S).core as AlertCore;
    expect(dueInMs(first, TIMES, 70 * S)).toBe(S);
  });
});

const FIRES = { ...TIMES, forMs: 0 };

describe('firing', () => {
  test('it recovers when its condition fails', () => {
    expect(run(['holds', 'fails'], FIRES)).toEqual(['firing', 'recovered']);
  });

  test('with keep_firing_for only when it has failed for that long without a break', () => {
    const times = { ...FIRES, keepFiringForMs: 10 * S };
    expect(run(['holds', 'fails', 'fails', 'holds', 'fails', 'fails', 'fails'], times)).toEqual([
      ...['firing', 'firing', 'firing', 'firing', 'firing', 'firing'],
      'recovered',
    ]);
  });

  test('with clear_when only when that holds and the condition does not', () => {
    const found: (Verdict | readonly [Verdict, Verdict])[] = [
      ...['holds' as const, ['fails', 'fails'] as const],
      ...[['holds', 'holds'] as const, ['fails', 'holds'] as const],
    ];
    expect(run(found, FIRES)).toEqual(['firing', 'firing', 'firing', 'recovered']);
  });

  test('it stays firing while values are missing, and closes as no_data only after no_data_after', () => {
    const times = { ...FIRES, noDataAfterMs: 10 * S };
    expect(run(['holds', 'no_data', 'no_data', 'no_data'], times)).toEqual(['firing', 'firing', 'firing', 'no_data']);
    expect(run(['holds', 'no_data', 'no_data', 'fails'], times)).toEqual(['firing', 'firing', 'firing', 'recovered']);
    expect(run(['holds', 'no_data', 'no_data', 'holds', 'no_data', 'no_data'], times)).not.toContain('no_data');
  });

  test('what counted as over before the values stopped has to be seen anew', () => {
    const times = { ...FIRES, keepFiringForMs: 10 * S };
    expect(run(['holds', 'fails', 'fails', 'no_data', 'fails', 'fails', 'fails'], times).indexOf('recovered')).toBe(6);
  });

  test('it closes as worker_removed when the worker goes, also without values', () => {
    expect(run(['holds', 'no_data', 'removed'], FIRES)).toEqual(['firing', 'firing', 'worker_removed']);
  });

  test.each(['held', 'error'] as const)('nothing changes while it is %s, and the time does not count', (verdict) => {
    const times = { ...FIRES, noDataAfterMs: 10 * S, keepFiringForMs: 10 * S };
    const long = Array.from({ length: 50 }, () => verdict);
    expect(new Set(run(['holds', ...long], times))).toEqual(new Set(['firing']));
    expect(new Set(run(['holds', 'no_data', ...long, 'no_data'], times))).toEqual(new Set(['firing']));
    expect(new Set(run(['holds', 'fails', ...long, 'fails'], times))).toEqual(new Set(['firing']));
  });

  test('it closes as rule_changed with its rule; a pending one only ends', () => {
    const firing = step(undefined, found('holds'), FIRES, 0).core as AlertCore;
    expect(close(firing, 'rule_changed', S)).toMatchObject({
      closedBecause: 'rule_changed',
      core: { state: 'resolved' },
    });
    const pending = step(undefined, found('holds'), TIMES, 0).core as AlertCore;
    expect(close(pending, 'rule_changed', S)).toEqual({ core: undefined, closedBecause: null });
  });

  test('after a restart it is still firing, and not resolved for the time between', () => {
    const times = { ...FIRES, noDataAfterMs: 10 * S };
    const before = step(step(undefined, found('holds'), times, 0).core, found('no_data'), times, 5 * S)
      .core as AlertCore;
    const after = step(resume(before, 5 * S), found('no_data'), times, 9999 * S);
    expect(after).toMatchObject({ closedBecause: null, core: { state: 'firing' } });
  });
});

describe('resolved', () => {
  test('it is shown for a while, and begins anew as pending or firing', () => {
    const resolved = step(step(undefined, found('holds'), FIRES, 0).core, found('fails'), FIRES, S).core;
    expect(step(resolved, found('fails'), FIRES, RESOLVED_KEPT_MS).core?.state).toBe('resolved');
    expect(step(resolved, found('fails'), FIRES, RESOLVED_KEPT_MS + S).core).toBeUndefined();
    expect(step(resolved, found('holds'), TIMES, 2 * S).core?.state).toBe('pending');
    expect(step(resolved, found('holds'), FIRES, 2 * S).core?.state).toBe('firing');
  });

  test('one that was pending again and did not fire is shown as resolved again', () => {
    const resolved = step(step(undefined, found('holds'), FIRES, 0).core, found('fails'), FIRES, S).core;
    const pending = step(resolved, found('holds'), TIMES, 2 * S).core;
    expect(step(pending, found('fails'), TIMES, 3 * S)).toMatchObject({
      closedBecause: null,
      core: { state: 'resolved', closedBefore: 'recovered' },
    });
  });
});

test('an alert that fires again and again flaps, until it was quiet', () => {
  let core: AlertCore | undefined;
  let at = 0;
  for (let n = 0; n < FLAP_FIRINGS; n++) {
    core = step(core, found('holds'), FIRES, at + S).core;
    expect(core?.isFlapping).toBe(n === FLAP_FIRINGS - 1);
    at += 2 * S;
    core = step(core, found('fails'), FIRES, at).core;
  }
  expect(step(core, found('fails'), FIRES, at + FLAP_QUIET_MS - 1).core?.isFlapping).toBe(true);
  expect(step(core, found('fails'), FIRES, at + FLAP_QUIET_MS).core?.isFlapping).toBe(false);
});

function found(when: Verdict, clear?: Verdict): Found {
  return { when, clear };
}

interface Seen extends Found {
  readonly atMs: number;
}

/**
 * What is over at one evaluation, read off the documentation: it counts nothing and remembers nothing.
 */
function meaning({ when, clear }: Found): 'goes on' | 'over' | 'missing' | 'nobody knows' | 'gone' {
  if (when === 'removed' || (clear === 'removed' && when !== 'held' && when !== 'holds')) return 'gone';
  if (when === 'held' || clear === 'held') return 'nobody knows';
  if (when === 'holds') return 'goes on';
  const decides = clear ?? (when === 'fails' ? 'holds' : when);
  if (decides === 'holds') return 'over';
  if (decides === 'fails') return 'goes on';
  return decides === 'no_data' ? 'missing' : 'nobody knows';
}

/** The plain model: finds the state after all of them by looking at whole lists again and again. */
function modelled(all: readonly Seen[], times: RuleTimes): string {
  const lasted = (list: readonly Seen[], counts: (seen: Seen) => boolean) =>
    list.reduce((sum, seen, n) => {
      const before = list[n - 1];
      return before !== undefined && counts(seen) && counts(before) ? sum + seen.atMs - before.atMs : sum;
    }, 0);
  const sinceLast = (list: readonly Seen[], ends: (seen: Seen) => boolean) => list.slice(list.findLastIndex(ends) + 1);
  let state = 'inactive';
  let since = 0;
  let hasFired = false;
  for (let n = 0; n < all.length; n++) {
    const seen = all[n] as Seen;
    if (state === 'inactive' || state === 'resolved') {
      if (seen.when !== 'holds') continue;
      since = n;
      state = times.forMs === 0 ? 'firing' : 'pending';
    } else if (state === 'pending') {
      const life = all.slice(since, n + 1);
      const missing = sinceLast(life, ({ when }) => when === 'holds');
      if (seen.when === 'fails' || seen.when === 'removed') state = hasFired ? 'resolved' : 'inactive';
      else if (seen.when === 'holds') {
        if (lasted(life, ({ when }) => when === 'holds') >= times.forMs) [state, since] = ['firing', n];
      } else if (seen.when === 'no_data' && lasted(missing, ({ when }) => when === 'no_data') > times.forMs) {
        state = hasFired ? 'resolved' : 'inactive';
      }
    } else {
      const life = all.slice(since + 1, n + 1);
      const what = meaning(seen);
      const over = sinceLast(life, (one) => ['goes on', 'missing'].includes(meaning(one)));
      const missing = sinceLast(life, (one) => ['goes on', 'over'].includes(meaning(one)));
      if (what === 'gone') state = 'resolved';
      if (what === 'over' && lasted(over, (one) => meaning(one) === 'over') >= times.keepFiringForMs)
        state = 'resolved';
      if (what === 'missing' && lasted(missing, (one) => meaning(one) === 'missing') >= times.noDataAfterMs) {
        state = 'resolved';
      }
    }
    hasFired ||= state === 'firing';
  }
  return state;
}

const verdict = fc.constantFrom<Verdict>('holds', 'holds', 'fails', 'no_data', 'held', 'error', 'removed');
const seconds = (max: number) => fc.integer({ min: 0, max }).map((s) => s * S);
const times = fc.record({ forMs: seconds(30), keepFiringForMs: seconds(30), noDataAfterMs: seconds(60) });

test('property: after any evaluations the alert is in the state of the plain model', () => {
  const seen = fc.record({ when: verdict, clear: verdict, gapMs: fc.integer({ min: 1, max: 20 }).map((s) => s * S) });
  fc.assert(
    fc.property(fc.array(seen, { maxLength: 40 }), times, fc.boolean(), (list, ruleTimes, hasClear) => {
      let atMs = 0;
      let core: AlertCore | undefined;
      const all: Seen[] = [];
      for (const { when, clear, gapMs } of list) {
        atMs += gapMs;
        // `clear_when` is asked only of an alert that fires.
        const one = { when, clear: hasClear && core?.state === 'firing' ? clear : undefined };
        all.push({ ...one, atMs });
        const before = core?.state;
        const next = step(core, one, ruleTimes, atMs);
        core = next.core;
        expect(core?.state ?? 'inactive').toBe(modelled(all, ruleTimes));
        // Only what fired can be resolved.
        expect(next.closedBecause !== null).toBe(before === 'firing' && core?.state === 'resolved');
      }
    }),
    { numRuns: 300 },
  );
});

test('property: a restart at any evaluation never brings an alert further than without it', () => {
  const seen = fc.record({ when: verdict, gapMs: seconds(20) });
  fc.assert(
    fc.property(fc.array(seen, { minLength: 1, maxLength: 20 }), times, fc.nat(), (list, ruleTimes, at) => {
      const firedWithin = (restartAt: number | undefined) => {
        let [core, atMs, isFired]: [AlertCore | undefined, number, boolean] = [undefined, 0, false];
        return list.map(({ when, gapMs }, n) => {
          if (n === restartAt && core !== undefined) core = resume(core, atMs);
          atMs += gapMs;
          core = step(core, { when, clear: undefined }, ruleTimes, atMs).core;
          isFired ||= core?.state === 'firing';
          return isFired;
        });
      };
      const [without, withOne] = [firedWithin(undefined), firedWithin(at % list.length)];
      for (const [n, isFired] of withOne.entries()) expect(!isFired || without[n]).toBe(true);
    }),
    { numRuns: 300 },
  );
});
