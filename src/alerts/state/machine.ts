/**
 * What an alert is after an evaluation: a pure function of what it was, what the evaluation found, the rule, and the time.
 *
 *                  holds                 holds for `for`
 *     inactive ─────────────► pending ───────────────────► firing ───────► resolved
 *         ▲  fails, removed,    │                             over, removed,  │  forgotten after a while;
 *         └─ no values for      ┘                             no values for   │  or holds again: → pending
 *            longer than `for`                                `no_data_after` ▼
 *
 * | found   | pending                         | firing                                                              |
 * |---------|---------------------------------|---------------------------------------------------------------------|
 * | holds   | the time for `for` goes on      | goes on; what counted for `keep_firing_for` and no data is forgotten |
 * | fails   | → inactive                      | over for `keep_firing_for` (with `clear_when`: if that holds, too): |
 * |         |                                 | → resolved, `recovered`                                             |
 * | no_data | the time for `for` is           | stays, marked; for `no_data_after`: → resolved, `no_data`           |
 * |         | interrupted; for longer than    |                                                                     |
 * |         | `for`: → inactive               |                                                                     |
 * | held    | all times are interrupted, and nothing else changes: nobody can know                                 |
 * | error   | the same                                                                                              |
 * | removed | → inactive                      | → resolved, `worker_removed`                                        |
 *
 * Times are attentive (store/master-figures.ts): a stall of the master counts for nothing, and neither does a step of the wall
 * clock. Time during which the master was down does not count either, because nobody knows what was in it: a pending alert goes on
 * with what it had.
 */
import type { AlertState, ClosedBecause } from '../../model/alert.ts';
import type { Verdict } from '../evaluation/evaluated.ts';
import { FLAP_FIRINGS, FLAP_QUIET_MS, FLAP_WINDOW_MS, RESOLVED_KEPT_MS } from './state-limits.ts';
import { goOn, interrupt, type Stopwatch, startAt } from './stopwatch.ts';

/** What decides; plain data. An inactive alert is undefined. */
export interface AlertCore {
  readonly state: AlertState;
  /** Pending: for `for`. Firing: how long it has been over, for `keep_firing_for`; null: it is not over. Resolved: since when. */
  readonly watch: Stopwatch | null;
  /** How long values have been missing; null: they are there. */
  readonly missing: Stopwatch | null;
  /** Since it last changed between firing and not firing; null: it never fired. */
  readonly quiet: Stopwatch | null;
  /** How long ago it fired, the last times, newest first, at most {@link FLAP_FIRINGS}: each counted since then. */
  readonly fired: readonly Stopwatch[];
  readonly isFlapping: boolean;
  /** It fired before, and is shown as resolved again if it does not fire now. */
  readonly closedBefore: ClosedBecause | null;
}

export interface Found {
  readonly when: Verdict;
  /** Of `clear_when`; undefined: the rule has none, or the alert does not fire. */
  readonly clear: Verdict | undefined;
}

export interface RuleTimes {
  readonly forMs: number;
  readonly keepFiringForMs: number;
  readonly noDataAfterMs: number;
}

export interface Step {
  /** Undefined: inactive, and forgotten. */
  readonly core: AlertCore | undefined;
  /** Set if it was resolved now. */
  readonly closedBecause: ClosedBecause | null;
}

/** @param nowMs attentive; never less than at an earlier call */
export function step(core: AlertCore | undefined, found: Found, times: RuleTimes, nowMs: number): Step {
  if (core === undefined) return stay(found.when === 'holds' ? begin(undefined, times, nowMs) : undefined);
  const aged = age(core, nowMs);
  switch (aged.state) {
    case 'resolved':
      if (found.when === 'holds') return stay(begin(aged, times, nowMs));
      return stay((aged.watch as Stopwatch).doneMs >= RESOLVED_KEPT_MS ? undefined : aged);
    case 'pending':
      return stay(pending(aged, found.when, times, nowMs));
    case 'firing':
      return firing(aged, found, times, nowMs);
    default:
      throw aged.state satisfies never;
  }
}

/**
 * Ends an alert without an evaluation, because its rule is another one now, or gone. It flaps no longer: what comes is of another rule,
 * and whoever waits for it to be quiet is told of its end now.
 */
export function close(core: AlertCore, closedBecause: ClosedBecause, nowMs: number): Step {
  const aged = { ...age(core, nowMs), fired: [], isFlapping: false };
  if (aged.state === 'firing') return { core: resolved(aged, nowMs, closedBecause), closedBecause };
  return stay(aged.state === 'pending' ? inactive(aged, nowMs) : aged);
}

/**
 * The thread is a new one: what counted until the last evaluation before is kept, what was between is not known.
 * @param seenMs when that was, in the attentive time of the core's own times
 */
export function resume(core: AlertCore, seenMs: number): AlertCore {
  const kept = (watch: Stopwatch) => interrupt(watch.lastMs === null ? watch : goOn(watch, seenMs));
  return {
    ...core,
    watch: core.watch && kept(core.watch),
    missing: core.missing && kept(core.missing),
    quiet: core.quiet && kept(core.quiet),
    fired: core.fired.map(kept),
  };
}

/** Whether time alone will change it, so that what has counted must be known after a restart. */
export function isCounting({ state, watch, missing }: AlertCore): boolean {
  return state !== 'resolved' && (watch?.lastMs != null || missing?.lastMs != null);
}

/** How long until time alone changes the alert, if it is found the same; undefined: never. */
export function dueInMs(
  { state, watch }: AlertCore,
  { forMs, keepFiringForMs }: RuleTimes,
  nowMs: number,
): number | undefined {
  if (watch === null || watch.lastMs === null || state === 'resolved') return undefined;
  return Math.max(0, (state === 'pending' ? forMs : keepFiringForMs) - goOn(watch, nowMs).doneMs);
}

const stay = (core: AlertCore | undefined): Step => ({ core, closedBecause: null });

/** What counts whatever is found: how long it is quiet, and how long it is resolved. */
function age(core: AlertCore, nowMs: number): AlertCore {
  const quiet = core.quiet && goOn(core.quiet, nowMs);
  const fired = core.fired.map((watch) => goOn(watch, nowMs)).filter(({ doneMs }) => doneMs < FLAP_WINDOW_MS);
  const isFlapping = core.isFlapping && quiet !== null && quiet.doneMs < FLAP_QUIET_MS;
  const watch = core.state === 'resolved' && core.watch !== null ? goOn(core.watch, nowMs) : core.watch;
  return { ...core, watch, quiet, fired, isFlapping };
}

/** The condition begins to hold. */
function begin(core: AlertCore | undefined, times: RuleTimes, nowMs: number): AlertCore {
  const pending: AlertCore = {
    state: 'pending',
    watch: startAt(nowMs),
    missing: null,
    quiet: core?.quiet ?? null,
    fired: core?.fired ?? [],
    isFlapping: core?.isFlapping ?? false,
    closedBefore: core?.closedBefore ?? null,
  };
  return times.forMs === 0 ? fire(pending, nowMs) : pending;
}

function fire(core: AlertCore, nowMs: number): AlertCore {
  const fired = [startAt(nowMs), ...core.fired].slice(0, FLAP_FIRINGS);
  return {
    ...core,
    state: 'firing',
    watch: null,
    missing: null,
    quiet: startAt(nowMs),
    fired,
    isFlapping: core.isFlapping || fired.length >= FLAP_FIRINGS,
  };
}

function pending(core: AlertCore, when: Verdict, { forMs }: RuleTimes, nowMs: number): AlertCore | undefined {
  const watch = core.watch as Stopwatch;
  switch (when) {
    case 'holds': {
      const counted = goOn(watch, nowMs);
      return counted.doneMs >= forMs ? fire(core, nowMs) : { ...core, watch: counted, missing: null };
    }
    case 'no_data': {
      const missing = core.missing === null ? startAt(nowMs) : goOn(core.missing, nowMs);
      return missing.doneMs > forMs ? inactive(core, nowMs) : { ...core, watch: interrupt(watch), missing };
    }
    case 'held':
    case 'error':
      return { ...core, watch: interrupt(watch), missing: core.missing && interrupt(core.missing) };
    case 'fails':
    case 'removed':
      return inactive(core, nowMs);
    default:
      throw when satisfies never;
  }
}

/** It did not come to fire. */
function inactive(core: AlertCore, nowMs: number): AlertCore | undefined {
  if (core.closedBefore === null) return undefined;
  return { ...core, state: 'resolved', watch: startAt(nowMs), missing: null };
}

function firing(core: AlertCore, found: Found, times: RuleTimes, nowMs: number): Step {
  switch (overOf(found)) {
    case 'goes on':
      return stay({ ...core, watch: null, missing: null });
    case 'over': {
      const watch = core.watch === null ? startAt(nowMs) : goOn(core.watch, nowMs);
      if (watch.doneMs < times.keepFiringForMs) return stay({ ...core, watch, missing: null });
      return { core: resolved(core, nowMs, 'recovered'), closedBecause: 'recovered' };
    }
    case 'no data': {
      const missing = core.missing === null ? startAt(nowMs) : goOn(core.missing, nowMs);
      // Whether it was over before the values stopped does not count: it has to be seen anew.
      if (missing.doneMs < times.noDataAfterMs) return stay({ ...core, watch: null, missing });
      return { core: resolved(core, nowMs, 'no_data'), closedBecause: 'no_data' };
    }
    case 'unknown':
      return stay({
        ...core,
        watch: core.watch && interrupt(core.watch),
        missing: core.missing && interrupt(core.missing),
      });
    case 'removed':
      return { core: resolved(core, nowMs, 'worker_removed'), closedBecause: 'worker_removed' };
  }
}

type Over = 'goes on' | 'over' | 'no data' | 'unknown' | 'removed';

/** A firing alert whose condition holds goes on, whatever `clear_when` says: it would only fire again. */
function overOf({ when, clear }: Found): Over {
  if (when === 'removed') return 'removed';
  if (when === 'held' || clear === 'held') return 'unknown';
  if (when === 'holds') return 'goes on';
  if (clear === undefined) return BY_WHEN[when];
  return BY_CLEAR[clear];
}

const BY_WHEN: Readonly<Record<Exclude<Verdict, 'holds' | 'held' | 'removed'>, Over>> = {
  fails: 'over',
  no_data: 'no data',
  error: 'unknown',
};
const BY_CLEAR: Readonly<Record<Exclude<Verdict, 'held'>, Over>> = {
  holds: 'over',
  fails: 'goes on',
  no_data: 'no data',
  error: 'unknown',
  removed: 'removed',
};

function resolved(core: AlertCore, nowMs: number, closedBecause: ClosedBecause): AlertCore {
  const { fired, isFlapping } = core;
  return {
    state: 'resolved',
    watch: startAt(nowMs),
    missing: null,
    quiet: startAt(nowMs),
    fired,
    isFlapping,
    closedBefore: closedBecause,
  };
}
