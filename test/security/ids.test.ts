/** Attacks by what a worker may call itself. */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RefusalCode } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { eventually } from '../support/eventually.ts';
import { heartbeatBytes, WorkerClient } from '../support/grpc-client.ts';
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

test('a flood of registrations that are too large, and of labels', async () => {
  await siege.withstands(async () => {
    const label = Buffer.from([0x8a, 1, 4, 0x0a, 0, 0x12, 0]); // an empty one
    const info = (size: number) =>
      Buffer.concat([heartbeatOf(Buffer.from('big')).subarray(0, 5), ...Array(Math.floor(size / 7)).fill(label)]);
    const [tooLarge, largest] = [info(4_000_000), info(60_000)];
    for (let i = 0; i < 20; i++) {
      await expect(client.call('Register', tooLarge)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
      await client.call('Register', largest);
    }
    await forget('big');
  });
});
