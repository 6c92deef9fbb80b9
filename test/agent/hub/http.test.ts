/** HTTP at the hub: what curl and SDKs send, and what pages of a browser may not. */
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HUB_LIMITS } from '../../../src/agent/hub/limits.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/free-port.ts';
import { SocketClient, sayTo, type TestHub, testHub } from '../../support/hub-client.ts';

let hub: TestHub;
let port: number;

beforeAll(async () => {
  port = await freePort();
  hub = await testHub({ local: { host: '127.0.0.1', port } });
});
afterAll(() => hub.close());

/** The body in the field of that tag, which is in the field of the tag before it. */
function nested(tags: readonly number[], body: Buffer): Buffer {
  return tags.reduceRight((inner, tag) => {
    const length: number[] = [];
    for (let left = inner.length; length.length === 0 || left > 0; left >>>= 7) {
      length.push((left & 127) | (left > 127 ? 128 : 0));
    }
    return Buffer.concat([Buffer.from([tag, ...length]), inner]);
  }, body);
}

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  /** By default the socket. */
  readonly port?: number;
  readonly socket?: string;
}

async function ask(path: string, { method, headers = {}, body, port: at, socket = hub.socket }: Ask = {}) {
  const where = at === undefined ? { socketPath: socket } : { host: '127.0.0.1', port: at };
  const asking = request({ ...where, path, method: method ?? (body === undefined ? 'GET' : 'POST'), headers });
  asking.end(body);
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    asking.once('response', resolve).once('error', reject);
  });
  const said = await text(answer);
  return { status: answer.statusCode, headers: answer.headers, body: said.startsWith('{') ? JSON.parse(said) : said };
}

test('tasks come alone or as an array, and are kept', async () => {
  expect(await ask('/v1/tasks', { body: '{"task_id":"one","progress":0.5}' })).toMatchObject({
    status: 200,
    body: { accepted: 1, refused: [] },
  });
  const several = JSON.stringify([{ task_id: 'two' }, { task_id: 'three', progress: 5 }, 7]);
  expect((await ask('/v1/tasks', { body: several })).body).toEqual({
    accepted: 1,
    refused: [
      { index: 1, error: 'task.progress is 5; expected a number from 0 to 1', reason: 'wrong_member' },
      { index: 2, error: 'task is 7; expected an object with task_id', reason: 'wrong_member' },
    ],
  });
  const { tasks } = (await ask('/v1/tasks')).body;
  expect(tasks.map((task: { task_id: string }) => task.task_id)).toEqual(['one', 'two']);
  expect(tasks[0]).toMatchObject({ status: 'running', progress: 0.5, cpu_allocated: 0 });
  await ask('/v1/tasks', {
    body: '[{"task_id":"one","status":"finished"},{"task_id":"two","status":"killed","exit_code":-9}]',
  });
  expect(hub.ended.map(({ taskId, outcome, exitCode }) => [taskId, outcome, exitCode])).toEqual([
    ['one', 'finished', undefined],
    ['two', 'killed', -9],
  ]);
});

test('lines come as on the socket; 400 says that none was taken', async () => {
  const body = '{"metrics":{"a":1}}\n\n{"metrics":{"a":"x"}}\n{"metrics":{"b":2}}';
  expect(await ask('/v1/lines', { body })).toMatchObject({
    status: 200,
    body: {
      accepted: 2,
      refused: [
        {
          line: 3,
          error: 'metrics["a"] is "x"; expected a finite number, or null to remove it',
          reason: 'wrong_member',
        },
      ],
    },
  });
  expect(await ask('/v1/lines', { body: 'nonsense' })).toMatchObject({ status: 400, body: { accepted: 0 } });
  expect(await ask('/v1/lines', { body: '\n\n' })).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining('the body is empty') },
  });
});

test.each<[string, Ask, number, string]>([
  ['/v1/nothing', {}, 404, 'there is no "/v1/nothing"; expected /v1/lines, /v1/tasks, /v1/metrics, /v1/status'],
  ['/__proto__', {}, 404, 'there is no "/__proto__"'],
  ['/v1/status', { method: 'DELETE' }, 405, '/v1/status takes GET, and not DELETE'],
  ['/v1/tasks', { body: '{"task_id":' }, 400, 'the body is no JSON'],
  ['/v1/tasks', { body: '[]' }, 400, 'the body is an empty array; expected a task such as'],
  ['/v1/tasks', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400, 'the body is no JSON'],
  ['/v1/lines', { body: Buffer.alloc(HUB_LIMITS.bodyBytes + 1, 0x20) }, 413, 'the body has more than 4194304 bytes'],
  ['/v1/tasks', { body: `[${'{},'.repeat(1_000)}{}]` }, 413, 'the body has 1001 tasks; expected at most 1000'],
  ['/v1/tasks', { body: `[${'{},'.repeat(100_000)}{}]` }, 413, 'the body has 100001 objects; expected at most 1000'],
  ['/v1/lines', { body: '{}\n'.repeat(1_001) }, 413, 'the body has 1001 lines; expected at most 1000 in one request'],
])('%s: %o', async (path, asked, status, error) => {
  const answer = await ask(path, asked);
  expect([answer.status, answer.body.error]).toEqual([status, expect.stringContaining(error)]);
});

test('metrics of OpenTelemetry come by OTLP', async () => {
  const dataPoints = [{ asDouble: 3.5, timeUnixNano: '1' }];
  const body = JSON.stringify({
    resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'queue.depth', gauge: { dataPoints } }] }] }],
  });
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const answer = await ask('/v1/metrics', { body: gzipSync(body), headers });
  expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' }, body: {} });
  expect([...hub.hub.state.otlpMetrics.values]).toEqual([['queue.depth', 3.5]]);
  const wrong = await ask('/v1/metrics', { body: '{"queue_depth":3}', headers: { 'content-type': 'text/plain' } });
  expect([wrong.status, wrong.body.message]).toEqual([415, expect.stringContaining('content-type is "text/plain"')]);
  expect(hub.hub.state.counts.refused.get('otlp')).toBe(1);
});

test('metrics of OTLP have a bound of their own', async () => {
  const metrics = Array.from({ length: HUB_LIMITS.otlpMetrics + 5 }, (_, n) => ({
    name: `m${n}`,
    gauge: { dataPoints: [{ asInt: '1' }] },
  }));
  const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
  const answer = await ask('/v1/metrics', { body, headers: { 'content-type': 'application/json' } });
  expect(answer.body.partialSuccess.errorMessage).toContain('there are 2000 metrics, which is the limit');
  expect(hub.hub.state.otlpMetrics.values.size).toBe(HUB_LIMITS.otlpMetrics);
  // Those that are there go on, whatever comes before them.
  const known = Array.from({ length: 3 }, (_, n) => ({ name: `m${n}`, gauge: { dataPoints: [{ asInt: '7' }] } }));
  const both = {
    name: 'new',
    histogram: { aggregationTemporality: 2, dataPoints: [{ count: '1', sum: 2 }] },
  };
  const again = await ask('/v1/metrics', {
    body: JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [both, ...known] }] }] }),
    headers: { 'content-type': 'application/json' },
  });
  expect(again.body.partialSuccess).toEqual({
    rejectedDataPoints: '1',
    errorMessage: 'metric "new": there are 2000 metrics, which is the limit',
  });
  expect(hub.hub.state.otlpMetrics.values.get('m2')).toBe(7);
});

test('a request costs what it was to read, also if it is refused; later ones wait until that is paid', async () => {
  const clock = new FakeClock();
  const other = await testHub({}, clock);
  const send = (path: string, body: string | Buffer, headers = {}) =>
    ask(path, { body, headers, socket: other.socket });
  const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' };
  // 2 million empty metrics in 4 MiB, in 4 KB.
  const bomb = gzipSync(nested([0x0a, 0x12], Buffer.alloc(4 * 1024 ** 2 - 64, Buffer.from([0x12, 0]))));
  expect(bomb.length).toBeLessThan(5_000);
  expect(await send('/v1/metrics', bomb, headers)).toMatchObject({ status: 413 });
  expect(await send('/v1/lines', '\n'.repeat(4 * 1024 ** 2))).toMatchObject({ status: 413 });
  expect(await send('/v1/tasks', '{"task_id":"a"}')).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
  expect(other.hub.state.counts.refused.get('too_fast')).toBe(1);
  clock.advance(100);
  expect(await send('/v1/tasks', '{"task_id":"a"}')).toMatchObject({ status: 200 });
  await other.close();
});

test('bodies that are sent at the same time are bounded, on the port and on the socket for themselves', async () => {
  const clients: SocketClient[] = [];
  const begin = async (to: Parameters<typeof SocketClient.connect>[0]) => {
    const client = await SocketClient.connect(to);
    clients.push(client);
    const { bodyBytes } = HUB_LIMITS;
    client.say(`POST /v1/lines HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
    client.say(Buffer.alloc(bodyBytes - 1, 0x20));
  };
  const atPort = HUB_LIMITS.portBodiesBytes / HUB_LIMITS.bodyBytes;
  for (let n = 0; n <= atPort; n++) await begin({ host: '127.0.0.1', port });
  await eventually(() => clients.some((client) => client.text.startsWith('HTTP/1.1 503')));
  expect(clients.map(({ text }) => text).join('')).toContain('requests that are sent at the same time have more than');
  expect(hub.hub.state.counts.refused.get('too_many_bodies')).toBeGreaterThan(0);
  expect(await ask('/v1/lines', { body: '{"metrics":{"a":1}}' })).toMatchObject({ status: 200 });
  for (const client of clients) client.socket.destroy();
  const small = () => ask('/v1/lines', { body: '{"metrics":{"a":1}}', port });
  await eventually(async () => (await small()).status === 200);
});

test('a request that only asks has no body', async () => {
  const client = await SocketClient.connect(hub.socket);
  client.say('GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n');
  await eventually(() => client.socket.closed);
  expect(client.text).toMatch(/^HTTP\/1.1 200 OK.*connection: close/is);
});

test.each(['', 'GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n'])(
  'headers that come too slowly end their connection, after %j',
  async (before) => {
    const clock = new FakeClock();
    const other = await testHub({}, clock);
    const client = await SocketClient.connect(other.socket);
    client.say(before);
    await eventually(() => before === '' || client.text.includes('"tasks":[]'));
    client.say('GET /v1/status HTTP/1.1\r\nX: ');
    await eventually(() => {
      client.say('a');
      clock.advance(1_000);
      return client.socket.closed;
    });
    expect(client.text).toContain('HTTP/1.1 408 Request Timeout');
    expect(client.text).toContain('the headers of the request were not complete within 10 s');
    expect(other.hub.state.counts.refused.get('slow_request')).toBe(1);
    await other.close();
  },
);

test('the status has what is there, what was refused, and the limits', async () => {
  await sayTo(hub.socket, 'x\n');
  const { body } = await ask('/v1/status');
  expect(body).toMatchObject({
    worker_id: 'w',
    tasks: 0,
    otlp_metrics: HUB_LIMITS.otlpMetrics,
    limits: { line_bytes: 65_536 },
  });
  expect(body.refused.not_json).toBeGreaterThan(0);
});

test.each<[string, Record<string, string>, number]>([
  ['a program', {}, 200],
  ['localhost', { host: 'localhost:9464' }, 200],
  ['an IPv6 address', { host: '[::1]:9464' }, 200],
  ['what is typed into a browser', { 'sec-fetch-site': 'none' }, 200],
  ['a page', { origin: 'https://evil.example' }, 403],
  ['a page of this machine', { origin: 'http://localhost:3000' }, 403],
  ['a page without a name', { origin: 'null' }, 403],
  ['a page whose browser says so', { 'sec-fetch-site': 'cross-site' }, 403],
  ['a name that was made to point here', { host: 'evil.example:9464' }, 403],
  ['a name that looks like an address', { host: '127.0.0.1.evil.example' }, 403],
])('on the port: %s', async (_, headers, status) => {
  const answer = await ask('/v1/tasks', { port, headers, body: '{"task_id":"p","status":"finished"}' });
  expect(answer.status).toBe(status);
});

test('a page may not ask whether it may', async () => {
  const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
  const answer = await ask('/v1/tasks', { port, method: 'OPTIONS', headers });
  expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([403, undefined]);
});

test('lines come by the port, too', async () => {
  const client = await SocketClient.connect({ host: '127.0.0.1', port });
  client.say({ metrics: { by_port: 1 } });
  expect(await client.end()).toEqual([{ accepted: 1, refused: 0 }]);
});
