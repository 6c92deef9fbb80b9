import { once } from 'node:events';
import { createServer } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { bindError, HttpHost, type HttpHostOptions } from '../../src/http/host.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLogger } from '../../src/lib/logging.ts';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Fleet } from '../support/fleet.ts';
import { Follower } from './stream-follower.ts';
import { DEFAULT_LIMITS } from './support.ts';

const hosts: HttpHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

function newHost(options: Partial<HttpHostOptions> = {}) {
  const fleet = new Fleet(systemClock);
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)).msg);
      done();
    },
  });
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
    logger: createLogger({ level: 'info', destination }),
    ...options,
  });
  fleet.onAnnounce = (items) => host.announce(items);
  hosts.push(host);
  return { host, fleet, lines };
}

async function idsAt(port: number): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${port}/workers`);
  return Object.keys((await response.json()) as object).sort();
}

/** Ends the thread under the host's feet and waits until it listens again. */
async function killed(host: HttpHost, lines: string[], meanwhile: () => void = () => {}): Promise<void> {
  const before = lines.filter((line) => line.startsWith('HTTP is listening again')).length;
  await host.thread.thread?.terminate();
  meanwhile();
  await eventually(() => lines.filter((line) => line.startsWith('HTTP is listening again')).length > before);
}

it('serves from a thread of its own what there was before and what comes', async () => {
  const { host, fleet, lines } = newHost();
  fleet.register('before');
  const { host: name, port } = await host.start();
  expect(name).toBe('127.0.0.1');
  expect(await idsAt(port)).toEqual(['before']);
  fleet.register('after');
  let ids = await idsAt(port);
  while (ids.length < 2) ids = await idsAt(port);
  expect(ids).toEqual(['after', 'before']);
  expect(lines).toEqual([]);
});

it('has main do what a client on this machine asks for', async () => {
  const { host, lines } = newHost({
    onCommand: (command) => {
      const workerId = 'workerId' in command ? command.workerId : '';
      if (workerId === 'bug') throw new Error('secret');
      return { ok: true, message: `${workerId} is released` };
    },
  });
  const { port } = await host.start();
  const release = (id: string) => fetch(`http://127.0.0.1:${port}/api/v1/workers/${id}/release`, { method: 'POST' });
  const answer = await release('a');
  expect([answer.status, await answer.json()]).toEqual([200, { message: 'a is released' }]);
  const failed = await release('bug');
  expect([failed.status, await failed.json()]).toMatchObject([500, { detail: 'internal error' }]);
  expect(lines).toEqual(['a command failed']);
});

it('takes other tokens without a restart, and keeps them over a death of the thread', async () => {
  const { host, lines } = newHost();
  const { port } = await host.start();
  const statusWith = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`http://127.0.0.1:${port}/workers`, { headers })).status;
  };
  expect(await statusWith('plt_a')).toBe(200);
  host.reload({
    tokens: [{ name: 'a', scopes: ['read'], hash: hashOfToken('plt_a') }],
    sessionKey: new Uint8Array(32),
    tls: undefined,
  });
  await eventually(async () => (await statusWith('plt_b')) === 401);
  expect(await statusWith('plt_a')).toBe(200);
  await killed(host, lines);
  expect([await statusWith('plt_a'), await statusWith('plt_b')]).toEqual([200, 401]);
  const tls = { cert: '', key: '', clientCa: undefined };
  expect(() => host.reload({ tls })).toThrow('needs a restart');
});

it('is unhealthy when main is stuck', async () => {
  // Main's beat is twenty seconds old: the thread itself must see it.
  const past = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() - 20_000 };
  const fleet = new Fleet(past);
  const { host } = newHost({ board: fleet.memory });
  const { port } = await host.start();
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(503);
  fleet.board.stampBeat(systemClock.monotonicMs());
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
});

it('starts a dead thread again, on the same port, with everyone who came, grew or went meanwhile', async () => {
  const { host, fleet, lines } = newHost();
  fleet.register('stays');
  fleet.register('goes');
  const { port } = await host.start();
  await killed(host, lines, () => {
    fleet.register('came');
    fleet.forget('goes');
    fleet.beat('stays', { cpuUsage: 3, metrics: new Map(Array.from({ length: 200 }, (_, i) => [`metric-${i}`, i])) });
  });
  expect(await idsAt(port)).toEqual(['came', 'stays']);
  const stays = await (await fetch(`http://127.0.0.1:${port}/telemetry/stays`)).json();
  expect(stays).toMatchObject({ cpu_usage: 3 });
  expect(lines).toEqual([
    expect.stringMatching(/^the HTTP thread ended: .*; it restarts in 100 ms$/),
    `HTTP is listening again on 127.0.0.1:${port}`,
  ]);
  await killed(host, lines);
  expect(await idsAt(port)).toEqual(['came', 'stays']);
});

it('lets live clients come back after a death', async () => {
  const { host, fleet, lines } = newHost();
  fleet.register('node-a');
  const { port } = await host.start();
  const first = new WebSocket(`ws://127.0.0.1:${port}/ws/telemetry`);
  await once(first, 'message');
  const dropped = once(first, 'close');
  await killed(host, lines);
  await dropped;
  const second = new WebSocket(`ws://127.0.0.1:${port}/ws/telemetry`);
  const [frame] = await once(second, 'message');
  expect(Object.keys(JSON.parse(String(frame)))).toEqual(['node-a']);
  const changed = once(second, 'message');
  fleet.beat('node-a', { cpuUsage: 5 });
  expect(JSON.parse(String((await changed)[0]))).toMatchObject({ 'node-a': {} });
  second.terminate();
});

it('tells streams that come back after a death to forget what they have', async () => {
  const { host, fleet, lines } = newHost();
  fleet.register('before');
  const { port } = await host.start();
  const follower = new Follower();
  /** Up to the events with such a name, and the end of the connection. */
  const follow = async (until: string) => {
    const headers = follower.lastEventId === undefined ? {} : { 'Last-Event-ID': follower.lastEventId };
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/stream`, { headers });
    follower.connected();
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const before = follower.named(until).length;
    while (follower.named(until).length === before) follower.feed((await reader.read()).value ?? new Uint8Array());
    return reader;
  };
  const reader = await follow('snapshot');
  fleet.register('in time');
  while (!follower.workers.has('in time')) follower.feed((await reader.read()).value ?? new Uint8Array());
  await killed(host, lines, () => {
    fleet.forget('before');
    fleet.register('after');
  });
  const cutOff = async () => {
    while (!(await reader.read()).done);
  };
  await expect(cutOff()).rejects.toThrow();
  await (await follow('snapshot')).cancel();
  expect(follower.named('reset').map(({ data }) => data)).toEqual([{ reason: 'other_epoch' }]);
  expect([...follower.workers.keys()].sort()).toEqual(['after', 'in time']);
});

describe('a port that is taken', () => {
  async function taken() {
    const squatter = createServer();
    await once(squatter.listen(0, '127.0.0.1'), 'listening');
    const { port } = squatter.address() as { port: number };
    return { port, squatter };
  }

  it('fails the start, naming setting and value', async () => {
    const { port, squatter } = await taken();
    const { host, lines } = newHost({ address: { host: '127.0.0.1', port } });
    await expect(host.start()).rejects.toMatchObject({
      code: 'environment',
      message: `HTTP_PORT=127.0.0.1:${port}: the port is in use`,
    });
    expect(host.thread.state).toBe('stopped');
    expect(lines).toEqual([]);
    squatter.close();
  });

  it('is tried again after a restart until it is free', async () => {
    const { host, fleet, lines } = newHost();
    fleet.register('node-a');
    const { port } = await host.start();
    await host.thread.thread?.terminate();
    // A restart of the whole master would not free it either.
    expect(host.isStuck).toBe(false);
    const squatter = createServer();
    await once(squatter.listen(port, '127.0.0.1'), 'listening');
    await eventually(() =>
      lines.some((line) => line.startsWith(`HTTP_PORT=127.0.0.1:${port}: the port is in use; it`)),
    );
    expect(host.isStuck).toBe(false);
    squatter.close();
    await eventually(() => lines.includes(`HTTP is listening again on 127.0.0.1:${port}`));
    expect(await idsAt(port)).toEqual(['node-a']);
  });

  it.each([
    ['EADDRINUSE', 'HTTP_PORT=:80: the port is in use'],
    ['EACCES', 'HTTP_PORT=:80: this user is not allowed to listen on that port'],
    ['EADDRNOTAVAIL', 'HTTP_PORT=:80: this machine does not have that address'],
    ['', 'HTTP_PORT=:80: what the system said'],
  ])('%s reads as "%s"', (code, message) => {
    const failure = { code, message: 'what the system said' };
    expect(bindError({ host: '', port: 80 }, failure).message).toBe(message);
    const names = { HTTP_PORT: { name: '--http-port', where: '' } };
    expect(bindError({ host: '', port: 80 }, failure, names).message).toBe(
      message.replace('HTTP_PORT=', '--http-port '),
    );
  });
});

describe('stop', () => {
  it('closes live streams with 1001 and the port', async () => {
    const { host, lines } = newHost();
    const { port } = await host.start();
    const client = new WebSocket(`ws://127.0.0.1:${port}/ws/telemetry`);
    await once(client, 'message');
    const closed = once(client, 'close');
    await host.stop();
    expect((await closed)[0]).toBe(1001);
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
    expect(host.thread.state).toBe('stopped');
    expect(lines).toEqual([]);
  });

  it('ends although a client does not say goodbye', async () => {
    const { host } = newHost();
    const { port } = await host.start();
    const client = new WebSocket(`ws://127.0.0.1:${port}/ws/telemetry`);
    await once(client, 'message');
    client.pause();
    client.on('error', () => {});
    await host.stop();
    client.terminate();
  });

  it('may come twice, before a start, during one, and while there is no thread', async () => {
    const idle = newHost().host;
    await Promise.all([idle.stop(), idle.stop()]);
    await expect(idle.start()).rejects.toMatchObject({ code: 'unavailable' });

    const starting = newHost().host;
    const started = starting.start();
    const stopped = starting.stop();
    await expect(started).rejects.toMatchObject({ code: 'unavailable' });
    await stopped;

    const { host: dead } = newHost();
    await dead.start();
    await dead.thread.thread?.terminate();
    await dead.stop();
    expect(dead.thread.state).toBe('stopped');
  });
});

it('ends a thread that does not answer, and starts another; one that answers is left alone', async () => {
  const clock = new FakeClock();
  const { host, lines } = newHost({ clock });
  const { port } = await host.start();
  const stuck = host.thread.thread;
  for (let second = 0; second < 15; second++) {
    clock.advance(1000);
    // An answered request: whatever was posted before it has been answered as well.
    await idsAt(port);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(host.thread.thread).toBe(stuck);

  // Without a turn of the loop no answer can come.
  clock.advance(12_000);
  expect(host.isStuck).toBe(true);
  await eventually(() => lines.some((line) => line.includes('does not answer')));
  expect(host.isStuck).toBe(false);
  clock.advance(1000);
  await eventually(() => lines.some((line) => line.startsWith('HTTP is listening again')));
  expect(host.thread.thread).not.toBe(stuck);
  expect(await idsAt(port)).toEqual([]);
  const stopped = host.stop();
  await eventually(() => {
    clock.advance(50);
    return host.thread.state === 'stopped';
  });
  await stopped;
});

it('a session that was logged out stays so when the thread is new', async () => {
  const token = { name: 'admin', hash: hashOfToken('secret'), scopes: ['read'] as const };
  const { host, lines } = newHost({ secrets: { tokens: [token], sessionKey: Buffer.alloc(32, 7), tls: undefined } });
  const { port } = await host.start();
  const url = `http://127.0.0.1:${port}`;
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: url };
  const login = await fetch(`${url}/login`, { method: 'POST', headers, body: 'token=secret', redirect: 'manual' });
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const status = async () => (await fetch(`${url}/workers`, { headers: { cookie } })).status;
  expect(await status()).toBe(200);
  await fetch(`${url}/logout`, { method: 'POST', headers: { cookie, origin: url }, redirect: 'manual' });
  expect(await status()).toBe(401);
  // Behind what the thread told main of it.
  await killed(host, lines);
  expect(await status()).toBe(401);
});
