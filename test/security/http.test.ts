/** Attacks on the HTTP port. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PREFACE } from './raw-http2.ts';
import { ATTACKER, Siege } from './siege.ts';

const MIB = 1024 ** 2;

let siege: Siege;
/** Opened first, since it takes the server its time-out to close them. */
let loris: Socket[];
beforeAll(async () => {
  siege = await Siege.start();
  loris = await sockets(100);
  for (const [i, socket] of loris.entries()) drip(socket, i % 2 === 0 ? HEAD : `POST / HTTP/1.1\r\n${HEAD}`);
});
afterAll(async () => {
  for (const socket of loris ?? []) socket.destroy();
  await siege?.close();
});

const HEAD = 'GET /health HTTP/1.1\r\nHost: localhost\r\n';
const DRIP_EVERY_MS = 100;

/** Sends what begins a request, and then a header's byte at a time, for ever. */
function drip(socket: Socket, start: string): void {
  socket.write(`${start}X-Slow: `);
  const timer = setInterval(() => socket.write('a'), DRIP_EVERY_MS);
  socket.once('close', () => clearInterval(timer));
}

async function open(): Promise<Socket> {
  const socket = connect({ port: siege.httpPort, host: '127.0.0.1', localAddress: ATTACKER, noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

function sockets(count: number): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, open));
}

/** Whether it was taken before the other side closed, or stopped reading for some time. */
async function taken(socket: Socket, bytes: string | Uint8Array): Promise<boolean> {
  if (socket.closed || !socket.writable) return false;
  if (socket.write(bytes)) return true;
  const STUCK_MS = 1000;
  const signal = AbortSignal.timeout(STUCK_MS);
  const drained = await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]).then(
    () => !socket.closed,
    () => false,
  );
  return drained;
}

/** What comes up to the end of the connection. */
async function answerTo(bytes: string | Uint8Array): Promise<string> {
  const socket = await open();
  const answer = text(socket).catch(() => '');
  socket.write(bytes);
  return answer;
}

test('bytes that are no HTTP/1.1: random ones, TLS, HTTP/2', async () => {
  await siege.withstands(async () => {
    for (let i = 0; i < 100; i++) {
      const socket = await open();
      socket.write(randomBytes(1 + (i % 5) * 4096));
      if (i % 2 === 0) socket.destroy();
      else setTimeout(() => socket.destroy(), 200);
    }
    for (let i = 0; i < 10; i++) {
      const socket = connectTls({ port: siege.httpPort, host: '127.0.0.1' });
      await new Promise<void>((resolve) => socket.on('error', () => {}).once('close', () => resolve()));
    }
    expect(await answerTo(PREFACE)).toMatch(/^HTTP\/1.1 400 |^$/);
  });
});

test.each([
  ['two lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['a chunk of a length that is none', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ['a line feed within a header', 'GET / HTTP/1.1\r\nHost: h\r\nX: a\nb\r\n\r\n'],
  ['a header without a name', 'GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n'],
  ['a zero byte', 'GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n'],
])('a request with %s is refused and its connection closed', async (_, request) => {
  expect(await answerTo(request)).toMatch(/^HTTP\/1.1 400 [\s\S]*Connection: close/i);
});

test('floods of headers', async () => {
  await siege.withstands(async () => {
    const many = Array.from({ length: 5000 }, (_, i) => `x${i}: y\r\n`).join('');
    const large = `x: ${'y'.repeat(64 * 1024)}\r\n`;
    for (let i = 0; i < 40; i++) {
      expect(await answerTo(`${HEAD}${i % 2 === 0 ? many : large}\r\n`)).toMatch(/^HTTP\/1.1 431 |^$/);
    }
  });
});

test('bodies without an end, announced, in chunks and in extensions of chunks', async () => {
  const heads = [
    `Content-Length: ${64 * 1024 * MIB}\r\n\r\n`,
    'Transfer-Encoding: chunked\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\n1;',
  ];
  const chunk = Buffer.from(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
  await siege.withstands(async () => {
    for (const target of ['GET /health', 'POST /api/v1/brakes/release', 'POST /api/v1/workers/own-0/release']) {
      for (const head of heads) {
        const socket = await open();
        socket.resume();
        socket.write(`${target} HTTP/1.1\r\nHost: localhost:${siege.httpPort}\r\n${head}`);
        for (let i = 0; i < 1000; i++) if (!(await taken(socket, chunk))) break;
        socket.destroy();
      }
    }
  });
});

test('thousands of requests in one go, their answers not read', async () => {
  await siege.withstands(async () => {
    const open = await sockets(5);
    for (const socket of open) {
      socket.pause();
      const requests = '/telemetry /workers /health /nothing'
        .split(' ')
        .map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
        .join('')
        .repeat(500);
      for (let i = 0; i < 10; i++) if (!(await taken(socket, requests))) break;
    }
    for (const socket of open) socket.destroy();
  });
});

test('readers that take nothing of their answer', async () => {
  await siege.withstands(async () => {
    const open = await sockets(300);
    for (const socket of open) {
      socket.pause();
      socket.write('GET /telemetry HTTP/1.1\r\nHost: localhost\r\n\r\n');
    }
    await delay(300);
    for (const socket of open) socket.destroy();
  });
});

test('paths that no router expects', async () => {
  const targets = [
    '/telemetry/%00',
    '/telemetry/%ff',
    '/telemetry/%',
    '/telemetry/../../etc/passwd',
    '/telemetry/..%2f..%2fetc%2fpasswd',
    '/telemetry/__proto__',
    '/telemetry/constructor',
    `/telemetry/${'a'.repeat(15_000)}`,
    `/telemetry/${'%61'.repeat(5000)}`,
    '//telemetry',
    '/telemetry\\..\\x',
    'http://evil.example/telemetry',
    '*',
    '/api/v1/workers/%2e%2e',
    '/api/v1/workers/__proto__',
    `/api/v1/events?limit=${'9'.repeat(1000)}`,
    '/api/v1/events?limit=NaN&limit=-1',
    `/api/v1/workers/a?${'a=b&'.repeat(3000)}`,
    `/${'('.repeat(10_000)}`,
  ];
  await siege.withstands(async () => {
    for (const target of targets) {
      for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND']) {
        const answer = await answerTo(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
        // Nobody is connected to anything through a master.
        expect(answer, `${method} ${target.slice(0, 60)}`).toMatch(
          method === 'CONNECT' ? /^HTTP\/1.1 4/ : /^HTTP\/1.1 [2345]/,
        );
        expect(answer, `${method} ${target.slice(0, 60)}`).not.toMatch(/^HTTP\/1.1 500|node_modules|at .*\.[jt]s/);
      }
    }
  });
});

/** The first bytes of a WebSocket. */
async function openWebSocket(path: string, more = ''): Promise<Socket> {
  const socket = await open();
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost:${siege.httpPort}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${more}\r\n`,
  );
  await once(socket, 'readable');
  return socket;
}

/** A frame of a client (RFC 6455, 5.2); a lie, if `length` is not that of the payload. */
function webSocketFrame(
  opcode: number,
  payload: Uint8Array,
  { length = payload.length, masked = true, first = 0x80 } = {},
) {
  const head = Buffer.alloc(14);
  head[0] = first | opcode;
  head[1] = (masked ? 0x80 : 0) | 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  // A mask of zeros changes nothing.
  return Buffer.concat([head.subarray(0, masked ? 14 : 10), payload]);
}

test('WebSocket: frames against the rules end the connection', async () => {
  const bad: [string, Buffer][] = [
    ['not masked', webSocketFrame(1, Buffer.from('x'), { masked: false })],
    ['larger than allowed', webSocketFrame(1, Buffer.alloc(MIB))],
    ['announced larger than anything', webSocketFrame(1, Buffer.alloc(1), { length: 2 ** 53 })],
    ['text that is none', webSocketFrame(1, Buffer.from([0xff, 0xfe]))],
    ['a kind that there is not', webSocketFrame(11, Buffer.alloc(0))],
    ['compressed, which nobody agreed to', webSocketFrame(1, Buffer.from('x'), { first: 0xc0 })],
    ['a ping that is too long', webSocketFrame(9, Buffer.alloc(126))],
    ['a ping in two parts', webSocketFrame(9, Buffer.alloc(1), { first: 0 })],
    ['a second part without a first', webSocketFrame(0, Buffer.from('x'))],
    ['a close with half a code', webSocketFrame(8, Buffer.from([3]))],
    ['random bytes', randomBytes(10_000)],
  ];
  await siege.withstands(async () => {
    for (const [what, bytes] of bad) {
      const socket = await openWebSocket('/ws/telemetry');
      socket.resume();
      socket.write(bytes);
      await eventually(() => socket.closed || socket.readableEnded).catch(() => expect.fail(`${what}: it goes on`));
      socket.destroy();
    }
  });
});

test('WebSocket: floods of pings and of parts, nothing read', async () => {
  await siege.withstands(async () => {
    for (const frame of [webSocketFrame(9, Buffer.alloc(125)), webSocketFrame(0, Buffer.alloc(0), { first: 0 })]) {
      const socket = await openWebSocket('/ws/telemetry');
      socket.pause();
      socket.write(webSocketFrame(1, Buffer.alloc(0), { first: 0 }));
      const chunk = Buffer.concat(Array(1000).fill(frame));
      for (let i = 0; i < 200; i++) if (!(await taken(socket, chunk))) break;
      socket.destroy();
    }
  });
});

test('WebSocket: clients that never read while the fleet beats', async () => {
  await siege.withstands(async () => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => openWebSocket('/ws/telemetry')));
    for (const client of clients) client.pause();
    await delay(1500);
    for (const client of clients) client.destroy();
  });
});

test('upgrades that are half done, or to something else', async () => {
  await siege.withstands(async () => {
    const requests = [
      `${HEAD}Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
      `${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      `${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n`,
      `GET /ws/telemetry HTTP/1.1\r\nHost: [\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    ];
    for (let i = 0; i < 80; i++) {
      const socket = await open();
      socket.resume();
      socket.write(requests[i % requests.length] as string);
      if (i % 2 === 0) socket.destroy();
      else setTimeout(() => socket.destroy(), 100);
    }
    await delay(150);
  });
});

test('headers that come a byte at a time are cut off after a while', async () => {
  await eventually(() => loris.every((socket) => socket.closed || socket.readableEnded), 30_000);
});
