/** Which receivers an alert goes to: the tree of routes, as in Alertmanager. Pure. */
import { formatMatcher, labelTest } from '../../model/label-matchers.ts';
import type { Route } from '../rules/rule.ts';
import { type Labels, labelValue } from './labels.ts';

/** A route, compiled. */
export interface RouteNode {
  readonly route: Route;
  /** The same after a reload, wherever the route stands in the file, as long as its matchers and those above it stay. */
  readonly key: string;
  readonly matches: (labels: Labels) => boolean;
  readonly nodes: readonly RouteNode[];
}

export function routeTree(route: Route): RouteNode {
  return nodeOf(route, `{${route.match.map(formatMatcher).join(',')}}`);
}

function nodeOf(route: Route, key: string): RouteNode {
  const seen = new Map<string, number>();
  const nodes = route.routes.map((child) => {
    const text = `${key}/{${child.match.map(formatMatcher).join(',')}}`;
    const before = seen.get(text) ?? 0;
    seen.set(text, before + 1);
    return nodeOf(child, before === 0 ? text : `${text}#${before + 1}`);
  });
  return { route, key, matches: labelTest(route.match), nodes };
}

/**
 * The routes that an alert takes: of each level, the first one that matches, and those after it as long as they `continue`; the
 * route itself if none of its own matches. The root takes everything.
 */
export function routesOf(root: RouteNode, labels: Labels): RouteNode[] {
  const taken: RouteNode[] = [];
  for (const node of root.nodes) {
    if (!node.matches(labels)) continue;
    taken.push(...routesOf(node, labels));
    if (!node.route.continues) break;
  }
  return taken.length === 0 ? [root] : taken;
}

/** The labels by which a route groups an alert; those that it lacks are left out. */
export function groupLabelsOf({ groupBy }: Route, labels: Labels): Labels {
  const names = groupBy.includes('...')
    ? Object.keys(labels)
    : groupBy.filter((name) => labelValue(labels, name) !== '');
  return Object.fromEntries([...new Set(names)].sort().map((name) => [name, labelValue(labels, name)]));
}

/** Alertmanager's form: `{}/{severity="page"}:{alertname="Hot"}`. */
export function groupKeyOf(node: RouteNode, groupLabels: Labels): string {
  const labels = Object.entries(groupLabels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `${node.key}:{${labels.join(', ')}}`;
}
