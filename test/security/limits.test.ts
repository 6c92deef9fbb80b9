/** Attacks on the limits: whoever takes all that an address may have leaves the rest to the others. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { heartbeatBytes } from '../support/grpc-client.ts';
import { callHeaders, data, grpcMessage, HEARTBEATS, RawHttp2, SEND_HEARTBEAT, uint32 } from './raw-http2.ts';
import { ATTACKER, Siege } from './siege.ts';

/** Small, so that each is reached within moments; the healthy workers have connections for themselves and no more. */
const LIMITS = {
  MAX_GRPC_CONNECTIONS_PER_PEER: 40,
  MAX_STREAMS_PER_CONNECTION: 20,
  MAX_METADATA_SIZE: '1KiB',
  MAX_HEARTBEAT_RATE: 50,
  MAX_PEER_HEARTBEAT_RATE: 500,
  GRPC_HANDSHAKE_TIMEOUT: '1s',
  MAX_HTTP_CONNECTIONS_PER_PEER: 40,
  MAX_LIVE_CLIENTS: 15,
} as const;

let siege: Siege;
beforeAll(async () => {
  siege = await Siege.start(Object.fromEntries(Object.entries(LIMITS).map(([name, value]) => [name, String(value)])));
});
afterAll(() => siege?.close());

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function openHttp(path: string, headers = ''): Promise<Socket> {
  const socket = connect({ port: siege.httpPort, host: '127.0.0.1', localAddress: ATTACKER });
  closing.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost:${siege.httpPort}\r\n${headers}\r\n`);
  return socket;
}

/** How often the HTTP side has refused something, by reason. */
async function refused(reason: string): Promise<number> {
  const { refused: counts } = await siege.master.get('/api/v1/limits');
  return counts[reason];
}

test('gRPC connections: no more than an address may have, and those that are mute not for long', async () => {
  await siege.withstands(async ({ grpcPort }) => {
    const connections = await Promise.all(Array.from({ length: 120 }, () => RawHttp2.connect(grpcPort)));
    for (const connection of connections) closing.push(() => connection.close());
    const open = () => connections.filter(({ isClosed }) => !isClosed).length;
    await eventually(() => open() <= LIMITS.MAX_GRPC_CONNECTIONS_PER_PEER);
    // None of them has said a word.
    await eventually(() => open() === 0);
  });
});

test('gRPC streams: no more than a connection may have', async () => {
  await siege.withstands(async ({ grpcPort }) => {
    const connection = await RawHttp2.open(grpcPort);
    closing.push(() => connection.close());
    // Not heeding what the server says of it.
    for (let i = 0; i < 200; i++) await connection.write(callHeaders(2 * i + 1, HEARTBEATS));
    await connection.settled();
    const REFUSED_STREAM = 7;
    const refusals = connection.received.filter(
      ({ type, payload }) => type === 3 && payload.equals(uint32(REFUSED_STREAM)),
    );
    expect(connection.isClosed || refusals.length >= 200 - LIMITS.MAX_STREAMS_PER_CONNECTION).toBe(true);
  });
});

test('metadata: no more than a call may bring', async () => {
  await siege.withstands(async ({ grpcPort }) => {
    const connection = await RawHttp2.open(grpcPort);
    closing.push(() => connection.close());
    for (let i = 0; i < 10; i++) {
      const heavy = callHeaders(2 * i + 1, SEND_HEARTBEAT, { 'x-heavy': 'x'.repeat(8000) });
      const body = grpcMessage(heartbeatBytes({ workerId: 'heavy' }));
      await connection.write(Buffer.concat([heavy, data(2 * i + 1, body, { end: true })]));
    }
    await connection.settled();
    expect(await siege.master.knownIds()).not.toContain('heavy');
  });
});

test('heartbeats: a flood of one worker, and of many from one address', async () => {
  await siege.withstands(async ({ grpcPort }) => {
    for (const idOf of [() => 'flood', (i: number) => `flood-${i % 50}`]) {
      const connection = await RawHttp2.open(grpcPort);
      closing.push(() => connection.close());
      await connection.write(callHeaders(1, HEARTBEATS));
      for (let from = 0; from < 20_000; from += 500) {
        const some = Array.from({ length: 500 }, (_, i) => grpcMessage(heartbeatBytes({ workerId: idOf(from + i) })));
        if (!(await connection.write(data(1, Buffer.concat(some))))) break;
      }
      await connection.settled();
    }
    const { heartbeats } = await siege.master.get('/api/v1/workers/flood');
    // What was refused was not accepted: some moments' worth of 20,000.
    expect(heartbeats.accepted).toBeLessThan(5000);
  });
});

test('HTTP connections: no more than an address may have; the next ones are told so', async () => {
  await siege.withstands(async () => {
    const held = await Promise.all(
      Array.from({ length: LIMITS.MAX_HTTP_CONNECTIONS_PER_PEER }, () => openHttp('/health')),
    );
    await Promise.all(held.map((socket) => once(socket, 'data')));
    const asked = get({
      port: siege.httpPort,
      host: '127.0.0.1',
      localAddress: ATTACKER,
      path: '/health',
      agent: false,
    });
    closing.push(() => asked.destroy());
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(await refused('connections_per_peer')).toBeGreaterThan(0);
    for (const socket of held) socket.destroy();
  });
});

const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

test('live clients: no more than there may be, of either kind; those that never read cost nobody anything', async () => {
  await siege.withstands(async () => {
    const open = (i: number) => (i % 2 === 0 ? openHttp('/api/v1/stream?rate=20') : openHttp('/ws/telemetry', UPGRADE));
    const clients: Socket[] = [];
    for (let i = 0; i < LIMITS.MAX_LIVE_CLIENTS; i++) {
      const client = await open(i);
      clients.push(client);
      const [first] = await once(client, 'data');
      expect(String(first)).toMatch(/^HTTP\/1.1 (?:200|101) /);
      client.pause();
    }
    for (const i of [0, 1]) {
      const [first] = await once(await open(i), 'data');
      expect(String(first)).toMatch(/^HTTP\/1.1 503 [\s\S]*Retry-After: \d/i);
    }
    // While the fleet beats.
    await delay(1500);
    for (const client of clients) client.destroy();
    await eventually(async () => (await siege.master.get('/health')).active_clients === 0);
  });
});
