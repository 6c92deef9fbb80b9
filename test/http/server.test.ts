import { once } from 'node:events';
import { get, request } from 'node:http';
import { connect } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { JOINED_BODIES, SPARE_CONNECTION_MS } from '../../src/http/http-limits.ts';
import { eventually } from '../support/eventually.ts';
import { task } from '../support/fleet.ts';
import { exchange, newServer } from './support.ts';

let served: Awaited<ReturnType<typeof newServer>>;

beforeEach(async () => {
  served = await newServer({ corsOrigins: ['http://localhost:3000'] });
});
afterEach(() => served.stop());

/** Some 700 KB: sent from the pooled buffer, past Hono. */
function registerLarge(): void {
  const { fleet } = served;
  fleet.register('large');
  fleet.beat('large', { runningTasks: Array.from({ length: 6_000 }, (_, i) => task(`task-${i}`)) });
}

describe('a large body', () => {
  it('is sent whole, with the headers that every answer has, and its buffer comes back', async () => {
    registerLarge();
    for (let round = 0; round < 3; round++) {
      const response = await fetch(`${served.url}/telemetry`, { headers: { origin: 'http://localhost:3000' } });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
      const body = Buffer.from(await response.arrayBuffer());
      expect(response.headers.get('content-length')).toBe(String(body.length));
      expect(JSON.parse(body.toString()).large.running_tasks).toHaveLength(6_000);
    }
    await eventually(() => served.server.bodiesInFlight === 0);
    expect(served.logged).toEqual([]);
  });

  it('has a HEAD with its length and without itself', async () => {
    registerLarge();
    // node-server tells the console when it is made to answer twice.
    const complaints = vi.spyOn(console, 'error');
    const response = await fetch(`${served.url}/telemetry`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(500_000);
    expect(await response.text()).toBe('');
    expect((await fetch(`${served.url}/health`)).status).toBe(200);
    expect(served.server.bodiesInFlight).toBe(0);
    expect(complaints).not.toHaveBeenCalled();
    complaints.mockRestore();
  });

  it('gives its buffer back when the reader goes away in the middle', async () => {
    registerLarge();
    // More than the kernel takes for a reader that does not read: it is under way until the connection ends.
    for (const id of ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm']) {
      served.fleet.register(id);
      served.fleet.beat(id, { runningTasks: Array.from({ length: 6_000 }, (_, i) => task(`task-${i}`)) });
    }
    const socket = connect(served.port, '127.0.0.1');
    socket.pause();
    socket.write('GET /telemetry HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually(() => served.server.bodiesInFlight === 1);
    socket.destroy();
    await eventually(() => served.server.bodiesInFlight === 0);
    expect((await fetch(`${served.url}/health`)).status).toBe(200);
  });

  it('stays as it was while it is sent, whatever changes, and the next one has the changes', async () => {
    const { fleet, port, server, url } = served;
    const tasks = (name: string) => Array.from({ length: 60_000 }, (_, i) => task(`${name}-${i}`));
    fleet.register('large');
    fleet.beat('large', { cpuUsage: 1, runningTasks: tasks('old') });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    // Some of it has come, most of it waits for this reader.
    await once(socket, 'readable');
    expect(server.bodiesInFlight).toBe(1);
    fleet.beat('large', { cpuUsage: 2, runningTasks: tasks('new') });
    const next = (await (await fetch(`${url}/telemetry`)).json()) as Record<string, object>;
    expect(next.large).toMatchObject({ cpu_usage: 2, running_tasks: { 59999: { task_id: 'new-59999' } } });
    const answer = await text(socket);
    const old = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as Record<string, object>;
    expect(old.large).toMatchObject({ cpu_usage: 1, running_tasks: { 59999: { task_id: 'old-59999' } } });
    await eventually(() => server.bodiesInFlight === 0);
  });

  it('is joined anew for readers beyond those for whom bodies are kept', async () => {
    const { fleet, port, server, url } = served;
    fleet.register('large');
    fleet.beat('large', { runningTasks: Array.from({ length: 60_000 }, (_, i) => task(`task-${i}`)) });
    const slow = Array.from({ length: JOINED_BODIES + 1 }, () => connect(port, '127.0.0.1').pause());
    for (const socket of slow) socket.write('GET /telemetry HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually(() => server.bodiesInFlight === slow.length);
    fleet.beat('large', { cpuUsage: 3 });
    expect(await (await fetch(`${url}/telemetry`)).json()).toMatchObject({ large: { cpu_usage: 3 } });
    for (const socket of slow) socket.destroy();
    await eventually(() => server.bodiesInFlight === 0);
  });

  it('reaches several readers at a time, each whole', async () => {
    registerLarge();
    const texts = await Promise.all(
      Array.from({ length: 8 }, async () => (await fetch(`${served.url}/telemetry`)).text()),
    );
    expect(new Set(texts).size).toBe(1);
    expect(JSON.parse(texts[0] as string)).toHaveProperty('large');
  });
});

describe('the raw request target', () => {
  it.each([
    ['/telemetry/../x', '../x'],
    ['/telemetry/%2e%2e%2fx', '../x'],
    ['/telemetry/a/b', 'a/b'],
    ['/telemetry/node%2Da?x=%zz', 'node-a'],
    ['/telemetry/DOMAIN\\host', 'DOMAIN\\host'],
    ['http://localhost/telemetry/node-a', 'node-a'],
  ])('%s reaches the worker %s', async (target, id) => {
    served.fleet.register(id);
    const answer = await exchange(
      served.port,
      `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain(`"worker_id":${JSON.stringify(id)}`);
  });

  it.each(['/telemetry/%', '/telemetry/%ff', '*', 'nonsense'])('%s is 400', async (target) => {
    const answer = await exchange(
      served.port,
      `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

const handshake = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

describe('what clients do wrong', () => {
  it.each([
    ['bytes that are not HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
    ['a request without Host', 'GET /health HTTP/1.1\r\n\r\n', 400],
    ['a Host that is none', 'GET /health HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
    ['headers beyond the bound', `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [
      'a POST with a body',
      'POST /telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
      405,
    ],
    ['TRACE', 'TRACE /telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 405],
    [
      'a WebSocket handshake without a key',
      'GET /ws/telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      400,
    ],
    [
      'an upgrade by POST',
      'POST /ws/telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      405,
    ],
    [
      'an upgrade of something else',
      'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      200,
    ],
    [
      'an upgrade whose target is broken',
      'GET /ws/telemetry/%zz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      400,
    ],
    [
      'an upgrade with a Host that is none',
      'GET /ws/telemetry HTTP/1.1\r\nHost: a b\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n',
      400,
    ],
  ])('%s harms nobody', async (_, bytes, status) => {
    const answer = await exchange(served.port, Buffer.from(bytes, 'latin1'));
    expect(Number(answer.split(' ')[1])).toBe(status);
    expect((await fetch(`${served.url}/health`)).status).toBe(200);
  });

  it('a connection that ends in the middle of a handshake harms nobody', async () => {
    const socket = connect(served.port, '127.0.0.1');
    socket.write('GET /ws/telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.resetAndDestroy();
    expect((await fetch(`${served.url}/health`)).status).toBe(200);
  });

  it.each([
    ['a tunnel', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['a WebSocket of nobody', handshake('/ws/telemetry/nobody'), 404],
  ])('%s is refused, and a connection that is reset or stays half open harms nobody', async (_, bytes, status) => {
    // Its listeners are taken off by Node: an error of it would end the thread.
    const reset = connect(served.port, '127.0.0.1').on('error', () => {});
    reset.write(bytes);
    expect(String((await once(reset, 'data'))[0])).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    reset.resetAndDestroy();
    const behindAnother = connect(served.port, '127.0.0.1').on('error', () => {});
    behindAnother.write(`GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n${bytes}`, () =>
      behindAnother.resetAndDestroy(),
    );
    await once(behindAnother, 'close');
    expect((await fetch(`${served.url}/health`)).status).toBe(200);

    const halfOpen = connect({ port: served.port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
    halfOpen.resume().write(bytes);
    const live = new WebSocket(`${served.url.replace('http', 'ws')}/ws/telemetry`);
    await Promise.all([once(halfOpen, 'end'), once(live, 'open')]);
    served.clock.advance(SPARE_CONNECTION_MS);
    // The server has no such connection any more: what comes is answered with a reset.
    await eventually(() => {
      if (!halfOpen.closed) halfOpen.write('x');
      return halfOpen.closed;
    });
    // One that became a WebSocket goes on.
    live.ping();
    await once(live, 'pong');
    live.terminate();
  });
});

it('tells a problem under /api/ where a request cannot be understood, and an error elsewhere', async () => {
  const ask = (path: string) => exchange(served.port, `GET ${path} HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n`);
  const answer = await ask('/api/v1/lanes?x');
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*\r\ncontent-type: application\/problem\+json\r\n/is);
  expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toEqual({
    type: 'urn:pulselane:error:invalid_argument',
    title: 'Invalid request',
    status: 400,
    detail: 'malformed request',
    instance: '/api/v1/lanes',
  });
  expect(await ask('/telemetry')).toMatch(/\{"error":"malformed request"\}$/);
});

it('answers a client that would rather speak HTTP/2', async () => {
  const outgoing = get(`${served.url}/health`, { headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' } });
  const [response] = await once(outgoing, 'response');
  expect(response.statusCode).toBe(200);
  expect(JSON.parse((await buffer(response)).toString())).toHaveProperty('status');
});

it('answers HTTP/1.0, which needs no Host', async () => {
  expect(await exchange(served.port, 'GET /health HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
});

it('names what it allows', async () => {
  const outgoing = request(`${served.url}/telemetry`, { method: 'DELETE' }).end();
  const [response] = await once(outgoing, 'response');
  expect(response.statusCode).toBe(405);
  expect(response.headers.allow).toBe('GET, HEAD');
  response.resume();
});

it('follows a worker into its larger slot', async () => {
  const { fleet, url } = served;
  fleet.register('node-a');
  fleet.beat('node-a', { cpuUsage: 1 });
  fleet.beat('node-a', { cpuUsage: 2, runningTasks: Array.from({ length: 100 }, (_, i) => task(`${i}`)) });
  expect(await (await fetch(`${url}/telemetry/node-a`)).json()).toMatchObject({ cpu_usage: 2 });
});

it('stops though a client holds its connection', async () => {
  const idle = connect(served.port, '127.0.0.1');
  await once(idle, 'connect');
  idle.on('error', () => {});
  const closed = once(idle, 'close');
  await served.stop();
  await closed;
});

it('cuts off a live client that does not say goodbye', async () => {
  const client = connect(served.port, '127.0.0.1');
  client.write(
    'GET /ws/telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  const [answer] = await once(client, 'data');
  expect(String(answer)).toMatch(/^HTTP\/1\.1 101 /);
  client.on('error', () => {});
  client.resume();
  const closed = once(client, 'close');
  await served.stop();
  await closed;
});
