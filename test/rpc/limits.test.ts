import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { RefusalCode } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { NEVER_MS, rateLimit } from '../../src/model/heartbeat-rate.ts';
import { Peers } from '../../src/rpc/peers.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { heartbeatBytes, type WorkerClient } from '../support/grpc-client.ts';
import { NO_LIMITS } from '../support/rpc-limits.ts';
import { type RpcTestOptions, type RunningRpc, startRpc } from '../support/rpc-server.ts';

const sockets: Socket[] = [];
let rpc: RunningRpc | undefined;
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await rpc?.stop();
});

async function start(options: RpcTestOptions): Promise<RunningRpc> {
  rpc = await startRpc(options);
  return rpc;
}

async function open(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: host });
  socket.on('error', () => {});
  socket.resume();
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** Whether it gets through now. */
const isTaken = (worker: WorkerClient) =>
  worker.sendHeartbeat({ workerId: 'a' }).then(
    () => true,
    () => false,
  );

const isClosed = (socket: Socket) => eventually(() => socket.closed);

test('one connection too many is closed at once, and another takes its place later', async () => {
  const { port, client, manager } = await start({ limits: { maxGrpcConnections: 2 } });
  const [first, second] = [await open(port), await open(port)];
  await isClosed(await open(port));
  const worker = client();
  await expect(worker.sendHeartbeat({ workerId: 'a' })).rejects.toMatchObject({ code: status.UNAVAILABLE });
  expect(manager.internalState().refusals.connections).toBeGreaterThanOrEqual(2);
  expect(second.closed).toBe(false);
  first.destroy();
  await eventually(() => isTaken(worker));
});

test('one address does not take the connections of the others', async () => {
  const { port, manager, client } = await start({ limits: { maxPeerGrpcConnections: 2 } });
  const mine = [await open(port), await open(port)];
  await isClosed(await open(port));
  const others = await open(port, '127.0.0.2');
  expect(manager.internalState().refusals).toEqual({ peer_connections: 1 });
  expect([...mine, others].map(({ closed }) => closed)).toEqual([false, false, false]);
  // Its place is free when it has gone.
  mine[0]?.destroy();
  const worker = client();
  await eventually(() => isTaken(worker));
});

test('a connection that does not begin to speak is closed, and one that has spoken is not', async () => {
  const { port, client, manager } = await start({ limits: { grpcHandshakeMs: 150 } });
  const stream = client().stream();
  stream.send({ workerId: 'a', sequence: 1n });
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  await once(session, 'remoteSettings');
  const [mute, slow] = [await open(port), await open(port)];
  slow.write('PRI * HTTP/2.0\r\n');
  await Promise.all([isClosed(mute), isClosed(slow)]);
  expect(manager.internalState().refusals).toEqual({ silent_connection: 2 });
  stream.send({ workerId: 'a', sequence: 2n, cpuUsage: 2 });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 2);
  expect(session.closed).toBe(false);
  session.destroy();
  stream.call.cancel();
});

test('a client is told how many streams it may open, and opens no more', async () => {
  const { port } = await start({ limits: { maxStreamsPerConnection: 7 } });
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const [settings] = await once(session, 'remoteSettings');
  expect(settings.maxConcurrentStreams).toBe(7);
  session.destroy();
});

test('a call with much metadata is refused', async () => {
  const { client, manager } = await start({ limits: { maxMetadataBytes: 1024 } });
  const heavy = client({ metadata: { x: 'x'.repeat(1024) } });
  await expect(heavy.sendHeartbeat({ workerId: 'a' })).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringContaining('at most 1024 are taken (MAX_METADATA_SIZE)'),
  });
  const stream = heavy.stream();
  await eventually(() => stream.error !== undefined);
  expect(stream.error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  await client({ metadata: { x: 'x'.repeat(100) } }).sendHeartbeat({ workerId: 'a' });
  expect(manager.internalState().refusals).toEqual({ metadata: 2 });
});

test('a worker that sends too often is RESOURCE_EXHAUSTED with a time to come back, its neighbour is heard', async () => {
  const { client, manager } = await start({ engine: { maxWorkerHeartbeatsPerS: 5 } });
  const stream = client().stream();
  for (let sequence = 1n; sequence <= 50n; sequence++) stream.send({ workerId: 'flood', sequence });
  stream.send({ workerId: 'calm', sequence: 1n });
  await eventually(() => manager.getWorkerTelemetry('calm')?.isActive && stream.refusals.length > 0);
  expect(stream.refusals[0]).toMatchObject({
    workerId: 'flood',
    code: RefusalCode.RESOURCE_EXHAUSTED,
    retryAfterMs: 1000,
    reason: 'the worker sends more than 5 heartbeats a second (MAX_HEARTBEAT_RATE)',
  });
  const refused = await client()
    .sendHeartbeat({ workerId: 'flood' })
    .catch((error) => error);
  // The flood may be a second old on a slow machine: then it is taken.
  if (refused.code !== undefined) expect(refused.metadata.get('grpc-retry-pushback-ms')).toEqual(['1000']);
  expect(manager.internalState().refusals.worker_heartbeat_rate).toBeGreaterThan(0);
  stream.call.cancel();
});

test('an address that sends too often is refused over all its streams, calls and workers', async () => {
  const { client, manager } = await start({ limits: { maxPeerHeartbeatsPerS: 20 } });
  const streams = [client().stream(), client().stream()];
  for (let i = 0; i < 200; i++) streams[i % 2]?.send({ workerId: `w${i % 10}`, sequence: BigInt(i + 1) });
  await eventually(() => streams.every(({ refusals }) => refusals.length > 0));
  expect(streams[1]?.refusals[0]).toMatchObject({
    workerId: expect.stringMatching(/^w\d$/),
    code: RefusalCode.RESOURCE_EXHAUSTED,
    retryAfterMs: 1000,
  });
  expect(manager.internalState().refusals.peer_heartbeat_rate).toBeGreaterThan(0);
  for (const { call } of streams) call.cancel();
});

test('a flood of rubbish is answered and counted, and others are heard', async () => {
  const { client } = await start({ limits: { maxPeerHeartbeatsPerS: 20 } });
  const stream = client().stream();
  for (let i = 0; i < 500; i++) stream.call.write(Buffer.of(0x0a, 9));
  stream.call.write(heartbeatBytes({ workerId: 'a', sequence: 1n }));
  await eventually(() => stream.refusals.length >= 21);
  expect(stream.error).toBeUndefined();
  stream.call.cancel();
});

test('all interfaces are those of both families, and a name is all of its addresses', async () => {
  const { manager } = await start({});
  for (const host of ['', 'localhost']) {
    const server = new RpcServer({
      address: { host, port: 0 },
      manager,
      limits: NO_LIMITS,
      clock: systemClock,
      logger: silentLogger,
    });
    const { port } = await server.start();
    for (const { address } of await lookup('localhost', { all: true })) {
      const socket = connect(port, address);
      sockets.push(socket);
      await once(socket, 'connect');
      socket.destroy();
    }
    await server.stop();
  }
});

test('an address that is not of this machine is an error that names the setting', async () => {
  const { manager } = await start({});
  const server = new RpcServer({
    address: { host: '192.0.2.1', port: 0 },
    manager,
    limits: NO_LIMITS,
    clock: systemClock,
    logger: silentLogger,
  });
  await expect(server.start()).rejects.toThrow('GRPC_PORT=192.0.2.1:0: listen EADDRNOTAVAIL');
});

test('stopping ends connections that never spoke', async () => {
  const { port, server } = await start({});
  const mute = await open(port);
  await server.stop();
  await isClosed(mute);
});

test('a peer is remembered while it is connected, or would begin anew otherwise', () => {
  const clock = new FakeClock();
  const peers = new Peers(clock, { heartbeats: rateLimit(2), calls: undefined });
  const peer = peers.of('10.0.0.1');
  peers.connected(peer);
  expect([peers.mayBeat(peer), peers.mayBeat(peer), peers.mayBeat(peer)]).toEqual([true, true, false]);
  peers.disconnected(peer);
  // It comes again at once, as one that wants to get round the limit.
  expect(peers.of('10.0.0.1')).toBe(peer);
  clock.advance(5000);
  expect(peers.size).toBe(0);
  const again = peers.of('10.0.0.1');
  expect(again).toMatchObject({ connections: 0, dueMs: NEVER_MS });
  peers.connected(again);
  clock.advance(5000);
  expect(peers.size).toBe(1);
  peers.stop();
  expect(clock.pending).toBe(0);
});
