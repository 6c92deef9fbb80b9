import { describe, expect, it } from 'vitest';
import type { JoinedMap } from '../../src/http/bodies/joined-map.ts';
import { JOINED_BODIES } from '../../src/http/http-limits.ts';
import { task } from '../support/fleet.ts';
import { NOW_S, newApp } from './support.ts';

describe('GET /health', () => {
  it('tells status, time and counts', async () => {
    const { app, fleet } = newApp();
    fleet.register('node-a');
    fleet.register('node-b');
    fleet.beat('node-b');
    const response = await app.request('/health');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({
      status: 'healthy',
      time: NOW_S,
      workers: 2,
      active_workers: 1,
      active_clients: 0,
    });
  });

  it('is 503 and unhealthy once main has not stamped its beat for more than 10 s', async () => {
    const { app, fleet, clock } = newApp();
    fleet.stampBeat();
    clock.advance(10_000);
    expect((await app.request('/health')).status).toBe(200);
    clock.advance(10);
    const response = await app.request('/health');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ status: 'unhealthy', time: NOW_S + 10 });
    fleet.stampBeat();
    expect((await app.request('/health')).status).toBe(200);
  });
});

describe('GET /telemetry', () => {
  it('is {} while there is nobody', async () => {
    const { app } = newApp();
    expect(await (await app.request('/telemetry')).text()).toBe('{}');
  });

  it('maps each worker to its newest record', async () => {
    const { app, fleet } = newApp();
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 14.9, memoryUsage: 0.58, runningTasks: [task('task-000000')] });
    const response = await app.request('/telemetry');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({
      'node-a': {
        worker_id: 'node-a',
        cpu_usage: 14.9,
        memory_usage: 0.58,
        gpu_usage: 0,
        running_tasks: [
          { task_id: 'task-000000', cpu_allocated: 0.5, memory_allocated: 0.25, gpu_allocated: 0, status: 'running' },
        ],
        storage_usage: 0,
        last_update: NOW_S,
        is_active: true,
      },
    });
  });

  it('shows a worker that only registered: zeros, no tasks, inactive, the time of its registration', async () => {
    const { app, fleet, clock } = newApp();
    fleet.register('node-a');
    clock.advance(5_000);
    expect(await (await app.request('/telemetry/node-a')).json()).toEqual({
      worker_id: 'node-a',
      cpu_usage: 0,
      memory_usage: 0,
      gpu_usage: 0,
      running_tasks: [],
      storage_usage: 0,
      last_update: NOW_S,
      is_active: false,
    });
  });

  it('keeps the last values of a worker that fell silent', async () => {
    const { app, fleet } = newApp();
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 7 });
    fleet.fallSilent('node-a');
    expect(await (await app.request('/telemetry/node-a')).json()).toMatchObject({ cpu_usage: 7, is_active: false });
  });

  it('leaves out a worker whose row is given back, though its announcement is still on the way', async () => {
    const { app, fleet } = newApp();
    fleet.register('node-a');
    fleet.forget('node-a', { announced: false });
    fleet.register('node-b');
    expect(Object.keys((await (await app.request('/telemetry')).json()) as object)).toEqual(['node-b']);
    expect((await app.request('/telemetry/node-a')).status).toBe(404);
  });

  it('keeps a record whole that is larger than the buffer it is joined in', async () => {
    const { app, fleet, bodies } = newApp();
    const tasks = Array.from({ length: 10_000 }, (_, i) => task(`task-${i}`));
    for (const id of ['node-a', 'node-b']) {
      fleet.register(id);
      fleet.beat(id, { runningTasks: tasks });
    }
    const all = (await (await app.request('/telemetry')).json()) as Record<string, { running_tasks: unknown[] }>;
    expect(all['node-a']?.running_tasks).toHaveLength(10_000);
    expect(all['node-b']?.running_tasks).toHaveLength(10_000);
    expect(bodies.lent).toBe(0);
  });
});

describe('GET /telemetry/{workerID}', () => {
  it('is 404 for a worker that is not known, and names it', async () => {
    const { app } = newApp();
    const response = await app.request('/telemetry/ghost');
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({ error: 'no worker is called "ghost"' });
  });

  it.each([
    ['/telemetry/node%2Da', 'node-a'],
    ['/telemetry/a/b', 'a/b'],
    ['/telemetry/a%2Fb', 'a/b'],
    ['/telemetry/a//b/', 'a//b/'],
    ['/telemetry/a+b', 'a+b'],
    ['/telemetry/a%2Bb', 'a+b'],
    ['/telemetry/a%20b', 'a b'],
    ['/telemetry/100%25', '100%'],
    ['/telemetry/a%2525', 'a%25'],
    ['/telemetry/node-a?x=1&y=%zz', 'node-a'],
    ['/telemetry/a%3Fb', 'a?b'],
    ['/telemetry/a#b', 'a#b'],
    ['/telemetry/../x', '../x'],
    ['/telemetry/%2e%2e%2fx', '../x'],
    ['/telemetry/a/./b', 'a/./b'],
    ['/telemetry/a\\b', 'a\\b'],
    ['/telemetry/%F0%9F%90%99', '🐙'],
    ['/telemetry/__proto__', '__proto__'],
    ['/telemetry/constructor', 'constructor'],
    ['/telemetry/:id', ':id'],
    ['/telemetry/*', '*'],
    ['http://master:8080/telemetry/node-a?x', 'node-a'],
    [`/telemetry/${'%C3%A9'.repeat(128)}`, 'é'.repeat(128)],
  ])('reads %s as the id %s', async (target, id) => {
    const { raw, fleet } = newApp();
    fleet.register(id);
    const response = await raw(target);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ worker_id: id });
  });

  it.each(['/telemetry/%', '/telemetry/%2', '/telemetry/%zz', '/telemetry/a%2', '/telemetry/%ff', '/telemetry/%C3'])(
    'refuses the broken escapes of %s with 400',
    async (target) => {
      const { raw } = newApp();
      const response = await raw(target);
      expect(response.status).toBe(400);
      expect(await response.json()).toHaveProperty('error');
    },
  );

  it('is 404 without an id', async () => {
    const { app } = newApp();
    expect((await app.request('/telemetry/')).status).toBe(404);
  });
});

describe('GET /workers', () => {
  it('maps each worker to a summary', async () => {
    const { app, fleet, clock } = newApp();
    fleet.register('node-a');
    fleet.beat('node-a', { runningTasks: [task('1'), task('2')] });
    clock.advance(3_000);
    fleet.register('node-b');
    expect(await (await app.request('/workers')).json()).toEqual({
      'node-a': { worker_id: 'node-a', is_active: true, running_tasks_count: 2, last_update: NOW_S },
      'node-b': { worker_id: 'node-b', is_active: false, running_tasks_count: 0, last_update: NOW_S + 3 },
    });
  });

  it('is {} while there is nobody', async () => {
    const { app } = newApp();
    expect(await (await app.request('/workers')).text()).toBe('{}');
  });
});

it('carries __proto__ as a key like any other', async () => {
  const { app, fleet } = newApp();
  fleet.register('__proto__');
  for (const path of ['/telemetry', '/workers']) {
    expect(await (await app.request(path)).text()).toMatch(/^\{ ?"__proto__":\{"worker_id":"__proto__",.*\} *\}$/);
  }
});

describe('methods', () => {
  const ROUTES = ['/health', '/telemetry', '/telemetry/node-a', '/workers', '/ws/telemetry', '/ws/telemetry/node-a'];

  for (const path of ROUTES) {
    it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'BREW'])(`%s ${path} is 405 with Allow`, async (method) => {
      const { app } = newApp();
      const response = await app.request(path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
      expect(await response.json()).toEqual({ error: `${method} is not allowed here; allowed: GET, HEAD` });
    });
  }

  it.each(['/health', '/telemetry', '/telemetry/node-a', '/telemetry/ghost', '/workers', '/sd/prometheus', '/nowhere'])(
    'HEAD %s has the headers of GET and no body',
    async (path) => {
      const { app, fleet, bodies } = newApp();
      fleet.register('node-a');
      const get = await app.request(path);
      const head = await app.request(path, { method: 'HEAD' });
      expect(head.status).toBe(get.status);
      expect(Object.fromEntries(head.headers)).toEqual(Object.fromEntries(get.headers));
      expect(head.headers.get('content-length')).toBe(String((await get.arrayBuffer()).byteLength));
      expect(await head.text()).toBe('');
      expect(bodies.lent).toBe(0);
    },
  );
});

it.each(['/nowhere', '/workers/x', '/telemetryx', '/health/'])('%s is 404 in JSON', async (path) => {
  const { app } = newApp();
  const response = await app.request(path);
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual({ error: 'unknown path; /api/docs lists all' });
});

it('/ leads people to the page of the API, and tells programs what there is', async () => {
  const { app } = newApp();
  const page = await app.request('/', { headers: { accept: 'text/html,*/*;q=0.8' } });
  expect([page.status, page.headers.get('location')]).toEqual([302, '/api/docs']);
  const told = Object.values((await (await app.request('/')).json()) as Record<string, string>);
  expect(told).toContain('/telemetry');
  for (const path of told) {
    const method = path === '/api/v1/stream' ? 'HEAD' : 'GET';
    expect((await app.request(path, { method })).status, path).toBe(200);
  }
});

it('forbids caches on every answer', async () => {
  const { app } = newApp();
  for (const path of ['/health', '/telemetry', '/telemetry/ghost', '/nowhere']) {
    expect((await app.request(path)).headers.get('cache-control')).toBe('no-store');
  }
});

it('answers an internal error with 500, says nothing of the inside and logs it', async () => {
  const { app, directory, logged } = newApp();
  directory.board.publications.copyTo = () => {
    throw new Error('the secret inside');
  };
  const response = await app.request('/telemetry');
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ error: 'internal error' });
  expect(logged).toEqual(['error GET failed: the secret inside']);
});

it('refuses a large answer while too many are under way, instead of growing', async () => {
  const { app, bodies, fleet } = newApp();
  const { telemetry, texts } = bodies;
  const kept = Array.from({ length: JOINED_BODIES }, () => telemetry.take() as JoinedMap);
  const lent = [];
  for (let text = texts.take(); text !== undefined; text = texts.take()) {
    for (let bytes = 0; bytes < 2 ** 25; bytes += 2 ** 20) text.append(new Uint8Array(2 ** 20));
    lent.push(text);
  }
  const response = await app.request('/telemetry');
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
  fleet.register('a');
  const detail = await app.request('/api/v1/workers/a');
  expect([detail.status, detail.headers.get('retry-after')]).toEqual([503, '1']);
  expect(await detail.json()).toMatchObject({ type: 'urn:pulselane:error:resource_exhausted' });
  for (const text of lent) texts.give(text);
  expect((await app.request('/telemetry')).status).toBe(200);
  for (const map of kept) telemetry.give(map);
  expect(bodies.lent).toBe(0);
});

describe('CORS', () => {
  const GO_DASHBOARD = 'http://localhost:3000';

  it('is off by default', async () => {
    const { app } = newApp();
    const response = await app.request('/telemetry', { headers: { origin: GO_DASHBOARD } });
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it.each(['/telemetry', '/telemetry/ghost', '/nowhere'])('lets a listed origin read %s', async (path) => {
    const { app } = newApp({ corsOrigins: ['http://other', GO_DASHBOARD] });
    const response = await app.request(path, { headers: { origin: GO_DASHBOARD } });
    expect(response.headers.get('access-control-allow-origin')).toBe(GO_DASHBOARD);
    expect(response.headers.get('vary')).toBe('Origin');
  });

  it('answers the preflight of a listed origin', async () => {
    const { app } = newApp({ corsOrigins: [GO_DASHBOARD] });
    const headers = { origin: GO_DASHBOARD, 'access-control-request-headers': 'content-type' };
    const response = await app.request('/telemetry', { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(GO_DASHBOARD);
    expect(response.headers.get('access-control-allow-methods')).toBe('GET, HEAD');
    expect(response.headers.get('access-control-allow-headers')).toBe('content-type');
  });

  it('gives nothing to an origin that is not listed', async () => {
    const { app } = newApp({ corsOrigins: [GO_DASHBOARD] });
    const headers = { origin: 'http://evil.example' };
    expect((await app.request('/telemetry', { headers })).headers.has('access-control-allow-origin')).toBe(false);
    expect((await app.request('/telemetry', { method: 'OPTIONS', headers })).status).toBe(405);
  });
});

it.each(['/ws/telemetry', '/ws/telemetry/node-a'])('%s without an upgrade is 426', async (path) => {
  const { app, fleet } = newApp();
  fleet.register('node-a');
  const response = await app.request(path);
  expect(response.status).toBe(426);
  expect(response.headers.get('upgrade')).toBe('websocket');
  expect(await response.json()).toEqual({ error: 'this path needs a WebSocket upgrade' });
});
