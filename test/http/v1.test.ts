import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Commands } from '../../src/http/commands.ts';
import { COMMAND_WITHIN_MS, MAX_COMMANDS_UNDER_WAY } from '../../src/http/http-limits.ts';
import { ReasonCode } from '../../src/model/anomaly/reason.ts';
import type { WorkerEvent } from '../../src/model/events.ts';
import type { WorkerFacts } from '../../src/model/worker-facts.ts';
import { PeerScoresWriter } from '../../src/store/peer-scores.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { task } from '../support/fleet.ts';
import { NOW_S, newApp, serve } from './support.ts';

/** `fetch` sets Host and Origin as it likes. */
async function ask(method: 'POST' | 'DELETE', url: string, headers: Record<string, string> = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; type: string; body: unknown }>();
  const call = request(url, { method, headers }, async (response) => {
    const type = String(response.headers['content-type']);
    resolve({ status: response.statusCode ?? 0, type, body: await json(response) });
  });
  call.on('error', reject);
  call.end();
  return promise;
}

test('a worker’s detail names metrics that history does not get', async () => {
  const { app, fleet } = newApp();
  fleet.register('a');
  const metrics = new Map(Array.from({ length: 70 }, (_, n) => [`m${n}`, n]));
  fleet.beat('a', { metrics, gpus: [{ index: 1, uuid: '', name: '', powerWatts: 7 }] });
  const leftOut = async () =>
    ((await (await app.request('/api/v1/workers/a')).json()) as Record<string, unknown>).history_left_out;
  expect(await leftOut()).toEqual({
    metrics: 7,
    names: [
      'metrics.m64',
      'metrics.m65',
      'metrics.m66',
      'metrics.m67',
      'metrics.m68',
      'metrics.m69',
      'gpus.1.power_watts',
    ],
  });
  fleet.beat('a', {
    metrics: new Map([
      ['m1', 0],
      ['x'.repeat(200), 1],
    ]),
  });
  expect(await leftOut()).toEqual({ metrics: 1, names: [`metrics.${'x'.repeat(38)}… (208 characters)`] });
});

test('a worker’s detail tells its lane, what became of its heartbeats, and what went wrong last', async () => {
  const { app, fleet } = newApp();
  fleet.register('a/b');
  fleet.beat('a/b', { cpuUsage: 1 });
  const cause = {
    metric: 'memory_usage',
    code: ReasonCode.peers,
    value: 91,
    usual: 40.5,
    ratio: 7.2,
    samples: 9,
  } as const;
  new PeerScoresWriter(fleet.memory.peerScores).set(0, fleet.board.occupantOf(0), 0.83, cause, NOW_S * 1000);
  fleet.board.setLane(0, { number: 7, kind: 'shared', state: 'restarting', restarts: 2 });
  fleet.board.countReplaced(0, 'backlog');
  fleet.board.countLost(0, 'stall');
  const fault = { cause: 'stall', reason: 'it made no progress for 2 s', atUnixMs: 0 } as const;
  fleet.onAnnounce([{ type: 'laneFault', workerId: 'a/b', fault }]);
  const response = await app.request('/api/v1/workers/a%2Fb');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    worker_id: 'a/b',
    state: 'active',
    cause: 'heartbeat',
    since: '1970-01-01T00:00:00.000Z',
    is_active: true,
    stuck: null,
    flapping: false,
    id_conflict: false,
    has_gpu: false,
    anomaly: {
      score: 0.83,
      at: new Date(NOW_S * 1000).toISOString(),
      metric: 'memory_usage',
      reason: 'peers',
      text: "memory 7.2 × the usual spread of its group away from the group's 40.5 % for 9 samples",
      value: 91,
      usual: 40.5,
    },
    interval_ms: 0,
    skew_ms: null,
    restarts: 0,
    registered_at: new Date(NOW_S * 1000).toISOString(),
    last_update_at: new Date(NOW_S * 1000).toISOString(),
    lane: { number: 7, kind: 'shared', state: 'restarting', restarts: 2 },
    isolation: { decided: 'auto', wished: null },
    heartbeats: {
      accepted: 1,
      missed: 0,
      late: 0,
      duplicate: 0,
      applied: 1,
      rejected: 0,
      replaced: 1,
      replaced_by_reason: { backlog: 1, restart: 0, quarantine: 0, late: 0, duplicate: 0, memory: 0 },
      lost: 1,
      lost_by_cause: { crash: 0, exit: 0, memory: 0, stall: 1 },
    },
    last_rejection: null,
    record_bytes: 100,
    record_room_bytes: 1024,
    history_left_out: { metrics: 0, names: [] },
    last_fault: { cause: 'stall', reason: 'it made no progress for 2 s', at: '1970-01-01T00:00:00.000Z' },
    facts: null,
    record: {
      worker_id: 'a/b',
      cpu_usage: 1,
      memory_usage: 0,
      gpu_usage: 0,
      running_tasks: [],
      storage_usage: 0,
      received_at: new Date(NOW_S * 1000).toISOString(),
      published_at: null,
      sent_at: null,
      sequence: null,
      host_loop_lag_ms: null,
      last_round_trip_ms: null,
    },
  });
});

test('a worker’s detail tells what it said of itself, and no record before its first heartbeat', async () => {
  const { app, fleet } = newApp();
  fleet.register('a');
  const facts: WorkerFacts = {
    totalCpu: 16,
    totalMemoryGib: 64,
    totalStorageGib: 960,
    totalGpu: 0,
    ip: '10.0.0.17',
    labels: { zone: 'a' },
    group: 'rack',
    ephemeral: true,
    instanceId: 'i-1',
    agentVersion: '1.2.3',
  };
  fleet.onAnnounce([{ type: 'workerFacts', workerId: 'a', facts }]);
  expect(await (await app.request('/api/v1/workers/a')).json()).toMatchObject({
    facts: {
      group: 'rack',
      labels: { zone: 'a' },
      ephemeral: true,
      ip: '10.0.0.17',
      agent_version: '1.2.3',
      instance_id: 'i-1',
      capacity: { cpu_cores: 16, memory_gib: 64, storage_gib: 960, gpus: 0 },
    },
    record: null,
  });
});

test('a worker’s detail is asked for conditionally, and only what changes of that worker is news', async () => {
  const { app, fleet } = newApp();
  for (const id of ['a', 'b']) {
    fleet.register(id);
    fleet.beat(id);
  }
  const ask = (etag = '"none"') => app.request('/api/v1/workers/a', { headers: { 'if-none-match': etag } });
  const first = await ask();
  const etag = first.headers.get('etag') ?? '';
  expect([first.status, etag, first.headers.get('cache-control')]).toEqual([
    200,
    expect.stringMatching(/^W\/"[a-z0-9]+-\d+"$/),
    'no-cache',
  ]);
  fleet.beat('b', { cpuUsage: 3 });
  const same = await ask(etag);
  expect([same.status, same.headers.get('etag'), await same.text()]).toEqual([304, etag, '']);
  fleet.board.setLane(0, { number: 7, kind: 'shared', state: 'restarting', restarts: 2 });
  const next = await ask(etag);
  expect([next.status, next.headers.get('etag') === etag]).toEqual([200, false]);
  fleet.beat('a', { cpuUsage: 3 });
  expect(await (await ask(next.headers.get('etag') ?? '')).json()).toMatchObject({ record: { cpu_usage: 3 } });
});

const EVENTS: readonly WorkerEvent[] = [
  { id: 7, atUnixMs: 1000, type: 'state', workerId: 'a', to: 'registered', cause: 'registration' },
  { id: 8, atUnixMs: 2000, type: 'state', workerId: 'a', from: 'registered', to: 'active', cause: 'heartbeat' },
  { id: 9, atUnixMs: 3000, type: 'brake', group: 'rack', detail: '3 of 3' },
];

test('events come oldest first, the newest ones or those after an id, of all or of one worker', async () => {
  const { app, fleet } = newApp();
  fleet.onAnnounce([{ type: 'events', events: EVENTS }]);
  const idsAt = async (query: string) => {
    const { events } = (await (await app.request(`/api/v1/events${query}`)).json()) as { events: { id: number }[] };
    return events.map(({ id }) => id);
  };
  expect(await idsAt('')).toEqual([7, 8, 9]);
  expect(await idsAt('?limit=2')).toEqual([8, 9]);
  expect(await idsAt('?after=0&limit=2')).toEqual([7, 8]);
  expect(await idsAt('?after=8')).toEqual([9]);
  expect(await idsAt('?worker=a')).toEqual([7, 8]);
  expect(await (await app.request('/api/v1/events?limit=1')).json()).toEqual({
    events: [
      {
        id: 9,
        at: '1970-01-01T00:00:03.000Z',
        type: 'brake',
        worker_id: null,
        group: 'rack',
        from: null,
        to: null,
        cause: null,
        detail: '3 of 3',
        alert: null,
        text: 'brake on mass failure: 3 of 3',
      },
    ],
    last_id: 9,
  });
});

test.each([
  ['/events?limit=0', 'limit', 'expected a whole number from 1 to 1000'],
  ['/events?limit=1001', 'limit', 'expected a whole number from 1 to 1000'],
  ['/events?limit=x', 'limit', 'expected a whole number from 1 to 1000'],
  ['/events?limit=', 'limit', 'expected a whole number from 1 to 1000'],
  ['/events?limit=1e2', 'limit', 'expected a whole number from 1 to 1000'],
  ['/events?limit=%201', 'limit', 'expected a whole number from 1 to 1000'],
  ['/events?limit=1&limit=2', 'limit', 'given more than once'],
  ['/events?after=-1', 'after', 'expected a whole number, at least 0'],
  ['/events?after=9007199254740993', 'after', 'expected a whole number, at least 0'],
  ['/events?limt=1', 'limt', 'unknown query parameter; expected one of limit, after, worker, from, to'],
  ['/workers/a?x=', 'x', 'unknown query parameter; this path takes none'],
  ['/holds?x', 'x', 'unknown query parameter; this path takes none'],
  ['/lanes?x=1', 'x', 'unknown query parameter; this path takes none'],
])('%s is a problem that names %s', async (target, name, detail) => {
  const response = await newApp().app.request(`/api/v1${target}`);
  expect(response.status).toBe(400);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toMatchObject({
    type: 'urn:pulselane:error:invalid_argument',
    detail: `${name}: ${detail}`,
    errors: [{ in: 'query', name, detail }],
  });
});

test.each(['prefix=%zz', 'prefix=%', 'label.a=%ff', '%zz=1'])(
  'a query that is no text is refused: %s',
  async (query) => {
    const response = await newApp().app.request(`/api/v1/workers?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: 'the query must be valid percent-encoded UTF-8' });
  },
);

test('a worker’s id with a slash in it is told how to be written', async () => {
  const detail = async (path: string) => ((await (await newApp().raw(path)).json()) as { detail: string }).detail;
  const hint = 'unknown path; write a slash in a worker id as %2F';
  expect(await detail('/api/v1/workers/a/b')).toBe(hint);
  expect(await detail('/api/v1/workers/a/b/approve')).toBe(hint);
  expect(await detail('/api/v1/nothing/a/b')).toBe('unknown path; /api/docs lists all');
});

test('what holds up judgement is told in health and by itself, and a brake is released from this machine', async () => {
  const { url, commands, fleet } = await serve({ replyTo: () => ({ ok: true, message: 'released' }) });
  const health = async () => (await fetch(`${url}/health`)).json();
  expect(await health()).not.toHaveProperty('brakes');
  expect(await (await fetch(`${url}/api/v1/holds`)).json()).toEqual({ grace: null, brakes: [] });
  const brakes = [{ group: 'rack', sinceUnixMs: 0, endsUnixMs: 300_000, silent: 3, watched: 4 }];
  fleet.onAnnounce([{ type: 'holds', holds: { graceEndsUnixMs: 60_000, brakes } }]);
  const told = {
    grace: { ends_at: '1970-01-01T00:01:00.000Z' },
    brakes: [
      { group: 'rack', since: '1970-01-01T00:00:00.000Z', ends_at: '1970-01-01T00:05:00.000Z', silent: 3, of: 4 },
    ],
  };
  expect(await health()).toMatchObject(told);
  expect(await (await fetch(`${url}/api/v1/holds`)).json()).toEqual(told);
  expect(await ask('POST', `${url}/api/v1/brakes/release?group=rack`)).toMatchObject({ status: 200 });
  expect(await ask('POST', `${url}/api/v1/brakes/release`, { 'X-Forwarded-For': '10.0.0.1' })).toMatchObject({
    status: 403,
  });
  expect(commands).toEqual([{ type: 'release-brakes', group: 'rack' }]);
});

test('the lanes tell who shares each', async () => {
  const { app, fleet } = newApp();
  for (const [row, id] of ['a', 'b', 'c'].entries()) {
    fleet.register(id);
    const kind = id === 'b' ? 'dedicated' : 'shared';
    fleet.board.setLane(row, { number: id === 'b' ? 2 : 9, kind, state: 'ready', restarts: 0 });
  }
  expect(await (await app.request('/api/v1/lanes')).json()).toEqual({
    lanes: [
      { number: 2, kind: 'dedicated', state: 'ready', restarts: 0, workers: ['b'] },
      { number: 9, kind: 'shared', state: 'ready', restarts: 0, workers: ['a', 'c'] },
    ],
    limit: null,
  });
});

test.each([
  ['/api/v1/workers/nobody', 404, 'not_found'],
  ['/api/v1/workers/%ff', 400, 'invalid_argument'],
])('%s is a problem with a type', async (path, status, code) => {
  const { app } = newApp();
  const response = await app.request(path);
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toMatchObject({ type: `urn:pulselane:error:${code}`, status });
});

test('a worker is released from this machine, and main’s answer comes back', async () => {
  const { url, commands } = await serve({
    replyTo: (command) =>
      command.type === 'release' && command.workerId === 'a/b'
        ? { ok: true, message: 'released' }
        : { ok: false, code: 'failed_precondition', message: 'not in quarantine' },
  });
  expect(await ask('POST', `${url}/api/v1/workers/a%2Fb/release`)).toMatchObject({
    status: 200,
    body: { message: 'released' },
  });
  expect(await ask('POST', `${url}/api/v1/workers/c/release`)).toMatchObject({
    status: 409,
    type: 'application/problem+json',
    body: { detail: 'not in quarantine' },
  });
  expect(commands).toEqual([
    { type: 'release', workerId: 'a/b' },
    { type: 'release', workerId: 'c' },
  ]);
  const wrong = await fetch(`${url}/api/v1/workers/c/release`);
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  expect(wrong.headers.get('content-type')).toBe('application/problem+json');
});

test('a worker is forgotten and let in from this machine, and no broken id gets as far as main', async () => {
  const { url, commands } = await serve({
    replyTo: ({ type }) =>
      type === 'approve'
        ? { ok: true, message: 'approved' }
        : { ok: false, code: 'not_found', message: 'no worker is called c' },
  });
  expect(await ask('POST', `${url}/api/v1/workers/a%2Fb/approve`)).toMatchObject({
    status: 200,
    body: { message: 'approved' },
  });
  expect(await ask('DELETE', `${url}/api/v1/workers/c`)).toMatchObject({
    status: 404,
    body: { type: 'urn:pulselane:error:not_found', detail: 'no worker is called c' },
  });
  expect(commands).toEqual([
    { type: 'approve', workerId: 'a/b' },
    { type: 'unregister', workerId: 'c' },
  ]);
  for (const [method, path] of [
    ['DELETE', 'workers/%ff'],
    ['POST', 'workers/%ff/approve'],
    ['POST', 'workers/%ff/release'],
    ['POST', 'workers/a/release?now=1'],
    ['POST', 'brakes/release?grop=rack'],
  ] as const) {
    expect(await ask(method, `${url}/api/v1/${path}`)).toMatchObject({ status: 400, type: 'application/problem+json' });
  }
  expect(await ask('DELETE', `${url}/api/v1/workers/c`, { Forwarded: 'for=10.0.0.1' })).toMatchObject({ status: 403 });
  expect(commands).toHaveLength(2);
  const wrong = await fetch(`${url}/api/v1/workers/c`, { method: 'PUT' });
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD, DELETE']);
});

test.each([
  [{ 'X-Forwarded-For': '10.0.0.1' }, 'not through a proxy'],
  [{ Forwarded: 'for=10.0.0.1' }, 'not through a proxy'],
  [{ Via: '1.1 proxy' }, 'not through a proxy'],
  [{ 'X-Real-IP': '10.0.0.1' }, 'not through a proxy'],
  [{ Origin: 'http://evil.example' }, 'not allowed from a page of another origin'],
  [{ Origin: 'null' }, 'not allowed from a page of another origin'],
])('with %o nothing may be changed', async (headers, why) => {
  const { url, commands } = await serve();
  const answer = await ask('POST', `${url}/api/v1/workers/a/release`, headers);
  expect(answer).toMatchObject({ status: 403, body: { type: 'urn:pulselane:error:permission_denied' } });
  expect((answer.body as { detail: string }).detail).toContain(why);
  expect(commands).toEqual([]);
});

test('a command that main does not answer is answered all the same, and so are too many', async () => {
  const clock = new FakeClock();
  const posted: number[] = [];
  const commands = new Commands(clock, (id) => posted.push(id));
  const replies = Array.from({ length: MAX_COMMANDS_UNDER_WAY }, (_, i) =>
    commands.run({ type: 'release', workerId: `w${i}` }),
  );
  expect(await commands.run({ type: 'release', workerId: 'x' })).toMatchObject({ code: 'resource_exhausted' });
  commands.replied(1, { ok: true, message: 'done' });
  expect(await replies[0]).toEqual({ ok: true, message: 'done' });
  clock.advance(COMMAND_WITHIN_MS);
  for (const reply of replies.slice(1)) expect(await reply).toMatchObject({ ok: false, code: 'unavailable' });
  commands.replied(2, { ok: true, message: 'too late' });
  expect(posted).toHaveLength(MAX_COMMANDS_UNDER_WAY);
  expect(clock.pending).toBe(0);
});

test('a command that is refused since too many are under way is counted', async () => {
  const commands = new Commands(new FakeClock(), () => {});
  const { url } = await serve({ replyTo: (asked) => commands.run(asked) });
  for (let i = 0; i < MAX_COMMANDS_UNDER_WAY; i++) void commands.run({ type: 'release', workerId: `w${i}` });
  expect(await ask('POST', `${url}/api/v1/brakes/release`)).toMatchObject({ status: 503 });
  const limits = await (await fetch(`${url}/api/v1/limits`)).json();
  expect((limits as { refused: Record<string, number> }).refused).toMatchObject({ commands: 1, queries: 0 });
});

const LIMIT = { dedicated: 7, limitedBy: 'memory', setting: 'memory.max', isMemoryShort: true } as const;
const LIMIT_JSON = { dedicated: 7, limited_by: 'memory', setting: 'memory.max', memory_short: true };

test('limits tell what was refused on the gRPC side, and what binds the number of lanes', async () => {
  const { app, fleet } = newApp();
  fleet.onAnnounce([
    { type: 'limits', counts: { identity: 2 } },
    { type: 'laneLimit', limit: LIMIT },
  ]);
  expect(await (await app.request('/api/v1/limits')).json()).toMatchObject({
    grpc_refused: { identity: 2 },
    dropped: { slow: 0, memory: 0, silent: 0 },
    lanes: LIMIT_JSON,
  });
  expect(await (await app.request('/api/v1/lanes')).json()).toMatchObject({ limit: LIMIT_JSON });
});

test.each([
  ['/api/v1/lanes', ({ fleet }: ReturnType<typeof newApp>) => fleet.register('b')],
  [
    '/api/v1/events',
    ({ fleet }: ReturnType<typeof newApp>) =>
      fleet.onAnnounce([{ type: 'events', events: [{ id: 7, atUnixMs: 0, type: 'id_conflict', workerId: 'a' }] }]),
  ],
  [
    '/api/v1/pending',
    ({ fleet }: ReturnType<typeof newApp>) =>
      fleet.onAnnounce([
        { type: 'pending', pending: [{ workerId: 'c', firstSeenUnixMs: 0, lastSeenUnixMs: 0, attempts: 1 }] },
      ]),
  ],
])('%s has a tag that changes with it, and no body for who has it', async (path, change) => {
  const served = newApp();
  served.fleet.register('a');
  const tagged = async (etag: string) => served.app.request(path, { headers: { 'If-None-Match': etag } });
  const first = await tagged('');
  const etag = String(first.headers.get('etag'));
  const again = await tagged(etag);
  expect([first.status, again.status, again.headers.get('etag'), await again.text()]).toEqual([200, 304, etag, '']);
  change(served);
  const changed = await tagged(etag);
  expect(changed.status).toBe(200);
  expect(await changed.text()).not.toBe(await first.text());
});

test('what is told of a worker with many tasks is compressed for who takes that', async () => {
  const { url, fleet, server } = await serve();
  fleet.register('a');
  fleet.beat('a', { runningTasks: Array.from({ length: 1_000 }, (_, n) => task(`task-${n}`)) });
  const get = (encoding: string) => fetch(`${url}/api/v1/workers/a`, { headers: { 'Accept-Encoding': encoding } });
  const [plain, zipped] = [await get('identity'), await get('gzip')];
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  expect(zipped.headers.get('vary')).toBe('Accept-Encoding');
  expect(await zipped.text()).toBe(await plain.text());
  await eventually(() => server.bodiesInFlight === 0);
});

test('a worker that is forgotten, and its row given to another, while it is told of is not known', async () => {
  const { app, fleet, directory, bodies } = newApp();
  fleet.register('a');
  fleet.beat('a');
  const { board } = directory;
  const view = board.view.bind(board);
  vi.spyOn(board, 'view').mockImplementation((...args) => {
    fleet.forget('a', { announced: false });
    fleet.register('b');
    return view(...args);
  });
  const response = await app.request('/api/v1/workers/a');
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ detail: 'no worker is called "a"' });
  expect(bodies.lent).toBe(0);
});

test('nobody is shown as active without values, though main says so before this thread knows of a slot that grew', async () => {
  const { app, fleet } = newApp();
  fleet.register('a');
  fleet.accept('a');
  const shown = async () => {
    const paths = ['/telemetry', '/telemetry/a', '/workers', '/api/v1/workers', '/api/v1/workers/a'];
    const texts = await Promise.all(paths.map(async (path) => (await app.request(path)).text()));
    return texts.map((text) => /"is_active": ?(true|false)/.exec(text)?.[1]);
  };
  expect(await shown()).toEqual(['false', 'false', 'false', 'false', 'false']);
  fleet.publish('a', { cpuUsage: 1 });
  expect(await shown()).toEqual(['true', 'true', 'true', 'true', 'true']);
});

async function putIsolation(url: string, body: unknown) {
  const response = await fetch(`${url}/api/v1/workers/a/isolation`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, problem: (await response.json()) as { detail: string } };
}

test.each([
  [{}, 'lane: missing; expected one of auto, dedicated, shared'],
  [{ lane: 'Dedicated' }, 'lane: expected one of auto, dedicated, shared, got "Dedicated"'],
  [{ lane: 7 }, 'lane: expected one of auto, dedicated, shared, got 7'],
  [{ lane: null }, 'lane: expected one of auto, dedicated, shared, got null'],
  [{ lane: 'auto', worker: 'a' }, 'worker: unknown member; expected only lane'],
  [[], 'expected a JSON object with lane, got a list'],
  ['auto', 'expected a JSON object with lane, got "auto"'],
  [{ lane: 'x'.repeat(1000) }, /^lane: expected one of auto, dedicated, shared, got "x+… \(1002 characters\)$/],
])('a body of %j is a problem that says what was expected and what was given', async (body, detail) => {
  const { status, problem } = await putIsolation((await serve({})).url, body);
  expect(status).toBe(400);
  if (typeof detail === 'string') expect(problem.detail).toBe(detail);
  else expect(problem.detail).toMatch(detail);
});

test('whatever a body is, none of the words of the schema library reach the client', async () => {
  const { url } = await serve({});
  const body = fc.oneof(fc.jsonValue(), fc.record({ lane: fc.jsonValue() }), fc.record({ lane: fc.constant('auto') }));
  await fc.assert(
    fc.asyncProperty(body, async (value) => {
      const { status, problem } = await putIsolation(url, value);
      if (status === 400) expect(problem.detail).toMatch(/expected (only|one of|a JSON object with) /);
      else expect(value).toEqual({ lane: expect.stringMatching(/^(auto|dedicated|shared)$/) });
    }),
    { numRuns: 100 },
  );
});

test.each([
  ['POST', '/api/v1/workers', 'GET, HEAD'],
  ['PATCH', '/api/v1/workers/a', 'GET, HEAD, DELETE'],
  ['GET', '/api/v1/workers/a/isolation', 'PUT'],
])('%s %s is refused, and the allowed methods are named', async (method, path, allowed) => {
  const { url } = await serve({});
  const response = await fetch(url + path, { method });
  expect([response.status, response.headers.get('allow')]).toEqual([405, allowed]);
  expect(await response.json()).toMatchObject({ detail: `${method} is not allowed here; allowed: ${allowed}` });
});
