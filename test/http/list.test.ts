/** `GET /api/v1/workers` and `GET /api/v1/cluster`, over a small fleet: what they answer, and how. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptsGzip } from '../../src/http/answers/encoding.ts';
import { DIRECT_BODY_BYTES, MIN_GZIP_BYTES } from '../../src/http/http-limits.ts';
import { usageFigures } from '../../src/reading/cluster-figures.ts';
import { TopK } from '../../src/reading/top-k.ts';
import { eventually } from '../support/eventually.ts';
import { exchange, NOW_S, newApp, serve } from './support.ts';

interface List {
  readonly workers: readonly { readonly worker_id: string; readonly cpu_usage?: number | null }[];
  readonly total: number;
  readonly next_cursor: string | null;
  readonly revision: string;
}

type App = ReturnType<typeof newApp>['app'];

async function list(app: App, query = ''): Promise<List> {
  const response = await app.request(`/api/v1/workers${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as List;
}

async function idsOf(app: App, query = ''): Promise<string[]> {
  return (await list(app, query)).workers.map(({ worker_id }) => worker_id);
}

describe('the list', () => {
  test('is empty, or holds all by id', async () => {
    const { app, fleet } = newApp();
    expect(await list(app)).toEqual({ workers: [], total: 0, next_cursor: null, revision: 'epochabc-0' });
    for (const id of ['b', 'a', 'ü', 'a/"']) fleet.register(id);
    expect(await idsOf(app)).toEqual(['a', 'a/"', 'b', 'ü']);
  });

  test('is filtered, sorted, and tells what was asked for', async () => {
    const { app, fleet } = newApp();
    for (const [id, cpuUsage] of [
      ['a', 10],
      ['b', 90],
      ['c', 50],
      ['d', 50],
    ] as const) {
      fleet.register(id);
      fleet.beat(id, { cpuUsage });
    }
    fleet.register('silent');
    expect(await list(app, '?min.cpu_usage=20&sort=-cpu_usage&fields=cpu_usage')).toMatchObject({
      workers: [
        { worker_id: 'b', cpu_usage: 90 },
        { worker_id: 'c', cpu_usage: 50 },
        { worker_id: 'd', cpu_usage: 50 },
      ],
      total: 3,
    });
    expect(await idsOf(app, '?sort=cpu_usage,-worker_id')).toEqual(['a', 'd', 'c', 'b', 'silent']);
    expect(await idsOf(app, '?sort=-cpu_usage')).toEqual(['b', 'c', 'd', 'a', 'silent']);
    expect(await idsOf(app, '?state=registered')).toEqual(['silent']);
  });

  test('comes in pages, each with a link to the next', async () => {
    const { app, fleet } = newApp();
    for (let i = 0; i < 7; i++) fleet.register(`w${i}`);
    const seen: string[] = [];
    let target: string | undefined = '/api/v1/workers?limit=3&sort=-worker_id';
    while (target !== undefined) {
      const response: Response = await app.request(target);
      const page = (await response.json()) as List;
      seen.push(...page.workers.map(({ worker_id }) => worker_id));
      const link = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
      expect(page.total).toBe(7);
      expect(link === undefined).toBe(page.next_cursor === null);
      if (link !== undefined) expect(new URL(link, 'http://x').searchParams.get('cursor')).toBe(page.next_cursor);
      target = link === undefined ? undefined : new URL(link, 'http://x/api/v1/workers').href;
    }
    expect(seen).toEqual(['w6', 'w5', 'w4', 'w3', 'w2', 'w1', 'w0']);
  });

  test.each([
    ['limit=0', 'limit', 'expected a whole number from 1 to 1000'],
    ['limit=1001', 'limit', 'expected a whole number from 1 to 1000'],
    ['limit=x', 'limit', 'expected a whole number from 1 to 1000'],
    ['limit=1.5', 'limit', 'expected a whole number from 1 to 1000'],
    ['limit=1e2', 'limit', 'expected a whole number from 1 to 1000'],
    ['limit=1&limit=2', 'limit', 'given more than once'],
    ['sort=cpu', 'sort', 'cannot sort by "cpu"'],
    ['sort=missed&sort=worker_id', 'sort', 'given more than once'],
    ['cursor=abc', 'cursor', 'not a cursor from an earlier page'],
    ['cursor=', 'cursor', 'not a cursor from an earlier page'],
    ['index=0&wait=11m', 'wait', 'expected a duration from 0 to 10m, such as 30s'],
    ['index=0&wait=soon', 'wait', 'expected a duration from 0 to 10m, such as 30s'],
    ['wait=5s', 'wait', 'needs index: give the X-Pulselane-Index'],
    ['page=2', 'page', 'unknown query parameter; expected one of state, group'],
  ])('with %s is a problem that names it', async (query, name, detail) => {
    const { app } = newApp();
    const response = await app.request(`/api/v1/workers?${query}`);
    expect(response.status).toBe(400);
    const problem = (await response.json()) as { type: string; errors: { name: string; detail: string }[] };
    expect(problem.type).toBe('urn:pulselane:error:invalid_argument');
    expect(problem.errors.map((error) => error.name)).toEqual([name]);
    expect(problem.errors[0]?.detail).toContain(detail);
  });

  test('refuses a cursor of another list, with the reason', async () => {
    const { app, fleet } = newApp();
    for (const id of ['a', 'b']) fleet.register(id);
    const { next_cursor } = await list(app, '?limit=1&sort=missed');
    const other = await app.request(`/api/v1/workers?limit=1&sort=-missed&cursor=${next_cursor}`);
    expect(other.status).toBe(400);
    expect(((await other.json()) as { detail: string }).detail).toContain('made for a list with another sort');
    // How many, and what of each, may change from page to page.
    expect(await idsOf(app, `?limit=5&fields=state&sort=missed&cursor=${next_cursor}`)).toEqual(['b']);
  });

  test('lists each worker that was there all the time exactly once, whoever comes and goes between the pages', async () => {
    const STEADY = Array.from({ length: 10 }, (_, i) => `w${i}s`);
    const change = fc.record({ id: fc.stringMatching(/^w[0-9][a-z]{0,1}$/), comes: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { maxLength: 4 }), { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom('worker_id', '-worker_id', 'restarts,worker_id'),
        async (changes, limit, sort) => {
          const { app, fleet } = newApp();
          for (const id of STEADY) fleet.register(id);
          const others = new Set<string>();
          const seen: string[] = [];
          let cursor: string | null = '';
          for (let page = 0; cursor !== null; page++) {
            const answer: List = await list(
              app,
              `?limit=${limit}&sort=${sort}${cursor === '' ? '' : `&cursor=${cursor}`}`,
            );
            seen.push(...answer.workers.map(({ worker_id }) => worker_id));
            cursor = answer.next_cursor;
            for (const { id, comes } of changes[page] ?? []) {
              if (STEADY.includes(id)) continue;
              if (comes && !others.has(id)) {
                fleet.register(id);
                others.add(id);
              } else if (!comes && others.delete(id)) fleet.forget(id);
            }
          }
          expect(seen.filter((id) => STEADY.includes(id)).toSorted()).toEqual(STEADY);
          expect(new Set(seen).size).toBe(seen.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('ends a page early when its items are large, and goes on behind it', async () => {
    const { app, fleet } = newApp();
    const metrics = new Map(Array.from({ length: 1000 }, (_, i) => [`${'m'.repeat(4000)}${i}`, i]));
    for (let i = 0; i < 6; i++) {
      fleet.register(`w${i}`);
      fleet.beat(`w${i}`, { metrics });
    }
    const first = await list(app, '?fields=metrics');
    expect(first.workers.map(({ worker_id }) => worker_id)).toEqual(['w0', 'w1', 'w2', 'w3', 'w4']);
    expect(await idsOf(app, `?fields=metrics&cursor=${first.next_cursor}`)).toEqual(['w5']);
  });
});

describe('conditional requests', () => {
  test.each(['/api/v1/workers', '/api/v1/cluster'])('%s is sent again only after a change', async (path) => {
    const { app, fleet } = newApp();
    fleet.register('a');
    const first = await app.request(path);
    const etag = first.headers.get('etag') as string;
    expect(etag).toMatch(/^W\/"epochabc-\d+/);
    expect(first.headers.get('cache-control')).toBe('no-cache');
    const ask = (ifNoneMatch: string, method = 'GET') =>
      app.request(path, { method, headers: { 'If-None-Match': ifNoneMatch } });
    for (const known of [etag, etag.slice(2), `"x", ${etag}`, '*']) {
      const again = await ask(known);
      expect(again.status).toBe(304);
      expect(again.headers.get('etag')).toBe(etag);
      expect(await again.text()).toBe('');
      expect((await ask(known, 'HEAD')).status).toBe(304);
    }
    expect((await ask('"x"')).status).toBe(200);
    fleet.beat('a');
    const changed = await ask(etag);
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
  });

  test('the cluster has another tag also when no worker changed', async () => {
    const { app, fleet } = newApp();
    const tag = async () => (await app.request('/api/v1/cluster')).headers.get('etag');
    const tags = [await tag(), await tag()];
    expect(tags[0]).toBe(tags[1]);
    fleet.board.setHeartbeatRate(1.5);
    tags.push(await tag());
    fleet.onAnnounce([{ type: 'holds', holds: { graceEndsUnixMs: 1000, brakes: [] } }]);
    tags.push(await tag());
    expect(new Set(tags).size).toBe(3);
  });

  test('the list tells its revision, as a header and in it', async () => {
    const { app, fleet } = newApp();
    fleet.register('a');
    const response = await app.request('/api/v1/workers');
    const { revision } = (await response.json()) as List;
    expect(response.headers.get('x-pulselane-index')).toBe(revision);
    expect(response.headers.get('etag')).toBe(`W/"${revision}"`);
  });
});

describe('gzip and HEAD', () => {
  /** A client that asks by HEAD may close its connection. */
  const OF_THE_CONNECTION = ['date', 'connection', 'keep-alive'];

  async function largeServer(workers = 60) {
    const server = await serve({ corsOrigins: ['http://dash.example'] });
    for (let i = 0; i < workers; i++) {
      server.fleet.register(`worker-${i}`);
      server.fleet.beat(`worker-${i}`);
    }
    return server;
  }

  test('large answers are compressed for those who ask, and are the same', async () => {
    const { url } = await largeServer();
    const plain = await fetch(`${url}/api/v1/workers`, { headers: { 'Accept-Encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    const text = await plain.text();
    expect(text.length).toBeGreaterThan(MIN_GZIP_BYTES);
    const zipped = await fetch(`${url}/api/v1/workers`, { headers: { 'Accept-Encoding': 'br;q=1, gzip;q=0.5' } });
    expect(zipped.headers.get('content-encoding')).toBe('gzip');
    expect(Number(zipped.headers.get('content-length'))).toBeLessThan(text.length / 5);
    expect(await zipped.text()).toBe(text);
    for (const { headers } of [plain, zipped]) expect(headers.get('vary')).toBe('Origin, Accept-Encoding');
  });

  test('small ones are not', async () => {
    const { url } = await largeServer();
    const small = await fetch(`${url}/api/v1/workers?limit=3`, { headers: { 'Accept-Encoding': 'gzip' } });
    expect(small.headers.get('content-encoding')).toBeNull();
    expect(small.headers.get('vary')).toBe('Origin, Accept-Encoding');
  });

  test('those that are still large when they are compressed are whole too', async () => {
    const { url, fleet, server } = await serve();
    for (let i = 0; i < 10; i++) {
      fleet.register(`w${i}`);
      // Digits without a pattern can be pressed to a half at best.
      fleet.beat(`w${i}`, { metrics: new Map(Array.from({ length: 700 }, (_, at) => [`m${at}`, Math.random()])) });
    }
    const get = (encoding: string) =>
      fetch(`${url}/api/v1/workers?fields=metrics`, { headers: { 'Accept-Encoding': encoding } });
    const zipped = await get('gzip');
    expect(zipped.headers.get('content-encoding')).toBe('gzip');
    expect(Number(zipped.headers.get('content-length'))).toBeGreaterThan(DIRECT_BODY_BYTES);
    expect(await zipped.text()).toBe(await (await get('identity')).text());
    await eventually(() => server.bodiesInFlight === 0);
  });

  test('HEAD has the headers of GET, compressed or not, and no body', async () => {
    const { url, port } = await largeServer();
    for (const target of ['/api/v1/workers', '/api/v1/workers?limit=5', '/api/v1/cluster', '/api/v1/workers?limit=x']) {
      for (const encoding of ['gzip', 'identity']) {
        const headersOf = async (method: string) => {
          const init = { method, headers: { 'Accept-Encoding': encoding } };
          const { status, headers } = await fetch(`${url}${target}`, init);
          return {
            status,
            headers: Object.fromEntries([...headers].filter(([name]) => !OF_THE_CONNECTION.includes(name))),
          };
        };
        expect(await headersOf('HEAD')).toEqual(await headersOf('GET'));
      }
    }
    const raw = await exchange(
      port,
      'HEAD /api/v1/workers HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n',
    );
    expect(raw).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(raw.split('\r\n\r\n')[1]).toBe('');
  });

  test.each([
    [undefined, false],
    ['', false],
    ['identity', false],
    ['gzip', true],
    ['GZIP', true],
    ['x-gzip', true],
    ['gzip;q=0', false],
    ['gzip; q=0.000', false],
    ['gzip;q=0.001', true],
    ['deflate, gzip;q=0.2, *;q=0', true],
    ['*', true],
    ['*;q=0', false],
    ['gzip;q=0, *', false],
    ['br, deflate', false],
  ])('Accept-Encoding: %s', (header, isAccepted) => {
    expect(acceptsGzip(header)).toBe(isAccepted);
  });
});

describe('the cluster', () => {
  test('is told in figures', async () => {
    const { app, fleet } = newApp();
    for (const [id, cpuUsage] of [
      ['a', 10],
      ['b', 20],
      ['c', 60],
    ] as const) {
      fleet.register(id);
      fleet.beat(id, { cpuUsage, runningTasks: [] });
    }
    fleet.register('silent');
    fleet.fallSilent('c');
    fleet.board.setHeartbeatRate(0.6);
    fleet.board.setLane(0, { number: 7, kind: 'shared', state: 'ready', restarts: 0 });
    fleet.board.setLane(1, { number: 7, kind: 'shared', state: 'ready', restarts: 0 });
    fleet.board.setLane(2, { number: 8, kind: 'dedicated', state: 'restarting', restarts: 0 });
    fleet.board.setLane(3, { number: 9, kind: 'shared', state: 'ready', restarts: 0 });
    fleet.board.setMissed(0, 4);
    fleet.board.countLost(1, 'crash');
    fleet.board.countReplaced(2, 'late');
    fleet.board.setFlag(0, 'conflict', true);
    fleet.reject('b', 'wrong');
    const body = await (await app.request('/api/v1/cluster')).json();
    const zero = { sum: 0, mean: 0, min: 0, max: 0, p50: 0, p90: 0, p95: 0, p99: 0 };
    const noLanes = { starting: 0, ready: 0, restarting: 0, quarantined: 0, draining: 0, stopped: 0 };
    expect(body).toEqual({
      workers: {
        total: 4,
        active: 2,
        by_state: { registered: 1, active: 2, suspect: 0, inactive: 1, unknown: 0, leaving: 0, left: 0 },
      },
      groups: 0,
      usage: {
        workers: 2,
        cpu_usage: { sum: 30, mean: 15, min: 10, max: 20, p50: 10, p90: 20, p95: 20, p99: 20 },
        memory_usage: zero,
        storage_usage: zero,
        gpu_usage: zero,
        gpu_workers: 0,
      },
      running_tasks: 0,
      heartbeats: {
        total: 3,
        per_second: 0.6,
        missed: 4,
        rejected: 1,
        replaced_by_reason: { backlog: 0, restart: 0, quarantine: 0, late: 1, duplicate: 0, memory: 0 },
        lost_by_cause: { crash: 1, exit: 0, memory: 0, stall: 0 },
      },
      lanes: {
        dedicated: { ...noLanes, restarting: 1 },
        shared: { ...noLanes, ready: 2 },
        penalty: noLanes,
      },
      flags: { stuck: 0, flapping: 0, id_conflict: 1 },
      grace: null,
      brakes: [],
      anomalies: null,
      alerts: null,
      live_clients: 0,
      revision: expect.stringMatching(/^epochabc-\d+$/),
    });
  });

  test('of nobody has no figures, and takes no parameters', async () => {
    const { app, fleet } = newApp();
    const brakes = [{ group: 'rack', sinceUnixMs: 0, endsUnixMs: NOW_S * 1000, silent: 3, watched: 4 }];
    fleet.onAnnounce([{ type: 'holds', holds: { graceEndsUnixMs: undefined, brakes } }]);
    expect(await (await app.request('/api/v1/cluster')).json()).toMatchObject({
      usage: { workers: 0, cpu_usage: { sum: 0, mean: null, p50: null, p99: null } },
      brakes: [{ group: 'rack', silent: 3, of: 4 }],
    });
    expect((await app.request('/api/v1/cluster?x=1')).status).toBe(400);
  });

  test('a percentile is the nearest rank, as anybody would count it', () => {
    const values = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 });
    fc.assert(
      fc.property(values, (given) => {
        const figures = usageFigures(given);
        for (const [percent, value] of [
          [50, figures.p50],
          [90, figures.p90],
          [95, figures.p95],
          [99, figures.p99],
        ] as const) {
          const notAbove = (limit: number) => given.filter((one) => one <= limit).length;
          expect(given).toContain(value);
          expect(notAbove(value as number) * 100).toBeGreaterThanOrEqual(percent * given.length);
          expect(notAbove((value as number) - 1) * 100).toBeLessThan(percent * given.length);
        }
        expect([figures.min, figures.max]).toEqual([Math.min(...given), Math.max(...given)]);
      }),
    );
  });
});

test('the first of many are those that sorting them all would bring to the front', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 99 })), fc.integer({ min: 1, max: 9 }), (items, count) => {
      const first = new TopK<number>(count, (left, right) => left - right);
      for (const item of items) first.add(item);
      expect(first.sorted()).toEqual(items.toSorted((left, right) => left - right).slice(0, count));
    }),
  );
});
