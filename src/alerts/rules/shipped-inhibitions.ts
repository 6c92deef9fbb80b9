/**
 * The shipped inhibitions: one failure makes one alert. They must keep nothing silent that somebody waits for, so that of the rules of
 * the file each of them leaves out
 *
 * - those that are more severe than its source: who is woken by `page` is not told by a `warning`;
 * - for a worker that died, also those whose condition names its state: they are about its death, not a consequence of it.
 */
import type { Inhibition, Matcher, Rule } from './rule.ts';
import { URGENCIES, urgencyOf } from './severities.ts';

const STATE_NAMES = ['state', 'state_seconds'];

/** @param rules all that are active. An inhibition whose source is not among them is left out. */
export function shippedInhibitions(rules: readonly Rule[]): Inhibition[] {
  const named = (name: string) => rules.find((rule) => rule.name === name);
  /** @param targets names of rules */
  const inhibition = (source: string, targets: readonly string[] | 'others of the worker', equal: string) => {
    const rule = named(source);
    if (rule === undefined) return [];
    const isLeftOut = (other: Rule) => !other.isShipped && rank(other) > rank(rule);
    const target =
      targets === 'others of the worker'
        ? // WorkerFlapping says more than that it is inactive now.
          isNoneOf(
            'WorkerFlapping',
            ...rules.filter((other) => other === rule || isLeftOut(other) || namesState(other)).map(({ name }) => name),
          )
        : isOneOf(...targets.filter((name) => named(name) !== undefined && !isLeftOut(named(name) as Rule)));
    const from: Matcher = { name: 'alertname', value: source, isRegex: false, isEqual: true };
    return [{ source: [from], target: [target], equal: [equal], place: undefined }];
  };
  return [
    // A worker that died: what its other rules say is a consequence.
    ...inhibition('WorkerInactive', 'others of the worker', 'worker'),
    // A worker that comes and goes is inactive again and again.
    ...inhibition('WorkerFlapping', ['WorkerInactive'], 'worker'),
    // A group that is silent: one alert for all of its workers that are. Those that live have alerts of their own.
    ...inhibition('GroupMostlySilent', ['WorkerInactive', 'WorkerFlapping'], 'group'),
    // Heartbeats wait and are replaced because of the quarantine, and tasks seem to stand still.
    ...inhibition('LaneQuarantined', ['HeartbeatsDropped', 'WorkerStuck'], 'worker'),
  ];
}

function rank({ severity }: Rule): number {
  return URGENCIES.indexOf(urgencyOf(severity));
}

function namesState({ when, isShipped }: Rule): boolean {
  return !isShipped && when.names.some((name) => STATE_NAMES.includes(name));
}

function isOneOf(...names: readonly string[]): Matcher {
  return { name: 'alertname', value: patternOf(names), isRegex: true, isEqual: true };
}

function isNoneOf(...names: readonly string[]): Matcher {
  return { name: 'alertname', value: patternOf([...new Set(names)]), isRegex: true, isEqual: false };
}

function patternOf(names: readonly string[]): string {
  return names.map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|');
}
