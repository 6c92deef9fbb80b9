/** What remote write makes of the answers of receivers, good and bad, on real sockets. */
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { SEND_WITHIN_MS } from '../../../src/metrics/export/export-limits.ts';
import type { ExportSeries, Outcome } from '../../../src/metrics/export/exporter.ts';
import type { Batch } from '../../../src/metrics/export/remote-write/batch.ts';
import { RemoteWrite } from '../../../src/metrics/export/remote-write/remote-write.ts';
import type { RemoteWriteSettings } from '../../../src/metrics/export/remote-write/settings.ts';
import type { WireSeries } from '../../../src/metrics/export/remote-write/wire-series.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/free-port.ts';
import { type AnswerWith, says, TAKES_V1, TAKES_V2, WriteReceiver } from './write-receiver.ts';

const never = new AbortController().signal;
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

function settingsFor(url: string, changes: Partial<RemoteWriteSettings> = {}): RemoteWriteSettings {
  return {
    kind: 'remote_write',
    url,
    place: url,
    protocol: '2.0',
    version: 'auto',
    intervalMs: 15_000,
    authorization: undefined,
    headers: {},
    ca: undefined,
    externalLabels: {},
    families: undefined,
    ...changes,
  };
}

async function receiver(answer?: AnswerWith): Promise<WriteReceiver> {
  const started = await WriteReceiver.start(answer);
  open.push(started);
  return started;
}

function writerTo(url: string, changes: Partial<RemoteWriteSettings> = {}, clock: Clock = systemClock): RemoteWrite {
  const remote = new RemoteWrite(settingsFor(url, changes), clock);
  open.push(remote);
  return remote;
}

/** Two samples. */
function batchOf(remote: RemoteWrite): Batch {
  const points = ['a', 'b'].map((worker, n) => {
    const series: ExportSeries<readonly WireSeries[]> = {
      family: { name: 'pulselane_worker_up', type: 'gauge', help: 'Up.' },
      labels: [['worker', worker]],
      createdUnixMs: undefined,
      kept: undefined,
    };
    return { series, value: n };
  });
  const sources = [{ workerId: 'w', worker: undefined, points, ended: [] }];
  return [...remote.encode({ atUnixMs: 1000, sources }), ...remote.endRound()][0] as Batch;
}

/** Until it is something else than `again`. */
async function sent(remote: RemoteWrite, batch = batchOf(remote)): Promise<{ outcome: Outcome; attempts: number }> {
  for (let attempts = 1; attempts < 5; attempts++) {
    const outcome = await remote.send(batch, never);
    if (outcome.type !== 'again') return { outcome, attempts };
  }
  throw new Error('it is sent again and again');
}

test('a receiver of 2.0 gets 2.0, with the headers of the specification', async () => {
  const to = await receiver();
  const remote = writerTo(to.url, { authorization: 'Bearer abc', headers: { 'X-Scope-OrgID': 'fleet' } });
  expect(await sent(remote)).toEqual({
    outcome: { type: 'taken', rejected: 0, detail: expect.any(String) },
    attempts: 1,
  });
  expect(remote.protocol).toBe('2.0');
  expect(to.received[0]?.headers).toMatchObject({
    'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
    'content-encoding': 'snappy',
    'x-prometheus-remote-write-version': '2.0.0',
    'user-agent': expect.stringMatching(/^pulselane\/\d/),
    authorization: 'Bearer abc',
    'x-scope-orgid': 'fleet',
  });
  expect(to.received[0]?.path).toBe('/api/v1/write');
});

const refusesV2: AnswerWith = ({ version }, response) => void response.writeHead(version === '2.0.0' ? 400 : 204).end();

test.each([
  ['415', TAKES_V1],
  ['a success that counts nothing', says(204)],
  ['400 before it has ever taken 2.0', refusesV2],
])('a receiver of 1.0 (%s) gets the same samples in 1.0', async (_, answer) => {
  const to = await receiver(answer);
  const remote = writerTo(to.url);
  expect(await sent(remote)).toEqual({ outcome: { type: 'taken', rejected: 0 }, attempts: 2 });
  expect(remote.protocol).toBe('1.0');
  expect(to.received.map(({ version }) => version)).toEqual(['2.0.0', '0.1.0']);
  expect(to.received[1]?.headers['content-type']).toBe('application/x-protobuf');
  const [first, second] = to.received.map(({ samples }) => samples.map(({ labels, bits }) => ({ labels, bits })));
  expect(second).toEqual(first);
  // It is remembered.
  expect(await sent(remote)).toMatchObject({ attempts: 1 });
});

test('a receiver of 1.0 is asked for 2.0 again after a day', async () => {
  const clock = new FakeClock();
  const to = await receiver(TAKES_V1);
  const remote = writerTo(to.url, {}, clock);
  await sent(remote);
  clock.advance(24 * 3_600_000 - 1);
  await sent(remote);
  to.answer = TAKES_V2;
  clock.advance(1);
  expect(await sent(remote)).toMatchObject({ attempts: 1 });
  expect(to.received.map(({ version }) => version)).toEqual(['2.0.0', '0.1.0', '0.1.0', '2.0.0']);
});

test.each([
  ['1.0', ['0.1.0'], { type: 'taken' }],
  ['2.0', ['2.0.0'], { type: 'refused', detail: expect.stringContaining('REMOTE_WRITE_VERSION=auto') }],
] as const)('only version %s is sent if that is set', async (version, versions, outcome) => {
  const to = await receiver(TAKES_V1);
  const remote = writerTo(to.url, { version });
  expect((await sent(remote)).outcome).toMatchObject(outcome);
  expect(to.received.map((request) => request.version)).toEqual(versions);
});

test.each([
  [400, 'refused'],
  [401, 'refused'],
  [403, 'refused'],
  [404, 'refused'],
  [413, 'refused'],
  [302, 'refused'],
  [500, 'failed'],
  [502, 'failed'],
  [503, 'failed'],
  [429, 'throttled'],
])('an answer with %i is %s', async (status, code) => {
  const to = await receiver();
  const remote = writerTo(to.url);
  await sent(remote);
  to.answer = says(status, 'because\nof \u001b[31mthis', { 'Retry-After': '7' });
  const { outcome, attempts } = await sent(remote);
  expect(attempts).toBe(1);
  const detail = `HTTP ${status}: because of \\x1b[31mthis`;
  if (code === 'refused') expect(outcome).toEqual({ type: 'refused', detail });
  else expect(outcome).toEqual({ type: 'retry', code, detail, retryAfterMs: 7000 });
});

test('samples that a receiver did not write are counted, whether it says so with success or not', async () => {
  const to = await receiver(says(204, '', { 'X-Prometheus-Remote-Write-Samples-Written': '1' }));
  const remote = writerTo(to.url);
  const detail = expect.stringContaining('1 of 2 samples were not written');
  expect((await sent(remote)).outcome).toEqual({ type: 'taken', rejected: 1, detail });
  to.answer = says(400, 'out of order', { 'X-Prometheus-Remote-Write-Samples-Written': '1' });
  expect((await sent(remote)).outcome).toEqual({
    type: 'taken',
    rejected: 1,
    detail: expect.stringContaining('out of order'),
  });
  to.answer = says(400, 'all bad', { 'X-Prometheus-Remote-Write-Samples-Written': '0' });
  expect((await sent(remote)).outcome).toEqual({ type: 'refused', detail: 'HTTP 400: all bad' });
});

test('credentials that a receiver repeats are in no message of ours', async () => {
  const to = await receiver(
    says(401, 'no such token s3cret, key k3y', { 'X-Prometheus-Remote-Write-Samples-Written': '0' }),
  );
  const remote = writerTo(to.url, { authorization: 'Bearer s3cret', headers: { 'X-Key': 'k3y' } });
  const { outcome } = await sent(remote);
  expect(outcome).toEqual({ type: 'refused', detail: 'HTTP 401: no such token ********, key ********' });
  const basic = Buffer.from('alice:s3cret:x').toString('base64');
  to.answer = says(401, `alice may not use s3cret:x (${basic}), nor api_key=t0p%2Fsecret, t0p/secret, or plain-key`);
  const other = writerTo(`${to.url}?api_key=t0p%2Fsecret&plain-key`, {
    authorization: `Basic ${basic}`,
    version: '1.0',
  });
  expect((await sent(other)).outcome).toEqual({
    type: 'refused',
    detail: 'HTTP 401: ******** may not use ******** (********), nor api_key=********, ********, or ********',
  });
});

test('an answer of any length is cut', async () => {
  const to = await receiver(says(500, 'x'.repeat(1_000_000)));
  const { outcome } = await sent(writerTo(to.url));
  expect(outcome).toMatchObject({ type: 'retry', code: 'failed' });
  expect((outcome as { detail: string }).detail).toHaveLength('HTTP 500: '.length + 200 + 1);
});

test('nobody listens: it is tried again later, over a new connection', async () => {
  const port = await freePort();
  const remote = writerTo(`http://127.0.0.1:${port}/`);
  const batch = batchOf(remote);
  expect((await sent(remote, batch)).outcome).toEqual({
    type: 'retry',
    code: 'unreachable',
    detail: `connect ECONNREFUSED 127.0.0.1:${port}`,
  });
  const to = await WriteReceiver.start(TAKES_V2, port);
  open.push(to);
  expect((await sent(remote, batch)).outcome).toMatchObject({ type: 'taken' });
});

/** A server that does with each connection what the test says. */
async function bare(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test.each([
  ['hangs up', (socket: Socket) => void socket.once('data', () => socket.destroy())],
  ['speaks something else', (socket: Socket) => void socket.once('data', () => socket.end('SSH-2.0-x\r\n'))],
  [
    'answers half',
    (socket: Socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha')),
  ],
])('a receiver that %s is tried again later', async (_, onSocket) => {
  const remote = writerTo(await bare(onSocket));
  expect((await sent(remote)).outcome).toMatchObject({
    type: 'retry',
    code: 'unreachable',
    detail: expect.any(String),
  });
});

test.each([
  ['never answers', () => undefined],
  ['only asks to go on', (socket: Socket) => void socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
  ['answers half and waits', (socket: Socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha')],
])('a receiver that %s is given up after its time', async (_, onData: (socket: Socket) => void) => {
  const clock = new FakeClock();
  const heard = Promise.withResolvers<void>();
  const url = await bare((socket) => {
    socket.once('data', () => {
      onData(socket);
      heard.resolve();
    });
  });
  const remote = writerTo(url, {}, clock);
  const outcome = sent(remote);
  await heard.promise;
  clock.advance(SEND_WITHIN_MS);
  expect((await outcome).outcome).toEqual({ type: 'retry', code: 'timeout', detail: 'no answer within 30 s' });
  expect(clock.pending).toBe(0);
});

test('an answer that switches protocols is a refusal', async () => {
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const remote = writerTo(await bare((socket) => void socket.once('data', () => socket.write(switching))));
  expect((await sent(remote)).outcome).toEqual({ type: 'refused', detail: 'HTTP 101' });
});

test('an attempt that is given up ends at once', async () => {
  const heard = Promise.withResolvers<void>();
  const url = await bare((socket) => void socket.once('data', () => heard.resolve()));
  const remote = writerTo(url);
  const stop = new AbortController();
  const outcome = remote.send(batchOf(remote), stop.signal);
  await heard.promise;
  stop.abort();
  expect(await outcome).toMatchObject({ type: 'retry' });
});

test('new credentials count from the next attempt on', async () => {
  const to = await receiver();
  const remote = writerTo(to.url, { authorization: 'Bearer old' });
  await sent(remote);
  remote.renew(settingsFor(to.url, { authorization: 'Bearer new' }));
  await sent(remote);
  expect(to.received.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
});

test('new credentials break no attempt that is under way, and close what it used', async () => {
  const asked: ServerResponse[] = [];
  const to = await receiver((_, response) => void asked.push(response));
  const remote = writerTo(to.url, { version: '1.0' });
  const outcome = sent(remote);
  const answer = await eventually(() => asked[0]);
  remote.renew(settingsFor(to.url, { version: '1.0', authorization: 'Bearer new', ca: 'another' }));
  const closed = new Promise((resolve) => answer.req.socket.once('close', resolve));
  answer.writeHead(204).end();
  expect((await outcome).outcome).toMatchObject({ type: 'taken' });
  await closed;
});

test('a URL without a path gets a hint', async () => {
  const to = await receiver(says(405));
  const remote = writerTo(`http://127.0.0.1:${to.port}`);
  expect((await sent(remote)).outcome).toEqual({
    type: 'refused',
    detail: 'HTTP 405; REMOTE_WRITE_URL has no path: that of a Prometheus is /api/v1/write',
  });
});
