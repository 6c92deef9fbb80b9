/** A master that calls an agent where it listens with TLS. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import type { ClientPems } from '../../src/lib/grpc-adapter.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { MasterIntroducer } from '../../src/rpc/introducer.ts';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { passing } from '../support/fake-fleet.ts';

let authority: CertificateAuthority;
let other: CertificateAuthority;
let server: KeyPair;
let master: KeyPair;
beforeAll(async () => {
  [authority, other] = [await CertificateAuthority.create(), await CertificateAuthority.create('another')];
  server = await authority.server();
  master = await authority.issue({ commonName: 'master', dns: ['master'] });
});
afterAll(async () => {
  await authority.remove();
  await other.remove();
});

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function agentListening(listenTls?: { cert: string; key: string; clientCa?: string }): Promise<string> {
  const loop = LoopUnderTest.fake({ workerId: 'worker-1', listen: '127.0.0.1:0', listenTls });
  cleanUps.push(() => loop.stop());
  const { listening } = await eventually(() => loop.of('ready')[0]);
  return listening as string;
}

/** What comes of `register worker-1 <address>`. */
async function called(address: string, tls: Partial<ClientPems> = {}): Promise<string> {
  const clock = new FakeClock();
  const manager = new TelemetryManager({ clock, maxWorkers: 10, maxDedicatedLanes: 0, sharedLanes: 1 });
  await manager.start();
  cleanUps.push(() => passing(clock, manager.shutdown()));
  const introducer = new MasterIntroducer({
    manager,
    advertiseAddress: undefined,
    boundAddress: { host: '127.0.0.1', port: 50_051 },
    tls: { ca: undefined, cert: undefined, key: undefined, ...tls },
    clock,
    logger: silentLogger,
  });
  // As an earlier master kept it.
  const member = { workerId: 'worker-1', approved: false, known: false, instanceIds: [], info: undefined };
  manager.restore([{ ...member, address }], new Map());
  const outcome = await introducer.introduceNow('worker-1');
  return outcome.accepted ? `accepted ${outcome.advertised}` : outcome.reason;
}

test('an agent that listens with TLS is told over TLS, by a master that knows its authority, and not otherwise', async () => {
  const address = await agentListening({ cert: server.cert, key: server.key });
  expect(await called(`tls://${address}`, { ca: authority.pem })).toBe('accepted 127.0.0.1:50051');
  expect(await called(`tls://${address}`, { ca: other.pem })).toMatch(/certificate|issuer/);
  expect(await called(`tls://${address}`)).toMatch(/certificate|issuer/);
  // In plaintext nothing gets through.
  expect(await called(address, { ca: authority.pem })).toContain('(register worker-1 tls://<ip:port>)?');
});

test('the certificate has to be that of the address', async () => {
  const elsewhere = await authority.issue({ commonName: 'elsewhere', dns: ['elsewhere'], ips: ['10.9.9.9'] });
  const address = await agentListening({ cert: elsewhere.cert, key: elsewhere.key });
  expect(await called(`tls://${address}`, { ca: authority.pem })).toContain('127.0.0.1');
});

test('an agent that knows its masters by an authority is told by those alone', async () => {
  const address = await agentListening({ cert: server.cert, key: server.key, clientCa: authority.path });
  const { certPem: cert, keyPem: key } = master;
  expect(await called(`tls://${address}`, { ca: authority.pem, cert, key })).toBe('accepted 127.0.0.1:50051');
  expect(await called(`tls://${address}`, { ca: authority.pem })).not.toContain('accepted');
  const stranger = await other.issue({ commonName: 'master', dns: ['master'] });
  const strange = { cert: stranger.certPem, key: stranger.keyPem };
  expect(await called(`tls://${address}`, { ca: authority.pem, ...strange })).not.toContain('accepted');
});

test('workers that speak no TLS, as those of the earlier Go system, are called in plaintext', async () => {
  const address = await agentListening();
  expect(await called(address, { ca: authority.pem })).toBe('accepted 127.0.0.1:50051');
  expect(await called(`tls://${address}`, { ca: authority.pem })).toBe(
    'the worker does not use TLS; try register worker-1 <ip:port>',
  );
});

test('files that are wrong end the start, and are named', async () => {
  const loop = LoopUnderTest.fake({
    workerId: 'worker-1',
    listen: '127.0.0.1:0',
    listenTls: { cert: server.cert, key: master.key },
  });
  cleanUps.push(() => loop.stop());
  const failed = await eventually(() => loop.of('failed')[0]);
  expect(failed).toMatchObject({ code: 'bad_setting' });
  expect(failed.message).toContain(`listenTls.key=${master.key}`);
});
