/** What grpc-js and Node refuse by themselves is counted, and what stands beside our own services is bounded. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { MAX_PEER_WATCHES, MAX_QUESTION_BYTES } from '../../src/config/call-limits.ts';
import { callHeaders, data, FrameType, frame, grpcMessage, RawHttp2, SEND_HEARTBEAT } from '../security/raw-http2.ts';
import { eventually } from '../support/eventually.ts';
import { type RpcTestOptions, type RunningRpc, startRpc } from '../support/rpc-server.ts';

const closing: (() => void)[] = [];
let rpc: RunningRpc;
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await rpc?.stop();
});

async function start(options: RpcTestOptions = {}) {
  rpc = await startRpc(options);
  return rpc;
}

async function raw(): Promise<RawHttp2> {
  const connection = await RawHttp2.open(rpc.port);
  closing.push(() => connection.close());
  return connection;
}

const refusals = () => rpc.manager.internalState().refusals;
const CHECK = '/grpc.health.v1.Health/Check';

test('messages that are too large, at once or decompressed, and calls that are malformed', async () => {
  const { client } = await start({ limits: { maxMessageBytes: 64 * 1024 } });
  await expect(client().call('SendHeartbeat', Buffer.alloc(70_000))).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
  });
  expect(refusals()).toEqual({ message_size: 1 });
  const connection = await raw();
  const send = (id: number, body: Buffer, headers: Record<string, string> = {}) =>
    connection.write(Buffer.concat([callHeaders(id, SEND_HEARTBEAT, headers), data(id, body, { end: true })]));
  const bomb = gzipSync(Buffer.alloc(1_000_000));
  await send(1, grpcMessage(bomb, { flag: 1 }), { 'grpc-encoding': 'gzip' });
  await eventually(() => refusals().message_size === 2);
  await send(3, grpcMessage(bomb, { flag: 1 }), { 'grpc-encoding': 'br' });
  await send(5, grpcMessage(Buffer.alloc(3)), { 'grpc-timeout': 'soon' });
  await eventually(() => refusals().malformed_call === 2);
  await expect(client().call('Deregister', Buffer.alloc(MAX_QUESTION_BYTES + 1), CHECK)).rejects.toBeDefined();
  // Our own refusals have their own words.
  await expect(client().sendHeartbeat({ workerId: '' })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  expect(refusals()).toEqual({ message_size: 2, malformed_call: 3 });
});

test('methods that are not served, and requests that are none of gRPC', async () => {
  const { client, port } = await start();
  for (const path of ['/cluster.MasterWorker/AssignTask', '/none/such']) {
    await expect(client().call('SendHeartbeat', Buffer.alloc(0), path)).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
    });
  }
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  closing.push(() => session.destroy());
  const request = session.request({ ':path': '/', 'content-type': 'text/plain' });
  await once(request, 'response');
  expect(refusals()).toEqual({ unimplemented: 2, not_grpc: 1 });
});

test('a connection that keeps calling what is not served is cut when its address has called too often', async () => {
  const { client } = await start({ limits: { maxPeerCallsPerS: 1 } });
  const connection = await raw();
  for (let i = 0; i < 200 && !connection.isClosed; i++) {
    await connection.write(
      Buffer.concat([callHeaders(2 * i + 1, '/none/such'), data(2 * i + 1, Buffer.alloc(0), { end: true })]),
    );
  }
  await eventually(() => connection.isClosed);
  expect(refusals().peer_call_rate).toBeGreaterThan(0);
  await client().sendHeartbeat({ workerId: 'a' });
});

test('calls beyond those that a connection may have, with the next one that is taken; and broken HTTP/2', async () => {
  await start({ limits: { maxStreamsPerConnection: 5 } });
  const connection = await raw();
  for (let i = 0; i < 15; i++) await connection.write(callHeaders(2 * i + 1, SEND_HEARTBEAT));
  await connection.settled();
  for (let i = 0; i < 5; i++) {
    await connection.write(frame(FrameType.resetStream, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8])));
  }
  await connection.write(callHeaders(31, SEND_HEARTBEAT));
  await eventually(() => refusals().streams === 10);
  // DATA on a stream that was never opened.
  await connection.write(data(99, Buffer.alloc(1)));
  await eventually(() => connection.isClosed);
  await eventually(() => (refusals().http2_error ?? 0) > 0);
});

test('what numbers a client gives its calls is no refusal: neither the first one nor a gap of a billion', async () => {
  await start();
  const connection = await raw();
  for (const id of [3, 2 ** 31 - 1]) {
    await connection.write(Buffer.concat([callHeaders(id, '/none/such'), data(id, Buffer.alloc(0), { end: true })]));
    await eventually(() => refusals().unimplemented === (id === 3 ? 1 : 2));
    if (id === 3) expect(refusals().streams).toBeUndefined();
  }
  expect(refusals().streams).toBe(100);
});

test('an address has so many health watches, of any names, and gets the places of those that end', async () => {
  const { port, server } = await start();
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  closing.push(() => client.close());
  const watch = (name: string) => {
    const request = Buffer.concat([Buffer.of(0x0a, name.length), Buffer.from(name)]);
    const call = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      (bytes: Buffer) => bytes,
      (bytes) => bytes,
      request,
      new Metadata(),
    );
    const heard: number[] = [];
    let code: number | undefined;
    call.on('data', (bytes: Buffer) => heard.push(bytes[1] ?? 0));
    call.on('error', (error: { code: number }) => {
      code = error.code;
    });
    return { call, heard, code: () => code };
  };
  const watches = Array.from({ length: MAX_PEER_WATCHES }, (_, i) => watch(i === 0 ? '' : `any-${i}`));
  const SERVING = 1;
  const NOT_SERVING = 2;
  const SERVICE_UNKNOWN = 3;
  await eventually(() => watches.every(({ heard }) => heard.length === 1));
  expect(watches.slice(0, 2).map(({ heard }) => heard)).toEqual([[SERVING], [SERVICE_UNKNOWN]]);
  const beyond = watch('');
  await eventually(() => beyond.code() === status.RESOURCE_EXHAUSTED);
  expect(refusals()).toEqual({ watches: 1 });
  for (const { call } of watches.slice(1)) call.cancel();
  await eventually(() => {
    const next = watch('');
    return new Promise<boolean>((resolve) => {
      next.call.once('data', () => resolve(true));
      next.call.once('error', () => resolve(false));
    });
  });
  server.setServing(false);
  await eventually(() => watches[0]?.heard.at(-1) === NOT_SERVING);
});

test('one conversation of reflection asks no more than its address may, and waits for a reader', async () => {
  const { port } = await start({ limits: { maxPeerCallsPerS: 1 } });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  closing.push(() => client.close());
  const call = client.makeBidiStreamRequest(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    (bytes: Buffer) => bytes,
    (bytes) => bytes,
    new Metadata(),
  );
  let answers = 0;
  let code: number | undefined;
  call.on('data', () => answers++);
  call.on('error', (error: { code: number }) => {
    code = error.code;
  });
  // list_services
  for (let i = 0; i < 200; i++) call.write(Buffer.of(0x3a, 0));
  await eventually(() => code === status.RESOURCE_EXHAUSTED);
  expect(answers).toBeLessThan(100);
  expect(refusals().peer_call_rate).toBeGreaterThan(0);
});
