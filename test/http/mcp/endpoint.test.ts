/** `POST /mcp` with the official client, over a real socket, a fleet in shared memory and a database of history. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Batch } from '../../../src/history/backend.ts';
import { sqlite } from '../../../src/history/sqlite/open.ts';
import type { HistoryPool } from '../../../src/http/history/pool.ts';
import { MAX_MCP_ANSWER_BYTES, MAX_MCP_CALLS } from '../../../src/http/http-limits.ts';
import { hashOfToken } from '../../../src/lib/tokens.ts';
import type { NewEvent } from '../../../src/model/events.ts';
import { BoardReader } from '../../../src/store/board.ts';
import { batchOf, sampleRun, taskRun } from '../../history/history-data.ts';
import { alertsStatus, alertsTold, anAlert } from '../../support/alerts.ts';
import { task } from '../../support/fleet.ts';
import { NOW_S, newApp, serve } from '../support.ts';

const NOW = NOW_S * 1000;
const iso = (ms: number) => new Date(ms).toISOString();

// biome-ignore lint/suspicious/noExplicitAny: answers are data, and what is in them is what these tests look at
type Json = any;

/** The revision of 2025, which most clients speak, and that of 2026. */
const ERAS = ['legacy', { pin: '2026-07-28' }] as const;

async function connected(url: string, { headers = {}, mode = 'legacy' as (typeof ERAS)[number] } = {}) {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } }));
  onTestFinished(() => client.close());
  const call = async (name: string, given: Record<string, unknown> = {}) => {
    const { content, isError = false } = await client.callTool({ name, arguments: given });
    const { text } = (content as Json)[0] as { text: string };
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_MCP_ANSWER_BYTES);
    return { isError, answer: (isError ? text : JSON.parse(text)) as Json, bytes: Buffer.byteLength(text) };
  };
  return { client, call };
}

async function serveWithHistory(options: Parameters<typeof serve>[0] = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-mcp-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const place = { kind: 'sqlite', path: join(folder, 'history.db') } as const;
  const writer = await sqlite.openWriter(place, () => {});
  onTestFinished(() => writer.close());
  const served = await serve({ ...options, history: place });
  const { bootId } = new BoardReader(served.fleet.memory);
  await writer.begin({ bootId, startedMs: NOW - 7_200_000 });
  let id = 0;
  return {
    ...served,
    write: (content: Partial<Batch>) => writer.write(batchOf(bootId, 1, { atMs: NOW, ...content })),
    happened: (agoMs: number, event: NewEvent) =>
      served.fleet.onAnnounce([{ type: 'events', events: [{ id: ++id, atUnixMs: NOW - agoMs, ...event }] }]),
  };
}

describe.each(ERAS)('by the protocol %o', (mode) => {
  test('the tools are listed: read-only, each input described, and none says that it may change', async () => {
    const { url } = await serve();
    const { client } = await connected(url, { mode });
    expect(client.getServerVersion()?.name).toBe('pulselane');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      'fleet_summary',
      'find_workers',
      'get_worker',
      'get_worker_history',
      'list_alerts',
      'list_events',
      'list_tasks',
      'what_changed',
    ]);
    for (const { name, description, inputSchema, annotations } of tools) {
      expect(description, name).toMatch(/\w{3}/);
      expect(annotations, name).toMatchObject({ readOnlyHint: true, destructiveHint: false });
      expect(inputSchema, name).toMatchObject({ type: 'object', additionalProperties: false });
      for (const [input, schema] of Object.entries(inputSchema.properties ?? {})) {
        expect((schema as Json).description, `${name} ${input}`).toMatch(/\w{3}/);
      }
    }
    expect(Buffer.byteLength(JSON.stringify(tools))).toBeLessThan(MAX_MCP_ANSWER_BYTES);
  });

  test('workers are found, and one is shown with units', async () => {
    const { url, fleet } = await serve();
    for (const id of ['a', 'b', 'c']) fleet.register(id);
    fleet.beat('a', { cpuUsage: 95.123456789, runningTasks: [task('1')] });
    fleet.beat('b', { cpuUsage: 12 });
    const { call } = await connected(url, { mode });
    const { answer } = await call('find_workers', { states: ['active'], min: { cpu_usage: 50 } });
    expect(answer).toMatchObject({
      total: 1,
      workers: [{ worker_id: 'a', state: 'active', cpu_usage_percent: 95.1235 }],
    });
    const first = await call('find_workers', { limit: 2, sort: 'worker_id' });
    expect(first.answer.workers.map(({ worker_id }: Json) => worker_id)).toEqual(['a', 'b']);
    const second = await call('find_workers', { limit: 2, sort: 'worker_id', cursor: first.answer.next_cursor });
    expect(second.answer.workers.map(({ worker_id }: Json) => worker_id)).toEqual(['c']);
    expect(second.answer.next_cursor).toBeUndefined();
    const { answer: detail } = await call('get_worker', { worker_id: 'a' });
    expect(detail).toMatchObject({
      worker_id: 'a',
      record: { cpu_usage_percent: 95.1235, running_tasks: [{ task_id: '1' }] },
    });
    expect((await call('fleet_summary')).answer).toMatchObject({ now: iso(NOW), workers: { total: 3, active: 2 } });
  });

  test.each(['..', '.', 'a/b', '?x=1#y', '%2e', '__proto__', 'ע\u202e"\n\0', 'x'.repeat(200)])(
    'a worker called %j is found',
    async (id) => {
      const { url, fleet } = await serve();
      fleet.register(id);
      fleet.beat(id);
      const { call } = await connected(url, { mode });
      expect((await call('get_worker', { worker_id: id })).answer.worker_id).toBe(id);
      expect((await call('find_workers', { id_prefix: id })).answer.workers[0].worker_id).toBe(id);
    },
  );
});

test('history comes as rows with a unit, and fewer if they would be too many', async () => {
  const { url, write } = await serveWithHistory();
  const fromMs = NOW - 3_600_000;
  await write({ samples: [sampleRun({ workerId: 'a', count: 700, fromMs, keys: ['cpu_usage', 'metrics.a,b'] })] });
  const { call } = await connected(url);
  const { answer } = await call('get_worker_history', { worker_id: 'a', metrics: ['cpu_usage'], points: 4 });
  expect(answer).toMatchObject({
    worker_id: 'a',
    from: iso(fromMs),
    series: [{ metric: 'cpu_usage', unit: 'percent' }],
  });
  const [{ columns, rows }] = answer.series;
  expect(columns).toEqual(['at', 'min', 'mean', 'max']);
  expect(rows.length).toBeGreaterThan(1);
  expect(rows.length).toBeLessThanOrEqual(4);
  expect(rows[0].slice(1)).toEqual([0.5, expect.any(Number), 99.5]);
  const many = await call('get_worker_history', { worker_id: 'a', metrics: ['cpu_usage', 'metrics.a,b'], points: 200 });
  expect(many.answer.series.map(({ metric }: Json) => metric)).toEqual(['cpu_usage', 'metrics.a,b']);
  expect(many.answer.series[0].rows.length).toBeGreaterThan(50);
});

test('what changed: from events, tasks and usages', async () => {
  const { url, fleet, write, happened } = await serveWithHistory();
  for (const id of ['hot', 'calm']) fleet.register(id);
  const fromMs = NOW - 3_600_000;
  const usage = (workerId: string, last: number) =>
    sampleRun({ workerId, first: 0, count: 720, fromMs, value: (n) => (n < 600 ? 20 : last) });
  await write({
    samples: [usage('hot', 97), usage('calm', 25)],
    taskRuns: [
      taskRun({
        workerId: 'hot',
        taskId: 'render',
        firstSeenMs: NOW - 900_000,
        lastSeenMs: NOW - 60_000,
        outcome: 'failed',
        exitCode: 2,
      }),
      taskRun({
        workerId: 'hot',
        taskId: 'fine',
        firstSeenMs: NOW - 900_000,
        lastSeenMs: NOW - 60_000,
        outcome: 'finished',
      }),
      taskRun({
        workerId: 'hot',
        taskId: 'long ago',
        firstSeenMs: NOW - 9e7,
        lastSeenMs: NOW - 8e7,
        outcome: 'failed',
      }),
    ],
  });
  happened(7_000_000, { type: 'restarted', workerId: 'too-early' });
  happened(3_000_000, { type: 'state', workerId: 'new', to: 'registered', cause: 'registration' });
  happened(2_900_000, { type: 'state', workerId: 'new', from: 'registered', to: 'active', cause: 'heartbeat' });
  happened(2_000_000, { type: 'state', workerId: 'lost', from: 'active', to: 'suspect', cause: 'silence' });
  happened(1_990_000, { type: 'state', workerId: 'lost', from: 'suspect', to: 'inactive', cause: 'silence' });
  happened(1_500_000, { type: 'state', workerId: 'calm', from: 'active', to: 'suspect', cause: 'silence' });
  happened(1_400_000, { type: 'state', workerId: 'calm', from: 'suspect', to: 'active', cause: 'heartbeat' });
  happened(1_000_000, { type: 'restarted', workerId: 'hot' });
  happened(900_000, { type: 'state', workerId: 'old', from: 'left', to: 'gone', cause: 'retention' });
  happened(800_000, { type: 'brake', group: 'rack', detail: '3 of 3' });
  const { call } = await connected(url);
  const { answer, isError } = await call('what_changed', { from: '-1h' });
  expect(isError, answer).toBe(false);
  expect(answer).toMatchObject({
    from: iso(fromMs),
    joined: { total: 1, shown: [{ worker_id: 'new', state: 'active' }] },
    left: { total: 1, shown: [{ worker_id: 'old', cause: 'retention' }] },
    changed_state: {
      total: 1,
      shown: [{ worker_id: 'lost', from: 'active', to: 'inactive', changes: 2, cause: 'silence' }],
    },
    changed_and_returned: { total: 1, shown: [{ worker_id: 'calm', state: 'active', changes: 2 }] },
    restarted: { total: 1, shown: [{ worker_id: 'hot', restarts: 1 }] },
    other_events: { total: 1, shown: [{ type: 'brake' }] },
    failed_tasks: { total: 1, shown: [{ worker_id: 'hot', task_id: 'render', exit_code: 2 }] },
    usages_that_rose: {
      total: 1,
      shown: [{ worker_id: 'hot', metric: 'cpu_usage_percent', before: 20, after: 97 }],
      compared: 'all present workers',
    },
  });
  const one = await call('what_changed', { from: '-1h', worker_id: 'lost' });
  const unknown = 'no worker is called "lost", now or in history';
  expect(one.answer).toMatchObject({
    changed_state: { total: 1 },
    missing: [`tasks: ${unknown}`, `usages: ${unknown}`],
  });
  expect(one.answer.joined).toEqual({ total: 0 });
});

test('of a large fleet, what changed compares the workers that are highest now', async () => {
  const { url, fleet, write } = await serveWithHistory({ rows: 128 });
  for (let n = 0; n < 120; n++) fleet.register(`w${n}`);
  fleet.beat('w7', { cpuUsage: 95 });
  fleet.beat('w8', { cpuUsage: 50 });
  const risen = (workerId: string) =>
    sampleRun({ workerId, first: 0, count: 720, fromMs: NOW - 3_600_000, value: (n) => (n < 600 ? 20 : 95) });
  await write({ samples: [risen('w7'), risen('w8')] });
  const { call } = await connected(url);
  const { usages_that_rose } = (await call('what_changed')).answer;
  expect(usages_that_rose.shown.map(({ worker_id }: Json) => worker_id)).toEqual(['w7']);
  expect(usages_that_rose.compared).toContain('for another worker give worker_id');
  const { answer } = await call('what_changed', { worker_id: 'w8' });
  expect(answer.usages_that_rose).toMatchObject({ total: 1, shown: [{ worker_id: 'w8', before: 20, after: 95 }] });
});

test('without history, what changed is what events tell, and what is missing is named', async () => {
  const { url, fleet } = await serve();
  fleet.register('a');
  const { call } = await connected(url);
  const { answer } = await call('what_changed');
  expect(answer.missing).toEqual([
    expect.stringMatching(/^tasks: history is off/),
    expect.stringMatching(/^usages: history is off/),
  ]);
  const tasks = await call('list_tasks');
  expect(tasks).toMatchObject({ isError: true, answer: expect.stringContaining('history is off') });
});

test('events say how to ask for those that are not shown', async () => {
  const { url, happened } = await serveWithHistory();
  for (let n = 0; n < 5; n++) happened(5000 - n * 1000, { type: 'restarted', workerId: `w${n}` });
  const { call } = await connected(url);
  const newest = (await call('list_events', { limit: 2 })).answer;
  expect(newest.events.map(({ worker_id }: Json) => worker_id)).toEqual(['w3', 'w4']);
  expect(newest.note).toContain(newest.events[0].at);
  const oldest = (await call('list_events', { limit: 2, after_id: 0 })).answer;
  expect(oldest.events.map(({ worker_id }: Json) => worker_id)).toEqual(['w0', 'w1']);
  const next = (await call('list_events', { limit: 10, after_id: oldest.events[1].id })).answer;
  expect(next.events.map(({ worker_id }: Json) => worker_id)).toEqual(['w2', 'w3', 'w4']);
  expect(next.note).toBeUndefined();
});

test('alerts are told with why they fire, and the summary says how many there are', async () => {
  const { url, fleet } = await serve();
  const resolved = anAlert({ id: 'over', state: 'resolved', resolvedUnixMs: NOW });
  fleet.onAnnounce([alertsTold(anAlert(), resolved), { type: 'alertsStatus', status: alertsStatus() }]);
  const { call } = await connected(url);
  const { alerts } = (await call('list_alerts')).answer;
  expect(alerts).toMatchObject([
    { alert: 'Hot', state: 'firing', why: { expression: 'cpu_usage > 90.0', now: { parts: [{ value: 94.5 }] } } },
  ]);
  expect((await call('list_alerts', { state: 'resolved' })).answer.alerts).toHaveLength(1);
  expect((await call('list_alerts', { rule: 'Cold' })).answer.alerts ?? []).toEqual([]);
  const summary = (await call('fleet_summary')).answer;
  expect(summary.alerts).toEqual({ firing: 1, pending: 2, firing_by_severity: { page: 1 } });
});

test('large answers are cut, and say so', async () => {
  const { url, fleet } = await serve();
  const facts = {
    totalCpu: 1,
    totalMemoryGib: 1,
    totalStorageGib: 1,
    totalGpu: 0,
    ip: '10.0.0.1',
    labels: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`label-${n}`, 'v'.repeat(200)])),
    group: '',
    ephemeral: false,
    instanceId: 'i',
    agentVersion: '1',
  };
  for (let n = 0; n < 30; n++) {
    fleet.register(`w${n}`);
    fleet.onAnnounce([{ type: 'workerFacts', workerId: `w${n}`, facts }]);
  }
  const runningTasks = Array.from({ length: 2000 }, (_, n) => task(`task-${n}`));
  fleet.beat('w0', { runningTasks, metrics: new Map(Array.from({ length: 500 }, (_, n) => [`m${n}`, n])) });
  const { call } = await connected(url);
  const { answer } = await call('get_worker', { worker_id: 'w0' });
  expect(answer.cut).toContainEqual(expect.stringMatching(/^record\.running_tasks: \d+ of 2000$/));
  const seen = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = (await call('find_workers', { limit: 50, cursor })).answer;
    for (const { worker_id } of page.workers) seen.add(worker_id);
    expect(page).toMatchObject({ total: 30 });
    expect(page.cut).toBeUndefined();
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  expect(seen.size).toBe(30);
});

describe('wrong input is a result that says what was expected', () => {
  test.each([
    ['get_worker', { worker_id: 'ghost' }, 'no worker is called "ghost"'],
    ['get_worker', {}, 'worker_id'],
    ['get_worker', { worker_id: 'a', verbose: true }, 'verbose'],
    ['find_workers', { states: ['dead'] }, 'active'],
    ['find_workers', { min: { speed: 1 } }, 'unknown field "speed"'],
    ['find_workers', { limit: 5000 }, '50'],
    ['find_workers', { cursor: 'x' }, 'cursor'],
    ['find_workers', { sort: '-speed' }, 'speed'],
    ['list_events', { from: 'yesterday' }, 'from'],
    ['what_changed', { from: 'now', to: '-1h' }, 'from: expected a time before'],
    ['what_changed', { to: 'tomorrow' }, 'to: '],
    ['get_worker_history', { worker_id: 'a' }, 'history is off'],
  ])('%s %j', async (name, given, expected) => {
    const { url } = await serve();
    const { call } = await connected(url);
    const { isError, answer } = await call(name, given);
    expect({ isError, answer }).toEqual({ isError: true, answer: expect.stringContaining(expected) });
    expect(answer).not.toMatch(/\n\s+at |node_modules/);
  });

  test('an unknown tool is an error of the protocol', async () => {
    const { url } = await serve();
    const { client } = await connected(url);
    await expect(client.callTool({ name: 'drop_tables' })).rejects.toThrow('drop_tables');
  });
});

describe('over HTTP', () => {
  const HEADERS = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };
  const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { ...HEADERS, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  test('curl can ask without a handshake, and gets one JSON body with the common headers', async () => {
    const { url } = await serve();
    const response = await post(url, LIST);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(((await response.json()) as Json).result.tools).toHaveLength(8);
  });

  test('without tokens anybody may call it, except pages of other origins', async () => {
    const { url } = await serve();
    expect((await post(url, LIST, { Origin: 'https://evil.example' })).status).toBe(403);
    expect((await post(url, LIST, { 'X-Forwarded-For': '10.1.2.3' })).status).toBe(200);
  });

  test('with tokens the scope read is enough, and needed', async () => {
    const tokens = [
      { name: 'reader', hash: hashOfToken('plt_read'), scopes: ['read'] as const, expiresUnixMs: undefined },
    ];
    const { url } = await serve({ tokens });
    const refused = await post(url, LIST);
    expect({ status: refused.status, body: await refused.json() }).toEqual({
      status: 401,
      body: { error: expect.stringContaining('missing token') },
    });
    await expect(connected(url)).rejects.toThrow();
    const { call } = await connected(url, { headers: { Authorization: 'Bearer plt_read' } });
    expect((await call('fleet_summary')).isError).toBe(false);
  });

  test.each([
    ['no JSON', '{', 400, 'the body must be JSON'],
    ['a batch', [LIST, LIST], 400, 'batch'],
    ['no message', { hello: 1 }, 400, ''],
    ['nothing', '', 400, 'the body must be JSON'],
  ])('%s is refused', async (_, body, status, detail) => {
    const { url } = await serve();
    const response = await post(url, body);
    const answer = (await response.json()) as Json;
    expect(response.status, JSON.stringify(answer)).toBe(status);
    expect(answer).toMatchObject({ jsonrpc: '2.0', error: { message: expect.stringContaining(detail) } });
  });

  test('another type is refused, as are another method and a large body', async () => {
    const { url } = await serve({ limits: { maxBodyBytes: 1000 } });
    expect((await post(url, LIST, { 'Content-Type': 'text/plain' })).status).toBe(415);
    for (const [accept, status] of [
      ['text/html', 406],
      ['application/json;q=0, */*', 406],
      ['*/*', 200],
      ['application/json', 200],
    ] as const) {
      expect([accept, (await post(url, LIST, { Accept: accept })).status]).toEqual([accept, status]);
    }
    expect((await post(url, { ...LIST, params: { pad: 'x'.repeat(2000) } })).status).toBe(413);
    const got = await fetch(`${url}/mcp`);
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('deeply nested and hostile arguments end nothing', async () => {
    const { url, logged } = await serve();
    const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const call = (given: string) =>
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_worker","arguments":${given}}}`;
    for (const given of [`{"worker_id":${nested}}`, '{"__proto__":{"worker_id":"a"}}', '[]', '"x"', 'null']) {
      const response = await post(url, call(given));
      expect(response.status).toBeLessThan(500);
      await response.text();
    }
    expect((await post(url, LIST)).status).toBe(200);
    expect(logged.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  test('a subscription is refused at once: nothing is told of', async () => {
    const { url } = await serve();
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const listen = { ...LIST, method: 'subscriptions/listen', params: { notifications: {}, _meta: meta } };
    const headers = { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'subscriptions/listen' };
    const answer = (await (await post(url, listen, headers)).json()) as Json;
    expect(answer.error.message).toContain('ubscription');
  });

  test('too many calls at a time are refused and counted, until one has its answer', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { app } = newApp({ history: { ask: () => promise } as unknown as HistoryPool });
    const params = { name: 'list_tasks', arguments: {} };
    const body = JSON.stringify({ ...LIST, method: 'tools/call', params });
    const call = () => app.request('/mcp', { method: 'POST', headers: HEADERS, body });
    const held = Array.from({ length: MAX_MCP_CALLS }, call);
    const refused = await call();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    const limits = (await (await app.request('/api/v1/limits')).json()) as Json;
    expect(limits.refused.queries).toBe(1);
    resolve({ taskRuns: [] });
    for (const answer of held) expect((await answer).status).toBe(200);
    expect((await call()).status).toBe(200);
  });
});
