/** Alerts and rule sets for tests, with what a test does not care about filled in. */

import { type NotifyRules, notifyRulesOf } from '../../src/alerts/notify/notify-rules.ts';
import type { Inhibition, MuteTime, ReceiverTarget, Route } from '../../src/alerts/rules/rule.ts';
import type { Alert } from '../../src/model/alert.ts';
import { parseMatcher as matcherOf } from '../../src/model/label-matchers.ts';

/** A firing alert `Hot` of worker `id`. */
export function alertFor(id: string, over: Partial<Alert> = {}): Alert {
  return {
    id,
    rule: 'Hot',
    subject: { kind: 'worker', name: id },
    state: 'firing',
    severity: 'page',
    labels: { alertname: 'Hot', severity: 'page', worker: id },
    annotations: { summary: `${id} is hot` },
    runbookUrl: null,
    expression: 'cpu_usage > 90.0',
    pendingSinceUnixMs: 0,
    firingSinceUnixMs: 0,
    resolvedUnixMs: null,
    closedBecause: null,
    noDataSinceUnixMs: null,
    values: { pending: null, firing: null, now: null },
    transitions: [],
    isFlapping: false,
    silencedBy: [],
    inhibitedBy: [],
    mutedBy: [],
    link: `http://127.0.0.1:8080/#/workers/${id}`,
    ...over,
  };
}

export function targetOf(kind: string, over: Partial<ReceiverTarget> = {}): ReceiverTarget {
  return { kind, settings: {}, sendsResolved: true, ...over };
}

/** Of the receiver `hook`; by default told at once, again after 10 s, and repeated after 4 h. */
export function routeOf(over: Omit<Partial<Route>, 'match'> & { readonly match?: readonly string[] } = {}): Route {
  return {
    receiver: 'hook',
    groupBy: ['alertname'],
    groupWaitMs: 0,
    groupIntervalMs: 10_000,
    repeatIntervalMs: 4 * 3_600_000,
    muteTimes: [],
    continues: false,
    routes: [],
    ...over,
    match: (over.match ?? []).map(matcherOf),
  };
}

export interface RulesInTest {
  readonly route?: Route;
  readonly receivers?: Readonly<Record<string, readonly ReceiverTarget[]>>;
  readonly inhibitions?: readonly Inhibition[];
  readonly muteTimes?: readonly MuteTime[];
  readonly timeZone?: string;
}

export function rulesInTest({ route, receivers, inhibitions, muteTimes, timeZone }: RulesInTest = {}): NotifyRules {
  return notifyRulesOf(
    {
      route: route ?? routeOf(),
      receivers: Object.entries(receivers ?? { hook: [targetOf('webhook')] }).map(([name, targets]) => ({
        name,
        targets,
        place: undefined,
      })),
      inhibitions: inhibitions ?? [],
      muteTimes: muteTimes ?? [],
    },
    timeZone ?? 'UTC',
  );
}

export function inhibitionOf(
  source: readonly string[],
  target: readonly string[],
  equal: readonly string[] = [],
): Inhibition {
  return { source: source.map(matcherOf), target: target.map(matcherOf), equal, place: undefined };
}
