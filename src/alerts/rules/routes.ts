/** Routes: a tree, in which each route takes from the one around it what it does not say itself. */
import { nearName } from '../expression/near-name.ts';
import type { Path } from './document.ts';
import { matchersOf } from './matchers.ts';
import { partsOf } from './parts-of.ts';
import type { Problems } from './problems.ts';
import type { Matcher, Route } from './rule.ts';
import { type RouteFields, routeSchema } from './schema.ts';

export const DEFAULT_GROUP_BY: readonly string[] = ['alertname'];
/** Alerts of one evaluation are found within milliseconds; 2 s take the next evaluation of a busy master with them. */
export const DEFAULT_GROUP_WAIT_MS = 2_000;
/** One evaluation: what it changes is told with it. */
export const DEFAULT_GROUP_INTERVAL_MS = 5_000;
/** A shift sees each alert that is still open once more. */
export const DEFAULT_REPEAT_INTERVAL_MS = 4 * 3_600_000;

/** The second one is Alertmanager's name of the first. */
const MATCH_FIELDS = ['match', 'matchers'] as const;

export interface RouteNames {
  readonly receivers: readonly string[];
  readonly muteTimes: readonly string[];
  /** Of the first route, if it names none. */
  readonly receiver: string | undefined;
}

export function routeOf(value: unknown, names: RouteNames, problems: Problems): Route {
  const fields = value == null ? {} : problems.parse(routeSchema, value, ['route'], 'route');
  const first = fields ?? routeParts(value);
  for (const field of MATCH_FIELDS) {
    if (first[field] === undefined) continue;
    problems.add(['route', field], `route: the first route takes all alerts; expected ${field} in the routes below it`);
  }
  if (fields !== undefined && first.receiver === undefined && names.receiver === undefined) {
    const message = `route: receiver is missing; expected one of ${names.receivers.join(', ')}`;
    problems.add(['route'], message);
  }
  const defaults: Route = {
    receiver: names.receiver ?? '',
    groupBy: DEFAULT_GROUP_BY,
    groupWaitMs: DEFAULT_GROUP_WAIT_MS,
    groupIntervalMs: DEFAULT_GROUP_INTERVAL_MS,
    repeatIntervalMs: DEFAULT_REPEAT_INTERVAL_MS,
    match: [],
    muteTimes: [],
    continues: false,
    routes: [],
  };
  return joined(first, defaults, [], ['route'], names, problems);
}

/** Of a tree with mistakes. */
function routeParts(value: unknown): RouteFields {
  const below = (value as { routes?: unknown } | null)?.routes;
  const routes = Array.isArray(below) ? { routes: below.map(routeParts) } : {};
  // A match of the wrong form is not one that is missing.
  const wrong = MATCH_FIELDS.filter((field) => typeof value === 'object' && value !== null && field in value);
  return { ...Object.fromEntries(wrong.map((field) => [field, []])), ...partsOf(routeSchema, value), ...routes };
}

function joined(
  fields: RouteFields,
  around: Route,
  match: readonly Matcher[],
  path: Path,
  names: RouteNames,
  problems: Problems,
): Route {
  const what = path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .slice(1);
  known(fields.receiver, names.receivers, 'receiver', [...path, 'receiver'], what, problems);
  for (const [index, name] of (fields.mute_times ?? []).entries()) {
    known(name, names.muteTimes, 'mute time', [...path, 'mute_times', index], what, problems);
  }
  const route: Route = {
    receiver: fields.receiver ?? around.receiver,
    groupBy: fields.group_by ?? around.groupBy,
    groupWaitMs: fields.group_wait ?? around.groupWaitMs,
    groupIntervalMs: fields.group_interval ?? around.groupIntervalMs,
    repeatIntervalMs: fields.repeat_interval ?? around.repeatIntervalMs,
    match,
    // Like Alertmanager, a route does not take these from the one around it.
    muteTimes: fields.mute_times ?? [],
    continues: fields.continue ?? false,
    routes: [],
  };
  const routes = (fields.routes ?? []).map((below, index) => {
    const at = [...path, 'routes', index];
    const given = MATCH_FIELDS.filter((field) => below[field] !== undefined);
    const own = given.flatMap((field) =>
      matchersOf(below[field] ?? [], [...at, field], `${what}.routes[${index}].${field}`, problems),
    );
    if (given.length === 0) {
      problems.add(at, `${what}.routes[${index}]: match is missing; expected such as { severity: page }`);
    }
    return joined(below, route, own, at, names, problems);
  });
  return { ...route, routes };
}

function known(
  name: string | undefined,
  names: readonly string[],
  kind: string,
  path: Path,
  what: string,
  problems: Problems,
): void {
  if (name === undefined || names.includes(name)) return;
  const meant = nearName(name, names);
  const all = names.length === 0 ? `expected a ${kind} that the file defines` : `expected one of ${names.join(', ')}`;
  const hint = meant === undefined ? all : `did you mean ${meant}?`;
  problems.add(path, `${what}: there is no ${kind} ${JSON.stringify(name)}; ${hint}`);
}
