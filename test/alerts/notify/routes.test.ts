import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupKeyOf, groupLabelsOf, routesOf, routeTree } from '../../../src/alerts/notify/routes.ts';
import type { Route } from '../../../src/alerts/rules/rule.ts';
import { formatMatcher } from '../../../src/model/label-matchers.ts';
import { describeWith } from '../../support/debian.ts';
import { routeOf } from '../../support/notify-rules.ts';
import { repetitions } from '../../support/repetitions.ts';

const ROUTE = routeOf({
  receiver: 'default',
  routes: [
    routeOf({ receiver: 'audit', match: ['severity=~"page|ticket"'], continues: true }),
    routeOf({
      receiver: 'pager',
      match: ['severity="page"'],
      routes: [routeOf({ receiver: 'gpu', match: ['alertname=~"GPU.*"', 'team!="none"'] })],
    }),
    routeOf({ receiver: 'rest', match: ['severity!="page"'] }),
  ],
});

const receivers = (labels: Record<string, string>) =>
  routesOf(routeTree(ROUTE), labels).map(({ route }) => route.receiver);

test('the first route that matches takes an alert, deepest first, and those after it if it continues', () => {
  expect(receivers({ severity: 'page', alertname: 'Hot' })).toEqual(['audit', 'pager']);
  expect(receivers({ severity: 'page', alertname: 'GPULost' })).toEqual(['audit', 'gpu']);
  expect(receivers({ severity: 'page', alertname: 'GPULost', team: 'none' })).toEqual(['audit', 'pager']);
  expect(receivers({ severity: 'info' })).toEqual(['rest']);
  expect(receivers({})).toEqual(['rest']);
  expect(routesOf(routeTree(routeOf({ routes: [routeOf({ match: ['a="b"'] })] })), {})).toHaveLength(1);
});

test('groups are keyed as in Alertmanager: by the matchers of the routes above, and by labels', () => {
  const root = routeTree(ROUTE);
  const labels = { severity: 'page', alertname: 'GPULost', worker: 'a"b' };
  const [, gpu] = routesOf(root, labels);
  if (gpu === undefined) throw new Error('no route');
  expect(groupKeyOf(gpu, groupLabelsOf(gpu.route, labels))).toBe(
    '{}/{severity="page"}/{alertname=~"GPU.*",team!="none"}:{alertname="GPULost"}',
  );
  expect(groupLabelsOf(routeOf({ groupBy: ['worker', 'group'] }), labels)).toEqual({ worker: 'a"b' });
  expect(groupLabelsOf(routeOf({ groupBy: ['...'] }), labels)).toEqual(labels);
  const twins = routeTree(routeOf({ routes: [routeOf({ match: ['a="b"'] }), routeOf({ match: ['a="b"'] })] }));
  expect(twins.nodes.map(({ key }) => key)).toEqual(['{}/{a="b"}', '{}/{a="b"}#2']);
});

describeWith('prometheus-alertmanager')('beside amtool', () => {
  const value = fc.constantFrom('', 'x', 'y', 'xy', 'x|y', 'x.*', '.*', '.+', 'x{2}', '[xy]+');
  const matcher = fc
    .record({ name: fc.constantFrom('a', 'b'), value, isRegex: fc.boolean(), isEqual: fc.boolean() })
    .map(formatMatcher);
  const node = (children: fc.Arbitrary<Route[]>) =>
    fc
      .record({
        match: fc.array(matcher, { minLength: 1, maxLength: 2 }),
        continues: fc.boolean(),
        routes: children,
      })
      .map(routeOf);
  const tree = node(fc.array(node(fc.constant([])), { maxLength: 3 }));
  const labels = fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y', 'xy', 'xx'));

  test('alerts go to the same receivers', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-routes-'));
    const file = join(folder, 'alertmanager.json');
    try {
      fc.assert(
        fc.property(fc.array(tree, { maxLength: 4 }), labels, (routes, set) => {
          let count = 0;
          const numbered = (route: Route): Route => ({
            ...route,
            receiver: `r${count++}`,
            routes: route.routes.map(numbered),
          });
          const root = numbered(routeOf({ routes }));
          const names = Array.from({ length: count }, (_, i) => ({ name: `r${i}` }));
          // YAML is a superset of JSON.
          writeFileSync(file, JSON.stringify({ route: written(root, true), receivers: names }));
          const given = Object.entries(set).map(([name, text]) => `${name}=${text}`);
          const said = execFileSync('amtool', ['config', 'routes', 'test', `--config.file=${file}`, ...given], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'ignore'],
          });
          expect(routesOf(routeTree(root), set).map(({ route }) => route.receiver)).toEqual(said.trim().split(','));
        }),
        { numRuns: repetitions(15, 1000) },
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  function written({ receiver, match, continues, routes }: Route, isRoot = false): Record<string, unknown> {
    const children = routes.map((route) => written(route));
    return isRoot
      ? { receiver, routes: children }
      : { receiver, matchers: match.map(formatMatcher), continue: continues, routes: children };
  }
});
