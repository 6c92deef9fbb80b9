/** The planner beside a plain model that knows one group and one target, over random schedules. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TELL_ANEW_AFTER_MS } from '../../../src/alerts/notify/notify-limits.ts';
import type { PlannedNotification } from '../../../src/alerts/notify/plan.ts';
import type { Alert } from '../../../src/model/alert.ts';
import { parseMatcher } from '../../../src/model/label-matchers.ts';
import { Notifier } from '../../support/notifier.ts';
import { alertFor, inhibitionOf, routeOf, rulesInTest, targetOf } from '../../support/notify-rules.ts';
import { repetitions } from '../../support/repetitions.ts';

const S = 1000;
const WAIT = 2 * S;
const INTERVAL = 10 * S;
const REPEAT = 100 * S;
const IDS = ['a', 'b'];

/** What suppresses ends soon, so that most of the time something can be told. */
const weights = {
  fire: 6,
  resolve: 3,
  flap: 1,
  calm: 3,
  silence: 2,
  unsilence: 3,
  inhibit: 1,
  uninhibit: 3,
  mute: 1,
  unmute: 3,
  relabel: 1,
  refuse: 2,
};
const actions = fc.record({
  type: fc.oneof(...Object.entries(weights).map(([type, weight]) => ({ arbitrary: fc.constant(type), weight }))),
  id: fc.constantFrom(...IDS),
});
const schedules = fc.array(fc.record({ action: actions, thenMs: fc.constantFrom(S, 3 * S, 10 * S, 20 * S) }), {
  minLength: 10,
  maxLength: 40,
  size: 'max',
});

/** What a person would do with a notebook, for one receiver: no groups, no changes, no storage. */
class PlainModel {
  readonly told = new Set<string>();
  readonly silencedSince = new Set<string>();
  /** Of what was refused: until when it waits. */
  readonly waits = new Map<string, number>();
  last: { readonly first: readonly string[]; readonly firing: string[]; readonly over: string[] } | undefined;
  newsSinceMs: number | undefined;
  sentMs = Number.NEGATIVE_INFINITY;
  repeatedMs = Number.NEGATIVE_INFINITY;

  /** @returns what is told now, undefined: nothing */
  at(nowMs: number, world: World): { readonly firing: string[]; readonly over: string[] } | undefined {
    for (const [id, untilMs] of this.waits) if (untilMs <= nowMs) this.waits.delete(id);
    for (const id of world.relabelled) {
      if (!this.told.delete(id)) continue;
      this.silencedSince.delete(id);
      this.told.add(`${id}/${nowMs}`);
    }
    const firing = IDS.filter((id) => world.alerts.get(id)?.state === 'firing');
    for (const id of firing) if (this.told.has(id) && world.silenced.has(id)) this.silencedSince.add(id);
    const open = firing.filter((id) => !world.silenced.has(id) && !world.inhibited.has(id));
    const known = open.filter((id) => !this.waits.has(id));
    const fresh = known.filter((id) => !this.told.has(id) || this.silencedSince.has(id));
    const over = [...this.told].filter(
      (id) => !firing.includes(id) && !this.waits.has(id) && world.alerts.get(id)?.isFlapping !== true,
    );
    const isNews = fresh.length + over.length > 0;
    this.newsSinceMs = isNews ? (this.newsSinceMs ?? nowMs) : undefined;
    if (world.isMuted) return undefined;
    if (this.newsSinceMs !== undefined) {
      const since = Math.min(this.newsSinceMs, ...fresh.map((id) => world.alerts.get(id)?.firingSinceUnixMs ?? nowMs));
      if (nowMs >= since + WAIT && nowMs >= this.sentMs + INTERVAL) {
        this.last = { first: fresh.filter((id) => !this.told.has(id)), firing: known.sort(), over: over.sort() };
        for (const id of fresh) {
          this.told.add(id);
          this.silencedSince.delete(id);
        }
        for (const id of over) {
          this.told.delete(id);
          this.silencedSince.delete(id);
        }
        this.newsSinceMs = undefined;
        this.sentMs = nowMs;
        this.repeatedMs = nowMs;
        return this.last;
      }
    }
    const again = known.filter((id) => this.told.has(id));
    if (again.length === 0 || nowMs < this.repeatedMs + REPEAT) return undefined;
    this.repeatedMs = nowMs;
    this.last = { first: [], firing: again.sort(), over: [] };
    return this.last;
  }

  refuse(nowMs: number): void {
    const { first = [], firing = [], over = [] } = this.last ?? {};
    this.last = undefined;
    for (const id of firing) {
      if (first.includes(id)) this.told.delete(id);
      else if (this.told.has(id)) this.silencedSince.add(id);
      else continue;
      this.waits.set(id, nowMs + TELL_ANEW_AFTER_MS);
    }
    for (const id of over) {
      if (this.told.has(id)) continue;
      this.told.add(id);
      this.waits.set(id, nowMs + TELL_ANEW_AFTER_MS);
    }
  }
}

class World {
  readonly alerts = new Map<string, Alert>();
  readonly silenced = new Set<string>();
  readonly inhibited = new Set<string>();
  /** Since the last plan: its rule was changed, and it fires on with other labels. */
  readonly relabelled = new Set<string>();
  isMuted = false;
}

function act(world: World, { type, id }: { readonly type: string; readonly id: string }, nowMs: number): void {
  const alert = world.alerts.get(id);
  switch (type) {
    case 'fire':
      if (alert?.state === 'firing') return;
      world.alerts.set(
        id,
        alertFor(id, {
          firingSinceUnixMs: nowMs,
          isFlapping: alert?.isFlapping ?? false,
          ...(alert === undefined ? {} : { labels: alert.labels }),
        }),
      );
      return;
    case 'relabel':
      if (alert?.state !== 'firing') return;
      world.alerts.set(id, {
        ...alert,
        labels: { ...alert.labels, since: String(nowMs) },
        firingSinceUnixMs: nowMs,
        isFlapping: false,
      });
      world.relabelled.add(id);
      return;
    case 'resolve':
      if (alert?.state !== 'firing') return;
      world.alerts.set(id, { ...alert, state: 'resolved', resolvedUnixMs: nowMs, closedBecause: 'recovered' });
      return;
    case 'flap':
    case 'calm':
      if (alert !== undefined) world.alerts.set(id, { ...alert, isFlapping: type === 'flap' });
      return;
    case 'silence':
      world.silenced.add(id);
      return;
    case 'unsilence':
      world.silenced.delete(id);
      return;
    case 'inhibit':
      world.inhibited.add(id);
      return;
    case 'uninhibit':
      world.inhibited.delete(id);
      return;
    case 'mute':
      world.isMuted = true;
      return;
    case 'unmute':
      world.isMuted = false;
      return;
    // Nothing was told that could be refused.
    case 'refuse':
      return;
    default:
      throw new Error(type);
  }
}

const RULES = {
  receivers: { hook: [targetOf('webhook')], none: [] },
  inhibitions: [inhibitionOf(['by="inhibitor"'], ['by=""'], ['worker'])],
};
const route = routeOf({
  groupWaitMs: WAIT,
  groupIntervalMs: INTERVAL,
  repeatIntervalMs: REPEAT,
  muteTimes: ['always'],
  routes: [routeOf({ match: ['by="inhibitor"'], receiver: 'none' })],
});
const always = { times: undefined, weekdays: undefined, daysOfMonth: undefined, months: undefined, years: undefined };
const OPEN = rulesInTest({ ...RULES, route, muteTimes: [] });
const MUTED = rulesInTest({
  ...RULES,
  route,
  muteTimes: [{ name: 'always', timeZone: undefined, intervals: [always] }],
});

/** The same world in the planner's terms: silences and inhibiting alerts instead of sets. */
function show(world: World, notifier: Notifier): void {
  notifier.rules = world.isMuted ? MUTED : OPEN;
  for (const id of world.relabelled) {
    const before = notifier.alerts.get(id);
    if (before === undefined) continue;
    const resolvedUnixMs = world.alerts.get(id)?.firingSinceUnixMs ?? 0;
    notifier.ended.set(id, { ...before, state: 'resolved', resolvedUnixMs, closedBecause: 'rule_changed' });
  }
  notifier.alerts.clear();
  notifier.set(...world.alerts.values());
  for (const id of world.inhibited) {
    notifier.set(alertFor(`inhibits ${id}`, { labels: { by: 'inhibitor', worker: id } }));
  }
  for (const id of IDS) {
    if (!world.silenced.has(id)) notifier.silences.delete(id);
    else if (!notifier.silences.has(id)) {
      const matchers = [parseMatcher(`worker="${id}"`)];
      notifier.silences.set(id, {
        id,
        matchers,
        startsUnixMs: 0,
        endsUnixMs: 1e15,
        createdBy: '',
        comment: '',
        updatedUnixMs: 0,
      });
    }
  }
}

interface Told {
  readonly first: string[];
  readonly firing: string[];
  readonly over: string[];
}

function inWords({ notification, fresh }: PlannedNotification): Told {
  const ids = (state: string) => notification.alerts.flatMap((alert) => (alert.state === state ? alert.id : [])).sort();
  return { first: fresh.toSorted(), firing: ids('firing'), over: ids('resolved') };
}

test('the planner tells what a plain model tells, at the same times, with a restart between any two plans', () => {
  fc.assert(
    fc.property(schedules, fc.boolean(), (schedule, restarts) => {
      const world = new World();
      const model = new PlainModel();
      const notifier = new Notifier(OPEN, { restarts });
      let nowMs = 1_000_000 * S;
      // The queue would keep the group for longer.
      let last: PlannedNotification | undefined;
      const both = () => {
        show(world, notifier);
        const { planned } = notifier.planAt(nowMs);
        const told = model.at(nowMs, world);
        expect(planned.map(inWords)).toEqual(told === undefined ? [] : [told]);
        if (told !== undefined) expect(planned[0]?.notification.openAlerts).toBe(model.told.size);
        world.relabelled.clear();
        last = planned[0] ?? last;
      };
      for (const { action, thenMs } of schedule) {
        if (action.type === 'refuse' && last !== undefined && nowMs < last.notification.createdUnixMs + INTERVAL) {
          notifier.giveUp(last, nowMs);
          model.refuse(nowMs);
          last = undefined;
        } else act(world, action, nowMs);
        both();
        // Each second on the way: nothing is told too early, and nothing too late.
        for (const endMs = nowMs + thenMs; nowMs < endMs; nowMs += S) both();
      }
      // When all is over and quiet, everybody knows, and nothing is kept.
      world.isMuted = false;
      for (const id of IDS) {
        act(world, { type: 'calm', id }, nowMs);
        act(world, { type: 'resolve', id }, nowMs);
      }
      for (const endMs = nowMs + TELL_ANEW_AFTER_MS + 30 * S; nowMs < endMs; nowMs += S) both();
      expect(model.told.size).toBe(0);
      expect(notifier.told.size).toBe(0);
    }),
    { numRuns: repetitions(60, 5000) },
  );
});

test('whenever a plan says that nothing is due before a time, nothing is', () => {
  fc.assert(
    fc.property(schedules, (schedule) => {
      const world = new World();
      const notifier = new Notifier(OPEN);
      let nowMs = 1_000_000 * S;
      for (const { action, thenMs } of schedule) {
        act(world, action, nowMs);
        show(world, notifier);
        world.relabelled.clear();
        const { dueUnixMs = Number.POSITIVE_INFINITY } = notifier.planAt(nowMs);
        nowMs += thenMs;
        const before = Math.min(nowMs, dueUnixMs - 1);
        if (before > nowMs - thenMs) expect(notifier.planAt(before).notifications).toEqual([]);
      }
    }),
    { numRuns: repetitions(100, 5000) },
  );
});
