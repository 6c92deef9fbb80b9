/** Calls of workers follow the rules for workers: for every peer, credential and origin, with and without WORKER_AUTH. */
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { decide, type Facts, type Rules } from '../../../src/http/access/decide.ts';
import type { WhoSpeaks } from '../../../src/http/access/worker-credentials.ts';
import {
  MAX_BODY_BYTES_INLINE,
  maxBodyRoomBytes,
  SMALL_BODY_BYTES,
  WRONG_TOKENS_AT_ONCE,
} from '../../../src/http/http-limits.ts';
import { type ApiToken, hashOfToken } from '../../../src/lib/tokens.ts';
import type { RelayedCall } from '../../../src/rpc/relayed-calls.ts';
import { eventually } from '../../support/eventually.ts';
import { acceptAll, NOW_S, newApp, serve } from '../support.ts';

const API_TOKEN = 'plt_operate';
const WORKER_TOKEN = 'plt_worker';
const EXPIRED_TOKEN = 'plt_expired';
const TOKENS: readonly ApiToken[] = [{ name: 'admin', scopes: ['read', 'operate'], hash: hashOfToken(API_TOKEN) }];
const WORKERS = [
  { hash: hashOfToken(WORKER_TOKEN), name: 'the token of a', expiresUnixMs: undefined },
  { hash: hashOfToken(EXPIRED_TOKEN), name: 'the token of b', expiresUnixMs: (NOW_S - 60) * 1000 },
];
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const RULES: Rules = {
  corsOrigins: ['http://dashboard.example'],
  allowedHosts: new Set(),
  machineNames: new Set(['master']),
  listensBeyondLoopback: true,
  hasTokens: false,
  asksWorkers: false,
};
const CERTIFICATE: WhoSpeaks = { subjects: [{ kind: 'worker', id: 'a' }] };
const EXPIRED: WhoSpeaks = { name: 'the token of a', expiredUnixMs: 0 };

describe.each(['/api/v1/heartbeats', '/api/v1/workers/a/leave'])('POST %s', (path) => {
  const outcome = (part: Partial<Facts>, rules: Partial<Rules>, speaks: WhoSpeaks = 'none') => {
    const facts = {
      method: 'POST',
      path,
      headers: {},
      peer: '10.0.0.1',
      isTls: false,
      scope: 'worker',
      ...part,
    } as const;
    const decision = decide(
      facts,
      { ...RULES, ...rules },
      {
        whoAsks: () => expect.fail('nobody asks for a token of the API'),
        whoSpeaks: () => speaks,
      },
    );
    return decision.type === 'refuse' ? decision.code : decision.type;
  };

  const peers = ['127.0.0.1', '10.0.0.1', '2001:db8::1', undefined];
  const whoes: readonly (readonly [WhoSpeaks, string])[] = [
    ['none', 'unauthenticated'],
    ['unknown', 'unauthenticated'],
    [EXPIRED, 'unauthenticated'],
    [{ tokenHash: 'a' }, 'worker'],
    [CERTIFICATE, 'worker'],
  ];
  const hosts = {
    own: 'master:8080',
    address: '10.0.0.5:8080',
    loopback: 'localhost:8080',
    rebound: 'evil.example:8080',
  };

  test.each(peers)('from %s: with WORKER_AUTH by its credentials alone, without it always', (peer) => {
    for (const hasTokens of [false, true]) {
      for (const [who, expected] of whoes) {
        expect(outcome({ peer, headers: { host: hosts.own } }, { hasTokens, asksWorkers: true }, who)).toBe(expected);
        expect(outcome({ peer, headers: { host: hosts.own } }, { hasTokens }, who)).toBe('worker');
      }
      // A proxy is nothing special: workers may report through one.
      const headers = { host: hosts.own, 'x-forwarded-for': '192.0.2.1' };
      expect(outcome({ peer, headers }, { hasTokens })).toBe('worker');
    }
  });

  test.each([
    ['none', hosts.own, undefined, 'worker'],
    ['own, under the machine’s name', hosts.own, `http://${hosts.own}`, 'worker'],
    ['own, under an address', hosts.address, `http://${hosts.address}`, 'worker'],
    ['own, under a loopback name', hosts.loopback, `http://${hosts.loopback}`, 'worker'],
    [
      'own, under a name that somebody else may have made to resolve to it',
      hosts.rebound,
      `http://${hosts.rebound}`,
      'permission_denied',
    ],
    ['another', hosts.own, 'http://evil.example', 'permission_denied'],
    ['opaque', hosts.own, 'null', 'permission_denied'],
    ['one of CORS_ORIGINS, which may read', hosts.own, 'http://dashboard.example', 'permission_denied'],
  ])('Origin: %s', (_, host, origin, expected) => {
    const headers = { host, ...(origin === undefined ? {} : { origin }) };
    for (const peer of peers) {
      // With tokens any name is a Host; without, one of this machine must be known.
      for (const [hasTokens, asksWorkers] of [
        [true, false],
        [true, true],
      ] as const) {
        const decided = outcome({ peer, headers }, { hasTokens, asksWorkers }, CERTIFICATE);
        expect([peer, hasTokens, decided]).toEqual([peer, hasTokens, expected]);
      }
    }
  });

  test('Host is checked as everywhere', () => {
    expect(outcome({ headers: { host: hosts.rebound }, peer: '127.0.0.1' }, {})).toBe('misdirected');
    expect(outcome({ headers: { host: hosts.rebound } }, { listensBeyondLoopback: false })).toBe('misdirected');
  });
});

/** Over a socket. */
async function served(options: Parameters<typeof serve>[0] = {}) {
  const calls: RelayedCall[] = [];
  const relay = (call: RelayedCall) => {
    calls.push(call);
    return acceptAll(call);
  };
  const server = await serve({ relay, ...options });
  const post = async (
    body: string | Buffer,
    { path = '/api/v1/heartbeats', headers = {} as Record<string, string> } = {},
  ) => {
    const outgoing = request(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    outgoing.end(body);
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) =>
      outgoing.on('response', resolve).on('error', reject),
    );
    const answer = JSON.parse(await text(response)) as Record<string, unknown>;
    return { status: response.statusCode, headers: response.headers, answer };
  };
  return { ...server, calls, post };
}

const HEARTBEAT = '{"worker_id":"a","cpu_usage":1}';

test('with WORKER_AUTH only a worker token speaks for workers', async () => {
  const { post, calls } = await served({ tokens: TOKENS, workers: WORKERS });
  expect(await post(HEARTBEAT, { headers: bearer(WORKER_TOKEN) })).toMatchObject({
    status: 200,
    answer: { accepted: 1, refused: [] },
  });
  expect(calls).toMatchObject([
    { type: 'heartbeats', caller: { address: '127.0.0.1', tokenHash: hashOfToken(WORKER_TOKEN) } },
  ]);
  const refused = async (headers: Record<string, string>) => {
    const { status, answer, headers: given } = await post(HEARTBEAT, { headers });
    expect(given['www-authenticate']).toBe('Bearer realm="pulselane"');
    return [status, answer.detail];
  };
  expect(await refused({})).toEqual([401, expect.stringMatching(/^missing worker token; expected the header/)]);
  expect(await refused(bearer(API_TOKEN))).toEqual([
    401,
    'unknown worker token; tokens of the API do not speak for workers',
  ]);
  expect(await refused(bearer(EXPIRED_TOKEN))).toEqual([401, expect.stringMatching(/^the token of b expired at /)]);
  expect(await refused({ cookie: 'pulselane_session=a~9999999999~b' })).toEqual([
    401,
    expect.stringContaining('missing'),
  ]);
  expect(await refused({ authorization: WORKER_TOKEN })).toEqual([401, expect.stringContaining('unknown')]);
  expect(calls).toHaveLength(1);
});

test('a worker token does not open the API', async () => {
  const { app } = newApp({ tokens: TOKENS, workers: WORKERS });
  expect((await app.request('/api/v1/holds', { headers: bearer(WORKER_TOKEN) })).status).toBe(401);
});

test('without WORKER_AUTH, tokens of the API are asked of readers alone', async () => {
  const { post, calls, url } = await served({ tokens: TOKENS });
  for (const headers of [{}, bearer(API_TOKEN), bearer('plt_anything')]) {
    expect((await post(HEARTBEAT, { headers })).status).toBe(200);
  }
  expect(calls.map(({ caller }) => caller)).toEqual(Array.from({ length: 3 }, () => ({ address: '127.0.0.1' })));
  expect((await fetch(`${url}/api/v1/holds`)).status).toBe(401);
});

test('tokens that change count from the next request on', async () => {
  const { post, server } = await served({ workers: WORKERS });
  const secrets = { tokens: [], sessionKey: Buffer.alloc(32, 7), tls: undefined };
  expect((await post(HEARTBEAT, { headers: bearer(WORKER_TOKEN) })).status).toBe(200);
  server.setSecrets({ ...secrets, workers: [] });
  expect((await post(HEARTBEAT, { headers: bearer(WORKER_TOKEN) })).status).toBe(401);
  server.setSecrets(secrets);
  expect((await post(HEARTBEAT)).status).toBe(200);
});

test('whoever guesses tokens is slowed down', async () => {
  const { post } = await served({ workers: WORKERS });
  for (let guess = 0; guess < WRONG_TOKENS_AT_ONCE; guess++) {
    expect((await post(HEARTBEAT, { headers: bearer(`plt_${guess}`) })).status).toBe(401);
  }
  const late = await post(HEARTBEAT, { headers: bearer('plt_wrong') });
  expect([late.status, late.headers['retry-after']]).toEqual([429, '1']);
  expect((await post(HEARTBEAT, { headers: bearer(WORKER_TOKEN) })).status).toBe(200);
});

test('requests have the rate of heartbeats, on loopback too, and not the rate of the API', async () => {
  const { post, clock, url } = await served({ limits: { heartbeatsPerS: 3, requestsPerS: 1 } });
  const statuses = [];
  for (let n = 0; n < 5; n++) statuses.push((await post('[]')).status);
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  const { headers, answer } = await post('[]');
  expect(headers['retry-after']).toBe('1');
  expect(answer.detail).toBe('this address sends more than 3 requests of workers a second (MAX_PEER_HEARTBEAT_RATE)');
  clock.advance(1000);
  expect((await post('[]')).status).toBe(200);
  expect((await fetch(`${url}/api/v1/holds`)).status).toBe(200);
});

describe('the size of a body', () => {
  const large = (bytes: number) => `{"worker_id":"a","metrics":{${' '.repeat(bytes)}}}`;

  test('may be above MAX_HTTP_BODY_SIZE for heartbeats, up to a bound of its own', async () => {
    const { post, calls } = await served({ limits: { maxMessageBytes: 1024 ** 2 } });
    expect((await post(large(200_000))).status).toBe(200);
    expect((await post(large(2 * 1024 ** 2))).status).toBe(200);
    expect(calls).toHaveLength(2);
    const { status, answer } = await post(large(4 * 1024 ** 2));
    expect(status).toBe(413);
    expect(answer.detail).toContain('the body is larger than 4194304 bytes');
    expect((await post(large(100_000), { path: '/api/v1/workers/a/leave' })).status).toBe(413);
  });

  test('takes memory that all large bodies share, and gives it back', async () => {
    const { url, post } = await served({ limits: { maxMessageBytes: 1024 ** 2 } });
    // Bodies that never end: four of them take all.
    const slow = Array.from({ length: 5 }, () => {
      const outgoing = request(`${url}/api/v1/heartbeats`, {
        method: 'POST',
        headers: { 'content-length': 4 * 1024 ** 2 },
      });
      outgoing.on('error', () => {});
      outgoing.write(Buffer.alloc(4 * 1024 ** 2 - 1, ' '));
      return outgoing;
    });
    const refused = await Promise.race(
      slow.map(
        (outgoing) =>
          new Promise<number | undefined>((resolve) =>
            outgoing.on('response', ({ statusCode }) => resolve(statusCode)),
          ),
      ),
    );
    expect(refused).toBe(503);
    // Small ones are not affected.
    expect((await post(HEARTBEAT)).status).toBe(200);
    for (const outgoing of slow) outgoing.destroy();
    await expect.poll(async () => (await post(large(3 * 1024 ** 2))).status).toBe(200);
  });
});

test.each([
  ['application/json', 200],
  ['application/json; charset=utf-8', 200],
  ['application/vnd.acme+json', 200],
  ['application/x-www-form-urlencoded', 415],
  ['text/plain', 415],
  ['application/jsonp', 415],
])('Content-Type %s: %d', async (type, status) => {
  const { post } = await served();
  expect((await post(HEARTBEAT, { headers: { 'content-type': type } })).status).toBe(status);
});

test('a compressed body is refused, and says why', async () => {
  const { post } = await served();
  const { status, answer } = await post(HEARTBEAT, { headers: { 'content-encoding': 'gzip' } });
  expect([status, answer.detail]).toEqual([415, 'the body has Content-Encoding: gzip, expected none']);
});

test('a large body takes its room until it is answered, not only until it was read', async () => {
  const { promise: isAnswering, resolve: answerNow } = Promise.withResolvers<void>();
  let waiting = 0;
  const server = await serve({
    limits: { maxMessageBytes: 1024 ** 2 },
    relay: async (call) => {
      waiting++;
      await isAnswering;
      return acceptAll(call);
    },
  });
  const post = async () => {
    const response = await fetch(`${server.url}/api/v1/heartbeats`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"worker_id":"a"}${' '.repeat(MAX_BODY_BYTES_INLINE - 100)}`,
      signal: AbortSignal.timeout(20_000),
    });
    await response.arrayBuffer();
    return response.status;
  };
  const most = Math.floor(
    maxBodyRoomBytes({ maxMessageBytes: 1024 ** 2 }) / (MAX_BODY_BYTES_INLINE - SMALL_BODY_BYTES),
  );
  const answers: Promise<number>[] = [];
  for (let n = 0; n < most; n++) {
    answers.push(post());
    await eventually(() => waiting === n + 1);
  }
  expect(await post()).toBe(503);
  answerNow();
  expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
  expect(await post()).toBe(200);
});

test('heartbeats of a request that cannot be read are counted by main', async () => {
  const { post, calls } = await served();
  const unread = { type: 'heartbeats', ends: [], tooLarge: 0 };
  expect((await post('{"worker_id":"a","cpu_usage":NaN}')).status).toBe(400);
  expect((await post('')).status).toBe(400);
  expect((await post(HEARTBEAT, { headers: { 'content-type': 'text/plain' } })).status).toBe(415);
  expect(calls).toMatchObject([1, 1, 1].map((count) => ({ ...unread, unread: count })));
});
