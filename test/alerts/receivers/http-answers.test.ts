/** What answers, and their absence, mean: for all receivers that are reached by HTTP, and seen at the webhook. */

import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNDER_WAY_PER_TARGET } from '../../../src/alerts/delivery/delivery-limits.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { answers, HttpSink } from './http-sink.ts';
import { senderOf, sendOnce, testContext } from './receiver-context.ts';
import { AT_UNIX_MS, someNotification } from './some-alerts.ts';

const NEVER = new AbortController().signal;

test.each<[number, Record<string, string>, object]>([
  [200, {}, { outcome: 'sent' }],
  [204, {}, { outcome: 'sent' }],
  [400, {}, { outcome: 'refused', detail: 'HTTP 400: no' }],
  [401, {}, { outcome: 'refused', detail: 'HTTP 401: no' }],
  [404, {}, { outcome: 'refused', detail: 'HTTP 404: no' }],
  [408, {}, { outcome: 'retry', detail: 'HTTP 408: no' }],
  [425, {}, { outcome: 'retry', detail: 'HTTP 425: no' }],
  [429, { 'retry-after': '7' }, { outcome: 'retry', detail: 'HTTP 429: no', afterMs: 7000 }],
  [429, { 'retry-after': '86400' }, { outcome: 'retry', detail: 'HTTP 429: no', afterMs: 3_600_000 }],
  [500, {}, { outcome: 'retry', detail: 'HTTP 500: no' }],
  [
    503,
    { 'retry-after': new Date(AT_UNIX_MS + 30_000).toUTCString() },
    { outcome: 'retry', detail: 'HTTP 503: no', afterMs: 30_000 },
  ],
  [503, { 'retry-after': 'soon' }, { outcome: 'retry', detail: 'HTTP 503: no' }],
])('an answer %i with %j', async (status, headers, expected) => {
  await using sink = await HttpSink.start();
  sink.answer = answers(status, status === 204 ? '' : 'no', headers);
  const outcome = await sendOnce('webhook', { url: `${sink.url}/hook` });
  const { detail } = expected as { detail?: string };
  expect(outcome).toEqual({ ...expected, ...(detail === undefined ? {} : { detail: `${sink.url}/hook: ${detail}` }) });
});

test('a wait that stands in the answer itself, with fractions, as Discord writes it', async () => {
  await using sink = await HttpSink.start();
  sink.answer = answers(429, '{"message": "You are being rate limited.", "retry_after": 0.652, "global": false}');
  expect(await sendOnce('discord', { url: `${sink.url}/api/webhooks/1/abc` })).toMatchObject({
    outcome: 'retry',
    afterMs: 652,
  });
});

test('as many at a time as the queue sends to a target: none waits for another while its time runs', async () => {
  await using sink = await HttpSink.start();
  const held: ServerResponse[] = [];
  sink.answer = (response) => void held.push(response);
  const sender = senderOf('webhook', { url: sink.url }, testContext());
  const sent = Array.from({ length: UNDER_WAY_PER_TARGET }, () => sender.send(someNotification(), NEVER));
  await eventually(() => held.length === UNDER_WAY_PER_TARGET);
  for (const response of held) response.end();
  expect(await Promise.all(sent)).toEqual(sent.map(() => ({ outcome: 'sent' })));
  await sender.close();
});

test('a redirect is not followed, and the error says so', async () => {
  await using elsewhere = await HttpSink.start();
  await using sink = await HttpSink.start();
  sink.answer = answers(307, '', { location: `${elsewhere.url}/secret-path` });
  expect(await sendOnce('webhook', { url: sink.url })).toEqual({
    outcome: 'refused',
    detail: `${sink.url}: HTTP 307, a redirect to ${elsewhere.url}: redirects are not followed; write the URL that it leads to`,
  });
  expect(elsewhere.got).toEqual([]);
});

test('nothing listens', async () => {
  const port = await freePort();
  expect(await sendOnce('webhook', { url: `http://127.0.0.1:${port}/` })).toEqual({
    outcome: 'retry',
    detail: `http://127.0.0.1:${port}: 127.0.0.1 port ${port} refused the connection: nothing listens there`,
  });
});

test('a name without an address', async () => {
  const { outcome, detail } = (await sendOnce('webhook', { url: 'http://hook.invalid/' })) as {
    outcome: string;
    detail: string;
  };
  expect(outcome).toBe('retry');
  // Without any network, the resolver says that it cannot know.
  expect(detail).toMatch(
    /^http:\/\/hook\.invalid: (hook\.invalid has no address|the address of hook\.invalid cannot be looked up at present) \(DNS\)$/,
  );
});

/** Answers each connection in its own way, and not in HTTP. */
async function rawServer(
  onConnection: Parameters<Server['on']>[1],
): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test.each<[string, string]>([
  ['hangs', ''],
  ['drips', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx'],
  ['never ends its headers', 'HTTP/1.1 200 OK\r\nX-A: b\r\n'],
])('a receiver that %s is given up in time', async (_, begin) => {
  let connected = false;
  await using server = await rawServer((socket) => {
    socket.once('data', () => {
      connected = true;
      socket.write(begin);
    });
  });
  const context = testContext();
  const sender = senderOf('webhook', { url: server.url }, context);
  const sent = sender.send(someNotification(), NEVER);
  await eventually(() => connected);
  context.clock.advance(14_999);
  context.clock.advance(1);
  expect(await sent).toEqual({ outcome: 'retry', detail: `${server.url}: no answer within 15 s` });
  await sender.close();
});

test('an answer without end is read no further than it is of use', async () => {
  let written = 0;
  await using server = await rawServer((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n');
      const more = () => {
        if (socket.destroyed) return;
        written += 1000;
        socket.write(`3e8\r\n${'x'.repeat(1000)}\r\n`, () => setImmediate(more));
      };
      more();
    });
  });
  const outcome = (await sendOnce('webhook', { url: server.url })) as { detail: string };
  expect(outcome).toMatchObject({ outcome: 'retry' });
  expect(outcome.detail.length).toBeLessThan(300);
  expect(written).toBeLessThan(20_000_000);
});

test('something else than HTTP', async () => {
  await using server = await rawServer((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  expect(await sendOnce('webhook', { url: server.url })).toEqual({
    outcome: 'retry',
    detail: `${server.url}: what answers there does not speak HTTP/1.1`,
  });
});

test('a stop ends what is under way', async () => {
  await using server = await rawServer(() => undefined);
  const sender = senderOf('webhook', { url: server.url }, testContext());
  const stop = new AbortController();
  const sent = sender.send(someNotification(), stop.signal);
  stop.abort();
  expect(await sent).toMatchObject({ outcome: 'retry' });
  await sender.close();
});

test('neither answers nor errors give a secret away', async () => {
  await using sink = await HttpSink.start();
  const secrets = ['pass-word-1', 'tok-en-23', 'key-in-query', 'header-value', 'T000/B000/path-secret'];
  sink.answer = (response, { path, headers, body }) => {
    response.writeHead(400).end(`${path} ${JSON.stringify(headers)} ${body.slice(0, 20)} ${secrets.join(' ')}`);
  };
  const outcomes = await Promise.all([
    sendOnce('webhook', { url: `${sink.url.replace('//', '//user:pass-word-1@')}/?key=key-in-query` }),
    sendOnce('webhook', { url: sink.url, token: 'tok-en-23', headers: { 'X-Key': 'header-value' } }),
    sendOnce('slack', { url: `${sink.url}/services/T000/B000/path-secret` }),
    sendOnce('discord', { url: `http://nowhere.invalid/api/webhooks/17/path-secret` }),
  ]);
  const [inUrl, inHeaders, slack, discord] = outcomes.map((outcome) => (outcome as { detail: string }).detail);
  expect(inUrl).not.toMatch(/pass-word-1|key-in-query/);
  expect(inHeaders).not.toMatch(/tok-en-23|header-value/);
  expect(slack).not.toContain('path-secret');
  expect(slack).toMatch(new RegExp(`^${sink.url}: HTTP 400`));
  expect(discord).not.toMatch(/path-secret|webhooks/);
});

let authority: CertificateAuthority;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
});
afterAll(() => authority.remove());

test('TLS: by its own authority, and in plain words what is wrong', async () => {
  const { certPem, keyPem } = await authority.server();
  await using sink = await HttpSink.start({ cert: certPem, key: keyPem });
  expect(await sendOnce('webhook', { url: sink.url, ca: authority.pem })).toEqual({ outcome: 'sent' });
  const untrusted = 'its certificate is of no authority that is trusted; ca_file names the authority';
  expect(await sendOnce('webhook', { url: sink.url })).toEqual({
    outcome: 'retry',
    detail: `${sink.url}: ${untrusted}`,
  });
  const { certPem: old, keyPem: oldKey } = await authority.server({ validMs: -1000 });
  await using expired = await HttpSink.start({ cert: old, key: oldKey });
  expect(await sendOnce('webhook', { url: expired.url, ca: authority.pem })).toEqual({
    outcome: 'retry',
    detail: `${expired.url}: its certificate has expired`,
  });
  const { certPem: other, keyPem: otherKey } = await authority.issue({ dns: ['other.example'] });
  await using wrong = await HttpSink.start({ cert: other, key: otherKey });
  expect(await sendOnce('webhook', { url: wrong.url, ca: authority.pem })).toMatchObject({
    detail: expect.stringMatching(/: its certificate is for other names: /),
  });
  await using plain = await HttpSink.start();
  expect(await sendOnce('webhook', { url: plain.url.replace('http:', 'https:') })).toMatchObject({
    detail: expect.stringMatching(/does not speak TLS$/),
  });
});
