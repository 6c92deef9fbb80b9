import { expect, test } from 'vitest';
import { MAX_GROUPS, TELL_ANEW_AFTER_MS } from '../../../src/alerts/notify/notify-limits.ts';
import { parseMatcher } from '../../../src/model/label-matchers.ts';
import type { Silence } from '../../../src/model/silence.ts';
import { inShort, Notifier } from '../../support/notifier.ts';
import { alertFor, inhibitionOf, routeOf, rulesInTest, targetOf } from '../../support/notify-rules.ts';

const S = 1000;
const HOUR = 3600 * S;

function silenceOf(matcher: string, startsUnixMs: number, endsUnixMs: number): Silence {
  const matchers = [parseMatcher(matcher)];
  return { id: 's1', matchers, startsUnixMs, endsUnixMs, createdBy: '', comment: '', updatedUnixMs: 0 };
}

test('alerts of a group are told together, once, and then when they are over', () => {
  const notifier = new Notifier(rulesInTest({ route: routeOf({ groupWaitMs: 2 * S }) }));
  notifier.set(alertFor('a', { firingSinceUnixMs: 10 * S }));
  expect(notifier.planAt(10 * S)).toMatchObject({ notifications: [], dueUnixMs: 12 * S });
  notifier.set(alertFor('b', { firingSinceUnixMs: 11 * S }));
  expect(notifier.at(11 * S)).toEqual([]);
  expect(notifier.at(12 * S)).toEqual(['hook/0 {alertname="Hot"}: +a +b']);
  expect(notifier.at(13 * S)).toEqual([]);
  notifier.resolve('a', 14 * S);
  expect(notifier.planAt(14 * S)).toMatchObject({ notifications: [], dueUnixMs: 22 * S });
  expect(notifier.at(22 * S)).toEqual(['hook/0 {alertname="Hot"}: +b -a']);
  expect(notifier.at(HOUR)).toEqual([]);
  notifier.resolve('b', HOUR);
  notifier.at(HOUR);
  expect(notifier.at(HOUR + 2 * S)).toEqual(['hook/0 {alertname="Hot"}: -b']);
  expect(notifier.told.size).toBe(1);
  notifier.at(HOUR + 20 * S);
  expect(notifier.told.size).toBe(0);
});

test('the table of alerts may forget an alert before its end is told', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.set(alertFor('a'));
  notifier.at(0);
  notifier.resolve('a', S);
  expect(notifier.at(S)).toEqual([]);
  notifier.alerts.clear();
  expect(notifier.at(10 * S)).toEqual(['hook/0 {alertname="Hot"}: -a']);
});

test('what ends before it was told is never told, and what fires again before its end was told is not told again', () => {
  const notifier = new Notifier(rulesInTest({ route: routeOf({ groupWaitMs: 2 * S }) }));
  notifier.set(alertFor('a', { firingSinceUnixMs: S }));
  notifier.at(S);
  notifier.resolve('a', 2 * S);
  expect(notifier.at(3 * S)).toEqual([]);
  expect(notifier.told.size).toBe(0);
  notifier.set(alertFor('b', { firingSinceUnixMs: 4 * S }));
  notifier.at(4 * S);
  expect(notifier.at(6 * S)).toEqual(['hook/0 {alertname="Hot"}: +b']);
  notifier.resolve('b', 7 * S);
  expect(notifier.at(7 * S)).toEqual([]);
  notifier.set(alertFor('b', { firingSinceUnixMs: 8 * S }));
  expect([...notifier.at(8 * S), ...notifier.at(20 * S), ...notifier.at(60 * S)]).toEqual([]);
});

test('what fires is told again after repeat_interval, unless the time before still waits', () => {
  const notifier = new Notifier(rulesInTest({ route: routeOf({ repeatIntervalMs: HOUR }) }));
  notifier.set(alertFor('a'));
  expect(notifier.planAt(0)).toMatchObject({ notifications: [{}], dueUnixMs: HOUR });
  expect(notifier.planAt(S)).toMatchObject({ notifications: [], dueUnixMs: HOUR });
  notifier.isWaiting = true;
  expect(notifier.at(HOUR)).toEqual([]);
  notifier.isWaiting = false;
  expect(notifier.at(HOUR + S)).toEqual(['hook/0 {alertname="Hot"}: +a']);
  expect(notifier.at(2 * HOUR)).toEqual([]);
});

test('an alert that is silenced all along is never told; it is told if it fires when the silence ends', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.silences.set('s1', silenceOf('worker="a"', 0, 100 * S));
  notifier.set(alertFor('a'), alertFor('b'));
  const first = notifier.planAt(0);
  expect(first.suppressed).toEqual(new Map([['a', { silencedBy: ['s1'], inhibitedBy: [], mutedBy: [] }]]));
  expect(first.notifications).toMatchObject([{ alerts: [{ id: 'b' }] }]);
  notifier.resolve('b', 20 * S);
  expect(notifier.at(20 * S)).toEqual(['hook/0 {alertname="Hot"}: -b']);
  expect(notifier.planAt(50 * S).dueUnixMs).toBe(100 * S);
  expect(notifier.at(100 * S)).toEqual(['hook/0 {alertname="Hot"}: +a']);
  expect(notifier.planAt(100 * S).suppressed.size).toBe(0);
});

test('an alert that was told and then silenced is not told as over, until it is; and again if the silence ends first', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.set(alertFor('a'), alertFor('b'));
  notifier.at(0);
  notifier.silences.set('s1', silenceOf('alertname="Hot"', S, 100 * S));
  expect([...notifier.at(S), ...notifier.at(50 * S)]).toEqual([]);
  notifier.resolve('b', 60 * S);
  expect(notifier.at(60 * S)).toEqual(['hook/0 {alertname="Hot"}: -b']);
  expect(notifier.at(100 * S)).toEqual(['hook/0 {alertname="Hot"}: +a']);
  expect(notifier.at(200 * S)).toEqual([]);
});

test('an inhibited alert is told when its source is over', () => {
  const inhibitions = [inhibitionOf(['alertname="Down"'], ['alertname!="Down"'], ['worker'])];
  const notifier = new Notifier(rulesInTest({ inhibitions }));
  const down = alertFor('d', { labels: { alertname: 'Down', worker: 'a' } });
  notifier.set(alertFor('a'), down);
  const first = notifier.planAt(0);
  expect(first.notifications).toMatchObject([{ alerts: [{ id: 'd' }] }]);
  expect(first.suppressed.get('a')).toEqual({ silencedBy: [], inhibitedBy: ['d'], mutedBy: [] });
  notifier.resolve('d', 20 * S);
  expect(notifier.at(20 * S).sort()).toEqual(['hook/0 {alertname="Down"}: -d', 'hook/0 {alertname="Hot"}: +a']);
});

test('in a mute time nothing is told; after it, what fires and what has ended', () => {
  const muteTimes = [
    {
      name: 'night',
      timeZone: undefined,
      intervals: [
        {
          times: [{ from: 60, to: 120 }],
          weekdays: undefined,
          daysOfMonth: undefined,
          months: undefined,
          years: undefined,
        },
      ],
    },
  ];
  const notifier = new Notifier(
    rulesInTest({ muteTimes, route: routeOf({ muteTimes: ['night'], repeatIntervalMs: HOUR / 2 }) }),
  );
  notifier.set(alertFor('a'));
  expect(notifier.at(HOUR - S)).toEqual(['hook/0 {alertname="Hot"}: +a']);
  notifier.set(alertFor('b', { firingSinceUnixMs: HOUR }), alertFor('c', { firingSinceUnixMs: HOUR }));
  const muted = notifier.planAt(HOUR);
  expect(muted.notifications).toEqual([]);
  expect(muted.suppressed.get('b')).toEqual({ silencedBy: [], inhibitedBy: [], mutedBy: ['night'] });
  notifier.resolve('a', HOUR + S);
  notifier.resolve('c', HOUR + S);
  expect([...notifier.at(HOUR + S), ...notifier.at(2 * HOUR - S)]).toEqual([]);
  expect(notifier.at(2 * HOUR)).toEqual(['hook/0 {alertname="Hot"}: +b -a']);
});

test('an alert that flaps is told once, until it is quiet', () => {
  const notifier = new Notifier(rulesInTest());
  const told: string[] = [];
  for (let at = 0; at < 600 * S; at += 20 * S) {
    notifier.set(alertFor('a', { firingSinceUnixMs: at, isFlapping: at >= 100 * S }));
    told.push(...notifier.at(at));
    notifier.resolve('a', at + 10 * S);
    told.push(...notifier.at(at + 10 * S));
  }
  // Five times in full before it was found to flap.
  expect(told.length).toBe(11);
  expect(told.at(-1)).toContain('+a');
  notifier.resolve('a', 600 * S, { isFlapping: false });
  expect(notifier.at(3000 * S)).toEqual(['hook/0 {alertname="Hot"}: -a']);
});

test('a receiver that does not want ends is not told of them, and told again of the next beginning', () => {
  const receivers = { hook: [targetOf('webhook'), targetOf('email', { sendsResolved: false })] };
  const notifier = new Notifier(rulesInTest({ receivers }));
  notifier.set(alertFor('a'));
  expect(notifier.at(0)).toEqual(['hook/0 {alertname="Hot"}: +a', 'hook/1 {alertname="Hot"}: +a']);
  notifier.resolve('a', 20 * S);
  expect(notifier.at(20 * S)).toEqual(['hook/0 {alertname="Hot"}: -a']);
  notifier.set(alertFor('a', { firingSinceUnixMs: 40 * S }));
  expect(notifier.at(40 * S)).toEqual(['hook/0 {alertname="Hot"}: +a', 'hook/1 {alertname="Hot"}: +a']);
});

test('Alertmanager is told of each firing alert every minute, also while it is silenced here or flaps', () => {
  const notifier = new Notifier(rulesInTest({ receivers: { hook: [targetOf('alertmanager')] } }));
  notifier.set(alertFor('a'), alertFor('b'));
  expect(notifier.at(0)).toEqual(['hook/0 {alertname="Hot"}: +a +b']);
  expect(notifier.at(59 * S)).toEqual([]);
  notifier.silences.set('s1', silenceOf('worker="a"', 0, HOUR));
  notifier.resolve('b', 60 * S, { isFlapping: true });
  expect(notifier.at(60 * S)).toEqual(['hook/0 {alertname="Hot"}: +a +b']);
  notifier.resolve('b', 60 * S, { isFlapping: false });
  expect(notifier.at(70 * S)).toEqual(['hook/0 {alertname="Hot"}: +a -b']);
  expect(notifier.at(130 * S)).toEqual(['hook/0 {alertname="Hot"}: +a']);
});

test('a storm of 10,000 alerts is one notification, or several parts for Alertmanager', () => {
  const receivers = { hook: [targetOf('webhook'), targetOf('alertmanager')] };
  const notifier = new Notifier(rulesInTest({ receivers }));
  for (let i = 0; i < 10_000; i++) notifier.set(alertFor(`w${i}`));
  const { notifications } = notifier.planAt(0);
  expect(notifications.filter(({ target }) => target === 0)).toMatchObject([
    { alerts: { length: 100 }, truncatedAlerts: 9900 },
  ]);
  const parts = notifications.filter(({ target }) => target === 1);
  expect(parts.length).toBe(20);
  expect(new Set(parts.flatMap(({ alerts }) => alerts.map(({ id }) => id))).size).toBe(10_000);
  expect(new Set(notifications.map(({ dedupKey }) => dedupKey)).size).toBe(21);
  for (let i = 0; i < 10_000; i++) notifier.resolve(`w${i}`, 20 * S);
  expect(notifier.planAt(20 * S).notifications.length).toBe(21);
  notifier.planAt(60 * S);
  expect(notifier.told.size).toBe(0);
});

test('a storm of groups of their own is bounded: alerts of further groups share one', () => {
  const notifier = new Notifier(rulesInTest({ route: routeOf({ groupBy: ['...'] }) }));
  for (let i = 0; i < 10_000; i++) notifier.set(alertFor(`w${i}`));
  const { notifications } = notifier.planAt(0);
  expect(notifications.length).toBe(MAX_GROUPS + 1);
  expect(notifications.at(-1)).toMatchObject({ groupLabels: {}, truncatedAlerts: 10_000 - MAX_GROUPS - 100 });
  expect(notifier.planAt(60 * S).notifications).toEqual([]);
  for (let i = 0; i < 10_000; i++) notifier.resolve(`w${i}`, 60 * S);
  expect(notifier.planAt(60 * S).notifications.length).toBe(MAX_GROUPS + 1);
  notifier.planAt(100 * S);
  expect(notifier.told.size).toBe(0);
});

test('after new rules, an alert that was told is not told again to the same receiver, and told to another one', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.set(alertFor('a'));
  notifier.at(0);
  const receivers = { hook: [targetOf('email'), targetOf('webhook')], other: [targetOf('webhook')] };
  notifier.rules = rulesInTest({ receivers, route: routeOf({ groupBy: ['worker'] }) });
  // In the group that told it before: what was opened there is closed there.
  expect(notifier.at(20 * S)).toEqual(['hook/0 {alertname="Hot"}: +a']);
  expect(notifier.at(HOUR)).toEqual([]);
  notifier.rules = rulesInTest({ receivers, route: routeOf({ receiver: 'other' }) });
  expect(notifier.at(HOUR)).toEqual(['other/0 {alertname="Hot"}: +a']);
  expect(notifier.at(10 * HOUR)).toEqual(['other/0 {alertname="Hot"}: +a']);
  notifier.resolve('a', 11 * HOUR);
  // Those who were told of it are told of its end.
  expect(notifier.at(11 * HOUR).sort()).toEqual([
    'hook/0 {alertname="Hot"}: -a',
    'hook/1 {alertname="Hot"}: -a',
    'other/0 {alertname="Hot"}: -a',
  ]);
});

test('a receiver that is gone is forgotten', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.set(alertFor('a'));
  notifier.at(0);
  notifier.rules = rulesInTest({ route: routeOf({ receiver: 'other' }), receivers: { other: [targetOf('webhook')] } });
  notifier.at(20 * S);
  expect([...notifier.told.values()].map(({ receiver }) => receiver)).toEqual(['other']);
});

test('after a notification was given up, what still fires is told anew after a while, and the end of the rest is not', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.set(alertFor('a'), alertFor('b'));
  const [given] = notifier.planAt(0).planned;
  if (given === undefined) throw new Error('nothing was told');
  notifier.giveUp(given, S);
  // Others of the group do not wait for those that were refused.
  notifier.set(alertFor('c', { firingSinceUnixMs: 10 * S }));
  expect(notifier.at(10 * S)).toEqual(['hook/0 {alertname="Hot"}: +c']);
  notifier.resolve('b', 20 * S);
  expect(notifier.planAt(20 * S)).toMatchObject({ notifications: [], dueUnixMs: S + TELL_ANEW_AFTER_MS });
  expect(notifier.at(S + TELL_ANEW_AFTER_MS)).toEqual(['hook/0 {alertname="Hot"}: +a +c']);
});

test('an end that was given up is told anew after a while; the next firing is told then, too', () => {
  const notifier = new Notifier(rulesInTest(), { restarts: true });
  notifier.set(alertFor('a'));
  notifier.at(0);
  notifier.resolve('a', HOUR);
  notifier.isWaiting = true;
  const [end] = notifier.planAt(HOUR).planned;
  if (end === undefined) throw new Error('its end was not told');
  // It waits for a long time before it is given up: the group is not forgotten meanwhile.
  expect(notifier.at(2 * HOUR)).toEqual([]);
  notifier.isWaiting = false;
  notifier.giveUp(end, 2 * HOUR);
  expect(notifier.planAt(2 * HOUR).dueUnixMs).toBe(2 * HOUR + TELL_ANEW_AFTER_MS);
  expect(notifier.at(2 * HOUR + TELL_ANEW_AFTER_MS)).toEqual(['hook/0 {alertname="Hot"}: -a']);
  notifier.set(alertFor('a', { firingSinceUnixMs: 3 * HOUR }));
  expect(notifier.at(3 * HOUR)).toEqual(['hook/0 {alertname="Hot"}: +a']);
});

test('an alert that was told, and whose telling again was given up, is still told as over', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.set(alertFor('a'));
  notifier.at(0);
  notifier.silences.set('s1', silenceOf('worker="a"', S, 100 * S));
  notifier.at(S);
  const [again] = notifier.planAt(100 * S).planned;
  expect(again?.fresh).toEqual([]);
  if (again === undefined) throw new Error('it was not told again');
  notifier.giveUp(again, 100 * S);
  expect(notifier.at(200 * S)).toEqual([]);
  expect(notifier.at(100 * S + TELL_ANEW_AFTER_MS)).toEqual(['hook/0 {alertname="Hot"}: +a']);
  notifier.resolve('a', HOUR);
  expect(notifier.at(HOUR)).toEqual(['hook/0 {alertname="Hot"}: -a']);
});

test('a notification says how many alerts of its group have not ended, listed or not', () => {
  const inhibitions = [inhibitionOf(['alertname="Down"'], ['alertname!="Down"'], ['worker'])];
  const notifier = new Notifier(rulesInTest({ inhibitions }));
  const open = (at: number) => notifier.planAt(at).notifications.map((one) => [inShort(one), one.openAlerts]);
  notifier.set(alertFor('a'), alertFor('b'), alertFor('c'));
  expect(open(0)).toEqual([['hook/0 {alertname="Hot"}: +a +b +c', 3]]);
  notifier.set(alertFor('d', { labels: { alertname: 'Down', worker: 'a' } }));
  notifier.set(alertFor('c', { isFlapping: true }));
  notifier.resolve('c', 20 * S);
  notifier.resolve('b', 20 * S);
  expect(open(20 * S)).toContainEqual(['hook/0 {alertname="Hot"}: -b', 2]);
  notifier.resolve('c', 40 * S, { isFlapping: false });
  notifier.resolve('a', 40 * S);
  expect(open(40 * S)).toEqual([['hook/0 {alertname="Hot"}: -a -c', 0]]);
});

test('an alert whose rule was changed ends, also if the new one holds already', () => {
  const notifier = new Notifier(rulesInTest(), { restarts: true });
  const changed = { closedBecause: 'rule_changed', state: 'resolved' } as const;
  notifier.set(alertFor('a'), alertFor('b'), alertFor('c'));
  notifier.at(0);
  for (const id of ['a', 'b', 'c']) notifier.ended.set(id, alertFor(id, { ...changed, resolvedUnixMs: 20 * S }));
  const labels = { alertname: 'Hot', severity: 'critical', worker: 'c' };
  notifier.set(
    alertFor('a', { state: 'pending' }),
    alertFor('b', { firingSinceUnixMs: 20 * S }),
    alertFor('c', { firingSinceUnixMs: 20 * S, severity: 'critical', labels }),
  );
  const [told] = notifier.planAt(20 * S).notifications;
  // `b` goes on; `c` is another alert for receivers, since its labels are others.
  expect(told?.alerts.map(({ rule, subject, state, severity }) => [rule, subject.name, state, severity])).toEqual([
    ['Hot', 'c', 'firing', 'critical'],
    ['Hot', 'b', 'firing', 'page'],
    ['Hot', 'a', 'resolved', 'page'],
    ['Hot', 'c', 'resolved', 'page'],
  ]);
  expect(told).toMatchObject({ openAlerts: 2, alerts: { 2: changed, 3: changed } });
  expect(notifier.at(40 * S)).toEqual([]);
  for (const id of ['b', 'c']) notifier.resolve(id, 60 * S);
  notifier.alerts.delete('a');
  expect(notifier.at(60 * S)).toEqual(['hook/0 {alertname="Hot"}: -b -c']);
  notifier.at(80 * S);
  expect(notifier.told.size).toBe(0);
});

test('an alert that flaps ends when its rule is removed', () => {
  const notifier = new Notifier(rulesInTest());
  notifier.set(alertFor('a', { isFlapping: true }));
  notifier.at(0);
  notifier.resolve('a', 20 * S, { isFlapping: true, closedBecause: 'rule_changed' });
  expect(notifier.at(20 * S)).toEqual(['hook/0 {alertname="Hot"}: -a']);
});

test('a wall clock that is set back delays nothing', () => {
  const notifier = new Notifier(rulesInTest({ route: routeOf({ groupWaitMs: 2 * S }) }));
  notifier.set(alertFor('a', { firingSinceUnixMs: 10 * HOUR }));
  notifier.at(10 * HOUR);
  expect(notifier.at(10 * HOUR + 2 * S)).toEqual(['hook/0 {alertname="Hot"}: +a']);
  notifier.set(alertFor('b', { firingSinceUnixMs: HOUR }));
  notifier.at(HOUR);
  expect(notifier.at(HOUR + 10 * S)).toEqual(['hook/0 {alertname="Hot"}: +b +a']);
});
