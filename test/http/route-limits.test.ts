/** The table of limits of routes is whole, and names what there is. */
import { expect, test } from 'vitest';
import { masterOptions } from '../../src/config/options.ts';
import { ROUTE_LIMITS } from '../../src/http/routes/route-limits.ts';
import { HTTP_REFUSAL_REASONS } from '../../src/model/http-figures.ts';
import { newApp } from './support.ts';

/** `:id` and `{workerID}` are the same place. */
const plain = (call: string) => call.replaceAll(/:\w+(?:\{[^}]*\})?|\{\w+\}/g, '{}');
const rows = new Map(ROUTE_LIMITS.map(({ call, bounds }) => [plain(call), bounds]));

test('each route has a row: what the app serves, and what its document describes', () => {
  const { app } = newApp();
  const served = app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`);
  const described = app.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === 'route' ? [`${definition.route.method.toUpperCase()} ${definition.route.path}`] : [],
  );
  const known = new Set([...served, ...described].map(plain));
  expect(known.size).toBeGreaterThan(20);
  expect([...known].filter((call) => !rows.has(call))).toEqual([]);
  expect([...rows.keys()].filter((call) => !known.has(call))).toEqual([]);
  expect(rows.size).toBe(ROUTE_LIMITS.length);
});

test('each row says how large, how often, how many at a time and how long, by settings and reasons that there are', () => {
  const settings = new Set<string>(Object.values(masterOptions).map(({ env }) => env));
  for (const { call, bounds } of ROUTE_LIMITS) {
    const kinds = new Set(bounds.map(({ what }) => what));
    expect(kinds, call).toEqual(new Set(['size', 'answer', 'rate', 'atATime', 'time']));
    for (const { limit, reason } of bounds) {
      if (typeof limit === 'string') expect(settings, call).toContain(limit);
      if (reason !== undefined) expect(HTTP_REFUSAL_REASONS, call).toContain(reason);
    }
  }
});
