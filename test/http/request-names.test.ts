/** Under which names a server is asked, over sockets of the test's own; and what the parser refuses, counted. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostMistake } from '../../src/http/access/hosts.ts';
import { HEADERS_TIMEOUT_MS } from '../../src/http/http-limits.ts';
import { answerTo } from '../../src/http/sockets/parser-errors.ts';
import { eventually } from '../support/eventually.ts';
import { exchange, newServer } from './support.ts';

let served: Awaited<ReturnType<typeof newServer>>;
beforeAll(async () => {
  served = await newServer({ allowedHosts: ['master.example'] });
});
afterAll(() => served.stop());

async function refused(): Promise<Record<string, number>> {
  return ((await (await fetch(`${served.url}/api/v1/limits`)).json()) as { refused: Record<string, number> }).refused;
}

const CASES: readonly (readonly [status: number, head: string])[] = [
  [200, 'GET /health HTTP/1.1\r\nHost: localhost'],
  [200, 'GET /health HTTP/1.1\r\nHost: LOCALHOST.:8080'],
  [200, 'GET /health HTTP/1.1\r\nHost: [::1]:8080'],
  [200, 'GET /health HTTP/1.0'],
  [200, 'GET http://localhost/health HTTP/1.1\r\nHost: localhost'],
  [200, 'GET http://localhost:80/health HTTP/1.1\r\nHost: localhost'],
  [200, 'GET http://master.example/health HTTP/1.1\r\nHost: Master.Example'],
  [200, 'GET http://localhost/health HTTP/1.0'],
  [421, 'GET /health HTTP/1.1\r\nHost: evil.example'],
  [421, 'GET http://evil.example/health HTTP/1.1\r\nHost: evil.example'],
  [421, 'GET http://evil.example/health HTTP/1.0'],
  [400, 'GET http://evil.example/health HTTP/1.1\r\nHost: localhost'],
  [400, 'GET http://localhost/health HTTP/1.1\r\nHost: evil.example'],
  [400, 'GET http://localhost:81/health HTTP/1.1\r\nHost: localhost'],
  [400, 'GET https://localhost:80/health HTTP/1.1\r\nHost: localhost'],
  [400, 'GET http://localhost@evil.example/health HTTP/1.1\r\nHost: localhost'],
  [400, 'GET http:///health HTTP/1.1\r\nHost: localhost'],
  [400, 'GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example'],
  [400, 'GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost'],
  [400, 'GET /health HTTP/1.1\r\nHost: user@localhost'],
  [400, 'GET /health HTTP/1.1\r\nHost: localhost:port'],
  [400, 'GET /health HTTP/1.1\r\nHost: localhost, evil.example'],
  [400, 'GET /health HTTP/1.1\r\nHost: localhost/health'],
  [400, 'GET /health HTTP/1.1'],
  [405, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443'],
];

test.each(CASES)('%i: %j', async (status, head) => {
  const answer = await exchange(served.port, `${head}\r\nConnection: close\r\n\r\n`);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
});

test('a name is refused unless all that say it say the same', () => {
  const name = fc.constantFrom('localhost', 'a', 'a:80', 'A', '[::1]', 'a@b', 'a b', '', 'a/b', 'a:x');
  fc.assert(
    fc.property(fc.option(name, { nil: undefined }), fc.array(name, { maxLength: 2 }), (authority, hosts) => {
      const target = authority === undefined ? undefined : { scheme: 'http', authority };
      if (hostMistake({ target, hosts }) !== undefined) return;
      const names = [...hosts, ...(authority === undefined ? [] : [authority])];
      expect(new Set(names.map((text) => text.toLowerCase().replace(/:80$/, ''))).size).toBeLessThanOrEqual(1);
      for (const text of names) expect(text).toMatch(/^(?:\[::1\]|[\w.]*)(?::\d*)?$/);
    }),
  );
});

test('what the parser refuses is counted by reason', async () => {
  const before = await refused();
  const large = connect(served.port, '127.0.0.1').on('error', () => {});
  large.write(`GET / HTTP/1.1\r\nX: ${'x'.repeat(64 * 1024)}\r\n\r\n`);
  await eventually(async () => (await refused()).headers === (before.headers ?? 0) + 1);
  expect(await exchange(served.port, 'no HTTP at all\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  const after = await refused();
  expect(after).toMatchObject({ malformed: (before.malformed ?? 0) + 1 });
  // Node's own clock: what it says of a request that took too long.
  expect(HEADERS_TIMEOUT_MS).toBeLessThan(60_000);
  expect(answerTo('ERR_HTTP_REQUEST_TIMEOUT')).toEqual({ status: '408 Request Timeout', reason: 'timeout' });
  expect(answerTo('ECONNRESET')).toBeUndefined();
});

test('requests that wait beyond what a connection may have end it, counted', async () => {
  const { pipelined = 0 } = await refused();
  const socket = connect(served.port, '127.0.0.1');
  const ended = text(socket).catch(() => '');
  const index = ((await (await fetch(`${served.url}/api/v1/cluster`)).json()) as { revision: string }).revision;
  const wait = `GET /api/v1/workers?index=${index}&wait=5m HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  socket.write(wait + 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(150));
  await ended;
  await eventually(async () => (await refused()).pipelined === pipelined + 1);
});

test.each(['/api', '/api/', '/api/v1', '/api/v1/nothing', '/api/v2/x'])('%s is a problem', async (path) => {
  const response = await fetch(served.url + path);
  expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
  expect(await response.json()).toMatchObject({ type: 'urn:pulselane:error:not_found', status: 404, instance: path });
});

test('a method that a path does not have is a problem that lists those it has', async () => {
  const response = await fetch(`${served.url}/api/v1/workers`, { method: 'DELETE' });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
});
