import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { Commands } from '../../src/http/commands.ts';
import { COMMAND_WITHIN_MS, MAX_COMMANDS_UNDER_WAY } from '../../src/http/limits.ts';
import { notLocalReason } from '../../src/http/local-only.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { NOW_S, newApp, newServer } from './support.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function serve(options: Parameters<typeof newServer>[0] = {}) {
  const server = await newServer(options);
  stops.push(server.stop);
  return server;
}

/** `fetch` sets Host and Origin as it likes. */
async function post(url: string, headers: Record<string, string> = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; type: string; body: unknown }>();
  const call = request(url, { method: 'POST', headers }, async (response) => {
    const type = String(response.headers['content-type']);
    resolve({ status: response.statusCode ?? 0, type, body: await json(response) });
  });
  call.on('error', reject);
  call.end();
  return promise;
}

test('a worker’s detail tells its lane, what became of its heartbeats, and what went wrong last', async () => {
  const { app, fleet } = newApp();
  fleet.register('a/b');
  fleet.beat('a/b', { cpuUsage: 1 });
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
    registered_at: new Date(NOW_S * 1000).toISOString(),
    last_update_at: new Date(NOW_S * 1000).toISOString(),
    lane: { number: 7, kind: 'shared', state: 'restarting', restarts: 2 },
    heartbeats: {
      accepted: 1,
      applied: 1,
      rejected: 0,
      replaced: 1,
      replaced_by_reason: { backlog: 1, restart: 0, quarantine: 0 },
      lost: 1,
      lost_by_cause: { crash: 0, exit: 0, memory: 0, stall: 1 },
    },
    last_rejection: null,
    last_fault: { cause: 'stall', reason: 'it made no progress for 2 s', at: '1970-01-01T00:00:00.000Z' },
  });
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
    replyTo: ({ workerId }) =>
      workerId === 'a/b'
        ? { ok: true, message: 'released' }
        : { ok: false, code: 'failed_precondition', message: `${workerId} is not in quarantine` },
  });
  expect(await post(`${url}/api/v1/workers/a%2Fb/release`)).toMatchObject({
    status: 200,
    body: { message: 'released' },
  });
  expect(await post(`${url}/api/v1/workers/c/release`)).toMatchObject({
    status: 409,
    type: 'application/problem+json',
    body: { detail: 'c is not in quarantine' },
  });
  expect(commands.map(({ workerId }) => workerId)).toEqual(['a/b', 'c']);
  const wrong = await fetch(`${url}/api/v1/workers/c/release`);
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
});

test.each([
  [{ 'X-Forwarded-For': '10.0.0.1' }, 'not through a proxy'],
  [{ Forwarded: 'for=10.0.0.1' }, 'not through a proxy'],
  [{ Via: '1.1 proxy' }, 'not through a proxy'],
  [{ 'X-Real-IP': '10.0.0.1' }, 'not through a proxy'],
  [{ Host: 'rebound.example:8080' }, 'only under a name of loopback'],
  [{ Host: '127.0.0.1.evil.example' }, 'only under a name of loopback'],
  [{ Origin: 'http://evil.example' }, 'not from a page of another origin'],
  [{ Origin: 'null' }, 'not from a page of another origin'],
])('with %o nothing may be changed', async (headers, why) => {
  const { url, commands } = await serve();
  const answer = await post(`${url}/api/v1/workers/a/release`, headers);
  expect(answer).toMatchObject({ status: 403, body: { type: 'urn:pulselane:error:forbidden' } });
  expect((answer.body as { detail: string }).detail).toContain(why);
  expect(commands).toEqual([]);
});

test('from another machine nothing may be changed', () => {
  const from = (remoteAddress: string | undefined) =>
    notLocalReason({ env: { incoming: { socket: { remoteAddress }, headers: { host: 'localhost' } } } } as never);
  for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1']) expect(from(address)).toBeUndefined();
  for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', '', undefined]) {
    expect(from(address)).toBe('only from the machine that the master runs on, through localhost');
  }
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
