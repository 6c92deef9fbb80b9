/** The part of a rule set that says who is told what, compiled once for each load. */
import type { MuteTime, Receiver, RuleSet } from '../rules/rule.ts';
import { type Inhibitor, inhibitorOf } from './inhibition.ts';
import type { Labels } from './labels.ts';
import { ALERTS_PER_PART, MAX_ALERTS_PER_NOTIFICATION, RESEND_MS } from './notify-limits.ts';
import { groupKeyOf, groupLabelsOf, type RouteNode, routesOf, routeTree } from './routes.ts';

export interface NotifyRules {
  readonly root: RouteNode;
  /** By key. */
  readonly nodes: ReadonlyMap<string, RouteNode>;
  readonly inhibitors: readonly Inhibitor[];
  readonly muteTimes: readonly MuteTime[];
  /** Of mute times that do not name their own. */
  readonly timeZone: string;
  /** By name of the receiver. */
  readonly targets: ReadonlyMap<string, readonly PlannedTarget[]>;
  /** Where an alert with these labels goes. Answers from memory if it gets the same object again. */
  destinationsOf(labels: Labels): readonly Destination[];
}

export interface Destination {
  readonly node: RouteNode;
  readonly groupLabels: Labels;
  readonly groupKey: string;
}

export interface PlannedTarget {
  /** `webhook#0`: the kind, and its index among those of this kind. Unlike the index among all, it stays when others come or go. */
  readonly key: string;
  readonly index: number;
  readonly sendsResolved: boolean;
  /** If set, each alert that was told is told again after this time, whether it is silenced by now or not. */
  readonly resendMs: number | undefined;
  /** Most alerts of a notification. */
  readonly maxAlerts: number;
  /** Further alerts come in further notifications, instead of being counted. */
  readonly hasParts: boolean;
}

/** @param rules with checked matchers */
export function notifyRulesOf(
  { route, inhibitions, muteTimes, receivers }: Pick<RuleSet, 'route' | 'inhibitions' | 'muteTimes' | 'receivers'>,
  timeZone: string,
): NotifyRules {
  const root = routeTree(route);
  const known = new WeakMap<Labels, readonly Destination[]>();
  return {
    root,
    nodes: new Map(withNodes(root).map((node) => [node.key, node])),
    inhibitors: inhibitions.map(inhibitorOf),
    muteTimes,
    timeZone,
    targets: new Map(receivers.map((receiver) => [receiver.name, plannedTargets(receiver)])),
    destinationsOf: (labels) => {
      let destinations = known.get(labels);
      if (destinations === undefined) {
        destinations = routesOf(root, labels).map((node) => {
          const groupLabels = groupLabelsOf(node.route, labels);
          return { node, groupLabels, groupKey: groupKeyOf(node, groupLabels) };
        });
        known.set(labels, destinations);
      }
      return destinations;
    },
  };
}

/** The targets of a receiver, in their order. */
export function plannedTargets({ targets }: Receiver): PlannedTarget[] {
  const counts = new Map<string, number>();
  return targets.map(({ kind, sendsResolved }, index) => {
    const before = counts.get(kind) ?? 0;
    counts.set(kind, before + 1);
    const isAlertmanager = kind === 'alertmanager';
    return {
      key: `${kind}#${before}`,
      index,
      sendsResolved,
      resendMs: isAlertmanager ? RESEND_MS : undefined,
      maxAlerts: isAlertmanager ? ALERTS_PER_PART : MAX_ALERTS_PER_NOTIFICATION,
      hasParts: isAlertmanager,
    };
  });
}

function withNodes(node: RouteNode): RouteNode[] {
  return [node, ...node.nodes.flatMap(withNodes)];
}
