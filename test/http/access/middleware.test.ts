import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { WRONG_TOKENS_AT_ONCE } from '../../../src/http/http-limits.ts';
import { type ApiToken, hashOfToken } from '../../../src/lib/tokens.ts';
import { eventually } from '../../support/eventually.ts';
import { exchange, NOW_S, newApp, serve } from '../support.ts';
import { type AskOptions, ask } from './http.ts';

const READ = 'plt_read';
const OPERATE = 'plt_operate';
const TOKENS: readonly ApiToken[] = [
  { name: 'grafana', scopes: ['read'], hash: hashOfToken(READ) },
  { name: 'admin', scopes: ['read', 'operate'], hash: hashOfToken(OPERATE) },
];
const RELEASE = '/api/v1/brakes/release';

async function serveAsked(options: Parameters<typeof serve>[0] = {}) {
  const served = await serve(options);
  return { ...served, ask: (path: string, options?: AskOptions) => ask(served.url + path, options) };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Every path that a route has, with something in the place of each parameter. */
function pathsOf({ app }: ReturnType<typeof newApp>): Map<string, Set<string>> {
  const methodsOf = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (path === '/*' || path === '*') continue;
    const filled = path.replaceAll(/:\w+(?:\{[^}]*\})?\??/g, 'worker-1');
    methodsOf.set(filled, (methodsOf.get(filled) ?? new Set()).add(method));
  }
  return methodsOf;
}

const PUBLIC = ['/health', '/livez', '/readyz', '/login'];
/** Of workers: see workers.test.ts. */
const OF_WORKERS = ['/api/v1/heartbeats', '/api/v1/workers/worker-1/leave'];

describe('every route, also those that are yet to come', () => {
  const paths = pathsOf(newApp());

  test('is on the list', () => {
    expect(paths.size).toBeGreaterThan(10);
    expect([...paths.keys()]).toContain('/telemetry/worker-1');
    expect([...paths.keys()]).toContain(RELEASE);
  });

  test.each([...paths].filter(([path]) => !PUBLIC.includes(path)))('%s needs a token', async (path, methods) => {
    const { app, fleet } = newApp({ tokens: TOKENS, workers: [] });
    fleet.register('worker-1');
    for (const method of [...methods].map((each) => (each === 'ALL' ? 'PUT' : each))) {
      for (const headers of [
        {},
        bearer('wrong'),
        { authorization: READ },
        { cookie: 'pulselane_session=a~9999999999~b' },
      ]) {
        const response = await app.request(path, { method, headers });
        expect([method, response.status]).toEqual([method, 401]);
        expect(response.headers.get('www-authenticate')).toBe('Bearer realm="pulselane"');
      }
      if (method === 'POST' && OF_WORKERS.includes(path)) {
        expect((await app.request(path, { method, headers: bearer(OPERATE) })).status).toBe(401);
        continue;
      }
      const allowed = await app.request(path, { method, headers: bearer(OPERATE) });
      expect([401, 403]).not.toContain(allowed.status);
      if (path.startsWith('/api/') && method !== 'GET' && path !== '/api/v1/history/query') {
        expect((await app.request(path, { method, headers: bearer(READ) })).status).toBe(403);
      }
    }
    expect((await app.request(`${path}?token=${OPERATE}&access_token=${OPERATE}`)).status).toBe(401);
  });
});

describe('over a socket, with tokens', () => {
  test('a reader reads, an operator changes, and nobody else gets anything', async () => {
    const { ask, fleet, commands, logged } = await serveAsked({ tokens: TOKENS });
    fleet.register('node-a');
    expect(await ask('/telemetry')).toMatchObject({
      status: 401,
      body: '{"error":"missing token; expected the header Authorization: Bearer <token>"}',
    });
    expect(JSON.parse((await ask('/api/v1/holds')).body)).toMatchObject({
      type: 'urn:pulselane:error:unauthenticated',
      status: 401,
    });
    expect(await ask('/telemetry', { headers: bearer(READ) })).toMatchObject({ status: 200 });
    expect(await ask(RELEASE, { method: 'POST', headers: bearer(READ) })).toMatchObject({ status: 403 });
    expect(commands).toEqual([]);
    expect(await ask(RELEASE, { method: 'POST', headers: bearer(OPERATE) })).toMatchObject({ status: 200 });
    expect(commands).toHaveLength(1);
    expect(logged.join()).not.toContain('plt_');
  });

  test('a live stream needs one, too', async () => {
    const { port, fleet } = await serveAsked({ tokens: TOKENS });
    fleet.register('node-a');
    const open = async (headers: Record<string, string>) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/telemetry`, { headers });
      const outcome = await Promise.race([
        once(socket, 'open').then(() => 101),
        once(socket, 'unexpected-response').then(([, response]) => response.statusCode),
      ]);
      socket.on('error', () => {}).terminate();
      return outcome;
    };
    expect(await open({})).toBe(401);
    expect(await open(bearer('wrong'))).toBe(401);
    expect(await open(bearer(READ))).toBe(101);
    expect(await open({ ...bearer(READ), origin: 'http://evil.example' })).toBe(403);
    expect(await open({ ...bearer(READ), origin: `http://127.0.0.1:${port}` })).toBe(101);
  });

  test('health tells everybody that the master lives, and readers what holds it up', async () => {
    const { ask, fleet } = await serveAsked({ tokens: TOKENS });
    fleet.onAnnounce([{ type: 'holds', holds: { graceEndsUnixMs: 60_000, brakes: [] } }]);
    expect(JSON.parse((await ask('/health')).body)).toEqual(expect.not.objectContaining({ grace: expect.anything() }));
    expect(JSON.parse((await ask('/health', { headers: bearer(READ) })).body)).toHaveProperty('grace');
  });

  test('wrong ones are counted, logged without themselves, and too many are answered with a wait', async () => {
    const { ask, logged, clock } = await serveAsked({ tokens: TOKENS });
    const wrong = () => ask('/telemetry', { headers: bearer('plt_guess') });
    for (let i = 0; i < WRONG_TOKENS_AT_ONCE; i++) expect((await wrong()).status).toBe(401);
    expect(await wrong()).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect((await ask('/health', { headers: bearer('plt_guess') })).status).toBe(200);
    expect(logged).toEqual(['warn HTTP: 1 request with an unknown token, the last from 127.0.0.1']);
    // A right one is taken at any time: nobody locks others out who share an address with him.
    const limits = await ask('/api/v1/limits', { headers: bearer(READ) });
    expect(JSON.parse(limits.body).refused).toMatchObject({ unauthenticated: WRONG_TOKENS_AT_ONCE, guesses: 1 });
    clock.advance(1000);
    expect((await wrong()).status).toBe(401);
    clock.advance(10_000);
    await wrong();
    expect(logged.slice(1)).toEqual(['warn HTTP: 13 requests with an unknown token, the last from 127.0.0.1']);
  });

  test('an address of IPv4 is logged as one, also on a socket of both', async () => {
    const { app, logged } = newApp({ tokens: TOKENS });
    const headers = { ...bearer('plt_guess') };
    const incoming = { url: '/telemetry', headers, socket: { remoteAddress: '::ffff:192.0.2.2' } };
    expect((await app.request('/telemetry', { headers }, { incoming })).status).toBe(401);
    expect(logged).toEqual(['warn HTTP: 1 request with an unknown token, the last from 192.0.2.2']);
  });

  test('they change without a restart, and a session ends with its token', async () => {
    const { server, ask, port } = await serveAsked({ tokens: TOKENS });
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: `http://127.0.0.1:${port}` };
    const login = await ask('/login', { method: 'POST', headers: form, body: `token=${READ}` });
    const cookie = (login.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
    expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(200);
    const sessionKey = Buffer.alloc(32, 7);
    server.setSecrets({
      tokens: [{ ...(TOKENS[0] as ApiToken), hash: hashOfToken('new') }],
      sessionKey,
      tls: undefined,
    });
    expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(401);
    expect((await ask('/telemetry', { headers: bearer(READ) })).status).toBe(401);
    expect((await ask('/telemetry', { headers: bearer('new') })).status).toBe(200);
  });
});

describe('a token that expires', () => {
  const DAY_MS = 24 * 3_600_000;
  const expiring: readonly ApiToken[] = [{ ...(TOKENS[0] as ApiToken), expiresUnixMs: NOW_S * 1000 + 30 * DAY_MS }];
  const EXPIRED = `the token ${TOKENS[0]?.name} expired at 2026-12-23T17:54:55Z`;

  test('is refused from that moment on, told why, and is no guess', async () => {
    const { ask, clock, logged } = await serveAsked({ tokens: expiring });
    clock.advance(30 * DAY_MS - 1);
    expect((await ask('/api/v1/holds', { headers: bearer(READ) })).status).toBe(200);
    clock.advance(1);
    for (let n = 0; n < 20; n++) {
      const refused = await ask('/api/v1/holds', { headers: bearer(READ) });
      expect([refused.status, JSON.parse(refused.body).detail]).toEqual([401, EXPIRED]);
    }
    expect((await ask('/telemetry', { headers: bearer(READ) })).body).toContain(EXPIRED);
    expect((await ask('/login', { headers: bearer(READ) })).status).toBe(200);
    expect(logged).toEqual([]);
  });

  test('leaves the door shut where it was the only one', async () => {
    const { ask, clock } = await serveAsked({ tokens: expiring });
    clock.advance(30 * DAY_MS);
    expect((await ask('/telemetry')).status).toBe(401);
  });

  test('opens no session that outlives it, and none when it has expired', async () => {
    const { ask, port, clock } = await serveAsked({ tokens: expiring });
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: `http://127.0.0.1:${port}` };
    const logIn = () => ask('/login', { method: 'POST', headers: form, body: `token=${READ}` });
    clock.advance(30 * DAY_MS - 3_600_000);
    const cookie = ((await logIn()).headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
    clock.advance(3_600_000 - 1000);
    expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(200);
    clock.advance(1000);
    expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(401);
    const refused = await logIn();
    expect([refused.status, refused.headers['set-cookie']]).toEqual([401, undefined]);
    expect(refused.body).toContain(`T${EXPIRED.slice(1)}.`);
  });

  test('ends the streams that it opened, also when its expiry was set meanwhile', async () => {
    const { server, port, fleet, clock } = await serveAsked({ tokens: TOKENS });
    fleet.register('node-a');
    const call = request(`http://127.0.0.1:${port}/api/v1/stream`, { agent: false, headers: bearer(READ) }).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    const streamed = text(response);
    await eventually(() => server.live.clients === 1);
    const tokens = [{ ...(TOKENS[0] as ApiToken), expiresUnixMs: clock.wallMs() + 5000 }];
    server.setSecrets({ tokens, sessionKey: Buffer.alloc(32, 7), tls: undefined });
    clock.advance(4999);
    expect(server.live.clients).toBe(1);
    clock.advance(1);
    expect(await streamed).toMatch(/event: end\ndata: \{"reason":"token_expired"\}\n\n$/);
    expect(response.complete).toBe(true);
  });

  test('has a successor of its name: both are good until it expires', async () => {
    const successor = { ...(TOKENS[0] as ApiToken), hash: hashOfToken('new') };
    const { ask, port, clock } = await serveAsked({ tokens: [...expiring, successor] });
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: `http://127.0.0.1:${port}` };
    const cookies = [];
    for (const token of [READ, 'new']) {
      expect((await ask('/telemetry', { headers: bearer(token) })).status).toBe(200);
      const login = await ask('/login', { method: 'POST', headers: form, body: `token=${token}` });
      cookies.push((login.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '');
    }
    for (const cookie of cookies) expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(200);
    clock.advance(30 * DAY_MS);
    expect((await ask('/telemetry', { headers: bearer('new') })).status).toBe(200);
    expect((await ask('/telemetry', { headers: bearer(READ) })).status).toBe(401);
  });
});

test('a stream of events is ended as a whole answer', async () => {
  const { server, port, fleet } = await serveAsked({ tokens: TOKENS });
  fleet.register('node-a');
  const call = request(`http://127.0.0.1:${port}/api/v1/stream`, { agent: false, headers: bearer(READ) }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  await eventually(() => server.live.clients === 1);
  server.setSecrets({ tokens: TOKENS.slice(1), sessionKey: Buffer.alloc(32, 7), tls: undefined });
  // Cut off in the middle it would be an error.
  expect(await text(response)).toContain('event: snapshot');
  expect(response.complete).toBe(true);
  await eventually(() => server.live.clients === 0);
});

test('a stream ends when its token is taken back, and those of others go on', async () => {
  const { server, port, fleet } = await serveAsked({ tokens: TOKENS });
  fleet.register('node-a');
  const open = async (token: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/telemetry`, { headers: bearer(token) });
    socket.on('error', () => {});
    await once(socket, 'open');
    return socket;
  };
  const taken = await open(READ);
  const kept = await open(OPERATE);
  const closed = once(taken, 'close');
  server.setSecrets({ tokens: TOKENS.slice(1), sessionKey: Buffer.alloc(32, 7), tls: undefined });
  await closed;
  const pong = once(kept, 'pong');
  kept.ping();
  await pong;
  kept.terminate();
});

describe('the login of a browser', () => {
  const PAGE = { accept: 'text/html,*/*' };

  test('leads from a page through the token back to the page', async () => {
    const { ask, port, commands } = await serveAsked({ tokens: TOKENS });
    const origin = `http://127.0.0.1:${port}`;
    const sent = await ask('/telemetry?a=b', { headers: PAGE });
    expect(sent).toMatchObject({ status: 302, headers: { location: '/login?next=%2Ftelemetry%3Fa%3Db' } });
    const page = await ask(sent.headers.location as string, { headers: PAGE });
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
    expect(page.headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/,
    );
    expect(page.body).toContain('name="next" value="/telemetry?a=b"');
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin };
    const body = new URLSearchParams({ token: ` ${OPERATE}\n`, next: '/telemetry?a=b' }).toString();
    const login = await ask('/login', { method: 'POST', headers, body });
    expect(login).toMatchObject({ status: 303, headers: { location: '/telemetry?a=b' } });
    const [set = ''] = login.headers['set-cookie'] ?? [];
    expect(set).toMatch(/^pulselane_session=admin~\d+~[\w-]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    const cookie = set.split(';')[0] as string;
    expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(200);
    const change = (origin: string) => ask(RELEASE, { method: 'POST', headers: { cookie, origin } });
    expect((await change('http://evil.example')).status).toBe(403);
    expect((await ask(RELEASE, { method: 'POST', headers: { cookie } })).status).toBe(403);
    expect(commands).toEqual([]);
    expect((await change(origin)).status).toBe(200);
    const again = await ask('/login', { headers: { ...PAGE, cookie } });
    expect(again.body).toContain('Logged in as <strong>admin</strong>');
    expect(again.body).toContain('<form method="post" action="/logout">');
    expect(again.body).not.toContain('type="password"');
    const logout = await ask('/logout', { method: 'POST', headers: { cookie, origin } });
    expect(logout).toMatchObject({ status: 303, headers: { location: '/login' } });
    expect(logout.headers['set-cookie']?.[0]).toMatch(/^pulselane_session=; Max-Age=0;/);
    expect((await ask('/login', { headers: PAGE })).body).toContain('type="password"');
  });

  test('refuses a token that is not known, a page of another origin, and what is no form', async () => {
    const { ask, port } = await serveAsked({ tokens: TOKENS });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const origin = `http://127.0.0.1:${port}`;
    const wrong = await ask('/login', {
      method: 'POST',
      headers: { ...form, origin },
      body: 'token=plt_%3Cscript%3E&next=//evil.example',
    });
    expect(wrong.status).toBe(401);
    expect(wrong.body).toContain('Unknown token.');
    expect(wrong.body).not.toContain('plt_');
    expect(wrong.body).toContain('name="next" value="/"');
    expect(wrong.headers['set-cookie']).toBeUndefined();
    expect(
      await ask('/login', {
        method: 'POST',
        headers: { ...form, origin: 'http://evil.example' },
        body: `token=${READ}`,
      }),
    ).toMatchObject({ status: 403 });
    expect(
      await ask('/login', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: `token=${READ}` }),
    ).toMatchObject({ status: 400 });
    for (let i = 0; i < WRONG_TOKENS_AT_ONCE; i++)
      await ask('/login', { method: 'POST', headers: form, body: 'token=x' });
    expect(await ask('/login', { method: 'POST', headers: form, body: 'token=x' })).toMatchObject({
      status: 429,
      headers: { 'retry-after': '1' },
    });
  });

  test('is over after twelve hours, and marked for TLS behind a proxy that speaks it', async () => {
    const { ask, clock, port } = await serveAsked({ tokens: TOKENS });
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: `https://127.0.0.1:${port}` };
    const login = await ask('/login', { method: 'POST', headers, body: `token=${READ}` });
    const set = login.headers['set-cookie']?.[0] ?? '';
    expect(set).toContain('; Secure;');
    const cookie = set.split(';')[0] ?? '';
    clock.advance(12 * 3_600_000 - 2000);
    expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(200);
    clock.advance(2000);
    expect((await ask('/telemetry', { headers: { cookie } })).status).toBe(401);
  });

  test('is not asked for where there are no tokens', async () => {
    const { ask } = await serveAsked();
    expect((await ask('/telemetry', { headers: PAGE })).status).toBe(200);
    expect((await ask('/login?next=/telemetry', { headers: PAGE })).body).toContain('<a href="/telemetry">');
    expect((await ask('/login', { method: 'PUT' })).headers.allow).toBe('GET, HEAD, POST');
  });
});

describe('the Host', () => {
  test('must be a name of ours, in the shape of the path’s errors', async () => {
    const { ask } = await serveAsked({ allowedHosts: ['pulselane.example'] });
    const headers = { host: 'rebound.example:8080' };
    expect(await ask('/telemetry', { headers })).toMatchObject({
      status: 421,
      body: expect.stringContaining('ALLOWED_HOSTS'),
    });
    const refused = await ask('/api/v1/holds', { headers });
    expect(refused.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(refused.body)).toMatchObject({ type: 'urn:pulselane:error:misdirected', status: 421 });
    for (const host of ['localhost', 'pulselane.example:80', '[::1]:1']) {
      expect((await ask('/telemetry', { headers: { host } })).status).toBe(200);
    }
    const answer = await ask('/api/v1/limits');
    expect(JSON.parse(answer.body).refused.host).toBe(2);
  });

  test('of a WebSocket as well', async () => {
    const { port } = await serveAsked();
    const handshake = `GET /ws/telemetry HTTP/1.1\r\nHost: rebound.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
    expect(await exchange(port, handshake)).toMatch(/^HTTP\/1\.1 421 /);
  });

  test('is anything where the server listens beyond loopback, but for a browser on this machine', async () => {
    const { ask } = await serveAsked({ host: '0.0.0.0' });
    expect((await ask('/telemetry', { headers: { host: 'rebound.example' } })).status).toBe(421);
    expect((await ask('/telemetry', { headers: { host: 'any.example', 'x-forwarded-for': '10.0.0.1' } })).status).toBe(
      200,
    );
    expect((await ask('/telemetry', { headers: { host: '10.0.0.1:8080' } })).status).toBe(200);
  });
});

describe('a page of another origin', () => {
  test('of the list may ask with a token, and sees what it needs; others get nothing', async () => {
    const { ask } = await serveAsked({ tokens: TOKENS, corsOrigins: ['http://dashboard.example'] });
    const preflight = (origin: string, path = '/api/v1/workers/a') =>
      ask(path, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'DELETE',
          'access-control-request-headers': 'authorization',
        },
      });
    expect(await preflight('http://dashboard.example')).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': 'http://dashboard.example',
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, DELETE',
        'access-control-allow-headers': 'authorization',
      },
    });
    expect((await preflight('http://dashboard.example')).headers).not.toHaveProperty(
      'access-control-allow-credentials',
    );
    expect((await preflight('http://dashboard.example', '/telemetry')).headers['access-control-allow-methods']).toBe(
      'GET, HEAD',
    );
    const refused = await preflight('http://evil.example');
    expect(refused.status).toBe(401);
    expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
    const answer = await ask('/telemetry', { headers: { ...bearer(READ), origin: 'http://dashboard.example' } });
    expect(answer.headers['access-control-expose-headers']).toBe('ETag, Link, Retry-After, X-Pulselane-Index');
  });
});

test('every answer tells browsers not to make anything of it', async () => {
  const { ask } = await serveAsked({ tokens: TOKENS });
  for (const path of ['/health', '/telemetry', '/nowhere', '/api/v1/holds', '/login']) {
    expect((await ask(path)).headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'content-security-policy': expect.stringMatching(/^default-src 'none'; .*frame-ancestors 'none'$/),
    });
    expect((await ask(path)).headers).not.toHaveProperty('strict-transport-security');
  }
});

describe('a body', () => {
  test('that is too large is refused by its length, before it comes', async () => {
    const { port, ask } = await serveAsked({ limits: { maxBodyBytes: 1024 } });
    const head = `POST ${RELEASE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n`;
    const answer = await exchange(port, `${head}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('urn:pulselane:error:too_large');
    expect(await exchange(port, `${head}Expect: 100-continue\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /);
    expect(JSON.parse((await ask('/api/v1/limits')).body).refused.body).toBe(2);
  });

  test('in chunks is refused as soon as there is too much of it, and not read on', async () => {
    const { port, commands } = await serveAsked({ limits: { maxBodyBytes: 1024 } });
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`POST ${RELEASE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
    socket.write(chunk);
    socket.write(chunk);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    // More of it would not be taken for ever: the connection ends.
    const more = setInterval(() => socket.write(chunk.repeat(100)), 1);
    await once(socket, 'close');
    clearInterval(more);
    expect(commands).toEqual([]);
  });

  test('that is small is read, and the route gets it', async () => {
    const { port, commands } = await serveAsked({ limits: { maxBodyBytes: 1024 }, tokens: TOKENS });
    const form = `token=${READ}`;
    const login = `POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n${form.length.toString(16)}\r\n${form}\r\n0\r\n\r\n`;
    expect(await exchange(port, login)).toMatch(/^HTTP\/1\.1 303 /);
    const release = `POST ${RELEASE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${OPERATE}\r\nContent-Length: 2\r\n\r\n{}`;
    expect(await exchange(port, release)).toMatch(/^HTTP\/1\.1 200 /);
    expect(commands).toHaveLength(1);
  });

  test('of a WebSocket handshake is not waited for', async () => {
    const { port } = await serveAsked();
    const head = 'GET /ws/telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    const socket = connect(port, '127.0.0.1');
    socket.write(`${head}${key}Content-Length: 100\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 101 /);
    socket.destroy();
  });

  test('that breaks off does nothing', async () => {
    const { port, commands, ask, logged } = await serveAsked();
    const socket = connect(port, '127.0.0.1');
    socket.end(`POST ${RELEASE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf`);
    await once(socket.resume(), 'close');
    expect((await ask('/health')).status).toBe(200);
    expect(commands).toEqual([]);
    expect(logged).toEqual([]);
  });
});

test('a peer that asks too often waits; this machine has no limit', async () => {
  const { app, clock } = newApp({ requestsPerS: 5 });
  const from = async (remoteAddress: string) =>
    app.request('/health', {}, { incoming: { url: '/health', headers: {}, socket: { remoteAddress } } });
  for (let i = 0; i < 5; i++) expect((await from('2001:db8::1')).status).toBe(200);
  // Another address of the same network.
  const refused = await from('2001:db8::2');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect((await from('10.0.0.1')).status).toBe(200);
  for (let i = 0; i < 20; i++) expect((await from('127.0.0.1')).status).toBe(200);
  clock.advance(200);
  expect((await from('2001:db8::1')).status).toBe(200);
  expect((await from('2001:db8::1')).status).toBe(429);
});

describe('connections', () => {
  const idle = async (port: number) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };

  test.each([
    ['of one peer', { maxConnectionsPerPeer: 2 }, 'connections_per_peer'],
    ['in all', { maxConnections: 2 }, 'connections'],
  ])('%s: one too many is told so, and counted', async (_, limits, reason) => {
    const { port, ask, url } = await serveAsked({ limits });
    const first = await idle(port);
    const second = await idle(port);
    expect(await ask('/health')).toMatchObject({ status: 503, headers: { 'retry-after': '1', connection: 'close' } });
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/telemetry`);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(503);
    socket.on('error', () => {}).terminate();
    first.destroy();
    second.destroy();
    await expect.poll(async () => (await ask('/health')).status).toBe(200);
    const { refused } = JSON.parse((await ask('/api/v1/limits')).body);
    expect(refused[reason]).toBeGreaterThanOrEqual(2);
  });
});
