import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { STOP_GRACE_MS } from '../../src/http/http-limits.ts';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { ask } from './access/http.ts';
import { SESSION_KEY, serve } from './support.ts';

let authority: CertificateAuthority;
let pair: KeyPair;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
  pair = await authority.server();
});
afterAll(() => authority.remove());

function serveTls(options: Parameters<typeof serve>[0] = {}, clientCa?: string) {
  return serve({ tls: { cert: pair.certPem, key: pair.keyPem, clientCa }, ...options });
}

test('all is served over TLS, and a browser told to stay with it where the name is not one of loopback', async () => {
  const { url, port, fleet } = await serveTls({ allowedHosts: ['pulselane.example'] });
  fleet.register('node-a');
  const answer = await ask(`${url}/telemetry`, { ca: authority.pem });
  expect(answer.status).toBe(200);
  expect(answer.headers).not.toHaveProperty('strict-transport-security');
  const named = await ask(`${url}/telemetry`, {
    ca: authority.pem,
    servername: 'localhost',
    headers: { host: 'pulselane.example' },
  });
  expect(named.headers['strict-transport-security']).toBe('max-age=31536000');
  const socket = new WebSocket(`wss://localhost:${port}/ws/telemetry`, {
    ca: authority.pem,
    origin: `https://localhost:${port}`,
  });
  const [frame] = await once(socket, 'message');
  expect(JSON.parse(String(frame))).toHaveProperty('node-a');
  socket.terminate();
});

test('a session of a login over TLS is for TLS alone', async () => {
  const { url } = await serveTls({ tokens: [{ name: 'a', scopes: ['read'], hash: hashOfToken('plt_a') }] });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const login = await ask(`${url}/login`, { ca: authority.pem, method: 'POST', headers, body: 'token=plt_a' });
  expect(login.headers['set-cookie']?.[0]).toContain('; Secure;');
});

test('with authorities of clients, who shows no certificate of theirs gets nothing', async () => {
  const { url } = await serveTls({}, authority.pem);
  const client = await authority.issue({ commonName: 'a client' });
  const other = await CertificateAuthority.create('another authority');
  const stranger = await other.issue({ commonName: 'a client' });
  await other.remove();
  const health = (own?: KeyPair) =>
    ask(`${url}/health`, { ca: authority.pem, ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }) });
  expect((await health(client)).status).toBe(200);
  await expect(health()).rejects.toThrow();
  await expect(health(stranger)).rejects.toThrow();
  await eventually(async () => {
    const limits = await ask(`${url}/api/v1/limits`, { ca: authority.pem, cert: client.certPem, key: client.keyPem });
    return JSON.parse(limits.body).refused.handshake === 2;
  });
});

test('a new certificate is shown to new connections, and old ones go on', async () => {
  const { server, port } = await serveTls();
  const open = async () => {
    const socket = tlsConnect({ port, host: 'localhost', ca: authority.pem, servername: 'localhost' });
    await once(socket, 'secureConnect');
    return socket;
  };
  const status = async (socket: Awaited<ReturnType<typeof open>>) => {
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [answer] = await once(socket, 'data');
    return String(answer).slice(0, 12);
  };
  const before = await open();
  const renewed = await authority.server();
  server.setSecrets({
    tokens: [],
    sessionKey: SESSION_KEY,
    tls: { cert: renewed.certPem, key: renewed.keyPem, clientCa: undefined },
  });
  const after = await open();
  expect(after.getPeerCertificate().serialNumber).not.toBe(before.getPeerCertificate().serialNumber);
  expect(await status(before)).toBe('HTTP/1.1 200');
  expect(await status(after)).toBe('HTTP/1.1 200');
  before.destroy();
  after.destroy();
});

test('who speaks something else is closed, and harms nobody', async () => {
  const { url, port } = await serveTls();
  for (const bytes of [
    'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n',
    '\x16\x03\x01\x00\x05hello',
    '\0'.repeat(5000),
  ]) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(bytes);
    await once(socket.resume(), 'close');
  }
  expect((await ask(`${url}/health`, { ca: authority.pem })).status).toBe(200);
  const { refused } = JSON.parse((await ask(`${url}/api/v1/limits`, { ca: authority.pem })).body);
  expect(refused.handshake).toBe(3);
});

test('a tunnel is refused, and a reset behind it harms nobody', async () => {
  const { url, port } = await serveTls();
  const connection = connect(port, '127.0.0.1').on('error', () => {});
  const socket = tlsConnect({ socket: connection, servername: 'localhost', ca: authority.pem }).on('error', () => {});
  socket.write('CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 405 /);
  connection.resetAndDestroy();
  expect((await ask(`${url}/health`, { ca: authority.pem })).status).toBe(200);
});

test('a connection too many is closed', async () => {
  const { port, url } = await serveTls({ limits: { maxConnectionsPerPeer: 1 } });
  const first = tlsConnect({ port, host: 'localhost', ca: authority.pem });
  await once(first, 'secureConnect');
  await expect(ask(`${url}/health`, { ca: authority.pem })).rejects.toThrow();
  first.destroy();
  await eventually(
    async () => (await ask(`${url}/health`, { ca: authority.pem }).catch(() => undefined))?.status === 200,
  );
});

test('when an authority of clients is taken away all connections end; when one is added none does', async () => {
  const other = await CertificateAuthority.create('another authority');
  const { server, url, port, fleet, clock } = await serveTls({}, authority.pem);
  fleet.register('node-a');
  const { certPem: cert, keyPem: key } = await authority.issue({ commonName: 'a client' });
  const socket = new WebSocket(`wss://localhost:${port}/ws/telemetry`, { ca: authority.pem, cert, key });
  const closed = once(socket, 'close');
  const idle = tlsConnect({ port, host: 'localhost', ca: authority.pem, cert, key, servername: 'localhost' });
  idle.on('error', () => {});
  const ended = once(idle.resume(), 'close');
  await Promise.all([once(socket, 'message'), once(idle, 'secureConnect')]);
  const authorities = (clientCa: string) =>
    server.setSecrets({ tokens: [], sessionKey: SESSION_KEY, tls: { cert: pair.certPem, key: pair.keyPem, clientCa } });
  authorities(authority.pem + other.pem);
  const pong = once(socket, 'pong');
  socket.ping();
  await pong;
  expect([socket.readyState, idle.closed]).toEqual([WebSocket.OPEN, false]);
  authorities(other.pem);
  const [code] = await closed;
  expect(code).toBe(1008);
  await expect(ask(`${url}/health`, { ca: authority.pem, cert, key })).rejects.toThrow();
  clock.advance(STOP_GRACE_MS);
  await ended;
  await other.remove();
});
