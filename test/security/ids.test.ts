/** Attacks by what a worker may call itself. */
import { create, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RefusalCode, WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { eventually } from '../support/eventually.ts';
import { heartbeatBytes, WorkerClient } from '../support/grpc-client.ts';
import { callHeaders, data, grpcMessage, RawHttp2 } from './raw-http2.ts';
import { Siege } from './siege.ts';

/** Few, so that a flood is over soon: 20 are healthy, and one place is for the newcomer that each check brings. */
const MAX_WORKERS = 300;

let siege: Siege;
let client: WorkerClient;
beforeAll(async () => {
  siege = await Siege.start({ MAX_WORKERS: `${MAX_WORKERS}` });
  client = new WorkerClient(siege.grpcPort);
});
afterAll(async () => {
  client?.close();
  await siege?.close();
});

/** A heartbeat of whatever bytes as its id. */
function heartbeatOf(id: Uint8Array): Buffer {
  const length = id.length < 128 ? [id.length] : [(id.length & 0x7f) | 0x80, id.length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...length]), id, heartbeatBytes({ cpuUsage: 7 })]);
}

async function forget(id: string): Promise<void> {
  await client.call('Deregister', heartbeatOf(Buffer.from(id)).subarray(0, -9));
}

test('ids that are none are refused, also in a stream', async () => {
  const none = [
    Buffer.alloc(0),
    Buffer.from('.'),
    Buffer.from('..'),
    Buffer.from('a\0b'),
    Buffer.from('a\nb'),
    Buffer.from('\u001b[2J'),
    Buffer.from('\u007f'),
    Buffer.from('\u0085'),
    Buffer.alloc(257, 'a'),
    Buffer.from('é'.repeat(129)),
    Buffer.from([0xff]),
    Buffer.from([0xc0, 0xaf]), // "/", overlong
    Buffer.from([0xed, 0xa0, 0x80]), // half a surrogate pair
    Buffer.from([0xf4, 0x90, 0x80, 0x80]), // beyond Unicode
    Buffer.from([0xe2, 0x82]), // cut short
  ];
  await siege.withstands(async () => {
    const stream = client.stream();
    for (const id of none) {
      await expect(client.call('SendHeartbeat', heartbeatOf(id)), id.toString('hex')).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringContaining('worker_id'),
      });
      stream.call.write(heartbeatOf(id));
    }
    await eventually(() => stream.refusals.length === none.length);
    for (const { code } of stream.refusals) expect(code).toBe(RefusalCode.INVALID_ARGUMENT);
    stream.call.cancel();
  });
});

test('names of JavaScript’s own, and ids that look alike, are workers like any other', async () => {
  const ids = [
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'null', 'undefined', '0', '-1'],
    ...['Own-0', 'OWN-0', 'own-0 ', ' own-0', 'оwn-0'], // the last one with a Cyrillic o
    ...['caf\u00e9', 'cafe\u0301', '\u212b', '\u00c5', 'a\u200b', 'a\u202eb', '\ufeffa'],
    ...['a/b', '../own-0', 'a?b#c', '%2e%2e', '<script>', '";}', '{{7*7}}', '*', '$(id)', '\u{1f980}'],
    'a'.repeat(256),
    'é'.repeat(128),
  ];
  await siege.withstands(async () => {
    for (const [i, workerId] of ids.entries()) await client.sendHeartbeat({ workerId, cpuUsage: i + 1 });
    const telemetry = await eventually(async () => {
      // An object would lose __proto__ on the way.
      const map = new Map<string, { worker_id: string; cpu_usage: number }>();
      const text = await (await fetch(`http://127.0.0.1:${siege.httpPort}/telemetry`)).text();
      JSON.parse(text, function (this: unknown, _key, value) {
        if (value !== null && typeof value === 'object' && 'worker_id' in value) map.set(value.worker_id, value);
        return value;
      });
      return ids.every((id) => (map.get(id)?.cpu_usage ?? 0) > 0) && map;
    });
    for (const [i, id] of ids.entries()) {
      expect(telemetry.get(id)?.cpu_usage, id).toBe(i + 1);
      expect(await siege.master.get(`/telemetry/${encodeURIComponent(id)}`)).toMatchObject({ worker_id: id });
      expect(await siege.master.get(`/api/v1/workers/${encodeURIComponent(id)}`)).toMatchObject({ worker_id: id });
    }
    for (const id of ids) await forget(id);
  });
});

test('names within a heartbeat reach nobody’s prototype', async () => {
  await siege.withstands(async () => {
    const names = ['__proto__', 'constructor', 'prototype', '"', '\\', '\u2028', '</script>', ''];
    const metrics = Object.fromEntries(names.filter((name) => name !== '__proto__').map((name, i) => [name, i]));
    await client.sendHeartbeat({ workerId: 'odd', metrics });
    await client.call(
      'SendHeartbeat',
      Buffer.concat([
        heartbeatBytes({ workerId: 'odd', metrics }),
        // metrics["__proto__"] = 0
        Buffer.from([0x9a, 1, 11, 0x0a, 9]),
        Buffer.from('__proto__'),
      ]),
    );
    await eventually(async () => {
      const { metrics: shown } = await siege.master.get('/telemetry/odd');
      return shown !== undefined && Object.hasOwn(shown, '__proto__');
    });
    await forget('odd');
  });
});

test('a flood of ids fills the places there are, and disturbs nobody who has one', async () => {
  await siege.withstands(async () => {
    const stream = client.stream();
    for (let i = 0; i < 5000; i++) stream.send({ workerId: `flood-${i}`, cpuUsage: 1 });
    await eventually(() => stream.refusals.some(({ code }) => code === RefusalCode.RESOURCE_EXHAUSTED));
    const refused = await client.sendHeartbeat({ workerId: 'one-more' }).catch((error) => error);
    expect(refused).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(refused.metadata.get('grpc-retry-pushback-ms')).toHaveLength(1);
    const known = await siege.master.knownIds();
    expect(known).toHaveLength(MAX_WORKERS);
    for (const id of known.filter((each) => each.startsWith('flood-'))) await forget(id);
    stream.call.cancel();
  });
});

test('workers that come and go leave nothing behind', async () => {
  await siege.withstands(async () => {
    // A hundred at a time, of the places that are free. What lanes kept of them is given back when V8 collects there.
    for (let from = 0; from < 1000; from += 100) {
      const ids = Array.from({ length: 100 }, (_, i) => `passing-${from + i}`);
      await Promise.all(ids.map((workerId) => client.sendHeartbeat({ workerId })));
      await Promise.all(ids.map(forget));
    }
    expect((await siege.master.knownIds()).filter((id) => id.startsWith('passing-'))).toEqual([]);
  });
});

/** Connections of one address that flood at the same time, each with the next call as soon as all have their answers. */
const FLOODING = 400;

/** @param body of the call with that number, counted over all connections */
async function floodCalls(path: string, rounds: number, body: (call: number) => Buffer): Promise<void> {
  const connections = await Promise.all(Array.from({ length: FLOODING }, () => RawHttp2.open(siege.grpcPort)));
  let calls = 0;
  for (let round = 0; round < rounds; round++) {
    const id = 2 * round + 1;
    const headers = callHeaders(id, path);
    await Promise.all(
      connections.map((connection) =>
        connection.write(Buffer.concat([headers, data(id, grpcMessage(body(calls++)), { end: true })])),
      ),
    );
    await eventually(() => connections.every((each) => each.isClosed || each.hasHeaders(id)), 60_000);
  }
  expect(connections.filter(({ isClosed }) => isClosed)).toHaveLength(0);
  for (const connection of connections) connection.close();
}

const REGISTER = '/pulselane.v1.TelemetryService/Register';
const DEREGISTER = '/pulselane.v1.TelemetryService/Deregister';
const info = (workerId: string, labels: Readonly<Record<string, string>>) =>
  Buffer.from(toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { workerId, labels })));
const refusedFor = async (reason: string): Promise<number> =>
  (await siege.master.get('/api/v1/limits')).grpc_refused[reason] ?? 0;

test('a flood of registrations over 400 connections: too large, other ones each time, of one worker and of many', async () => {
  const labels = (bytes: number) =>
    Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`label-${i}`, 'x'.repeat(bytes / 60 - 15)]));
  const large = info('big', labels(58_000));
  // The last byte is a label's: another text each time, at no cost for the flood.
  const varied = (workerId: string, call: number) => Buffer.concat([info(workerId, {}), info('', { v: String(call) })]);
  const largest = info('', labels(7_000));
  await siege.withstands(async () => {
    await floodCalls(REGISTER, 8, () => large);
    await floodCalls(REGISTER, 5, (call) => Buffer.concat([largest, varied('noisy', call)]));
    await floodCalls(REGISTER, 10, (call) => Buffer.concat([largest, varied(`noisy-${call % 200}`, call)]));
  });
  expect(await refusedFor('registration_size')).toBeGreaterThanOrEqual(8 * FLOODING);
  expect(await refusedFor('worker_register_rate')).toBeGreaterThan(FLOODING);
  await eventually(async () => (await refusedFor('peer_call_rate')) > FLOODING);
});

test('a flood of those who come and go over 400 connections', async () => {
  await siege.withstands(async () => {
    const gone = (workerId: string) => info(workerId, {});
    await floodCalls(DEREGISTER, 3, (call) => gone(`noisy-${call % 200}`));
    await floodCalls(REGISTER, 3, (call) => gone(`noisy-${call % 50}`));
    for (const id of (await siege.master.knownIds()).filter((each) => each.startsWith('noisy'))) {
      await forget(id).catch(() => {});
    }
  });
});
