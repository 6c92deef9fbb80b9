/** `GET /metrics` over HTTP: what is asked for, what is refused. What the text is, is tested in test/metrics/. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { MAX_SCRAPES } from '../../src/http/http-limits.ts';
import { MetricsPool } from '../../src/http/metrics/pool.ts';
import { formatOf } from '../../src/metrics/exposition/format.ts';
import { COLLECTIONS } from '../../src/metrics/scrape/collections.ts';
import type { ScrapeRequest } from '../../src/metrics/scrape/scraper.ts';
import { newApp, serve } from './support.ts';

const EVERYTHING: ScrapeRequest = { format: formatOf('text004'), collections: COLLECTIONS, gzip: false };

async function textOf(app: ReturnType<typeof newApp>['app'], target: string, headers: Record<string, string> = {}) {
  const response = await app.request(target, { headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe('GET /metrics', () => {
  it('has the workers and the master', async () => {
    const { app, fleet } = newApp();
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 14.9, metrics: new Map([['queue.depth', 7]]) });
    const { status, headers, text } = await textOf(app, '/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8; escaping=underscores');
    expect(headers.get('vary')).toBe('Accept-Encoding, Accept');
    expect(text).toContain('\npulselane_worker_up{worker="node-a"} 1\n');
    expect(text).toContain('\npulselane_worker_cpu_usage_ratio{worker="node-a"} 0.149\n');
    expect(text).toContain('\npulselane_custom_queue_depth{worker="node-a"} 7\n');
    expect(text).toMatch(/^pulselane_heartbeats_accepted_total/m);
  });

  it('negotiates the format', async () => {
    const { app, fleet } = newApp();
    fleet.register('node-a');
    fleet.beat('node-a', { metrics: new Map([['queue.depth', 7]]) });
    const accept = 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,text/plain;q=0.5';
    const { headers, text } = await textOf(app, '/metrics', { accept });
    expect(headers.get('content-type')).toMatch(/^application\/openmetrics-text; version=1\.0\.0;/);
    expect(text).toContain('\n{"pulselane_custom_queue.depth",worker="node-a"} 7\n');
    expect(text.endsWith('\n# EOF\n')).toBe(true);
  });

  it.each([
    ['?collect[]=cpu', /^collect\[\]: expected one of master, state, .*, custom; got "cpu"$/],
    [`?collect[]=${'x'.repeat(2000)}`, /got "x+… \(2000 characters\)"$/],
    ['?collect=state', /unknown query parameter; expected one of collect\[\], group, worker/],
    ['?worker=%ff', /^the query must be valid percent-encoded UTF-8$/],
    [`?${'worker=x&'.repeat(1001)}`, /worker: expected at most 1000 values/],
  ])('refuses wrong parameters (%#)', async (query, message) => {
    const { app } = newApp();
    const { status, text } = await textOf(app, `/metrics${query}`);
    expect(status).toBe(400);
    expect(JSON.parse(text).error).toMatch(message);
  });

  it('has only the groups of families that are asked for', async () => {
    const { app, fleet } = newApp();
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 1 });
    const { text } = await textOf(app, '/metrics?collect[]=usage&collect[]=lane');
    const names = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name));
    expect([...names]).toEqual([
      'pulselane_worker_cpu_usage_ratio',
      'pulselane_worker_memory_usage_ratio',
      'pulselane_worker_storage_usage_ratio',
      'pulselane_worker_tasks_running',
      'pulselane_worker_lane_state',
    ]);
  });

  it('has only the workers of a group, or those named, whatever their ids are', async () => {
    const { app, fleet } = newApp();
    const ids = ['a', 'quote"', 'back\\slash', 'x&worker=a', 'µ/../{}', '__proto__'];
    for (const id of ids) {
      fleet.register(id);
      const facts = { group: id === 'a' ? 'rack 1' : '', labels: {} } as never;
      fleet.onAnnounce([{ type: 'workerFacts', workerId: id, facts }]);
    }
    const up = async (query: string) => {
      const { text } = await textOf(app, `/metrics?collect[]=state&${query}`);
      return Array.from(text.matchAll(/^pulselane_worker_up\{worker="(.*)"\} 0$/gm), ([, id]) => JSON.parse(`"${id}"`));
    };
    for (const id of ids) expect(await up(`worker=${encodeURIComponent(id)}`)).toEqual([id]);
    expect(await up('worker=a&worker=nobody&worker=__proto__')).toEqual(['a', '__proto__']);
    expect(await up('group=rack+1')).toEqual(['a']);
    expect(await up('group=')).toEqual(ids.slice(1));
    expect(await up('group=&worker=a')).toEqual([]);
    const { text } = await textOf(app, '/metrics?worker=nobody');
    expect(text).toBe('');
  });

  it('comes from its thread, compressed, and says in the limits what it cost', async () => {
    const { url, fleet } = await serve({ rows: 200 });
    for (let n = 0; n < 150; n++) {
      fleet.register(`worker-${n}`);
      fleet.beat(`worker-${n}`, { cpuUsage: n });
    }
    const response = await fetch(`${url}/metrics`, { headers: { 'accept-encoding': 'gzip' } });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    const text = await response.text();
    expect(text.match(/^pulselane_worker_up\{/gm)).toHaveLength(150);
    expect(text).toContain(`\npulselane_metrics_worker_series ${text.match(/^pulselane_worker_.*\} /gm)?.length}\n`);
    const { metrics } = (await (await fetch(`${url}/api/v1/limits`)).json()) as { metrics: Record<string, never> };
    expect(metrics).toMatchObject({
      max_series: 1_000_000,
      last: { bytes: Buffer.byteLength(text), cut: { series: 0 } },
    });
    const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
    expect(head.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await head.text()).toBe('');
  });
});

describe('the thread for metrics', () => {
  function newPool() {
    const { directory, clock, fleet } = newApp();
    const pool = new MetricsPool({ directory, clock, log: () => {} }, { labels: ['*'], maxSeries: 1000 });
    onTestFinished(() => pool.stop());
    fleet.register('node-a');
    return { pool, clock };
  }

  it('refuses more scrapes than may wait, and starts with the first', async () => {
    const { pool } = newPool();
    expect(pool.threads()).toHaveLength(0);
    const waiting = Array.from({ length: MAX_SCRAPES }, () => pool.scrape(EVERYTHING));
    await expect(pool.scrape(EVERYTHING)).rejects.toMatchObject({ reason: 'scrapes', code: 'resource_exhausted' });
    for (const { bytes } of await Promise.all(waiting)) expect(Buffer.from(bytes).toString()).toContain('node-a');
    expect(pool.threads()).toHaveLength(1);
  });

  it('keeps nobody waiting longer than the scraper does', async () => {
    const { pool, clock } = newPool();
    // The first waits for the thread to start, the second is running.
    for (const _ of [1, 2]) {
      const late = pool.scrape(EVERYTHING, { timeoutMs: 4500 });
      clock.advance(4500);
      await expect(late).rejects.toThrow("no answer within the scraper's timeout of 4500 ms");
      expect((await pool.scrape(EVERYTHING, { timeoutMs: 4500 })).figures.series).toBeGreaterThan(0);
    }
  });

  it('gives the places of clients that went away to others', async () => {
    const { pool } = newPool();
    const client = new AbortController();
    const waiting = Array.from({ length: MAX_SCRAPES }, () => pool.scrape(EVERYTHING, client));
    client.abort();
    for (const { status } of await Promise.allSettled(waiting)) expect(status).toBe('rejected');
    expect((await pool.scrape(EVERYTHING)).figures.series).toBeGreaterThan(0);
  });
});
