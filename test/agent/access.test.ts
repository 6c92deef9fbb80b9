/** How an agent shows who it is, and knows the master: over real sockets, with files that change. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Metadata, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readMasterCredentials } from '../../src/agent/sender/credentials.ts';
import { disconnectReasonOf } from '../../src/agent/sender/disconnect-reason.ts';
import { type AgentSettingsOptions, checkAgentOptions } from '../../src/agent/settings.ts';
import { RefusalCode } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { readTlsFiles } from '../../src/lib/tls-files.ts';
import { hashOfToken, newToken } from '../../src/lib/tokens.ts';
import { parseWorkerTokens, workerTokenLine } from '../../src/model/identity.ts';
import { Authority } from '../../src/rpc/authority.ts';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';
import { type RpcTestOptions, startRpc } from '../support/rpc-server.ts';

const tokens = { 'worker-1': newToken(), 'worker-2': newToken() };
const workerTokens = parseWorkerTokens(
  Object.entries(tokens)
    .map(([id, token]) => workerTokenLine({ kind: 'worker', id }, hashOfToken(token)))
    .join('\n'),
  'tokens',
);

let authority: CertificateAuthority;
let folder: string;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
  folder = await mkdtemp(join(tmpdir(), 'pulselane-access-'));
});
afterAll(async () => {
  await authority.remove();
  await rm(folder, { recursive: true, force: true });
});

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function serve(options: RpcTestOptions & { isEncrypted?: boolean; name?: string } = {}) {
  const keys = await (options.name === undefined ? authority.server() : authority.issue({ dns: [options.name] }));
  const paths = { tlsCert: keys.cert, tlsKey: keys.key, tlsClientCa: authority.path };
  const { isEncrypted, name: _, ...others } = options;
  const rpc = await startRpc({ ...others, tls: isEncrypted ? await readTlsFiles(paths) : undefined });
  cleanUps.push(() => rpc.stop());
  return rpc;
}

function agent(port: number, options: Omit<AgentSettingsOptions, 'workerId'>, host = '127.0.0.1'): LoopUnderTest {
  const loop = LoopUnderTest.fake({ workerId: 'worker-1', master: `${host}:${port}`, ...options });
  cleanUps.push(() => loop.stop());
  return loop;
}

async function tokenFile(text: string): Promise<string> {
  const path = join(folder, 'token');
  await writeFile(path, text);
  return path;
}

describe('over TLS', () => {
  test.each(['127.0.0.1', 'localhost'])('an agent reports to %s, known by its certificate', async (host) => {
    const { port, manager } = await serve({ isEncrypted: true, authority: new Authority([], systemClock) });
    const keys = await authority.issue({ uris: ['urn:pulselane:worker:worker-1'] });
    agent(port, { tls: { ca: authority.path, cert: keys.cert, key: keys.key } }, host);
    await eventually(() => manager.getWorkerTelemetry('worker-1')?.isActive);
  });

  test('a master whose authority is not known, or that has another name, is told nothing', async () => {
    const stranger = await CertificateAuthority.create('stranger');
    cleanUps.push(() => stranger.remove());
    const { port, manager } = await serve({ isEncrypted: true, authority: new Authority(workerTokens, systemClock) });
    const loop = agent(port, { tls: { ca: stranger.path }, token: tokens['worker-1'] });
    await loop.lineWith('self-signed certificate in certificate chain');
    const plain = agent(port, {});
    await plain.lineWith('does the master use TLS');
    const open = await serve({ authority: new Authority(workerTokens, systemClock) });
    const overTls = agent(open.port, { tls: { ca: stranger.path } });
    await overTls.lineWith('(UNAVAILABLE: the port does not use TLS');
    expect(manager.getAllWorkerTelemetry().size).toBe(0);

    const elsewhere = await serve({
      isEncrypted: true,
      name: 'elsewhere',
      authority: new Authority(workerTokens, systemClock),
    });
    const byAddress = agent(elsewhere.port, { tls: { ca: authority.path }, token: tokens['worker-1'] });
    await byAddress.lineWith("IP: 127.0.0.1 is not in the cert's list");
    const byName = agent(elsewhere.port, { tls: { ca: authority.path }, token: tokens['worker-1'] }, 'localhost');
    await byName.lineWith("Host: localhost. is not in the cert's altnames: DNS:elsewhere");
    expect(elsewhere.manager.getAllWorkerTelemetry().size).toBe(0);
  });

  test('an agent of the master’s own process believes any certificate', async () => {
    const { port, manager } = await serve({
      isEncrypted: true,
      name: 'elsewhere',
      authority: new Authority(workerTokens, systemClock),
    });
    agent(port, { tls: { verify: false }, token: tokens['worker-1'] });
    await eventually(() => manager.getWorkerTelemetry('worker-1')?.isActive);
  });
});

test('a file of authorities that holds none is an error before anything is sent', async () => {
  const path = await tokenFile('\u0001\u0002 no certificate');
  const tls = { ca: path, cert: undefined, key: undefined, verify: true };
  expect(() => readMasterCredentials({ tls, token: undefined, tokenFile: undefined }, 'localhost')).toThrow(
    `MASTER_TLS_CA=${path}: expected one or more whole certificates in PEM`,
  );
});

describe('with a token', () => {
  test('of another worker: says so once, asks again after 60 s, and reads the file again for that', async () => {
    const { port, manager } = await serve({ authority: new Authority(workerTokens, systemClock) });
    const path = await tokenFile(`${tokens['worker-2']}\n`);
    const loop = agent(port, { tokenFile: path });
    await loop.lineWith('does not let this agent report worker-1 (PERMISSION_DENIED');
    loop.clock.advance(59_000);
    expect(loop.meter.tries).toBe(1);
    await tokenFile(tokens['worker-1']);
    loop.clock.advance(1000);
    expect(loop.meter.tries).toBe(2);
    await eventually(() => manager.getWorkerTelemetry('worker-1')?.isActive);
    expect(loop.lines).toEqual([
      `127.0.0.1:${port} does not let this agent report worker-1 (PERMISSION_DENIED: the caller is identified by the token ` +
        'of worker-2: it may not speak for worker-1); it is asked again in 60 s',
      `reporting worker-1 to 127.0.0.1:${port} every 5s`,
    ]);
    expect(loop.lines.join()).not.toContain('plt_');
  });

  test('that nobody knows, or without one: the same', async () => {
    const { port } = await serve({ authority: new Authority(workerTokens, systemClock) });
    for (const options of [{ token: newToken() }, {}]) {
      const loop = agent(port, options);
      const line = await loop.lineWith('does not let this agent report worker-1 (UNAUTHENTICATED');
      expect(line).toContain('it is asked again in 60 s');
      loop.clock.advance(59_000);
      expect(loop.meter.tries).toBe(1);
    }
  });

  test('that cannot be read: says why, and tries again soon', async () => {
    const { port, manager } = await serve({ authority: new Authority(workerTokens, systemClock) });
    const path = join(folder, 'not-there-yet');
    const loop = agent(port, { tokenFile: path });
    await loop.lineWith(`tokenFile=${path}: cannot be read: no such file`);
    await writeFile(path, 'two words');
    loop.clock.advance(10_000);
    await loop.lineWith(`tokenFile=${path}: expected one token, and nothing else`);
    await writeFile(path, tokens['worker-1']);
    await eventually(() => {
      loop.clock.advance(1000);
      return manager.getWorkerTelemetry('worker-1')?.isActive;
    });
  });

  test('that goes over an open line to another machine: warns once', async () => {
    // An address for documentation (RFC 5737): nobody is there.
    const loop = agent(50_051, { token: newToken() }, '192.0.2.1');
    await loop.lineWith('the token of this worker goes to 192.0.2.1 without encryption');
    for (let tries = 1; tries < 3; tries++) {
      await eventually(() => {
        loop.clock.advance(6000);
        return loop.meter.tries > tries;
      });
    }
    expect(loop.lines.filter((line) => line.includes('without encryption'))).toHaveLength(1);
  });

  test('goes along with each call', async () => {
    const master = await FakeMaster.start({ onlyUnary: true });
    cleanUps.push(() => master.close());
    agent(master.port, { token: 'of-worker-1' });
    await eventually(() => master.clusterHeartbeats.length > 0);
    expect(new Set(master.authorizations)).toEqual(new Set(['Bearer of-worker-1']));
    expect(master.authorizations.length).toBeGreaterThanOrEqual(2);
  });
});

test('a stream that is refused for another worker in band is let go for 60 s', async () => {
  const master = await FakeMaster.start();
  cleanUps.push(() => master.close());
  master.answer = ({ workerId, sequence }) => ({
    refusals: [{ workerId, sequence, code: RefusalCode.PERMISSION_DENIED, reason: 'it may not' }],
  });
  const loop = agent(master.port, {});
  await loop.lineWith('does not let this agent report worker-1 (it may not); it is asked again in 60 s');
  await eventually(() => master.openStreams === 0);
  loop.clock.advance(59_000);
  expect(loop.meter.tries).toBe(1);
});

test('each file of an agent is the same one wherever the process is when it is read', () => {
  const { access, listenTls } = checkAgentOptions({
    workerId: 'a',
    master: 'a:1',
    tls: { ca: 'ca', cert: 'cert', key: 'key' },
    tokenFile: 'token',
    listenTls: { cert: 'listen-cert', key: 'listen-key', clientCa: 'listen-ca' },
  });
  const here = (name: string) => resolve(name);
  expect(access.tls).toMatchObject({ ca: here('ca'), cert: here('cert'), key: here('key') });
  expect(access.tokenFile).toBe(here('token'));
  expect(listenTls).toEqual({ cert: here('listen-cert'), key: here('listen-key'), clientCa: here('listen-ca') });
});

test('a worker that waits for its approval asks again soon', () => {
  const denied = (code?: string) => {
    const metadata = new Metadata();
    if (code !== undefined) metadata.set('pulselane-error-code', code);
    return disconnectReasonOf({ code: status.PERMISSION_DENIED, details: 'no', metadata });
  };
  expect(denied('permission_denied')).toMatchObject({ isDenied: true, quietMs: 60_000 });
  expect(denied('not_admitted')).toMatchObject({ isDenied: false, quietMs: 0 });
  expect(denied()).toMatchObject({ isDenied: false, quietMs: 0 });
});

test.each([
  [{ tls: { cert: 'c.pem' } }, 'tls.cert and tls.key belong together'],
  [{ token: 'a', tokenFile: 'b' }, 'token and tokenFile are both given'],
  [{ token: 'two words' }, 'token is not one: expected visible ASCII'],
  [{ master: undefined, listen: '127.0.0.1:0', token: 'a' }, 'the token would be sent to any caller'],
  [{ master: undefined, listen: '127.0.0.1:0', token: 'a', tls: true }, 'the token would be sent to any caller'],
  [{ master: undefined, listen: '127.0.0.1:0', tokenFile: 'a', tls: { cert: 'c', key: 'k' } }, 'sent to any caller'],
])('%j is refused at the call', (options, message) => {
  const check = () => checkAgentOptions({ workerId: 'a', master: 'a:1', ...options });
  expect(check).toThrow(message);
  expect(check).not.toThrow('two words');
});
