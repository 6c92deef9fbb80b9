/** Routes of history: a listening server and its threads, over a fleet in shared memory and an SQLite database. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Batch } from '../../src/history/backend.ts';
import { BASE_METRICS, USUAL_METRICS } from '../../src/history/samples.ts';
import { sqlite } from '../../src/history/sqlite/open.ts';
import type { HistoryPool } from '../../src/http/history/pool.ts';
import type { HistoryTask } from '../../src/http/history/tasks.ts';
import { LimitReached } from '../../src/http/http-refusals.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { BoardReader } from '../../src/store/board.ts';
import { batchOf, sampleRun, taskRun } from '../history/history-data.ts';
import { historyStatus } from './history-status.ts';
import { NOW_S, newApp, serve } from './support.ts';

const NOW = NOW_S * 1000;
const iso = (ms: number) => new Date(ms).toISOString();

// biome-ignore lint/suspicious/noExplicitAny: answers are data, and what is in them is what these tests look at
type Json = any;

/** A server with history, and the writer of its database. */
async function serveHistory({ ringSamples = 8, ...options }: Parameters<typeof serve>[0] = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-history-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const place = { kind: 'sqlite', path: join(folder, 'history.db') } as const;
  const writer = await sqlite.openWriter(place, () => {});
  onTestFinished(() => writer.close());
  const served = await serve({ ...options, ringSamples, history: place });
  const { bootId } = new BoardReader(served.fleet.memory);
  await writer.begin({ bootId, startedMs: NOW });
  let batches = 0;
  const get = async (path: string, init?: RequestInit): Promise<{ status: number; body: Json }> => {
    const response = await fetch(served.url + path, init);
    return { status: response.status, body: await response.json() };
  };
  return {
    ...served,
    place,
    writer,
    write: (content: Partial<Batch>) => writer.write(batchOf(bootId, ++batches, { atMs: NOW, ...content })),
    /** Heartbeats every 5 s, with the number of each as its usage. */
    beat: (workerId: string, count: number, first = 0) => {
      for (let n = first; n < first + count; n++) {
        served.clock.advance(5000);
        served.fleet.beat(workerId, { cpuUsage: n });
      }
    },
    get,
    post: (query: unknown) =>
      get('/api/v1/history/query', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(query),
      }),
  };
}

const sample = (n: number) => ({ at: iso(NOW + (n + 1) * 5000), min: n, max: n, mean: n, last: n, count: 1 });
const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, n) => first + n);

describe('the history of a worker', () => {
  test('is what the database has, and then what only the ring has', async () => {
    const { fleet, beat, write, get } = await serveHistory();
    fleet.register('a');
    beat('a', 14);
    await write({
      samples: [sampleRun({ workerId: 'a', first: 0, count: 10, fromMs: NOW + 5000, value: (n) => n })],
    });
    expect(await get('/api/v1/workers/a/history?metric=cpu_usage')).toEqual({
      status: 200,
      body: {
        worker_id: 'a',
        from: iso(NOW + 70_000 - 3_600_000),
        to: iso(NOW + 70_001),
        metric: 'cpu_usage',
        step_ms: 0,
        tier: 'raw',
        points: numbers(14).map(sample),
        gaps: [],
      },
    });
    beat('a', 1, 14);
    const { body } = await get('/api/v1/workers/a/history?metric=cpu_usage');
    expect(body.points.at(-1)).toEqual(sample(14));
  });

  test('comes in steps if there are more samples than points, or a step is given', async () => {
    const { fleet, beat, get } = await serveHistory();
    fleet.register('a');
    beat('a', 6);
    const { body } = await get(`/api/v1/workers/a/history?metric=cpu_usage&from=${NOW_S}&to=${NOW_S + 60}&points=4`);
    // 60 s in at most 4 steps, which begin at multiples since 1970.
    expect(body).toMatchObject({ step_ms: 18_000, tier: 'raw' });
    expect(body.points.map(({ count }: Json) => count).reduce((sum: number, count: number) => sum + count)).toBe(6);
    const minute = await get('/api/v1/workers/a/history?metric=cpu_usage&step=1m');
    expect(minute.body).toMatchObject({ step_ms: 60_000, tier: '1m' });
    // NOW is 5 s before a minute: the first sample begins it.
    expect(minute.body.points).toEqual([{ at: iso(NOW + 5000), min: 0, max: 5, mean: 2.5, last: 5, count: 6 }]);
  });

  test('of several metrics is a list of series; of none, of the usual metrics', async () => {
    const { fleet, beat, write, get } = await serveHistory();
    fleet.register('a');
    beat('a', 1);
    await write({
      samples: [sampleRun({ workerId: 'a', first: 0, fromMs: NOW + 5000, keys: ['metrics.fps', 'metrics.a,b'] })],
    });
    const keysOf = async (query: string) =>
      (await get(`/api/v1/workers/a/history${query}`)).body.series.map(({ metric }: Json) => metric);
    expect(await keysOf('')).toEqual(USUAL_METRICS);
    expect(await keysOf('?metric=fps,cpu_usage')).toEqual(['metrics.fps', 'cpu_usage']);
    expect(await keysOf('?metric=metrics.fps&metric=cpu_usage')).toEqual(['metrics.fps', 'cpu_usage']);
    expect(await keysOf('?metric=all')).toEqual([...BASE_METRICS, 'metrics.a,b', 'metrics.fps']);
    expect((await get('/api/v1/workers/a/history?metric=a,b')).body).toMatchObject({ metric: 'metrics.a,b' });
  });

  test('of many metrics has fewer points, so that it can be answered', async () => {
    const { write, get } = await serveHistory();
    const keys = numbers(200).map((n) => `metrics.m${n}`);
    await write({ samples: [sampleRun({ workerId: 'a', first: 0, count: 600, fromMs: NOW - 3_300_000, keys })] });
    const { status, body } = await get('/api/v1/workers/a/history?metric=all');
    expect([status, body.series.length]).toEqual([200, 206]);
    expect(body.series[5].points.length).toBeLessThanOrEqual(487);
    await write({
      samples: [sampleRun({ workerId: 'a', first: 600, fromMs: NOW, keys: numbers(100).map((n) => `metrics.n${n}`) })],
    });
    expect(await get('/api/v1/workers/a/history?metric=all')).toMatchObject({
      status: 413,
      body: { detail: expect.stringContaining('306 metrics, expected at most 300') },
    });
  });

  test('of a worker that fell silent has a gap from its last sample on, also if another one is newer', async () => {
    const { fleet, beat, write, clock, get, post } = await serveHistory();
    fleet.register('a');
    beat('a', 3);
    // The master waits for late heartbeats before it says so.
    const silent = {
      id: 1,
      atUnixMs: NOW + 45_000,
      type: 'state',
      workerId: 'a',
      from: 'active',
      to: 'inactive',
    } as const;
    await write({ events: [silent] });
    clock.advance(60_000);
    const gap = { from: iso(NOW + 15_000), to: iso(NOW + 75_001), reason: 'worker_inactive' };
    for (const query of ['', '&step=1s', '&step=1m']) {
      expect((await get(`/api/v1/workers/a/history?metric=cpu_usage${query}`)).body.gaps).toEqual([gap]);
    }
    fleet.register('b');
    const { body } = await post({ metrics: ['cpu_usage'], workers: ['a', 'b'], over_workers: 'avg' });
    expect(body.series[0].gaps).toEqual([{ ...gap, to: iso(NOW + 75_000) }]);
  });

  test('of a worker that was removed is there as long as the database has it; of one that never was, it is unknown', async () => {
    const { write, get } = await serveHistory();
    await write({ samples: [sampleRun({ workerId: 'old/1', fromMs: NOW - 60_000 })] });
    const { status, body } = await get('/api/v1/workers/old%2F1/history?metric=cpu_usage');
    expect([status, body.worker_id, body.points.length]).toEqual([200, 'old/1', 1]);
    // It has sent nothing since.
    expect(body.gaps).toEqual([{ from: iso(NOW - 60_000), to: iso(NOW + 1), reason: 'worker_inactive' }]);
    expect(await get('/api/v1/workers/ghost/history')).toMatchObject({
      status: 404,
      body: { detail: 'no worker is called "ghost", now or in history' },
    });
  });

  test.each([
    ['metric=cpu', 'metric', 'unknown metric "cpu"; expected one of cpu_usage, memory_usage'],
    ['from=yesterday', 'from', 'expected a time such as'],
    ['from=-1h&to=-2h', 'from', 'expected a time before'],
    ['from=now', 'from', undefined],
    ['step=0s', 'step', 'expected more than 0'],
    ['step=fast', 'step', 'expected a duration such as'],
    ['step=1ms', 'step', 'points in this range, expected at most 10000: a step of 1s or more'],
    ['step=1s&points=100', 'step', '3601 points in this range, expected at most 100: a step of 37s or more'],
    ['points=0', 'points', 'expected a whole number from 2 to 10000'],
    ['points=1e9', 'points', 'expected a whole number from 2 to 10000'],
    ['form=-1h', 'form', 'unknown query parameter; expected one of metric, from, to, step, points'],
    ['from=-1h&from=-2h', 'from', 'given more than once'],
  ])('?%s is refused, naming %s', async (query, name, detail) => {
    const { fleet, get } = await serveHistory();
    fleet.register('a');
    const { status, body } = await get(`/api/v1/workers/a/history?${query}`);
    if (detail === undefined) {
      expect(status).toBe(200);
      return;
    }
    expect(status).toBe(400);
    expect(body).toMatchObject({ type: 'urn:pulselane:error:invalid_argument', errors: [{ in: 'query', name }] });
    expect(body.detail).toContain(`${name}: `);
    expect(body.errors[0].detail).toContain(detail);
  });

  test('is refused while history is off, naming the setting', async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/api/v1/workers/a/history`);
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining('HISTORY=off') });
  });

  test('is answered from memory while the database is damaged, and says so', async () => {
    const { fleet, beat, get, place, writer } = await serveHistory({ ringSamples: 16 });
    fleet.register('a');
    beat('a', 10);
    await writer.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(place.path + suffix, { force: true });
    writeFileSync(place.path, 'this is no database, as anyone can see who reads it'.repeat(1000));
    const { status, body } = await get('/api/v1/workers/a/history?metric=cpu_usage');
    expect(status).toBe(200);
    expect(body.points).toEqual(numbers(10).map(sample));
    expect(body.degraded).toMatchObject({ code: 'damaged' });
    expect(body.gaps).toEqual([{ from: iso(NOW + 50_000 - 3_600_000), to: iso(NOW + 5000), reason: 'database_away' }]);
    expect(await get('/api/v1/workers/ghost/history')).toMatchObject({ status: 503 });
  });
});

describe('a query for several workers', () => {
  /** Workers a, b and c, with the usages 0 to 5, 10 to 15 and 20 to 25 in one minute; two are in a group. */
  async function serveThree() {
    const served = await serveHistory();
    const { fleet, clock } = served;
    for (const id of ['a', 'b', 'c']) fleet.register(id);
    const facts = { labels: { zone: 'x' }, totalCpu: 0, totalMemoryGib: 0, totalStorageGib: 0, totalGpu: 0 };
    const texts = { ip: '', ephemeral: false, instanceId: '', agentVersion: '' };
    for (const workerId of ['a', 'b']) {
      fleet.onAnnounce([{ type: 'workerFacts', workerId, facts: { ...facts, ...texts, group: 'rack' } }]);
    }
    for (let n = 0; n < 6; n++) {
      clock.advance(5000);
      for (const [index, id] of ['a', 'b', 'c'].entries()) fleet.beat(id, { cpuUsage: 10 * index + n });
    }
    return served;
  }
  const QUERY = { metrics: ['cpu_usage'], from: NOW_S, to: NOW_S + 65, step: '1m' };

  test('without aggregates has the series of each', async () => {
    const { post, get } = await serveThree();
    const { status, body } = await post({ metrics: ['cpu_usage'], filters: { 'min.cpu_usage': 10 } });
    expect(status).toBe(200);
    expect(body.workers).toBe(2);
    expect(body.series.map(({ worker_id }: Json) => worker_id)).toEqual(['b', 'c']);
    const {
      worker_id: _,
      from: __,
      to: ___,
      ...alone
    } = (await get('/api/v1/workers/b/history?metric=cpu_usage')).body;
    expect(body.series[0]).toMatchObject(alone);
  });

  test.each([
    ['avg', 12.5],
    ['min', 2.5],
    ['max', 22.5],
    ['sum', 37.5],
    ['p50', 12.5],
    ['p95', 22.5],
    ['count', 3],
  ])('%s over workers is that of their means', async (over_workers, value) => {
    const { post } = await serveThree();
    const { body } = await post({ ...QUERY, over_workers });
    expect(body.series).toEqual([
      {
        worker_id: null,
        member: null,
        metric: 'cpu_usage',
        step_ms: 60_000,
        tier: '1m',
        points: [{ at: iso(NOW + 5000), value, workers: 3, min: 0, max: 25, mean: 12.5, last: null, count: 18 }],
        gaps: [],
      },
    ]);
  });

  test.each([
    ['max', 25],
    ['p50', 22],
    ['count', 6],
    ['sum', 135],
  ])('%s over time is that of each worker’s samples, before any over workers', async (over_time, value) => {
    const { post } = await serveThree();
    const { body } = await post({ ...QUERY, over_time, over_workers: 'max' });
    expect(body.series[0].points).toMatchObject([{ value, workers: 3 }]);
    const alone = await post({ ...QUERY, over_time, workers: ['c'] });
    expect(alone.body.series).toMatchObject([{ worker_id: 'c', member: null, points: [{ value, last: 25 }] }]);
  });

  test('by group or label has a series for each', async () => {
    const { post } = await serveThree();
    const sums = async (by: string) =>
      (await post({ ...QUERY, over_workers: 'sum', by })).body.series.map(({ member, points }: Json) => [
        member,
        points[0].value,
      ]);
    expect(await sums('group')).toEqual([
      ['rack', 15],
      ['', 22.5],
    ]);
    expect(await sums('label.zone')).toEqual([
      ['x', 15],
      ['', 22.5],
    ]);
  });

  test('has removed workers if they are asked for', async () => {
    const { post, write } = await serveThree();
    await write({ samples: [sampleRun({ workerId: 'old', fromMs: NOW + 6000, value: () => 100 })] });
    const sum = async (more: object) =>
      (await post({ ...QUERY, over_workers: 'sum', ...more })).body.series[0]?.points[0].value;
    expect(await sum({})).toBe(37.5);
    expect(await sum({ forgotten: true })).toBe(137.5);
    expect(await sum({ forgotten: true, filters: { prefix: 'o' } })).toBe(100);
    expect(await sum({ workers: ['a', 'old'] })).toBe(102.5);
  });

  test('has percentiles over time as far back as samples go, and says how far that is', async () => {
    const { post, writer, write, fleet } = await serveThree();
    const dayMs = 86_400_000;
    await write({ samples: [sampleRun({ workerId: 'a', fromMs: NOW - 3 * dayMs, count: 10 })] });
    const retention = { rawMs: dayMs, minuteMs: 30 * dayMs, hourMs: 730 * dayMs, maxBytes: undefined };
    fleet.onAnnounce([{ type: 'history', status: historyStatus(retention) }]);
    expect(writer).toBeDefined();
    const { status, body } = await post({ metrics: ['cpu_usage'], from: '-2d', over_time: 'p95', workers: ['a'] });
    expect(status).toBe(400);
    expect(body.errors).toEqual([
      {
        in: 'json',
        name: 'over_time',
        detail: `p95 over time needs the samples themselves, which are kept since ${iso(NOW + 30_000 - dayMs)}; "from" is before that`,
      },
    ]);
    expect((await post({ metrics: ['cpu_usage'], from: '-2d', over_time: 'max', workers: ['a'] })).status).toBe(200);
    expect((await post({ metrics: ['cpu_usage'], from: '-1d', over_time: 'p95', workers: ['a'] })).status).toBe(200);
  });

  test.each([
    [{ metrics: [] }, 'metrics', 'expected at least one metric'],
    [{}, 'metrics', 'expected a list of metrics'],
    [{ metrics: ['cpu'] }, 'metrics', 'unknown metric "cpu"; expected one of cpu_usage'],
    [
      { ...QUERY, over_workers: 'p90' },
      'over_workers',
      'expected one of avg, min, max, sum, p50, p95, p99, count, got "p90"',
    ],
    [{ ...QUERY, by: 'group' }, 'by', 'only together with over_workers'],
    [{ ...QUERY, over_workers: 'sum', by: 'rack' }, 'by', 'expected group or label.<name>'],
    [{ ...QUERY, filters: { sate: 'active' } }, 'filters.sate', 'unknown filter; expected one of state, group'],
    [{ ...QUERY, filters: { state: 'alive' } }, 'filters.state', 'unknown value "alive"; expected one of'],
    [{ ...QUERY, filters: {}, workers: ['a'] }, 'filters', 'not possible together with workers'],
    [{ ...QUERY, step: 0 }, 'step', 'expected more than 0'],
    [{ ...QUERY, points: 1 }, 'points', 'expected a whole number from 2 to 10000'],
    [{ ...QUERY, from: true }, 'from', 'expected a time'],
    [{ ...QUERY, metric: 'cpu_usage' }, 'metric', 'unknown member; expected only metrics, from'],
  ])('%j is refused, naming %s', async (query, name, detail) => {
    const { post } = await serveThree();
    const { status, body } = await post(query);
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ in: 'json', name, detail: expect.stringContaining(detail) }]);
    expect(body.detail).toContain(`${name}: `);
  });
});

describe('events', () => {
  const event = (id: number, workerId = 'a') =>
    ({ id, atUnixMs: NOW - 100_000 + id, type: 'restarted', workerId, detail: 'x' }) as const;
  const ids = (body: Json) => body.events.map(({ id }: Json) => id);

  async function serveEvents() {
    const served = await serveHistory();
    // The database has 1 to 30 of an earlier master, and what this one has told it; memory has 41 to 50.
    await served.write({ events: numbers(30, 1).map((id) => event(id, id % 2 === 0 ? 'b' : 'a')) });
    await served.write({ events: numbers(5, 41).map((id) => event(id)) });
    served.fleet.onAnnounce([{ type: 'events', events: numbers(10, 41).map((id) => event(id)) }]);
    return served;
  }

  test('reach back into history: the newest, all after one, and those of a time', async () => {
    const { get } = await serveEvents();
    const of = async (query: string) => ids((await get(`/api/v1/events${query}`)).body);
    const all = [...numbers(30, 1), ...numbers(10, 41)];
    expect(await of('')).toEqual(all);
    expect(await of('?limit=12')).toEqual(all.slice(-12));
    expect(await of('?limit=10')).toEqual(numbers(10, 41));
    expect(await of('?after=0&limit=35')).toEqual(all.slice(0, 35));
    expect(await of('?after=28')).toEqual([29, 30, ...numbers(10, 41)]);
    expect(await of('?after=45')).toEqual(numbers(5, 46));
    expect(await of('?worker=b')).toEqual(numbers(15, 1).map((n) => 2 * n));
    expect(await of(`?from=${(NOW - 100_000 + 29) / 1000}&to=${(NOW - 100_000 + 43) / 1000}`)).toEqual([
      29, 30, 41, 42,
    ]);
    expect((await get('/api/v1/events')).body.last_id).toBe(50);
  });

  test('are those in memory while the database does not answer, and the answer says so', async () => {
    const { get, writer, place } = await serveEvents();
    await writer.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(place.path + suffix, { force: true });
    writeFileSync(place.path, 'no database '.repeat(10_000));
    const { status, body } = await get('/api/v1/events?after=0');
    expect([status, ids(body)]).toEqual([200, numbers(10, 41)]);
    expect(body.degraded.detail).toContain('the database of history does not answer');
    expect((await get('/api/v1/events?after=44')).body.degraded).toBeUndefined();
  });

  test('in memory need no history, and are answered without it if it is refused or late', async () => {
    const asked: HistoryTask[] = [];
    let ask: (signal: AbortSignal) => Promise<unknown> = () => Promise.reject(new Error('not asked'));
    const history = {
      ask: (task: HistoryTask, { signal }: { signal: AbortSignal }) => {
        asked.push(task);
        return ask(signal);
      },
    } as unknown as HistoryPool;
    const { app, fleet, clock } = newApp({ history });
    fleet.onAnnounce([{ type: 'events', events: numbers(10, 41).map((id) => event(id)) }]);
    const of = async (query: string) => (await app.request(`/api/v1/events${query}`)).json() as Json;
    const from = `?from=${(NOW - 100_000 + 44) / 1000}`;
    const inMemory = await of(from);
    expect([ids(inMemory), inMemory.degraded, asked]).toEqual([numbers(7, 44), undefined, []]);

    ask = () => Promise.reject(new LimitReached('resource_exhausted', 'queries', 'too many questions'));
    const refused = await of('?after=0');
    expect([ids(refused), refused.degraded]).toEqual([numbers(10, 41), { detail: 'too many questions' }]);

    ask = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new PulselaneError('unavailable', 'cancelled')));
        clock.advance(3000);
      });
    const late = await of('?worker=a');
    expect([ids(late), late.degraded]).toEqual([numbers(10, 41), { detail: 'history did not answer within 3000 ms' }]);
  });

  test('of the last minutes are not the same when these have passed', async () => {
    const { app, fleet, clock } = newApp();
    fleet.onAnnounce([{ type: 'events', events: [{ ...event(41), atUnixMs: NOW - 1000 }] }]);
    const of = (tag = '') => app.request('/api/v1/events?from=-1m', { headers: { 'If-None-Match': tag } });
    const first = await of();
    const tag = first.headers.get('etag') ?? '';
    expect([ids(await first.json()), (await of(tag)).status]).toEqual([[41], 304]);
    clock.advance(60_000);
    const later = await of(tag);
    expect([later.status, ids(await later.json())]).toEqual([200, []]);
  });

  test('of a range that ends before it begins are refused', async () => {
    const { get } = await serveEvents();
    expect(await get('/api/v1/events?from=-1h&to=-2h')).toMatchObject({
      status: 400,
      body: { errors: [{ in: 'query', name: 'from' }] },
    });
  });
});

describe('runs of tasks', () => {
  const HOUR = 3_600_000;
  const runs = [
    taskRun({ taskId: 'a', firstSeenMs: NOW - 3 * HOUR, lastSeenMs: NOW - 2 * HOUR, outcome: 'ended' }),
    taskRun({ taskId: 'b', firstSeenMs: NOW - 2 * HOUR, lastSeenMs: NOW - HOUR, outcome: 'failed', exitCode: 3 }),
    taskRun({ taskId: 'c', firstSeenMs: NOW - HOUR, lastSeenMs: NOW - 1000, outcome: 'ended', status: 'failed' }),
    taskRun({ taskId: 'd', firstSeenMs: NOW - 1000, status: 'paused' }),
    taskRun({ taskId: 'e', workerId: 'worker-2', firstSeenMs: NOW - 500 }),
  ];

  async function serveTasks() {
    const served = await serveHistory();
    await served.write({ taskRuns: runs });
    const of = async (path: string) => {
      const { status, body } = await served.get(path);
      expect([status, body.detail]).toEqual([200, undefined]);
      return body.tasks.map(({ task_id }: Json) => task_id).join('');
    };
    return { ...served, of };
  }

  test.each([
    ['/api/v1/tasks?worker=nope', 'query', 'worker'],
    ['/api/v1/workers/nope/tasks', 'path', 'id'],
    ['/api/v1/workers/nope/history', 'path', 'id'],
    ['/api/v1/history/export?worker=nope', 'query', 'worker'],
  ])('%s is of no worker that ever was, and says which parameter names it', async (path, where, name) => {
    const { get } = await serveHistory();
    const detail = 'no worker is called "nope", now or in history';
    const { status, body } = await get(path);
    expect([status, body.detail, body.errors]).toEqual([404, detail, [{ in: where, name, detail }]]);
  });

  test('are listed by worker, task, time, and how they ended', async () => {
    const { of } = await serveTasks();
    expect(await of('/api/v1/tasks')).toBe('edcba');
    expect(await of('/api/v1/workers/worker-1/tasks')).toBe('dcba');
    expect(await of('/api/v1/tasks?worker=worker-2')).toBe('e');
    expect(await of('/api/v1/tasks?task=b')).toBe('b');
    expect(await of('/api/v1/tasks?status=running')).toBe('ed');
    expect(await of('/api/v1/tasks?status=paused')).toBe('d');
    expect(await of('/api/v1/tasks?status=failed')).toBe('cb');
    expect(await of('/api/v1/tasks?status=ended')).toBe('ca');
    expect(await of('/api/v1/tasks?from=-90m&to=-10m')).toBe('cb');
    expect(await of('/api/v1/tasks?from=-30m')).toBe('edc');
  });

  test('come in pages, each run once, also those of two filters', async () => {
    const { get } = await serveTasks();
    for (const [query, expected] of [
      ['limit=2', 'edcba'],
      ['status=failed&limit=1', 'cb'],
    ] as const) {
      let shown = '';
      let cursor: string | null = '';
      while (cursor !== null) {
        const next: string = cursor === '' ? '' : `&cursor=${cursor}`;
        const { status, body }: { status: number; body: Json } = await get(`/api/v1/tasks?${query}${next}`);
        expect(status).toBe(200);
        shown += body.tasks.map(({ task_id }: Json) => task_id).join('');
        cursor = body.next_cursor;
      }
      expect(shown).toBe(expected);
    }
  });

  test('tell how they ended', async () => {
    const { get } = await serveTasks();
    const { body } = await get('/api/v1/tasks?task=b');
    expect(body.tasks[0]).toMatchObject({
      worker_id: 'worker-1',
      outcome: 'failed',
      exit_code: 3,
      first_seen_at: iso(NOW - 2 * HOUR),
      last_seen_at: iso(NOW - HOUR),
    });
  });

  test.each([
    ['/api/v1/tasks?cursor=abc', 400],
    ['/api/v1/tasks?limit=0', 400],
    ['/api/v1/tasks?from=never', 400],
    ['/api/v1/tasks?state=running', 400],
    ['/api/v1/workers/ghost/tasks', 404],
    ['/api/v1/tasks?worker=ghost', 404],
  ])('%s is answered with %i', async (path, status) => {
    const { get } = await serveTasks();
    expect((await get(path)).status).toBe(status);
  });
});

test('the state of history is told once it is known', async () => {
  const { fleet, get } = await serveHistory();
  expect((await get('/api/v1/history')).status).toBe(503);
  fleet.onAnnounce([{ type: 'history', status: historyStatus() }]);
  expect((await get('/api/v1/history')).body).toMatchObject({
    state: 'ok',
    backend: 'sqlite',
    problem: null,
    tiers: [
      { tier: 'raw', keep_ms: 86_400_000, oldest_at: null },
      { tier: '1m', keep_ms: 30 * 86_400_000 },
      { tier: '1h', keep_ms: 730 * 86_400_000 },
    ],
  });
  const problem = { code: 'full', detail: 'no space left', sinceUnixMs: NOW } as const;
  fleet.onAnnounce([{ type: 'history', status: { ...historyStatus(), state: 'degraded', problem } }]);
  expect((await get('/api/v1/history')).body.problem).toEqual({
    code: 'full',
    detail: 'no space left',
    since: iso(NOW),
  });
});

describe('a question to history', () => {
  test('ends when its client goes, and others are answered', async () => {
    const { get, url, write, logged } = await serveHistory({ rows: 600 });
    const workers = numbers(500).map((n) => `w-${n}`);
    for (let part = 0; part < 5; part++) {
      await write({
        samples: workers
          .slice(part * 100, part * 100 + 100)
          .map((workerId) => sampleRun({ workerId, count: 200, fromMs: NOW - 3_000_000 })),
      });
    }
    const gone = new AbortController();
    const asked = fetch(`${url}/api/v1/history/query`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ metrics: ['cpu_usage'], forgotten: true, over_workers: 'p95' }),
      signal: gone.signal,
    });
    await new Promise((resolve) => setImmediate(resolve));
    gone.abort();
    await expect(asked).rejects.toThrow();
    expect((await get('/api/v1/workers/w-1/history?metric=cpu_usage')).body.points).toHaveLength(200);
    expect(logged).toEqual([]);
  });

  test('that asks for too much is told what would be less', async () => {
    const { post, write } = await serveHistory();
    const workers = numbers(60).map((n) => `w-${n}`);
    await write({
      samples: workers.map((workerId) => sampleRun({ workerId, count: 2000, fromMs: NOW - 3_000_000, stepMs: 1000 })),
    });
    const { status, body } = await post({ metrics: ['cpu_usage'], workers, points: 10_000 });
    expect(status).toBe(413);
    expect(body.detail).toContain('the answer would have more than 100000 points: ask for fewer workers');
    expect((await post({ metrics: ['cpu_usage'], workers, over_workers: 'avg' })).status).toBe(200);
  });
});
