/**
 * A rule file: text → checked rules, or everything that is wrong with it. Pure but for the secret files of receivers, which the
 * caller reads.
 */
import { dirname } from 'node:path';
import { nearName } from '../expression/near-name.ts';
import { readDocument } from './document.ts';
import { inhibitionCycles } from './inhibition-cycles.ts';
import { inhibitionOf } from './inhibitions.ts';
import { muteTimeOf } from './mute-times.ts';
import type { RuleProblem } from './place.ts';
import { Problems } from './problems.ts';
import { receiverOf } from './receivers-of.ts';
import { routeOf } from './routes.ts';
import type { Inhibition, MuteTime, Receiver, Rule, RuleSet } from './rule.ts';
import { ruleOf } from './rule-of.ts';
import { fileSchema } from './schema.ts';
import { shippedRules } from './shipped.ts';
import { shippedInhibitions } from './shipped-inhibitions.ts';

/** It is there without being defined; a file may define it anew. */
export const LOG_RECEIVER: Receiver = {
  name: 'log',
  targets: [{ kind: 'log', settings: {}, sendsResolved: true }],
  place: undefined,
};

export interface RuleFileContext {
  /** Of the rule file; undefined: there is none. */
  readonly path: string | undefined;
  /** ALERT_COMMANDS=on. */
  readonly allowsCommands: boolean;
  /** Of secret files, by absolute path. @throws Error of the system */
  readonly readFile: (path: string) => string;
}

export type ParsedRules =
  | { readonly rules: RuleSet; readonly warnings: readonly RuleProblem[]; readonly problems?: undefined }
  | {
      readonly rules?: undefined;
      readonly warnings: readonly RuleProblem[];
      readonly problems: readonly RuleProblem[];
    };

/** @param text of the rule file; undefined: only the shipped rules, whose alerts go to the log */
export function parseRules(text: string | undefined, context: RuleFileContext): ParsedRules {
  if (text === undefined) return { rules: shippedRuleSet(), warnings: [] };
  const document = readDocument(text);
  const problems = new Problems(document.places);
  problems.addAll(document.problems);
  const rules = document.value === undefined ? undefined : ruleSetOf(document.value, context, problems);
  const { found, warnings } = problems;
  return rules === undefined || found.length > 0 ? { problems: found, warnings } : { rules, warnings };
}

function shippedRuleSet(): RuleSet {
  const problems = new Problems({ of: () => undefined, ofKey: () => undefined, within: () => undefined });
  return {
    evaluationIntervalMs: 5_000,
    rules: shippedRules(),
    disabled: [],
    receivers: [LOG_RECEIVER],
    route: routeOf(undefined, { receivers: [LOG_RECEIVER.name], muteTimes: [], receiver: LOG_RECEIVER.name }, problems),
    inhibitions: shippedInhibitions(shippedRules()),
    muteTimes: [],
    path: undefined,
  };
}

function ruleSetOf(value: unknown, context: RuleFileContext, problems: Problems): RuleSet | undefined {
  const fields = problems.parse(fileSchema, value, [], 'file');
  // The parts that have the right form are checked even so.
  const written: Lists = fields ?? wellFormed(value);
  const shipped = shippedRules();
  const disabled = disabledNames(written.disable, shipped, problems);
  const active = shipped.filter(({ name }) => !disabled.includes(name));

  const own = each<Rule>(written.rules, 'rules', (one, path) => ruleOf(one, path, problems, false));
  unique(own, 'rules', 'rule', problems);
  for (const { name, place } of own) {
    if (!active.some((rule) => rule.name === name)) continue;
    const message = `rule ${name}: a shipped rule has this name; expected another one, or ${name} in disable to replace it`;
    problems.addAt(place, message);
  }
  const target = { folder: dirname(context.path ?? '/'), ...context };
  const defined = each<Receiver>(written.receivers, 'receivers', (one, path) =>
    receiverOf(one, path, problems, target),
  );
  unique(defined, 'receivers', 'receiver', problems);
  const muteTimes = each<MuteTime>(written.mute_times, 'mute_times', (one, path) => muteTimeOf(one, path, problems));
  unique(muteTimes, 'mute_times', 'mute time', problems);

  const receivers = defined.some(({ name }) => name === LOG_RECEIVER.name) ? defined : [...defined, LOG_RECEIVER];
  const names = {
    receivers: namesOf(written.receivers, receivers),
    muteTimes: namesOf(written.mute_times, muteTimes),
    // One that is defined is meant; of several, the file must say which.
    receiver: written.receivers.length > 1 ? undefined : (receivers[0] ?? LOG_RECEIVER).name,
  };
  const route = routeOf(written.route, names, problems);
  const inhibitions = each<Inhibition>(written.inhibit, 'inhibit', (one, path) => inhibitionOf(one, path, problems));
  const rules = [...active, ...own];
  checkCycles(inhibitions, rules, problems);
  if (fields === undefined) return undefined;
  return {
    evaluationIntervalMs: fields.evaluation_interval,
    rules,
    disabled,
    receivers,
    route,
    inhibitions: [...(fields.shipped_inhibitions ? shippedInhibitions(rules) : []), ...inhibitions],
    muteTimes,
    path: context.path,
  };
}

type Lists = Pick<
  NonNullable<ReturnType<typeof fileSchema.parse>>,
  'receivers' | 'route' | 'inhibit' | 'mute_times' | 'rules'
> & { readonly disable: readonly unknown[] };

function wellFormed(value: unknown): Lists {
  const fields = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  const list = (name: 'receivers' | 'inhibit' | 'mute_times' | 'rules') => {
    const { data } = fileSchema.shape[name].safeParse(Object.hasOwn(fields, name) ? fields[name] : undefined);
    return data ?? [];
  };
  return {
    receivers: list('receivers'),
    route: fields.route,
    inhibit: list('inhibit'),
    mute_times: list('mute_times'),
    disable: Array.isArray(fields.disable) ? fields.disable.slice(0, 100) : [],
    rules: list('rules'),
  };
}

function each<T>(
  list: readonly unknown[],
  field: string,
  read: (value: unknown, path: [string, number]) => T | undefined,
): T[] {
  return list.flatMap((value, index) => read(value, [field, index]) ?? []);
}

/** Also those of parts with mistakes: a route to one of them is right. */
function namesOf(written: readonly unknown[], read: readonly { readonly name: string }[]): string[] {
  const given = written.flatMap((value) => {
    const name: unknown = typeof value === 'object' && value !== null ? (value as { name?: unknown }).name : undefined;
    return typeof name === 'string' ? [name] : [];
  });
  return [...new Set([...given, ...read.map(({ name }) => name)])];
}

interface Named {
  readonly name: string;
  readonly place?: Rule['place'];
}

function unique(list: readonly Named[], field: string, kind: string, problems: Problems): void {
  const seen = new Map<string, Named>();
  for (const one of list) {
    const before = seen.get(one.name);
    if (before === undefined) {
      seen.set(one.name, one);
      continue;
    }
    const line = before.place === undefined ? '' : ` (line ${before.place.line})`;
    problems.addAt(
      one.place ?? problems.places.of([field]),
      `${kind} ${one.name}: the name stands twice${line}; expected a name of its own`,
    );
  }
}

function disabledNames(given: readonly unknown[], shipped: readonly Rule[], problems: Problems): readonly string[] {
  const names = shipped.map(({ name }) => name);
  for (const [index, name] of given.entries()) {
    if (typeof name !== 'string' || names.includes(name)) continue;
    const meant = nearName(name, names);
    const hint = meant === undefined ? `expected one of ${names.join(', ')}` : `did you mean ${meant}?`;
    problems.add(['disable', index], `disable: there is no shipped rule ${JSON.stringify(name)}; ${hint}`);
  }
  return names.filter((name) => given.includes(name));
}

/**
 * A cycle of the file's own inhibitions is a mistake. One that a shipped inhibition closes is none: `page` inhibits `warning` is what
 * people write, and alerts that would suppress each other do not (../notify/inhibition.ts).
 */
function checkCycles(inhibitions: readonly Inhibition[], rules: readonly Rule[], problems: Problems): void {
  for (const cycle of inhibitionCycles(inhibitions, rules)) {
    // A cycle has no begin: the inhibition that stands last in the file closes it.
    const lines = cycle.map(({ place }) => place?.line ?? 0);
    const last = lines.indexOf(Math.max(...lines));
    const ordered = [...cycle.slice(last + 1), ...cycle.slice(0, last + 1)].map(({ place }) => place?.line);
    const links = ordered.map((line, index) => {
      const next = ordered[(index + 1) % ordered.length];
      return `an alert that line ${line} inhibits can inhibit others by line ${next}`;
    });
    const message = `inhibit: a cycle: ${links.join(', ')}. If all of them fire, each would keep the next one silent. Expected matchers by which no alert is inhibited by what it inhibits`;
    problems.addAt(cycle[last]?.place, message);
  }
}
