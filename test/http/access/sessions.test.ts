/** What came with a session ends with it: at its end, and when it is logged out. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { EndedSessions } from '../../../src/http/access/ended-sessions.ts';
import { SESSION_S, type Session } from '../../../src/http/access/session.ts';
import { MAX_ENDED_SESSIONS, POLL_MS } from '../../../src/http/http-limits.ts';
import { type ApiToken, hashOfToken } from '../../../src/lib/tokens.ts';
import { eventually } from '../../support/eventually.ts';
import { repetitions } from '../../support/repetitions.ts';
import { serve } from '../support.ts';
import { ask } from './http.ts';

const TOKEN = 'a token';
const TOKENS: readonly ApiToken[] = [{ name: 'grafana', hash: hashOfToken(TOKEN), scopes: ['read'] }];

async function serveSessions() {
  const served = await serve({ tokens: TOKENS });
  served.fleet.register('node-a');
  const origin = `http://127.0.0.1:${served.port}`;
  const logIn = async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin };
    const login = await ask(`${origin}/login`, { method: 'POST', headers, body: `token=${TOKEN}` });
    return (login.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
  };
  /** A stream and a WebSocket; both end some time. */
  const follow = async (cookie: string) => {
    const before = served.server.live.clients;
    const call = request(`${origin}/api/v1/stream`, { agent: false, headers: { cookie } }).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    const streamed = text(response);
    const socket = new WebSocket(`ws://127.0.0.1:${served.port}/ws/telemetry`, { headers: { cookie, origin } });
    const closed = once(socket, 'close') as Promise<[code: number, reason: Buffer]>;
    await once(socket, 'open');
    await eventually(() => served.server.live.clients === before + 2);
    return { response, streamed, socket, closed };
  };
  const logOut = (cookie: string) => ask(`${origin}/logout`, { method: 'POST', headers: { cookie, origin } });
  const status = async (cookie: string) => (await ask(`${origin}/telemetry`, { headers: { cookie } })).status;
  return { ...served, logIn, follow, logOut, status };
}

async function expectGoodbye({
  response,
  streamed,
  closed,
}: Awaited<ReturnType<Awaited<ReturnType<typeof serveSessions>>['follow']>>) {
  expect(await streamed).toMatch(/event: end\ndata: \{"reason":"session_over"\}\n\n$/);
  expect(response.complete).toBe(true);
  const [code, reason] = await closed;
  expect([code, String(reason)]).toEqual([1008, 'the session is over']);
}

test('live clients end with the session that they came with', async () => {
  const { clock, server, logIn, follow, status } = await serveSessions();
  const cookie = await logIn();
  clock.advance((SESSION_S - 2) * 1000);
  const clients = await follow(cookie);
  const later = await follow(await logIn());
  clock.advance(1000);
  expect(server.live.clients).toBe(4);
  clock.advance(1000);
  await expectGoodbye(clients);
  expect(await status(cookie)).toBe(401);
  // Those of a session that goes on do.
  await eventually(() => server.live.clients === 2);
  later.socket.terminate();
  later.response.destroy();
  await later.streamed.catch(() => {});
});

test('a logged out session is over: its clients end, and a copy of its cookie is refused, also by the next thread', async () => {
  const { clock, server, logIn, follow, logOut, status, endedSessions } = await serveSessions();
  const cookie = await logIn();
  clock.advance(1000);
  const other = await logIn();
  const clients = await follow(cookie);
  expect((await logOut(cookie)).status).toBe(303);
  await expectGoodbye(clients);
  expect([await status(cookie), await status(other)]).toEqual([401, 200]);
  await eventually(() => server.live.clients === 0);

  const next = await serveSessions();
  expect(await next.status(cookie)).toBe(200);
  next.server.endSessions(endedSessions);
  expect([await next.status(cookie), await next.status(other)]).toEqual([401, 200]);
});

test('a stream whose request is complete only after the session has ended does not begin', async () => {
  const { clock, server, port, logIn } = await serveSessions();
  const cookie = await logIn();
  const head = `Host: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\n`;
  const socket = connect(port, '127.0.0.1');
  const answers = text(socket);
  // Behind the first, so that its answer says that the second was let in, without its body.
  socket.write(
    `GET /api/v1/limits HTTP/1.1\r\n${head}\r\nGET /api/v1/stream HTTP/1.1\r\n${head}Connection: close\r\nContent-Length: 1\r\n\r\n`,
  );
  await once(socket, 'data');
  await ask(`http://127.0.0.1:${port}/health`);
  clock.advance(SESSION_S * 1000);
  socket.write('x');
  expect((await answers).match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 401']);
  expect(server.live.clients).toBe(0);
});

test('a blocking query waits no longer than its session, however its wait is lengthened', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.999);
  onTestFinished(() => void vi.restoreAllMocks());
  const { clock, server, port, logIn } = await serveSessions();
  const cookie = await logIn();
  clock.advance((SESSION_S - 600) * 1000);
  const url = `http://127.0.0.1:${port}/api/v1/workers`;
  const index = (await ask(url, { headers: { cookie } })).headers['x-pulselane-index'];
  const answer = ask(`${url}?index=${index}&wait=10m`, { headers: { cookie } });
  await eventually(() => server.live.waiting === 1);
  clock.advance(600_000 + POLL_MS);
  expect((await answer).status).toBe(200);
});

test('ended sessions are remembered until they would have ended, and no more than so many', () => {
  const name = fc.constantFrom('a', 'b');
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.nat(3 * SESSION_S))), fc.nat(SESSION_S), (logouts, passedS) => {
      const nowUnixS = Math.max(0, ...logouts.map(([, atS]) => atS)) + passedS;
      const ended = new EndedSessions();
      const over = new Set<string>();
      for (const [name, atS] of logouts.toSorted(([, left], [, right]) => left - right)) {
        const session: Session = { name, expiresUnixS: atS + SESSION_S };
        for (const one of ended.endOf(session, atS)) ended.add(one, atS);
        over.add(`${name} ${session.expiresUnixS}`);
        expect(ended.has(session)).toBe(true);
      }
      const again = new EndedSessions();
      for (const one of ended.list(nowUnixS)) again.add(one, nowUnixS);
      for (const [name, atS] of logouts) {
        const session = { name, expiresUnixS: atS + SESSION_S };
        if (session.expiresUnixS > nowUnixS) expect(again.has(session)).toBe(true);
        for (const other of ['a', 'b']) {
          const asked = { name: other, expiresUnixS: session.expiresUnixS };
          if (again.has(asked)) expect(over).toContain(`${other} ${asked.expiresUnixS}`);
        }
      }
    }),
    { numRuns: repetitions(100, 2_000) },
  );
  const ended = new EndedSessions();
  const sessions = Array.from({ length: 2 * MAX_ENDED_SESSIONS }, (_, n) => ({
    name: 'a',
    expiresUnixS: SESSION_S + n,
  }));
  for (const [nowUnixS, session] of sessions.entries()) {
    for (const one of ended.endOf(session, nowUnixS)) ended.add(one, nowUnixS);
    expect(ended.size).toBeLessThanOrEqual(MAX_ENDED_SESSIONS);
  }
  // None of them is valid again, whatever was forgotten.
  expect(sessions.slice(0, MAX_ENDED_SESSIONS + 1).every((session) => ended.has(session))).toBe(true);
  expect(ended.has({ name: 'b', expiresUnixS: SESSION_S })).toBe(false);
});

test('who logs in and out all the time ends sessions of its own token alone, and none that begins later', () => {
  const ended = new EndedSessions();
  const nowUnixS = 2 * MAX_ENDED_SESSIONS + 0.5;
  for (let n = 0; n < MAX_ENDED_SESSIONS; n++) {
    ended.add({ name: 'busy', expiresUnixS: SESSION_S + MAX_ENDED_SESSIONS + n, andEarlier: false }, nowUnixS);
  }
  const logged = { name: 'quiet', expiresUnixS: SESSION_S + 2 * MAX_ENDED_SESSIONS - 9 };
  for (const one of ended.endOf(logged, nowUnixS)) ended.add(one, nowUnixS);
  expect(ended.size).toBe(1);
  const endsInS = (name: string, startS: number) => ended.has({ name, expiresUnixS: startS + SESSION_S });
  const nowS = Math.floor(nowUnixS);
  expect([ended.has(logged), endsInS('quiet', nowS - 8), endsInS('quiet', nowS)]).toEqual([true, false, false]);
  expect([endsInS('busy', nowS - 8), endsInS('busy', nowS), endsInS('busy', nowS + 1)]).toEqual([true, true, false]);
});
