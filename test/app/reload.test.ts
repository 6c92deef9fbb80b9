/** A master whose certificate and tokens change while it runs. */
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { reloadAll } from '../../src/app/credentials.ts';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { hashOfToken, newToken } from '../../src/lib/tokens.ts';
import { workerTokenLine } from '../../src/model/identity.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { bearer, WorkerClient } from '../support/grpc-client.ts';
import { type KeptLine, keptLog } from '../support/kept-log.ts';

const tokens = { a: newToken(), b: newToken() };

let authority: CertificateAuthority;
let folder: string;
let files: { cert: string; key: string; tokens: string };
let master: RunningMaster | undefined;
let lines: KeptLine[];
const clients: WorkerClient[] = [];

beforeEach(async () => {
  authority = await CertificateAuthority.create();
  folder = await mkdtemp(join(tmpdir(), 'pulselane-reload-'));
  files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), tokens: join(folder, 'tokens') };
  await renew();
  await writeTokens('a', 'b');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await master?.stop();
  master = undefined;
  await authority.remove();
  await rm(folder, { recursive: true, force: true });
});

async function renew(): Promise<void> {
  const keys = await authority.server();
  await copyFile(keys.cert, files.cert);
  await copyFile(keys.key, files.key);
}

async function writeTokens(...ids: (keyof typeof tokens)[]): Promise<void> {
  const text = ids.map((id) => workerTokenLine({ kind: 'worker', id }, hashOfToken(tokens[id]))).join('\n');
  await writeFile(files.tokens, text);
}

async function start(settings: Record<string, string> = {}): Promise<RunningMaster> {
  const environment = {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: 'off',
    ALERTS: 'off',
    DATA_DIR: join(folder, 'data'),
    MAX_DEDICATED_LANES: '0',
    TLS_CERT: files.cert,
    TLS_KEY: files.key,
    WORKER_TOKENS_FILE: files.tokens,
    ...settings,
  };
  const log = keptLog();
  lines = log.lines;
  const config = masterConfig({ flags: {}, environment, dotenv: {} });
  master = await startMaster(config, { logger: log.logger, clock: systemClock });
  return master;
}

function client({ grpcAddress }: RunningMaster, token: string): WorkerClient {
  const access = { credentials: credentials.createSsl(Buffer.from(authority.pem)), ...bearer(token) };
  const made = new WorkerClient(grpcAddress.port, { 'grpc.use_local_subchannel_pool': 1 }, access);
  clients.push(made);
  return made;
}

async function serialNumber({ grpcAddress }: RunningMaster): Promise<string> {
  const socket = connect({ port: grpcAddress.port, host: '127.0.0.1', ca: authority.pem, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  const { serialNumber: number } = socket.getPeerCertificate();
  socket.destroy();
  return number;
}

const errors = () => lines.filter(({ level }) => level === 'error').map(({ msg }) => msg);

test('new files are in force after a reload, and a stream of before lives on', async () => {
  const running = await start();
  const stream = client(running, tokens.a).stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  const before = await serialNumber(running);
  await renew();
  expect(await serialNumber(running)).toBe(before);
  // Two at once, as two signals do it.
  await Promise.all([running.reload(), running.reload()]);
  expect(await serialNumber(running)).not.toBe(before);
  stream.send({ workerId: 'a', sequence: 2n, cpuUsage: 2 });
  await eventually(() => running.manager.getWorkerTelemetry('a')?.cpuUsage === 2);
  await client(running, tokens.b).sendHeartbeat({ workerId: 'b' });
  stream.call.cancel();
});

test('wrong files are an error in the log, and what was in force stays', async () => {
  const running = await start();
  const before = await serialNumber(running);
  await writeFile(files.cert, 'not a certificate');
  await writeFile(files.tokens, `worker:a sha256:${'0'.repeat(64)}\nworker:b ${tokens.b}\n`);
  await running.reload();
  expect(errors()).toEqual([
    `cannot reload the TLS files, so the old ones stay active: TLS_CERT=${files.cert}: expected one or more whole certificates in PEM ` +
      '("-----BEGIN CERTIFICATE-----")',
    expect.stringContaining(
      `cannot reload the worker tokens, so the old ones stay active: WORKER_TOKENS_FILE=${files.tokens}:2: expec`,
    ),
  ]);
  expect(JSON.stringify(lines)).not.toContain('plt_');
  expect(await serialNumber(running)).toBe(before);
  await client(running, tokens.a).sendHeartbeat({ workerId: 'a' });
});

test('a file of tokens that is cut short throws nobody out', async () => {
  const running = await start();
  const stream = client(running, tokens.a).stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  await writeFile(files.tokens, '# nobody\n');
  await running.reload();
  expect(errors()).toEqual([
    `cannot reload the worker tokens, so the old ones stay active: WORKER_TOKENS_FILE=${files.tokens}: expected at least one token; ` +
      '"pulselane token create" makes one',
  ]);
  stream.send({ workerId: 'a', sequence: 2n });
  await eventually(() => stream.acked('a') === 2);
  stream.call.cancel();
});

test('a certificate that is wrong does not keep a token from being taken back', async () => {
  const running = await start();
  const stream = client(running, tokens.a).stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  await writeFile(files.key, 'not a key');
  await writeTokens('b');
  await running.reload();
  await eventually(() => stream.error !== undefined);
  expect(stream.error).toMatchObject({ code: status.UNAUTHENTICATED });
  expect(lines.map(({ msg }) => msg)).toContain('reloaded the worker tokens: 1 active, 1 removed; streams ended: 1');
});

test('an agent of this process is let in, under its own name', async () => {
  const running = await start();
  const { isEncrypted, token } = running.localAccess('here');
  expect(isEncrypted).toBe(true);
  const local = client(running, token as string);
  await local.sendHeartbeat({ workerId: 'here' });
  await expect(local.sendHeartbeat({ workerId: 'a' })).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
});

test('with WORKER_AUTH off nobody is asked, and the log says so', async () => {
  const running = await start({ WORKER_AUTH: 'off' });
  expect(running.localAccess('here').token).toBeUndefined();
  await client(running, 'anything').sendHeartbeat({ workerId: 'a' });
  expect(lines.map(({ msg }) => msg)).toContain('WORKER_AUTH is off: the tokens of WORKER_TOKENS_FILE are ignored');
});

test('with WORKER_AUTH off a certificate still lets in, which an agent of this process does not have', async () => {
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, authority.pem);
  const settings = { WORKER_AUTH: 'off', WORKER_TOKENS_FILE: '', TLS_CLIENT_CA: ca };
  const running = await start({ ...settings, GRPC_PORT: ':0', REQUIRE_AUTH: 'true' });
  await expect(client(running, 'anything').sendHeartbeat({ workerId: 'a' })).rejects.toThrow();
  expect(() => running.localAccess('here')).toThrow('WORKER_AUTH=off: the agent of --with-agent has no certificate');
});

test('tokens over an open line beyond this machine are worth a warning', async () => {
  await start({ TLS_CERT: '', TLS_KEY: '', GRPC_PORT: ':0' });
  expect(lines.find(({ level }) => level === 'warn')?.msg).toBe(
    'workers send their tokens unencrypted: set TLS_CERT and TLS_KEY',
  );
});

test.each([
  [{ TLS_KEY: '' }, 'expected TLS_KEY to be set too'],
  [{ TLS_CERT: '' }, 'expected TLS_CERT to be set too'],
  [{ TLS_CERT: '', TLS_KEY: '', TLS_CLIENT_CA: 'ca.pem' }, 'TLS_CLIENT_CA=ca.pem: expected TLS_CERT to be set too'],
  [{ TLS_KEY: '/no/such/key' }, 'TLS_KEY=/no/such/key: cannot be read: no such file'],
  [{ WORKER_TOKENS_FILE: '/no/such/file' }, '"pulselane token create" makes one'],
  [{ WORKER_TOKENS_FILE: '/dev/null' }, 'WORKER_TOKENS_FILE=/dev/null: expected at least one token'],
])('%j is an error at the start', async (settings, message) => {
  await expect(start(settings)).rejects.toThrow(message);
});

test('a wrong authority of workers that are called keeps no certificate from being renewed, and is an error by itself', async () => {
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, authority.pem);
  const running = await start({ INTRODUCE_TLS_CA: ca });
  const before = await serialNumber(running);
  await renew();
  await writeFile(ca, 'not a certificate');
  await running.reload();
  expect(await serialNumber(running)).not.toBe(before);
  expect(errors()).toEqual([expect.stringContaining(`so the old ones stay active: INTRODUCE_TLS_CA=${ca}`)]);
});

test('a reload of which nobody knows whether it was carried out is not called a failed one', async () => {
  const { logger, lines: logged } = keptLog();
  const noAnswer = async () => {
    throw new PulselaneError('unavailable', 'it does not answer');
  };
  const wrong = async () => {
    throw new PulselaneError('bad_setting', 'it is wrong');
  };
  await reloadAll(
    [
      { name: 'the rules', reload: noAnswer },
      { name: 'the tokens', reload: wrong },
    ],
    logger,
  );
  expect(logged.map(({ msg }) => msg)).toEqual([
    'cannot say whether a reload of the rules was carried out: it does not answer',
    'cannot reload the tokens, so the old ones stay active: it is wrong',
  ]);
});
