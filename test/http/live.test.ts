import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { MAX_BUFFERED_BYTES, PING_MS, POLL_MS } from '../../src/http/http-limits.ts';
import type { LiveSocket } from '../../src/http/live/socket-client.ts';
import { eventually } from '../support/eventually.ts';
import { task } from '../support/fleet.ts';
import { newApp, newServer } from './support.ts';

let served: Awaited<ReturnType<typeof newServer>>;
const clients: Client[] = [];

beforeEach(async () => {
  served = await newServer();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  await served.stop();
});

class Client {
  readonly socket: WebSocket;
  readonly frames: string[] = [];
  pings = 0;
  binaryFrames = 0;
  closed: { code: number } | undefined;

  constructor(path: string, options: WebSocket.ClientOptions = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${served.port}${path}`, options);
    this.socket.on('message', (data, isBinary) => {
      this.frames.push(data.toString());
      if (isBinary) this.binaryFrames++;
    });
    this.socket.on('ping', () => this.pings++);
    this.socket.on('close', (code) => {
      this.closed = { code };
    });
    this.socket.on('error', () => {});
    clients.push(this);
  }

  /** The frame at that place, once it has come. */
  async frame(index: number): Promise<Record<string, Record<string, unknown>>> {
    return JSON.parse(await eventually(() => this.frames[index]));
  }
}

/** A client that has its first frame. */
async function connected(path: string): Promise<Client> {
  const client = new Client(path);
  await client.frame(0);
  return client;
}

async function refusal(path: string): Promise<number> {
  const client = new Client(path);
  const [, response] = await once(client.socket, 'unexpected-response');
  response.resume();
  return response.statusCode;
}

/** All that was sent before has arrived when this frame has: frames keep their order. */
async function flushed(client: Client): Promise<string[]> {
  const id = `end-${client.frames.length}-${Math.random()}`;
  served.fleet.register(id);
  served.clock.advance(POLL_MS);
  await eventually(() => client.frames.some((frame) => frame.includes(id)));
  return client.frames.filter((frame) => !frame.includes('"end-'));
}

describe('/ws/telemetry', () => {
  it('sends the same map as GET /telemetry on connect, as text', async () => {
    const { fleet, url } = served;
    fleet.register('node-a');
    fleet.register('__proto__');
    fleet.beat('node-a', { cpuUsage: 5, runningTasks: [task('1')] });
    const client = await connected('/ws/telemetry');
    expect(JSON.parse(client.frames[0] as string)).toEqual(await (await fetch(`${url}/telemetry`)).json());
    expect(client.binaryFrames).toBe(0);
  });

  it('sends {} while there is nobody', async () => {
    const client = await connected('/ws/telemetry');
    expect(client.frames).toEqual(['{}']);
  });

  it('sends a changed worker, and only it, at the next look', async () => {
    const { fleet, clock } = served;
    fleet.register('node-a');
    fleet.register('node-b');
    const client = await connected('/ws/telemetry');
    fleet.beat('node-b', { cpuUsage: 42 });
    clock.advance(POLL_MS);
    expect(await client.frame(1)).toEqual({
      'node-b': expect.objectContaining({ worker_id: 'node-b', cpu_usage: 42, is_active: true }),
    });
    expect(await flushed(client)).toHaveLength(2);
  });

  it('looks twice within the 100 ms that are promised', () => {
    expect(POLL_MS).toBeLessThanOrEqual(50);
  });

  it('merges changes between two looks into the newest', async () => {
    const { fleet } = served;
    fleet.register('node-a');
    const client = await connected('/ws/telemetry');
    for (let cpuUsage = 1; cpuUsage <= 5; cpuUsage++) fleet.beat('node-a', { cpuUsage });
    const frames = await flushed(client);
    expect(frames.slice(1).map((frame) => JSON.parse(frame)['node-a'].cpu_usage)).toEqual([5]);
  });

  it('tells that a worker fell silent', async () => {
    const { fleet, clock } = served;
    fleet.register('node-a');
    fleet.beat('node-a');
    const client = await connected('/ws/telemetry');
    fleet.fallSilent('node-a');
    clock.advance(POLL_MS);
    expect((await client.frame(1))['node-a']).toMatchObject({ is_active: false });
  });

  it('tells of new workers, is silent about forgotten ones, and goes on when they come back', async () => {
    const { fleet, clock } = served;
    const client = await connected('/ws/telemetry');
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 1 });
    clock.advance(POLL_MS);
    expect((await client.frame(1))['node-a']).toMatchObject({ cpu_usage: 1 });
    fleet.forget('node-a');
    clock.advance(POLL_MS);
    fleet.register('node-a');
    clock.advance(POLL_MS);
    expect((await client.frame(2))['node-a']).toMatchObject({ cpu_usage: 0, is_active: false });
    fleet.beat('node-a', { cpuUsage: 3 });
    clock.advance(POLL_MS);
    expect((await client.frame(3))['node-a']).toMatchObject({ cpu_usage: 3 });
    expect(await flushed(client)).toHaveLength(4);
  });

  it('follows a worker into its larger slot', async () => {
    const { fleet, clock } = served;
    fleet.register('node-a');
    const client = await connected('/ws/telemetry');
    fleet.beat('node-a', { cpuUsage: 9, runningTasks: Array.from({ length: 100 }, (_, i) => task(`${i}`)) });
    clock.advance(POLL_MS);
    expect((await client.frame(1))['node-a']).toMatchObject({ cpu_usage: 9 });
    fleet.beat('node-a', { cpuUsage: 10 });
    clock.advance(POLL_MS);
    expect((await client.frame(2))['node-a']).toMatchObject({ cpu_usage: 10 });
  });

  it('tells of a worker that went and came back between two looks, with as many records as before', async () => {
    const { fleet, clock } = served;
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 1 });
    const client = await connected('/ws/telemetry');
    fleet.forget('node-a');
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 2 });
    clock.advance(POLL_MS);
    expect((await client.frame(1))['node-a']).toMatchObject({ cpu_usage: 2 });
  });

  it('sends nothing while nothing changes', async () => {
    const { fleet, clock } = served;
    fleet.register('node-a');
    fleet.beat('node-a');
    const client = await connected('/ws/telemetry');
    clock.advance(20 * POLL_MS);
    expect(await flushed(client)).toHaveLength(1);
  });

  it('a second client starts with what is true when it comes', async () => {
    const { fleet, clock } = served;
    fleet.register('node-a');
    const first = await connected('/ws/telemetry');
    fleet.beat('node-a', { cpuUsage: 2 });
    clock.advance(POLL_MS);
    await first.frame(1);
    const second = await connected('/ws/telemetry');
    expect((await second.frame(0))['node-a']).toMatchObject({ cpu_usage: 2 });
    fleet.beat('node-a', { cpuUsage: 3 });
    clock.advance(POLL_MS);
    expect((await first.frame(2))['node-a']).toMatchObject({ cpu_usage: 3 });
    expect((await second.frame(1))['node-a']).toMatchObject({ cpu_usage: 3 });
  });
});

describe('/ws/telemetry/{workerID}', () => {
  it('sends one worker, first and on each of its changes', async () => {
    const { fleet } = served;
    fleet.register('a/b');
    fleet.register('other');
    const client = await connected('/ws/telemetry/a%2Fb');
    expect(await client.frame(0)).toEqual({ 'a/b': expect.objectContaining({ worker_id: 'a/b', cpu_usage: 0 }) });
    fleet.beat('other', { cpuUsage: 1 });
    served.clock.advance(POLL_MS);
    fleet.beat('a/b', { cpuUsage: 2 });
    served.clock.advance(POLL_MS);
    expect(await client.frame(1)).toEqual({ 'a/b': expect.objectContaining({ cpu_usage: 2 }) });
    expect(client.frames).toHaveLength(2);
  });

  it('goes on when the worker was forgotten and came back', async () => {
    const { fleet, clock } = served;
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 1 });
    const client = await connected('/ws/telemetry/node-a');
    fleet.forget('node-a');
    clock.advance(POLL_MS);
    fleet.register('node-a');
    fleet.beat('node-a', { cpuUsage: 2 });
    clock.advance(POLL_MS);
    expect((await client.frame(1))['node-a']).toMatchObject({ cpu_usage: 2 });
    expect(client.frames).toHaveLength(2);
  });

  it('refuses the upgrade for a worker that is not known', async () => {
    expect(await refusal('/ws/telemetry/ghost')).toBe(404);
  });

  it.each([
    ['/ws/telemetry/%zz', 400],
    ['/ws/telemetry/', 404],
    ['/telemetry', 200],
    ['/nowhere', 404],
  ])('refuses the upgrade at %s with %i', async (path, status) => {
    expect(await refusal(path)).toBe(status);
  });
});

it('active_clients counts live clients', async () => {
  const active = async () =>
    ((await (await fetch(`${served.url}/health`)).json()) as Record<string, number>).active_clients;
  served.fleet.register('node-a');
  const first = await connected('/ws/telemetry');
  await connected('/ws/telemetry/node-a');
  expect(await active()).toBe(2);
  first.socket.close();
  await eventually(() => first.closed);
  expect(await active()).toBe(1);
});

it('runs no timer without clients', async () => {
  expect(served.clock.pending).toBe(0);
  const client = await connected('/ws/telemetry');
  expect(served.clock.pending).toBe(2);
  client.socket.close();
  await eventually(() => served.clock.pending === 0);
});

it('pings every 54 s and drops a client that does not answer', async () => {
  const { clock } = served;
  const polite = await connected('/ws/telemetry');
  const silent = new Client('/ws/telemetry', { autoPong: false });
  await silent.frame(0);
  clock.advance(PING_MS - 1);
  clock.advance(1);
  await eventually(() => polite.pings === 1 && silent.pings === 1);
  // Behind the pong in the same connection, so that the server has it by then.
  polite.socket.close();
  const other = await connected('/ws/telemetry');
  await eventually(() => polite.closed);
  clock.advance(PING_MS);
  await eventually(() => silent.closed);
  expect(silent.closed?.code).toBe(1006);
  await eventually(() => other.pings === 1);
  expect(other.closed).toBeUndefined();
  expect(PING_MS).toBe(54_000);
});

it('keeps a client that answers', async () => {
  const { clock } = served;
  const client = await connected('/ws/telemetry');
  for (let pings = 1; pings <= 3; pings++) {
    clock.advance(PING_MS);
    await eventually(() => client.pings === pings);
    // The server's pong to a ping of ours: it has read what we sent before, our own pong.
    client.socket.ping();
    await once(client.socket, 'pong');
  }
  expect(client.closed).toBeUndefined();
});

it('ignores what clients send, and drops one that sends too much', async () => {
  const { fleet, clock } = served;
  fleet.register('node-a');
  const talker = await connected('/ws/telemetry');
  talker.socket.send('hello');
  talker.socket.send(Buffer.from([1, 2, 3]));
  fleet.beat('node-a', { cpuUsage: 1 });
  clock.advance(POLL_MS);
  await talker.frame(1);
  talker.socket.send('x'.repeat(5_000));
  await eventually(() => talker.closed);
  expect(talker.closed?.code).toBe(1009);
  expect((await fetch(`${served.url}/health`)).status).toBe(200);
});

it('says 1001 when the server stops', async () => {
  const client = await connected('/ws/telemetry');
  const stopped = served.server.stop();
  await eventually(() => client.closed);
  served.clock.advance(10);
  await stopped;
  expect(client.closed?.code).toBe(1001);
});

it('a client that does not read gets only the newest when it reads again', async () => {
  const { fleet, clock } = served;
  const large = Array.from({ length: 1_000 }, (_, i) => task(`task-${i}`));
  fleet.register('node-a');
  fleet.register('node-b');
  const slow = await connected('/ws/telemetry');
  const quick = await connected('/ws/telemetry');
  slow.socket.pause();
  const BEATS = 300; // of 100 KB each: far more than the kernel and the bound hold together
  for (let cpuUsage = 1; cpuUsage <= BEATS; cpuUsage++) {
    fleet.beat('node-a', { cpuUsage, runningTasks: large });
    clock.advance(POLL_MS);
    await quick.frame(cpuUsage);
  }
  fleet.beat('node-b', { cpuUsage: 7 });
  clock.advance(POLL_MS);
  await quick.frame(BEATS + 1);
  slow.socket.resume();
  const newest = await eventually(() => {
    clock.advance(POLL_MS);
    return slow.frames.at(-1)?.includes('"cpu_usage":7,') && slow.frames;
  });
  expect(newest.length).toBeLessThan(BEATS);
  const ofA = newest.map((frame) => JSON.parse(frame)['node-a']?.cpu_usage).filter((cpu) => cpu !== undefined);
  expect(ofA.at(-1)).toBe(BEATS);
  expect(ofA).toEqual([...ofA].sort((a, b) => a - b));
});

describe('a client whose socket is full', () => {
  function fullClient() {
    const { fleet, live, clock, revisions } = newApp();
    const sent: string[] = [];
    const socket = {
      bufferedAmount: 0,
      send: (frame: Buffer, _: unknown, done: () => void) => {
        sent.push(frame.toString());
        done();
      },
      ping() {},
      close() {},
      terminate() {},
      on() {},
    };
    for (const id of ['a', 'b']) fleet.register(id);
    live.add(socket satisfies LiveSocket, undefined);
    socket.bufferedAmount = MAX_BUFFERED_BYTES + 1;
    sent.length = 0;
    return { fleet, revisions, sent, socket, look: () => clock.advance(POLL_MS) };
  }

  it('costs nothing while there is no room, however far behind it is', () => {
    const { fleet, revisions, look } = fullClient();
    const search = vi.spyOn(revisions.order, 'firstAfter');
    fleet.beat('a');
    look();
    expect(search).not.toHaveBeenCalled();
  });

  it('is sent the newest state of each changed worker, once, when there is room', () => {
    const { fleet, sent, socket, look } = fullClient();
    for (let cpuUsage = 1; cpuUsage <= 20; cpuUsage++) {
      fleet.beat('a', { cpuUsage });
      fleet.beat('b', { cpuUsage: 2 * cpuUsage });
      look();
    }
    expect(sent).toEqual([]);
    socket.bufferedAmount = 0;
    look();
    expect(sent.map((frame) => JSON.parse(frame))).toEqual([
      { a: expect.objectContaining({ cpu_usage: 20 }) },
      { b: expect.objectContaining({ cpu_usage: 40 }) },
    ]);
    look();
    expect(sent).toHaveLength(2);
  });

  it('is not sent what was forgotten meanwhile', () => {
    const { fleet, sent, socket, look } = fullClient();
    fleet.beat('a');
    fleet.beat('b');
    look();
    fleet.forget('a');
    socket.bufferedAmount = 0;
    look();
    expect(sent.map((frame) => Object.keys(JSON.parse(frame)))).toEqual([['b']]);
  });
});
