/** Each route declares the scope that it needs, and the access middleware enforces what it declares. */
import { expect, test } from 'vitest';
import { declaredScope, needs, RouteScopes } from '../../../src/http/api/scopes.ts';
import { hashOfToken } from '../../../src/lib/tokens.ts';
import { newApp } from '../support.ts';

const READ = 'plt_read';
const TOKENS = [{ name: 'grafana', scopes: ['read'], hash: hashOfToken(READ) } as const];

function routes() {
  return newApp().app.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === 'route' ? [definition.route] : [],
  );
}

test('every described route declares a scope, or that it is public', () => {
  expect(routes().length).toBeGreaterThan(20);
  const silent = routes().filter((route) => declaredScope(route) === undefined);
  expect(silent.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
});

test('what changes something needs operate, or is a call of a worker', () => {
  const changing = routes().filter((route) => route.method !== 'get');
  const ofWorkers = changing.filter((route) => declaredScope(route) === 'worker');
  expect(ofWorkers.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    'post /api/v1/heartbeats',
    'post /api/v1/workers/{id}/leave',
  ]);
  const reading = changing.filter((route) => !['operate', 'worker'].includes(String(declaredScope(route))));
  expect(reading.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    'post /api/v1/history/query',
    'post /login',
    'post /logout',
    'post /mcp',
  ]);
});

test('a token that may only read is let through to exactly the routes that declare it', async () => {
  const { app } = newApp({ tokens: TOKENS });
  for (const route of routes()) {
    const path = route.path.replaceAll(/\{.+?\}/g, 'a%2Fb');
    const { status } = await app.request(path, {
      method: route.method.toUpperCase(),
      headers: { authorization: `Bearer ${READ}` },
    });
    expect([route.method, path, status === 403]).toEqual([route.method, path, declaredScope(route) === 'operate']);
  }
});

test('a declaration is found by method and path, and for nothing else', () => {
  const scopes = new RouteScopes();
  scopes.declare('post', '/a/query', 'read');
  scopes.declare('get', '/a/{id}/b', 'read');
  scopes.declare('put', '/a/{id}/b', 'operate');
  expect(scopes.of('POST', '/a/query')).toBe('read');
  expect(scopes.of('PUT', '/a/query')).toBeUndefined();
  expect(scopes.of('HEAD', '/a/x%2Fy/b')).toBe('read');
  expect(scopes.of('PUT', '/a/x/b')).toBe('operate');
  for (const path of ['/a/x/y/b', '/a//b', '/a/x/b/', '/a/query/', 'x/a/query', '/a.query']) {
    expect([path, scopes.of('GET', path), scopes.of('POST', path)]).toEqual([path, undefined, undefined]);
  }
});

test('a description without a scope is recognised', () => {
  expect(declaredScope({})).toBeUndefined();
  expect(declaredScope({ security: [{ bearer: [] }] })).toBeUndefined();
  expect(declaredScope({ security: [] })).toBe('public');
  expect(declaredScope(needs('operate'))).toBe('operate');
});
