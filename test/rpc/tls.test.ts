import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import { credentials, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { readTlsFiles } from '../../src/lib/tls-files.ts';
import { hashOfToken, newToken } from '../../src/lib/tokens.ts';
import { parseWorkerTokens, workerTokenLine } from '../../src/model/identity.ts';
import { Authority } from '../../src/rpc/authority.ts';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { bearer, type ClientAccess } from '../support/grpc-client.ts';
import { type RpcTestOptions, type RunningRpc, startRpc } from '../support/rpc-server.ts';

let authority: CertificateAuthority;
let stranger: CertificateAuthority;
let serverKeys: KeyPair;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
  stranger = await CertificateAuthority.create('a stranger');
  serverKeys = await authority.server();
});
afterAll(async () => {
  await authority.remove();
  await stranger.remove();
});

let rpc: RunningRpc | undefined;
afterEach(() => rpc?.stop());

async function start(options: RpcTestOptions & { clientCa?: boolean } = {}): Promise<RunningRpc> {
  const { clientCa, ...others } = options;
  const tls = await readTlsFiles({
    tlsCert: serverKeys.cert,
    tlsKey: serverKeys.key,
    tlsClientCa: clientCa ? authority.path : undefined,
  });
  rpc = await startRpc({ ...others, tls });
  return rpc;
}

function access(keys?: KeyPair): ClientAccess {
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  return {
    credentials: credentials.createSsl(Buffer.from(authority.pem), pem(keys?.keyPem), pem(keys?.certPem)),
  };
}

/** The certificate that a new connection is shown. */
async function shownCertificate(port: number): Promise<PeerCertificate> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: authority.pem, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

test('calls and streams go over TLS, and nothing goes without', async () => {
  const { client, manager } = await start();
  const stream = client(access()).stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  await expect(client().sendHeartbeat({ workerId: 'b' })).rejects.toMatchObject({ code: status.UNAVAILABLE });
  const untrusting = { credentials: credentials.createSsl(Buffer.from(stranger.pem)) };
  await expect(client(untrusting).sendHeartbeat({ workerId: 'c' })).rejects.toMatchObject({ code: status.UNAVAILABLE });
  expect([...manager.getAllWorkerTelemetry().keys()]).toEqual(['a']);
  expect(manager.internalState().refusals.tls_handshake).toBeGreaterThanOrEqual(1);
  stream.call.end();
  await eventually(() => stream.ended);
  expect(stream.error).toBeUndefined();
});

test('stopping sends the last acks over TLS and ends streams cleanly', async () => {
  const { client, server } = await start();
  const stream = client(access()).stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  stream.send({ workerId: 'a', sequence: 2n });
  stream.send({ workerId: '.', sequence: 3n });
  // A refusal is told at once, and all that came before it.
  await eventually(() => stream.refusals.length === 1);
  await server.stop();
  await eventually(() => stream.ended);
  expect(stream.acked('a')).toBe(2);
  expect(stream.error).toBeUndefined();
});

test('a new certificate is shown to new connections, and a stream of before goes on', async () => {
  const { client, port, server, manager } = await start();
  const stream = client(access()).stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  const before = await shownCertificate(port);
  const renewed = await authority.server();
  const tls = await readTlsFiles({ tlsCert: renewed.cert, tlsKey: renewed.key, tlsClientCa: undefined });
  if (tls !== undefined) server.setTls(tls);
  const after = await shownCertificate(port);
  expect(after.serialNumber).not.toBe(before.serialNumber);
  stream.send({ workerId: 'a', sequence: 2n, cpuUsage: 2 });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 2);
  expect(stream.error).toBeUndefined();
  await client(access()).sendHeartbeat({ workerId: 'b' });
  stream.call.cancel();
});

describe('with an authority for clients', () => {
  const token = newToken();
  const known = () =>
    new Authority(parseWorkerTokens(workerTokenLine({ kind: 'worker', id: 't' }, hashOfToken(token)), ''), systemClock);

  test('the names of a certificate are those of its workers', async () => {
    const { client } = await start({ clientCa: true, authority: known() });
    const keys = await authority.issue({
      commonName: 'not-this-one',
      dns: ['worker-1'],
      uris: ['urn:pulselane:worker:a%2Cb', 'urn:pulselane:group:rack'],
    });
    const mine = client(access(keys));
    await mine.sendHeartbeat({ workerId: 'worker-1' });
    await mine.sendHeartbeat({ workerId: 'a,b' });
    await expect(mine.sendHeartbeat({ workerId: 'not-this-one' })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining('identified by the certificate of worker-1, a,b, group rack'),
    });
    const plain = client(access(await authority.issue({ commonName: 'worker-2' })));
    await plain.sendHeartbeat({ workerId: 'worker-2' });
    await expect(plain.sendHeartbeat({ workerId: 'worker-1' })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });

  test.each([
    ['none', async () => undefined],
    ['one that is not valid any more', () => authority.issue({ dns: ['worker-1'], validMs: -60_000 })],
    ['one of somebody else', () => stranger.issue({ dns: ['worker-1'] })],
    ['one without a name', () => authority.issue({ uris: ['https://example.org'] })],
  ])('who shows %s is nobody', async (_, keysOf) => {
    const { client, manager } = await start({ clientCa: true, authority: known() });
    const call = client(access(await keysOf())).sendHeartbeat({ workerId: 'worker-1' });
    await expect(call).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    expect(manager.getAllWorkerTelemetry().size).toBe(0);
  });

  test('a token counts, and not the certificate beside it', async () => {
    const { client } = await start({ clientCa: true, authority: known() });
    const keys = await authority.issue({ dns: ['worker-1'] });
    const both = client({ ...access(keys), ...bearer(token) });
    await both.sendHeartbeat({ workerId: 't' });
    await expect(both.sendHeartbeat({ workerId: 'worker-1' })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    const wrong = client({ ...access(keys), ...bearer(newToken()) });
    await expect(wrong.sendHeartbeat({ workerId: 'worker-1' })).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    await client({ ...access(), ...bearer(token) }).sendHeartbeat({ workerId: 't' });
  });

  test('where nobody has to be known by name, a valid certificate is what lets in', async () => {
    const { client } = await start({ clientCa: true });
    await client(access(await authority.issue({ commonName: 'x' }))).sendHeartbeat({ workerId: 'anybody' });
    await expect(client(access()).sendHeartbeat({ workerId: 'a' })).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });
});

test('a connection that does not shake hands is closed, and one that shakes hands and says no more', async () => {
  // Long enough for an honest handshake on a machine that is busy; the two wait together.
  const { port, manager, client } = await start({ limits: { grpcHandshakeMs: 1500 } });
  const stream = client(access()).stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  const mute = connect(port, '127.0.0.1');
  const shy = connectTls({ host: '127.0.0.1', port, ca: authority.pem, ALPNProtocols: ['h2'] });
  for (const socket of [mute, shy]) socket.on('error', () => {});
  const closed = Promise.all([once(mute, 'close'), once(shy, 'close')]);
  await once(shy, 'secureConnect');
  shy.resume().write('PRI * HTTP/2.0');
  await closed;
  // Who has spoken is older than both, and still there.
  stream.send({ workerId: 'a', sequence: 2n, cpuUsage: 2 });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 2);
  expect(stream.error).toBeUndefined();
  stream.call.cancel();
  expect(manager.internalState().refusals).toEqual({ silent_connection: 2 });
});
