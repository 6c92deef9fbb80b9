/** Attacks on TLS, and by certificates: those of others, of other authorities, of yesterday. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { credentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RefusalCode } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { type HeartbeatStreamClient, WorkerClient } from '../support/grpc-client.ts';
import { PREFACE, settings } from './raw-http2.ts';
import { ATTACKER } from './siege.ts';

const HOUR_MS = 3_600_000;

let ours: CertificateAuthority;
let others: CertificateAuthority;
let master: FaultMaster;
const clients: WorkerClient[] = [];
let healthy: HeartbeatStreamClient;
let sent = 0n;
let beating: NodeJS.Timeout;

beforeAll(async () => {
  [ours, others] = [await CertificateAuthority.create(), await CertificateAuthority.create('somebody else')];
  const server = await ours.server();
  master = await FaultMaster.start({
    TLS_CERT: server.cert,
    TLS_KEY: server.key,
    TLS_CLIENT_CA: ours.path,
    HTTP_PORT: 'off',
    HEARTBEAT_INTERVAL: '1s',
    INACTIVITY_TIMEOUT: '10s',
    GRPC_HANDSHAKE_TIMEOUT: '1s',
  });
  healthy = clientOf(await ours.issue({ dns: ['victim'] })).stream();
  beating = setInterval(() => healthy.send({ workerId: 'victim', sequence: ++sent, instanceId: 'i' }), 200);
  await eventually(() => healthy.acked('victim') > 0);
});
afterAll(async () => {
  clearInterval(beating);
  for (const client of clients) client.close();
  await master?.close();
  await Promise.all([ours?.remove(), others?.remove()]);
});

function clientOf(pair: KeyPair | undefined): WorkerClient {
  const [key, cert] = pair === undefined ? [null, null] : [Buffer.from(pair.keyPem), Buffer.from(pair.certPem)];
  const access = { credentials: credentials.createSsl(Buffer.from(ours.pem), key, cert) };
  const client = new WorkerClient(master.grpcPort, { 'grpc.use_local_subchannel_pool': 1 }, access);
  clients.push(client);
  return client;
}

/** After an attack: all that the healthy worker sent arrives, nothing is refused it, and nothing befell it. */
async function victimIsWell(): Promise<void> {
  const last = Number(sent);
  await eventually(() => healthy.acked('victim') > last);
  expect(healthy.error).toBeUndefined();
  expect(healthy.refusals).toEqual([]);
  const events = (await master.events()).filter(({ workerId }) => workerId === 'victim');
  expect(events.filter(({ type }) => type !== 'identity').map(({ to }) => to)).toEqual(['registered', 'active']);
}

test('no certificate, one of another authority, of yesterday, or without a name: nobody is known by them', async () => {
  const strangers = [
    undefined,
    await others.issue({ dns: ['victim'] }),
    await ours.issue({ dns: ['victim'], validMs: -HOUR_MS }),
    // It names nobody.
    await ours.issue({ uris: ['https://pulselane/victim'] }),
  ];
  for (const pair of strangers) {
    const call = clientOf(pair).sendHeartbeat({ workerId: 'victim', leaving: true });
    await expect(call).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  }
  await victimIsWell();
});

test('a valid one speaks for the names in it alone', async () => {
  const names: Parameters<CertificateAuthority['issue']>[0][] = [
    { dns: ['evil'] },
    { dns: ['victim.evil'] },
    { dns: ['*'] },
    { uris: ['urn:pulselane:worker:evil', 'urn:pulselane:worker:'] },
    // A common name counts only where there are no other names.
    { commonName: 'victim', dns: ['evil'] },
  ];
  for (const each of names) {
    const client = clientOf(await ours.issue(each));
    const call = client.sendHeartbeat({ workerId: 'victim', leaving: true });
    await expect(call, JSON.stringify(each)).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    const stream = client.stream();
    stream.send({ workerId: 'victim', sequence: 1n, leaving: true });
    await eventually(() => stream.refusals.length > 0);
    expect(stream.refusals[0]).toMatchObject({ code: RefusalCode.PERMISSION_DENIED });
    stream.call.cancel();
  }
  await victimIsWell();
});

test('handshakes that are none, half ones, and what comes behind one', async () => {
  const to = { port: master.grpcPort, host: '127.0.0.1', localAddress: ATTACKER } as const;
  const sockets: Socket[] = [];
  for (let i = 0; i < 90; i++) {
    const socket = connect(to).on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
    socket.resume();
    // No TLS; the beginning of a client hello; nothing.
    if (i % 3 === 0) socket.write(Buffer.concat([PREFACE, settings(), randomBytes(1000)]));
    if (i % 3 === 1) socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
  }
  for (let i = 0; i < 20; i++) {
    const socket = connectTls({ ...to, ca: ours.pem, servername: 'localhost', ALPNProtocols: ['h2'] });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.write(i % 2 === 0 ? randomBytes(5000) : Buffer.concat([PREFACE, randomBytes(5000)]));
    setTimeout(() => socket.destroy(), 100);
  }
  await eventually(() => sockets.every(({ closed }) => closed));
  await delay(100);
  await victimIsWell();
});
