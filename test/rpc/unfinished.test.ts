import { once } from 'node:events';
import { type ClientHttp2Session, connect, createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MessageBoundaries, UnfinishedMessages } from '../../src/rpc/unfinished.ts';
import { eventually } from '../support/eventually.ts';
import { framed } from '../support/sim/http2-channel.ts';

const KIB = 1024;
const STREAMED = '/streamed';

test('boundaries are found wherever the bytes are cut', () => {
  const sizes = fc.array(fc.nat(300), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (lengths, steps) => {
      const bytes = Buffer.concat(lengths.map((length) => framed(Buffer.alloc(length, 0xff))));
      const ends = new Set<number>();
      let end = 0;
      for (const length of lengths) {
        end += 5 + length;
        ends.add(end);
      }
      const boundaries = new MessageBoundaries();
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const until = Math.min(bytes.length, at + (steps[i % steps.length] as number));
        expect(boundaries.pass(bytes.subarray(at, until))).toBe(ends.has(until));
        expect(boundaries.passed).toBe([...ends].some((each) => each > at && each <= until));
        at = until;
      }
    }),
  );
});

let server: Http2Server;
let unfinished: UnfinishedMessages;
let cuts = 0;
const clients: ClientHttp2Session[] = [];
beforeEach(async () => {
  cuts = 0;
  unfinished = new UnfinishedMessages({
    maxBytes: 512 * KIB,
    streamedPaths: new Set([STREAMED]),
    onCut: () => cuts++,
  });
  // It reads as grpc-js does: paused until it is asked for.
  server = createServer().on('stream', (stream) => {
    stream.on('data', () => {}).pause();
    stream.on('error', () => {}).on('end', () => stream.end());
    setImmediate(() => stream.resume());
  });
  server.on('sessionError', () => {});
  unfinished.watch(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  server.close();
});

function client(): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on('error', () => {});
  clients.push(session);
  return session;
}

function call(session: ClientHttp2Session, path: string, contentType = 'application/grpc') {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': contentType });
  stream.on('error', () => {}).resume();
  return stream;
}

test('what is whole is kept where the call is not over, and no longer where it is one of many', async () => {
  const session = client();
  const unary = call(session, '/unary');
  unary.write(framed(Buffer.alloc(10 * KIB)));
  await eventually(() => unfinished.bytes > 10 * KIB);
  unary.end();
  await eventually(() => unfinished.bytes === 0);

  const streamed = call(session, STREAMED);
  streamed.write(framed(Buffer.alloc(10 * KIB)).subarray(0, 9 * KIB));
  await eventually(() => unfinished.bytes > 9 * KIB);
  streamed.write(Buffer.alloc(KIB + 5));
  await eventually(() => unfinished.bytes === 0);
  streamed.write(Buffer.from([0, 0]));
  await eventually(() => unfinished.bytes > 0);
  streamed.close();
  await eventually(() => unfinished.bytes === 0);
  expect(cuts).toBe(0);
});

test('of too much the oldest is cut, and not who came last', async () => {
  const [oldest, busy, last] = [client(), client(), client()];
  const part = framed(Buffer.alloc(200 * KIB)).subarray(0, 199 * KIB);
  const steady = call(busy, STREAMED);
  steady.write(Buffer.from([0]));
  await eventually(() => unfinished.bytes > 0);
  call(oldest, '/unary').write(part);
  await eventually(() => unfinished.bytes > 199 * KIB);
  // The one that began first has finished since, and begun anew.
  steady.write(Buffer.concat([framed(Buffer.alloc(0)).subarray(1), part]));
  await eventually(() => unfinished.bytes > 2 * 199 * KIB);
  call(last, '/unary').write(part);
  await eventually(() => oldest.closed);
  expect(cuts).toBe(1);
  await eventually(() => unfinished.bytes > 2 * 199 * KIB && unfinished.bytes < 512 * KIB);
  expect([busy.closed, last.closed]).toEqual([false, false]);
});

test('pieces of one byte count with all the memory that they are cut out of', async () => {
  const session = client();
  const [slow, loud] = [call(session, '/unary'), call(session, STREAMED)];
  slow.write(framed(Buffer.alloc(100)).subarray(0, 6));
  for (let i = 0; i < 40 && !session.closed; i++) {
    const before = unfinished.bytes;
    loud.write(framed(Buffer.alloc(14 * KIB)));
    slow.write(Buffer.alloc(1));
    await eventually(() => unfinished.bytes > before || cuts > 0);
  }
  expect(cuts).toBe(1);
});

test('what is no gRPC is none of its business', async () => {
  const session = client();
  call(session, '/unary', 'application/json').write(Buffer.alloc(300 * KIB));
  call(session, '/unary').write(framed(Buffer.alloc(20 * KIB)).subarray(1));
  await eventually(() => unfinished.bytes > 19 * KIB);
  expect(unfinished.bytes).toBeLessThan(200 * KIB);
});
