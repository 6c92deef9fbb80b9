import { once } from 'node:events';
import { get, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import {
  CLIENT_STILL_MS,
  MAX_FRAME_BYTES,
  POLL_MS,
  SOCKET_IDLE_MS,
  STILL_CHECK_MS,
  STREAM_PING_MS,
} from '../../src/http/http-limits.ts';
import { LiveStreams } from '../../src/http/live/streams.ts';
import { fieldsOf } from '../../src/reading/fields.ts';
import { MAX_GONE_REMEMBERED } from '../../src/reading/reading-limits.ts';
import { ALL } from '../../src/reading/selection.ts';
import { eventually } from '../support/eventually.ts';
import { task } from '../support/fleet.ts';
import { Follower, HeldResponse } from './stream-follower.ts';
import { newApp, newServer } from './support.ts';

let served: Awaited<ReturnType<typeof newServer>>;
const clients: Client[] = [];

beforeEach(async () => {
  served = await newServer({ rows: 4_000 });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await served.stop();
});

class Client {
  readonly follower = new Follower();
  response: IncomingMessage | undefined;
  bytes = 0;
  isEnded = false;
  isClosed = false;
  readonly #request;

  constructor(query = '', headers: Record<string, string> = {}) {
    this.#request = get(`${served.url}/api/v1/stream${query}`, { headers, agent: false }, (response) => {
      this.response = response;
      response.on('data', (bytes: Buffer) => {
        this.bytes += bytes.length;
        this.follower.feed(bytes);
      });
      response.on('end', () => {
        this.isEnded = true;
      });
      response.on('close', () => {
        this.isClosed = true;
      });
      response.on('error', () => {});
    });
    this.#request.on('error', () => {
      this.isClosed = true;
    });
    clients.push(this);
  }

  close(): void {
    this.#request.destroy();
  }

  get events() {
    return this.follower.events;
  }

  get workers() {
    return this.follower.workers;
  }
}

/** A client that has its whole snapshot. */
async function connected(query = '', headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client(query, headers);
  await eventually(() => client.follower.named('snapshot').at(-1)?.data.last);
  return client;
}

const look = (looks = 1) => served.clock.advance(looks * POLL_MS);
const events = (client: Client, count: number) => eventually(() => client.events.length >= count && client.events);

async function health(): Promise<Record<string, number>> {
  return (await (await fetch(`${served.url}/health`)).json()) as Record<string, number>;
}

async function limits() {
  type Counts = Record<string, number>;
  return (await (await fetch(`${served.url}/api/v1/limits`)).json()) as { refused: Counts; dropped: Counts };
}

describe('GET /api/v1/stream', () => {
  it('begins with headers, the time to wait, and a snapshot', async () => {
    const { fleet } = served;
    fleet.register('node-a');
    fleet.register('__proto__');
    fleet.beat('node-a', { cpuUsage: 5 });
    const client = await connected();
    expect(client.response?.statusCode).toBe(200);
    expect(client.response?.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    expect(client.follower.retryMs).toBe(2_000);
    const [first] = client.events;
    expect(first).toEqual({
      event: 'snapshot',
      id: first?.data.revision,
      data: { revision: expect.stringMatching(/^[a-z2-7]{8}-2$/), part: 1, last: true, workers: expect.any(Array) },
    });
    expect([...client.workers.keys()].sort()).toEqual(['__proto__', 'node-a']);
    expect(client.workers.get('node-a')).toMatchObject({ worker_id: 'node-a', state: 'active', cpu_usage: 5 });
    expect(client.workers.get('__proto__')).toMatchObject({ cpu_usage: null, is_active: false });
  });

  it('answers HEAD with the same headers, and nobody is served', async () => {
    const head = request(`${served.url}/api/v1/stream`, { method: 'HEAD', agent: false }).end();
    const [response] = (await once(head, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toBe('text/event-stream');
    response.resume();
    await once(response, 'end');
    expect((await health()).active_clients).toBe(0);
  });

  it('tells what changed, and only that, and who is gone', async () => {
    const { fleet } = served;
    for (const id of ['a', 'b', 'c']) fleet.register(id);
    const client = await connected();
    fleet.beat('b', { cpuUsage: 42 });
    fleet.forget('c');
    look(10);
    const [, delta] = await events(client, 2);
    expect(delta).toEqual({
      event: 'delta',
      id: delta?.data.revision,
      data: {
        revision: expect.stringMatching(/-5$/),
        updated: [expect.objectContaining({ worker_id: 'b', cpu_usage: 42 })],
        removed: ['c'],
      },
    });
    look(100);
    fleet.register('d');
    look();
    expect((await events(client, 3))[2]?.data.updated).toEqual([expect.objectContaining({ worker_id: 'd' })]);
  });

  it('tells of the workers that are asked for, with the fields that are asked for', async () => {
    const { fleet } = served;
    for (const id of ['rack-1', 'rack-2', 'other']) fleet.register(id);
    fleet.beat('rack-1', { cpuUsage: 90 });
    fleet.beat('other', { cpuUsage: 90 });
    const client = await connected('?prefix=rack&min.cpu_usage=50&fields=cpu_usage');
    expect([...client.workers.values()]).toEqual([{ worker_id: 'rack-1', cpu_usage: 90 }]);
    fleet.beat('rack-2', { cpuUsage: 60 });
    fleet.beat('rack-1', { cpuUsage: 10 });
    fleet.beat('other', { cpuUsage: 10 });
    look(10);
    expect((await events(client, 2))[1]?.data).toMatchObject({
      updated: [{ worker_id: 'rack-2', cpu_usage: 60 }],
      removed: ['rack-1'],
    });
  });

  it('tells at most twice a second, the newest of everything', async () => {
    const { fleet } = served;
    fleet.register('a');
    const client = await connected();
    for (let cpuUsage = 1; cpuUsage <= 60; cpuUsage++) {
      fleet.beat('a', { cpuUsage });
      look();
    }
    // Three seconds have passed.
    const all = await events(client, 7);
    expect(all).toHaveLength(7);
    expect(all.slice(1).map(({ data }) => data.updated?.[0]?.cpu_usage)).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it.each([
    ['20', 20],
    ['5', 5],
    ['0.5', 1],
  ])('rate=%s: within a second %i at most', async (rate, most) => {
    const { fleet } = served;
    fleet.register('a');
    const client = await connected(`?rate=${rate}`);
    for (let looks = 1; looks <= 1_000 / POLL_MS; looks++) {
      fleet.beat('a', { cpuUsage: looks });
      look();
    }
    // The rest of the slowest one's time.
    look(20);
    await eventually(() => client.workers.get('a')?.cpu_usage === 20);
    expect(client.follower.named('delta').length).toBe(most);
  });

  it.each([
    ['?rate=0', 'rate'],
    ['?rate=20.5', 'rate'],
    ['?rate=fast', 'rate'],
    ['?rate=1&rate=2', 'rate'],
    ['?fields=nonsense', 'fields'],
    ['?nonsense=1', 'nonsense'],
    ['?min.cpu_usage=much', 'min.cpu_usage'],
  ])('refuses %s, naming %s', async (query, name) => {
    const response = await fetch(`${served.url}/api/v1/stream${query}`);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ errors: [expect.objectContaining({ name })] });
  });

  it('sends a comment when there was nothing for 15 s', async () => {
    const { fleet } = served;
    fleet.register('a');
    const client = await connected();
    served.clock.advance(STREAM_PING_MS - POLL_MS);
    fleet.beat('a');
    look();
    await events(client, 2);
    served.clock.advance(STREAM_PING_MS - POLL_MS);
    expect(client.follower.comments).toEqual([]);
    look();
    await eventually(() => client.follower.comments.length === 1);
    served.clock.advance(STREAM_PING_MS);
    await eventually(() => client.follower.comments.length === 2);
    expect(STREAM_PING_MS).toBe(15_000);
    // A connection on which nothing moves is ended.
    expect(STREAM_PING_MS).toBeLessThan(SOCKET_IDLE_MS / 2);
  });

  it('is one of the active clients', async () => {
    const client = await connected();
    const socket = new WebSocket(`ws://127.0.0.1:${served.port}/ws/telemetry`);
    await once(socket, 'message');
    expect((await health()).active_clients).toBe(2);
    client.close();
    await eventually(async () => (await health()).active_clients === 1);
    socket.terminate();
    await eventually(async () => (await health()).active_clients === 0);
  });

  it('ends when the server stops, and not in the middle of an event', async () => {
    const client = await connected();
    served.fleet.register('a');
    const stopped = served.server.stop();
    await eventually(() => client.isEnded);
    expect(client.response?.complete).toBe(true);
    served.clock.advance(20);
    await stopped;
  });
});

describe('a client that comes back', () => {
  const MANY = 2_500;
  const PADDING = Array.from({ length: 2 }, (_, i) => task(`task-${i}`));

  function registerMany(): void {
    for (let n = 0; n < MANY; n++) served.fleet.register(`worker-${n}`);
  }

  it('goes on in the middle of a snapshot', async () => {
    registerMany();
    // One part, since the rest waits until this one is read.
    const first = new Client();
    await eventually(() => first.events.length >= 1 && first.response?.pause());
    const part = first.events[0];
    expect(part?.data).toMatchObject({ part: 1, last: false });
    const had = part?.data.workers?.map(({ worker_id }) => worker_id) ?? [];
    expect(had.length).toBeGreaterThan(100);
    expect(had.length).toBeLessThan(MANY - 100);
    first.close();

    served.fleet.beat(had[0] as string, { cpuUsage: 77 });
    served.fleet.forget(had[1] as string);
    const second = new Client('', { 'Last-Event-ID': part?.id as string });
    const rest = MANY - had.length + 1;
    const updated = () => second.events.flatMap(({ data }) => data.updated ?? []);
    await eventually(() => updated().length === rest);
    expect(second.follower.named('snapshot')).toEqual([]);
    expect(second.follower.named('reset')).toEqual([]);
    expect(updated()).toContainEqual(expect.objectContaining({ worker_id: had[0], cpu_usage: 77 }));
    expect(second.events.flatMap(({ data }) => data.removed ?? [])).toEqual([had[1]]);
  });

  it('gets a large snapshot in parts', async () => {
    registerMany();
    for (let n = 0; n < MANY; n++) served.fleet.beat(`worker-${n}`, { runningTasks: PADDING });
    const client = await connected('?fields=telemetry');
    const parts = client.follower.named('snapshot').map(({ data }) => data);
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.map(({ part }) => part)).toEqual(parts.map((_, index) => index + 1));
    expect(parts.map(({ last }) => last)).toEqual(parts.map((_, index) => index === parts.length - 1));
    expect(client.workers.size).toBe(MANY);
  });

  it.each([
    ['of another epoch', 'aaaaaaaa-1'],
    ['from the future', undefined],
    ['that is none', 'yesterday'],
  ])('with an id %s is told to forget what it has', async (_, id) => {
    served.fleet.register('a');
    const known = await connected();
    const [epoch] = (known.follower.lastEventId as string).split('-');
    const client = new Client(`?lastEventId=${id ?? `${epoch}-999`}`);
    const [reset, snapshot] = await events(client, 2);
    expect(reset).toEqual({ event: 'reset', id: `${epoch}-0`, data: { reason: 'other_epoch' } });
    expect(snapshot).toMatchObject({ event: 'snapshot', data: { part: 1, last: true } });
  });

  it('after more workers are gone than are remembered is told to forget what it has', async () => {
    const { fleet } = served;
    fleet.register('a');
    fleet.register('stays');
    const client = await connected();
    const id = client.follower.lastEventId as string;
    client.close();
    const other = await connected('?rate=0.1');
    for (let n = 0; n <= MAX_GONE_REMEMBERED; n++) {
      fleet.register(`passing-${n}`);
      look();
      fleet.forget(`passing-${n}`);
      look();
    }
    const again = new Client('', { 'Last-Event-ID': id });
    const [reset, snapshot] = await events(again, 2);
    expect(reset).toMatchObject({ event: 'reset', data: { reason: 'too_old' } });
    expect(snapshot).toMatchObject({ event: 'snapshot', data: { part: 1 } });
    expect([...again.workers.keys()].sort()).toEqual(['a', 'stays']);
    // One that was there all the time needs no reset.
    expect(other.follower.named('reset')).toEqual([]);
  });

  it('by header and by parameter: the header counts', async () => {
    served.fleet.register('a');
    const known = await connected();
    served.fleet.register('b');
    look();
    const client = new Client('?lastEventId=aaaaaaaa-1', { 'Last-Event-ID': known.follower.lastEventId as string });
    const [delta] = await events(client, 1);
    expect(delta).toMatchObject({ event: 'delta', data: { updated: [{ worker_id: 'b' }], removed: [] } });
  });
});

describe('a client that does not read', () => {
  const LARGE = Array.from({ length: 1_000 }, (_, i) => task(`task-${i}`));

  it('delays nobody, holds little, gets the newest, and is dropped after half a minute', async () => {
    const { fleet, server } = served;
    for (let n = 0; n < 10; n++) fleet.register(`worker-${n}`);
    const stuck = await connected('?fields=telemetry&rate=20');
    const quick = await connected('?fields=telemetry&rate=20');
    stuck.response?.pause();
    let mostBytes = 0;
    let rounds = 0;
    const round = async () => {
      rounds++;
      for (let n = 0; n < 10; n++) fleet.beat(`worker-${n}`, { cpuUsage: rounds, runningTasks: LARGE });
      look();
      const id = 'worker-9';
      await eventually(() => (quick.workers.get(id)?.telemetry as { cpu_usage: number })?.cpu_usage === rounds);
      mostBytes = Math.max(mostBytes, server.live.bytesInFlight);
    };
    // A megabyte each: more than the kernel takes.
    while (rounds < 60) await round();
    expect(mostBytes).toBeLessThan(12 * MAX_FRAME_BYTES);
    expect(server.live.dropped.slow).toBe(0);
    for (let s = 0; s <= CLIENT_STILL_MS / 1_000 + 30 && server.live.dropped.slow === 0; s++) {
      served.clock.advance(STILL_CHECK_MS);
    }
    expect(server.live.dropped).toEqual({ slow: 1, memory: 0, silent: 0 });
    expect((await limits()).dropped).toEqual(server.live.dropped);
    stuck.response?.resume();
    await eventually(() => stuck.isClosed);
    expect(stuck.isEnded).toBe(false);
    await round();
    expect(served.logged.filter((line) => line.startsWith('debug'))).toEqual([
      'debug disconnected a live client (stream): it read nothing for too long',
    ]);
    expect(server.live.clients).toBe(1);
  });

  it('gets the newest when it reads again', async () => {
    const { fleet } = served;
    fleet.register('a');
    const client = await connected('?fields=telemetry&rate=20');
    const quick = await connected('?fields=telemetry&rate=20');
    client.response?.pause();
    const ROUNDS = 150;
    for (let cpuUsage = 1; cpuUsage <= ROUNDS; cpuUsage++) {
      fleet.beat('a', { cpuUsage, runningTasks: LARGE });
      look();
      await eventually(() => (quick.workers.get('a')?.telemetry as { cpu_usage: number })?.cpu_usage === cpuUsage);
    }
    client.response?.resume();
    await eventually(() => {
      look();
      return (client.workers.get('a')?.telemetry as { cpu_usage: number })?.cpu_usage === ROUNDS;
    });
    expect(client.follower.named('delta').length).toBeLessThan(ROUNDS);
  });
});

describe('limits', () => {
  it('refuses the client that is one too many, until another goes', async () => {
    await served.stop();
    served = await newServer({ maxLiveClients: 2 });
    const first = await connected();
    await connected();
    const refused = await fetch(`${served.url}/api/v1/stream`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({
      type: 'urn:pulselane:error:resource_exhausted',
      detail: 'too many live clients: 2 are already connected',
    });
    const socket = new WebSocket(`ws://127.0.0.1:${served.port}/ws/telemetry`);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(503);
    response.resume();
    expect((await limits()).refused.live_clients).toBe(2);
    first.close();
    await eventually(async () => (await health()).active_clients === 1);
    await connected();
  });

  /** Clients of which none takes anything, each with frames of its own. */
  function crowd(count: number, maxBytesInFlight: number) {
    const { fleet, directory, revisions, clock } = newApp();
    fleet.register('a');
    const live = new LiveStreams({ directory, revisions, clock, log: () => {}, maxClients: 100, maxBytesInFlight });
    const follower = new Follower();
    const responses: HeldResponse[] = [];
    for (let n = 0; n < count; n++) {
      fleet.beat('a', { cpuUsage: n });
      clock.advance(POLL_MS);
      const response = new HeldResponse(follower);
      responses.push(response);
      const request = { selection: ALL, fields: fieldsOf(undefined), rate: 2, lastEventId: undefined };
      live.stream(request, () => response as unknown as ServerResponse);
    }
    return { live, clock, responses };
  }

  it('drops the slowest when frames take too much memory, and refuses new clients until then', () => {
    const { live, clock, responses } = crowd(10, 3_000);
    expect(live.refusal()).toMatchObject({ code: 'resource_exhausted' });
    const closed: number[] = [];
    for (const [index, response] of responses.entries()) response.once('close', () => closed.push(index));
    clock.advance(STILL_CHECK_MS);
    expect(live.dropped.memory).toBeGreaterThan(0);
    expect(closed).toEqual(Array.from({ length: live.dropped.memory }, (_, index) => index));
    expect(live.bytesInFlight).toBeLessThan(3_000);
    expect(live.refusal()).toBeUndefined();
    for (const response of responses) response.destroy();
    expect(live.bytesInFlight).toBe(0);
  });

  it('the trouble of one client is not that of others', () => {
    const { live, clock, responses } = crowd(2, 1e9);
    const [broken, whole] = responses as [HeldResponse, HeldResponse];
    broken.take();
    whole.take();
    broken.write = () => {
      throw new Error('no');
    };
    clock.advance(STREAM_PING_MS);
    const written: string[] = [];
    whole.write = (bytes) => {
      written.push(bytes.toString());
      return true;
    };
    clock.advance(STREAM_PING_MS);
    expect(written).toEqual([': ping\n\n']);
    expect(live.clients).toBe(2);
  });
});
