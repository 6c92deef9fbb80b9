/** Attacks on the gRPC port, from outside of what grpc-js shows of it. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { heartbeatBytes, WorkerClient } from '../support/grpc-client.ts';
import {
  CONTINUATION,
  callBlock,
  callHeaders,
  data,
  Flag,
  FrameType,
  frame,
  grpcMessage,
  HEARTBEATS,
  header,
  PREFACE,
  RawHttp2,
  remembered,
  SEND_HEARTBEAT,
  Setting,
  settings,
  uint32,
} from './raw-http2.ts';
import { Siege } from './siege.ts';

const MIB = 1024 ** 2;
/** The default of MAX_MESSAGE_SIZE. */
const LARGEST_BYTES = 4 * MIB;
const PRIORITY = 2;
const UNKNOWN = 0xee;

let siege: Siege;
beforeAll(async () => {
  siege = await Siege.start();
});
afterAll(() => siege?.close());

/** Connections of the test, all closed at its end. */
async function withConnections<T>(work: (open: typeof RawHttp2.open) => Promise<T>): Promise<T> {
  const connections: RawHttp2[] = [];
  try {
    const result = await work(async (port, values) => {
      const connection = await RawHttp2.open(port, values);
      connections.push(connection);
      return connection;
    });
    for (const connection of connections) await connection.settled();
    return result;
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Writes until so much was sent, or the other side has had enough. */
async function flood(connection: RawHttp2, chunk: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times; i++) if (!(await connection.write(chunk))) return;
}

function repeated(times: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: times }, (_, i) => make(i)));
}

/** Ids of streams that a client opens are odd. */
const stream = (i: number) => 2 * i + 1;

describe('bytes that are no HTTP/2', () => {
  test('random ones, at once, behind the preface and behind the first settings', async () => {
    await siege.withstands(async ({ grpcPort }) => {
      const openings = [Buffer.alloc(0), PREFACE, Buffer.concat([PREFACE, settings()])];
      for (let i = 0; i < 150; i++) {
        const connection = await RawHttp2.connect(grpcPort);
        await connection.write(Buffer.concat([openings[i % 3] as Buffer, randomBytes(1 + (i % 5) * 4096)]));
        if (i % 2 === 0) connection.close();
        else setTimeout(() => connection.close(), 200);
      }
      await delay(250);
    });
  });

  test('a TLS client hello on the plaintext port', async () => {
    await siege.withstands(async ({ grpcPort }) => {
      for (let i = 0; i < 20; i++) {
        const socket = connectTls({ port: grpcPort, host: '127.0.0.1', ALPNProtocols: ['h2'] });
        await new Promise<void>((resolve) => socket.on('error', () => {}).once('close', () => resolve()));
      }
    });
  });
});

describe('floods of frames', () => {
  test('rapid resets', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (const path of [HEARTBEATS, SEND_HEARTBEAT, HEARTBEATS]) {
          const connection = await open(siege.grpcPort);
          const reset = uint32(8); // CANCEL
          for (let from = 0; from < 10_000; from += 500) {
            const pairs = repeated(500, (i) =>
              Buffer.concat([
                callHeaders(stream(from + i), path),
                frame(FrameType.resetStream, 0, stream(from + i), reset),
              ]),
            );
            if (!(await connection.write(pairs))) break;
          }
        }
      }),
    );
  });

  test('headers that never end: CONTINUATION after CONTINUATION', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (let n = 0; n < 10; n++) {
          const connection = await open(siege.grpcPort);
          await connection.write(frame(FrameType.headers, 0, 1, callBlock(HEARTBEATS)));
          const more = frame(
            CONTINUATION,
            0,
            1,
            repeated(100, (i) => header(`x-${n}-${i}`, 'y'.repeat(100))),
          );
          await flood(connection, more, 200);
        }
      }),
    );
  });

  test('frames of every kind, the answers not read', async () => {
    const kinds = [
      settings({ [Setting.initialWindowSize]: 1000 }),
      frame(FrameType.ping, 0, 0, Buffer.alloc(8)),
      frame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 16])),
      frame(FrameType.data, 0, 1),
      frame(FrameType.windowUpdate, 0, 0, uint32(1)),
      frame(UNKNOWN, 0xff, 0, Buffer.alloc(64)),
    ];
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (const kind of kinds) {
          const connection = await open(siege.grpcPort);
          await connection.write(callHeaders(1, HEARTBEATS));
          connection.stopReading();
          await flood(
            connection,
            repeated(1000, () => kind),
            100,
          );
        }
      }),
    );
  });

  test('windows beyond 2^31 - 1, and opened by nothing', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (const streamId of [0, 1]) {
          for (const by of [0, 2 ** 31 - 1]) {
            const connection = await open(siege.grpcPort);
            await connection.write(callHeaders(1, HEARTBEATS));
            await flood(connection, frame(FrameType.windowUpdate, 0, streamId, uint32(by)), 10);
          }
        }
      }),
    );
  });

  test('a header bomb: one header that is remembered, named thousands of times', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (let n = 0; n < 5; n++) {
          const connection = await open(siege.grpcPort);
          const big = header('x', 'y'.repeat(4000), { kept: true });
          await connection.write(
            frame(FrameType.headers, Flag.endHeaders, 1, Buffer.concat([callBlock(HEARTBEATS), big])),
          );
          // 12 KB that read as 48 MB.
          const bomb = repeated(12_000, () => remembered(62));
          for (let i = 1; i <= 20; i++) {
            const block = Buffer.concat([callBlock(HEARTBEATS), bomb]);
            if (!(await connection.write(frame(FrameType.headers, Flag.endHeaders, stream(i), block)))) break;
          }
        }
      }),
    );
  });

  test('many headers, and large ones', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        const connection = await open(siege.grpcPort);
        const many = repeated(2000, (i) => header(`x${i}`, ''));
        const large = header('x', 'y'.repeat(15_000));
        for (let i = 0; i < 200; i++) {
          const block = Buffer.concat([callBlock(SEND_HEARTBEAT), i % 2 === 0 ? many : large]);
          await connection.write(frame(FrameType.headers, Flag.endHeaders, stream(i), block));
        }
      }),
    );
  });
});

describe('frames of gRPC', () => {
  const valid = heartbeatBytes({ workerId: 'liar', cpuUsage: 1 });

  const LIES: readonly (readonly [string, Buffer, Readonly<Record<string, string>>])[] = [
    ['no message at all', Buffer.alloc(0), {}],
    ['half a prefix', Buffer.from([0, 0, 0]), {}],
    ['a length beyond what comes', grpcMessage(valid, { length: valid.length + 100 }), {}],
    ['a length of 4 GiB', grpcMessage(valid, { length: 2 ** 32 - 1 }), {}],
    ['a length short of what comes', grpcMessage(valid, { length: valid.length - 3 }), {}],
    ['two messages in one call', Buffer.concat([grpcMessage(valid), grpcMessage(valid)]), {}],
    ['a flag that is neither 0 nor 1', grpcMessage(valid, { flag: 7 }), {}],
    ['the compressed flag without an encoding', grpcMessage(valid, { flag: 1 }), {}],
    ['the compressed flag on garbage', grpcMessage(valid, { flag: 1 }), { 'grpc-encoding': 'gzip' }],
    [
      'half of what was compressed',
      grpcMessage(gzipSync(valid).subarray(0, 12), { flag: 1 }),
      { 'grpc-encoding': 'gzip' },
    ],
    [
      'garbage behind what was compressed',
      grpcMessage(Buffer.concat([gzipSync(valid), valid]), { flag: 1 }),
      { 'grpc-encoding': 'gzip' },
    ],
    ['an encoding that nobody knows', grpcMessage(valid, { flag: 1 }), { 'grpc-encoding': '__proto__' }],
    ['a deadline that is none', grpcMessage(valid), { 'grpc-timeout': '-1S' }],
    ['a deadline of thousands of years', grpcMessage(valid), { 'grpc-timeout': '99999999H' }],
    ['a deadline that is over', grpcMessage(valid), { 'grpc-timeout': '0n' }],
    ['binary metadata that is none', grpcMessage(valid), { 'x-bin': '%%%' }],
    ['another content type', grpcMessage(valid), { 'content-type': 'text/html' }],
  ];

  test('lies about lengths, flags, encodings and deadlines: each call is answered or ended', async () => {
    await siege.withstands(async () => {
      for (const [lie, bytes, more] of LIES) {
        for (const path of [SEND_HEARTBEAT, HEARTBEATS]) {
          const connection = await RawHttp2.open(siege.grpcPort);
          await connection.write(Buffer.concat([callHeaders(1, path, more), data(1, bytes, { end: true })]));
          const isOver = () => connection.isClosed || connection.hasHeaders(1) || connection.resetOf(1) !== undefined;
          await eventually(isOver).catch(() => expect.fail(`${path} with ${lie} is neither answered nor ended`));
          connection.close();
        }
      }
    });
  });

  test('a message beyond the limit, announced and sent', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (const path of [SEND_HEARTBEAT, HEARTBEATS]) {
          const connection = await open(siege.grpcPort);
          await connection.write(callHeaders(1, path));
          await connection.write(data(1, grpcMessage(valid, { length: 64 * MIB })));
          await flood(connection, data(1, Buffer.alloc(16_384)), 1000);
        }
      }),
    );
  });

  test('a decompression bomb', async () => {
    // 128 MiB of nothing in 130 KB, a thousand times as much.
    const bomb = gzipSync(Buffer.alloc(128 * MIB));
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (let i = 0; i < 4; i++) {
          const connection = await open(siege.grpcPort);
          await connection.write(
            callHeaders(1, i % 2 === 0 ? SEND_HEARTBEAT : HEARTBEATS, { 'grpc-encoding': 'gzip' }),
          );
          const bytes = data(1, grpcMessage(bomb, { flag: 1 }), { end: true });
          for (let at = 0; at < bytes.length; at += 60_000) {
            if (!(await connection.write(bytes.subarray(at, at + 60_000)))) break;
            await delay(1);
          }
        }
      }),
    );
  });
});

describe('connections and streams that are held', () => {
  test('streams that are opened and never used', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        for (let n = 0; n < 2; n++) {
          const connection = await open(siege.grpcPort);
          for (let from = 0; from < 2000; from += 200) {
            await connection.write(repeated(200, (i) => callHeaders(stream(from + i), HEARTBEATS)));
          }
        }
      }),
    );
  });

  test('connections that say nothing', async () => {
    await siege.withstands(async ({ grpcPort }) => {
      const connections = await Promise.all(Array.from({ length: 400 }, () => RawHttp2.connect(grpcPort)));
      await delay(300);
      for (const connection of connections) connection.close();
    });
  });

  test('writers of a byte at a time', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        const message = grpcMessage(heartbeatBytes({ workerId: 'slow', cpuUsage: 1 }));
        const connections = await Promise.all(Array.from({ length: 50 }, () => open(siege.grpcPort)));
        const bytes = Buffer.concat([
          callHeaders(1, HEARTBEATS),
          ...Array.from(message, (byte) => data(1, Buffer.of(byte))),
        ]);
        for (const byte of bytes.subarray(0, 200)) {
          await Promise.all(connections.map((connection) => connection.write(Buffer.of(byte))));
          await delay(1);
        }
      }),
    );
  });

  test('messages of nearly the largest size that are never finished', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        const part = Buffer.alloc(16_384);
        for (let n = 0; n < 2; n++) {
          const connection = await open(siege.grpcPort);
          for (let i = 0; i < 100; i++) {
            const begin = grpcMessage(part, { length: LARGEST_BYTES });
            const path = n === 0 ? SEND_HEARTBEAT : HEARTBEATS;
            await connection.write(Buffer.concat([callHeaders(stream(i), path), data(stream(i), begin)]));
          }
          // All of them but for the last part.
          for (let sent = 2 * part.length; sent < LARGEST_BYTES; sent += part.length) {
            const parts = repeated(100, (i) => data(stream(i), part));
            if (!(await connection.write(parts))) break;
          }
        }
      }),
    );
  });

  test('a stream whose answers are never read gets a bounded number of them', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        // No room for a single answer.
        const connection = await open(siege.grpcPort, { [Setting.initialWindowSize]: 0 });
        await connection.write(callHeaders(1, HEARTBEATS));
        const refused = data(
          1,
          repeated(500, (i) => grpcMessage(Buffer.from([0x0a, 1, i % 32]))),
        );
        for (let i = 0; i < 100; i++) {
          if (!(await connection.write(refused))) break;
          await connection.write(Buffer.concat([frame(FrameType.windowUpdate, 0, 0, uint32(16_384))]));
        }
      }),
    );
  });

  test('a stream that carries a fleet and whose acks are never read keeps the newest ack of each worker', async () => {
    const WORKERS = 100;
    await siege.withstands(() =>
      withConnections(async (open) => {
        const connection = await open(siege.grpcPort, { [Setting.initialWindowSize]: 0 });
        await connection.write(callHeaders(1, HEARTBEATS));
        const ROUNDS = 40;
        for (let sequence = 1; sequence <= ROUNDS; sequence++) {
          const beats = repeated(WORKERS, (i) =>
            grpcMessage(heartbeatBytes({ workerId: `unread-${i}`, sequence: BigInt(sequence) })),
          );
          await connection.write(data(1, beats));
        }
        await connection.settled();
        const answers = () =>
          connection.received.filter(({ type, streamId }) => type === FrameType.data && streamId === 1);
        expect(answers()).toEqual([]);
        // It reads at last: all it gets is an ack or two for each, with the last number.
        await connection.write(frame(FrameType.windowUpdate, 0, 1, uint32(2 ** 20)));
        const bytes = () => answers().reduce((sum, { payload }) => sum + payload.length, 0);
        const LEAST_ACK_BYTES = 'unread-0'.length;
        await eventually(() => bytes() > WORKERS * LEAST_ACK_BYTES);
        expect(bytes()).toBeLessThan(3 * WORKERS * 40);
        const client = new WorkerClient(siege.grpcPort);
        for (let i = 0; i < WORKERS; i++) {
          const id = Buffer.from(`unread-${i}`);
          await client.call('Deregister', Buffer.concat([Buffer.from([0x0a, id.length]), id]));
        }
        client.close();
      }),
    );
  });

  test('calls whose answers are never read', async () => {
    await siege.withstands(() =>
      withConnections(async (open) => {
        const connection = await open(siege.grpcPort, { [Setting.initialWindowSize]: 0 });
        connection.stopReading();
        const body = grpcMessage(heartbeatBytes({ workerId: 'deaf', cpuUsage: 1 }));
        for (let from = 0; from < 5000; from += 200) {
          const calls = repeated(200, (i) =>
            Buffer.concat([callHeaders(stream(from + i), SEND_HEARTBEAT), data(stream(from + i), body, { end: true })]),
          );
          if (!(await connection.write(calls))) break;
        }
      }),
    );
  });
});

test('the siege would notice harm: another instance that speaks for a healthy worker', async () => {
  const client = new WorkerClient(siege.grpcPort);
  const attack = () => client.sendHeartbeat({ workerId: 'own-0', sequence: 1n, instanceId: 'another' });
  await expect(siege.withstands(attack)).rejects.toThrow();
  client.close();
});
