/** The query pool: real threads over a fleet in real shared memory. */
import { readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { JsonText } from '../../src/http/bodies/json-text.ts';
import { HttpHost } from '../../src/http/host.ts';
import {
  DIRECT_BODY_BYTES,
  MAX_QUERIES_UNDER_WAY,
  MAX_WORKERS_INLINE,
  MIN_GZIP_BYTES_IN_POOL,
  POOL_IDLE_MS,
  POOL_THREADS,
  QUERY_WITHIN_MS,
} from '../../src/http/http-limits.ts';
import { type PageRequest, writePage } from '../../src/http/query/page.ts';
import type { Queries } from '../../src/http/query/queries.ts';
import { concernsQueries } from '../../src/http/query/query-pool.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { backOffMs } from '../../src/lib/supervised-thread.ts';
import { clusterFigures } from '../../src/reading/cluster-figures.ts';
import { ALL } from '../../src/reading/selection.ts';
import { eventually } from '../support/eventually.ts';
import { keptLog } from '../support/kept-log.ts';
import { DEFAULT_LIMITS, newApp, newServer } from './support.ts';

const MANY = MAX_WORKERS_INLINE + 200;

const REQUEST: PageRequest = {
  criteria: ALL.criteria,
  sort: undefined,
  fields: undefined,
  after: undefined,
  limit: 5,
  revision: 'epochabc-1',
};

type Tested = ReturnType<typeof newApp>;

let tested: Tested;
beforeEach(() => {
  tested = newApp({ rows: 2 * MANY });
});
afterEach(() => tested.queries.stop());

function fill(fleet: Tested['fleet'], workers = MANY): void {
  for (let i = 0; i < workers; i++) {
    const id = `worker-${i}`;
    fleet.register(id);
    fleet.beat(id, { cpuUsage: (i * 7919) % 100 });
  }
}

/** The page as it would be made without threads. */
function pageHere(request: PageRequest): string {
  const text = new JsonText();
  writePage(text, tested.directory, request);
  return text.bytes().toString();
}

async function pageOf(queries: Queries, request = REQUEST): Promise<string> {
  const page = await queries.page(request, false);
  page.giveBack();
  return Buffer.from(page.bytes).toString();
}

describe('a large fleet', () => {
  test('is listed and told of by threads just as it would be without them', async () => {
    const { queries, fleet, directory } = tested;
    fill(fleet);
    for (const sort of [undefined, '-cpu_usage', 'state,cpu_usage,-worker_id']) {
      const request = { ...REQUEST, sort, limit: 200 };
      expect(await pageOf(queries, request)).toBe(pageHere(request));
    }
    const criteria = { ...ALL.criteria, ranges: [{ field: 'cpu_usage', least: 50, most: 60 }], prefix: 'worker-1' };
    expect(await pageOf(queries, { ...REQUEST, criteria })).toBe(pageHere({ ...REQUEST, criteria }));
    expect(await queries.cluster()).toEqual(clusterFigures(directory));
    expect(queries.pool.threads().length).toBeGreaterThan(0);
  });

  test('is never shown older than what is known here', async () => {
    const { queries, fleet } = tested;
    fill(fleet);
    for (let round = 0; round < 40; round++) {
      const id = `a-${round}`;
      fleet.register(id);
      if (round % 2 === 0) fleet.beat(id, { metrics: new Map([['m'.repeat(3000), round]]) });
      if (round % 3 === 0) fleet.forget(`worker-${round}`);
      const facts = { group: `g${round}`, labels: {}, totalCpu: 0, totalMemoryGib: 0, totalStorageGib: 0, totalGpu: 0 };
      const texts = { ip: '', ephemeral: false, instanceId: '', agentVersion: '' };
      fleet.onAnnounce([{ type: 'workerFacts', workerId: id, facts: { ...facts, ...texts } }]);
      const request = { ...REQUEST, fields: 'group,metrics,telemetry', limit: 50 };
      const asked = Array.from({ length: round % 4 === 0 ? 2 : 1 }, () => pageOf(queries, request));
      const here = pageHere(request);
      for (const page of await Promise.all(asked)) expect(page).toBe(here);
    }
    expect(queries.pool.threads().length).toBe(POOL_THREADS);
  });

  test('may change while a new thread is told of it', async () => {
    const { queries, fleet } = tested;
    fill(fleet);
    const request = { ...REQUEST, fields: 'worker_id,metrics', limit: 1000 };
    const first = pageOf(queries, request);
    // Turn by turn, as parts of the roster are told.
    for (let turn = 0; turn < 300; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      fleet.forget(`worker-${turn}`);
      fleet.register(`new-${turn}`);
      fleet.beat(`worker-${turn + 300}`, { metrics: new Map([['m'.repeat(3000), turn]]) });
    }
    await first;
    expect(await pageOf(queries, request)).toBe(pageHere(request));
  });

  test('has no threads as long as it is small, whatever is asked', async () => {
    const { queries, fleet, app } = tested;
    fill(fleet, MAX_WORKERS_INLINE);
    const gzip = { headers: { 'Accept-Encoding': 'gzip' } };
    for (const path of ['/api/v1/workers?sort=-cpu_usage', '/api/v1/cluster', '/api/v1/lanes']) {
      expect((await app.request(path, gzip)).status).toBe(200);
    }
    expect(queries.pool.threads()).toEqual([]);
    fleet.register('one-more');
    expect((await app.request('/api/v1/cluster')).status).toBe(200);
    expect(queries.pool.threads().length).toBe(1);
  });
});

describe('over HTTP', () => {
  test('pages of a large fleet, plain and compressed, are the same, and what is large is compressed by a thread', async () => {
    const { url, fleet, server, stop } = await newServer({ rows: MANY });
    try {
      fill(fleet);
      const get = async (target: string, encoding: string) => {
        const response = await fetch(`${url}${target}`, { headers: { 'Accept-Encoding': encoding } });
        expect(response.status).toBe(200);
        return { zipped: response.headers.get('content-encoding') === 'gzip', text: await response.text() };
      };
      const all = '/api/v1/workers?limit=1000&fields=telemetry,state,cause,since,labels';
      const plain = await get(all, 'identity');
      expect(plain.zipped).toBe(false);
      expect(plain.text.length).toBeGreaterThan(MIN_GZIP_BYTES_IN_POOL);
      expect(await get(all, 'gzip')).toEqual({ zipped: true, text: plain.text });
      expect(MIN_GZIP_BYTES_IN_POOL).toBeGreaterThan(DIRECT_BODY_BYTES);
      const head = await fetch(`${url}${all}`, { method: 'HEAD', headers: { 'Accept-Encoding': 'identity' } });
      expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(plain.text)));
      await eventually(() => server.bodiesInFlight === 0);
    } finally {
      await stop();
    }
  });
});

describe('a thread', () => {
  test('that dies fails what it was asked, and the pool goes on', async () => {
    const { queries, fleet, logged, app } = tested;
    fill(fleet);
    await pageOf(queries);
    for (let death = 0; death < 3; death++) {
      const [thread] = queries.pool.threads();
      const asked = Promise.allSettled([pageOf(queries), queries.cluster(), pageOf(queries)]);
      await thread?.terminate();
      for (const outcome of await asked) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'unavailable' });
      }
      expect(await pageOf(queries)).toBe(pageHere(REQUEST));
    }
    const [thread] = queries.pool.threads();
    const asked = app.request('/api/v1/cluster');
    await new Promise((resolve) => setImmediate(resolve));
    await thread?.terminate();
    const response = await asked;
    if (response.status === 503) {
      expect(response.headers.get('retry-after')).toBe('1');
      expect(logged.at(-1)).toContain('a query failed');
    }
  });

  test('that does not answer in time is given up, and the pool goes on', async () => {
    const { queries, fleet, clock, logged } = tested;
    fill(fleet);
    const late = pageOf(queries);
    // Into its start: it cannot have answered yet.
    clock.advance(QUERY_WITHIN_MS);
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
    expect(logged).toEqual([expect.stringContaining('a query failed')]);
    expect(await pageOf(queries)).toBe(pageHere(REQUEST));
  });

  test('that takes too long with what it was asked is ended, and another takes its place', async () => {
    const { queries, clock, logged } = tested;
    const late = queries.pool.cluster();
    const [thread] = queries.pool.threads();
    clock.advance(QUERY_WITHIN_MS);
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
    await eventually(() => queries.pool.threads().length === 0);
    clock.advance(backOffMs(1));
    expect(await queries.pool.cluster()).toMatchObject({ workers: { total: 0 } });
    expect(queries.pool.threads()).not.toContain(thread);
    expect(logged).toEqual([`warn a query failed: no answer within ${QUERY_WITHIN_MS} ms`]);
  });

  test('is not ended because its question had waited for long', async () => {
    const { queries, fleet, clock } = tested;
    fill(fleet);
    const several = () => Promise.allSettled(Array.from({ length: POOL_THREADS }, () => queries.pool.cluster()));
    await several();
    const threads = queries.pool.threads();
    const first = several();
    const behind = several();
    clock.advance(QUERY_WITHIN_MS - 1);
    await first;
    clock.advance(1);
    expect((await behind).map(({ status }) => status)).toContain('rejected');
    await several();
    expect(queries.pool.threads().every((thread, index) => thread === threads[index])).toBe(true);
  });

  test('that was given up is asked nothing more, though its late answer comes before its end', async () => {
    const { queries, fleet, clock, logged } = tested;
    fill(fleet);
    await Promise.all(Array.from({ length: POOL_THREADS }, () => pageOf(queries)));
    const late = Array.from({ length: POOL_THREADS }, () => pageOf(queries));
    clock.advance(QUERY_WITHIN_MS / 2);
    const behind = Array.from({ length: POOL_THREADS }, () => pageOf(queries));
    // The answers come, and are not heard before their questions are late.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    clock.advance(QUERY_WITHIN_MS / 2);
    for (const outcome of await Promise.allSettled(late)) expect(outcome.status).toBe('rejected');
    for (const page of await Promise.all(behind)) expect(page).toBe(pageHere(REQUEST));
    expect(logged).toEqual(late.map(() => `warn a query failed: no answer within ${QUERY_WITHIN_MS} ms`));
  });

  test('that dies before it begins with a question leaves it to the next one', async () => {
    const { queries, fleet, logged } = tested;
    fill(fleet);
    await Promise.all(Array.from({ length: POOL_THREADS }, () => pageOf(queries)));
    void queries.pool.threads()[0]?.terminate();
    const gzip = { headers: { 'Accept-Encoding': 'gzip' } };
    expect((await tested.app.request('/api/v1/workers', gzip)).status).toBe(200);
    expect(logged).toEqual([expect.stringContaining('a query thread ended')]);
  });

  test('that is the second to die before it begins with a question fails it', async () => {
    const { queries, fleet } = tested;
    fill(fleet);
    // Both are told of workers in the same turns: each has one question.
    await Promise.all(Array.from({ length: POOL_THREADS }, () => pageOf(queries)));
    const [first, second] = queries.pool.threads();
    // As late as can be: the pool hears of the first one's end next.
    first?.prependOnceListener('exit', () => void second?.terminate());
    void first?.terminate();
    await expect(pageOf(queries)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await pageOf(queries)).toBe(pageHere(REQUEST));
  });

  test('is no older than its queue: what does not fit is refused, and may be asked again', async () => {
    const { queries, fleet, app } = tested;
    fill(fleet);
    const fitting = Array.from({ length: MAX_QUERIES_UNDER_WAY }, () => pageOf(queries));
    const refused = await app.request('/api/v1/workers');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ type: 'urn:pulselane:error:resource_exhausted' });
    const here = pageHere(REQUEST);
    for (const page of await Promise.all(fitting)) expect(page).toBe(here);
    expect((await app.request('/api/v1/workers')).status).toBe(200);
  });

  test('ends with the pool, and what it was asked fails', async () => {
    const { queries, fleet } = tested;
    fill(fleet);
    await Promise.all([pageOf(queries), pageOf(queries)]);
    const threads = queries.pool.threads();
    const asked = expect(pageOf(queries)).rejects.toMatchObject({ code: 'unavailable' });
    await queries.stop();
    await asked;
    expect(threads.map(({ threadId }) => threadId)).toEqual(threads.map(() => -1));
    await expect(pageOf(queries)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('is told of workers, and of nothing else', () => {
    expect(concernsQueries({ type: 'slotGone', workerId: 'a' })).toBe(true);
    expect(concernsQueries({ type: 'slotsLetGo' })).toBe(true);
    expect(concernsQueries({ type: 'events', events: [] })).toBe(false);
    expect(concernsQueries({ type: 'holds', holds: { graceEndsUnixMs: undefined, brakes: [] } })).toBe(false);
  });

  test('that dies again and again without an answer is started with back-off, whoever waits', async () => {
    const { queries, clock } = tested;
    const ask = () => queries.pool.cluster();
    let asked = Promise.allSettled([ask()]);
    for (let death = 1; death <= 3; death++) {
      await queries.pool.threads()[0]?.terminate();
      expect(await asked).toMatchObject([{ status: 'rejected', reason: { code: 'unavailable' } }]);
      asked = Promise.allSettled([ask()]);
      clock.advance(backOffMs(death) - 1);
      expect(queries.pool.threads()).toEqual([]);
      clock.advance(1);
      expect(queries.pool.threads()).toHaveLength(1);
    }
    expect(await asked).toMatchObject([{ status: 'fulfilled', value: { workers: { total: 0 } } }]);
  });

  test('beside the first one ends when it has had nothing to do for long', async () => {
    const { queries, fleet, clock } = tested;
    fill(fleet);
    await Promise.all([pageOf(queries), pageOf(queries)]);
    expect(queries.pool.threads()).toHaveLength(POOL_THREADS);
    // Each answers signs of life meanwhile.
    for (let second = 0; second < POOL_IDLE_MS / 1000; second++) {
      expect(queries.pool.threads()).toHaveLength(POOL_THREADS);
      clock.advance(1000);
      await pageOf(queries);
    }
    await eventually(() => queries.pool.threads().length === 1);
    expect(await pageOf(queries)).toBe(pageHere(REQUEST));
  });

  test('does not outlive the http thread, however that ends', async () => {
    const { fleet } = tested;
    fill(fleet);
    const threadsNow = () => readdirSync('/proc/self/task').length;
    // Those of libuv stay once they are there.
    await stat('.');
    const before = threadsNow();
    const { logger } = keptLog();
    const host = new HttpHost({
      metrics: { labels: ['*'], maxSeries: 1_000_000 },
      onCommand: () => ({ ok: true, message: 'done' }),
      onWorkerCall: () => ({ next: () => ({ done: true, value: { type: 'farewell' } }) }),
      board: fleet.memory,
      address: { host: '127.0.0.1', port: 0 },
      corsOrigins: [],
      allowedHosts: [],
      limits: DEFAULT_LIMITS,
      secrets: { tokens: [], sessionKey: new Uint8Array(), tls: undefined },
      roster: () => fleet.roster(),
      clock: systemClock,
      logger,
    });
    const { port } = await host.start();
    const ask = () => fetch(`http://127.0.0.1:${port}/api/v1/cluster`).then((response) => response.json());
    expect(await ask()).toMatchObject({ workers: { total: MANY } });
    const serving = threadsNow();
    expect(serving).toBeGreaterThanOrEqual(before + 2);
    await host.thread.thread?.terminate();
    await eventually(async () => (await ask().catch(() => undefined)) !== undefined);
    expect(threadsNow()).toBeLessThanOrEqual(serving);
    await host.stop();
    await eventually(() => threadsNow() <= before);
  });
});
