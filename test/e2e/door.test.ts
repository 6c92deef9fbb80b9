import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, expect, test } from 'vitest';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { ask } from '../http/access/http.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'pulselane-door-'));
const tokensFile = join(folder, 'api-tokens');
afterAll(() => rmSync(folder, { recursive: true }));

const running: PulselaneProcess[] = [];
afterEach(async () => {
  for (const program of running.splice(0)) await program.close();
});

function start(args: readonly string[], environment: Record<string, string> = {}): PulselaneProcess {
  const program = new PulselaneProcess(args, environment);
  running.push(program);
  return program;
}

const LOOPBACK = { HTTP_PORT: '127.0.0.1:0', GRPC_PORT: '127.0.0.1:0' };
const EVERYWHERE = { HTTP_PORT: ':0', GRPC_PORT: '127.0.0.1:0' };

test('a master that anybody may read says so in one line, or does not start', async () => {
  const open = start(['master'], EVERYWHERE);
  await portOf(open, 'http');
  const warnings = open.log.filter(({ level }) => Number(level) >= 40 || level === 'warn').map(({ msg }) => msg);
  const exposed =
    'anyone who can reach HTTP on :0 may read everything: set API_TOKENS_FILE; ' +
    'anyone who can reach HTTP on :0 may report as any worker: set WORKER_TOKENS_FILE or TLS_CLIENT_CA';
  expect(warnings).toEqual([exposed]);
  const strict = start(['master', '--require-auth'], EVERYWHERE);
  expect(await strict.ended()).toBe(2);
  expect(strict.stderr).toBe(`pulselane: REQUIRE_AUTH=true: ${exposed}\n`);
});

test('a master with tokens asks for them, and neither token nor hash is in its log', async () => {
  writeFileSync(tokensFile, `reader read sha256:${hashOfToken('plt_reader')}\n`);
  const workersFile = join(folder, 'workers');
  writeFileSync(workersFile, `worker:worker-1 sha256:${hashOfToken('plt_worker')}\n`);
  const master = start(['master', '--require-auth', '--api-tokens-file', tokensFile], {
    ...EVERYWHERE,
    WORKER_TOKENS_FILE: workersFile,
    HTTP_PORT: '0.0.0.0:0',
    LOG_LEVEL: 'trace',
  });
  const url = `http://127.0.0.1:${await portOf(master, 'http')}`;
  const status = async (path: string, token: string, method = 'GET') =>
    (await fetch(url + path, { method, headers: { authorization: `Bearer ${token}` } })).status;
  expect(await status('/telemetry', 'plt_reader')).toBe(200);
  expect(await status('/telemetry', 'plt_wrong')).toBe(401);
  expect(await status('/api/v1/brakes/release', 'plt_reader', 'POST')).toBe(403);
  const listed = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer plt_reader',
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  });
  expect(((await listed.json()) as { result: { tools: unknown[] } }).result.tools.length).toBeGreaterThan(5);
  await master.logged(({ msg }) => msg.startsWith('HTTP: 1 request with an unknown token'));
  expect(master.stdout).not.toMatch(/plt_|[0-9a-f]{64}/);
  const client = start(['workers', '--url', url, '-o', 'json'], { PULSELANE_TOKEN: 'plt_reader' });
  expect([await client.ended(), JSON.parse(client.stdout)]).toEqual([0, { workers: [], total: 0, pending: [] }]);
});

test('a master speaks TLS on both ports, and SIGHUP puts other certificates and tokens in force', async () => {
  const authority = await CertificateAuthority.create();
  try {
    const first = await authority.server();
    const second = await authority.server();
    writeFileSync(tokensFile, `reader read sha256:${hashOfToken('plt_reader')}\n`);
    const tls = { TLS_CERT: first.cert, TLS_KEY: first.key, API_TOKENS_FILE: tokensFile };
    const master = start(['master', '--require-auth'], { ...LOOPBACK, ...tls });
    const url = `https://localhost:${await portOf(master, 'http')}`;
    const status = async (token: string) =>
      (await ask(`${url}/workers`, { ca: authority.pem, headers: { authorization: `Bearer ${token}` } })).status;
    expect([await status('plt_reader'), await status('plt_other')]).toEqual([200, 401]);
    const client = { PULSELANE_TOKEN: 'plt_reader', PULSELANE_URL: url };
    const trusting = start(['workers', '-o', 'json'], { ...client, PULSELANE_TLS_CA: authority.path });
    expect([await trusting.ended(), trusting.stderr]).toEqual([0, '']);
    expect(JSON.parse(trusting.stdout)).toMatchObject({ workers: [] });

    const serial = async () => {
      const socket = tlsConnect({ port: Number(new URL(url).port), host: 'localhost', ca: authority.pem });
      await once(socket, 'secureConnect');
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const before = await serial();
    copyFileSync(second.cert, first.cert);
    copyFileSync(second.key, first.key);
    writeFileSync(tokensFile, `other read sha256:${hashOfToken('plt_other')}\n`);
    master.process.kill('SIGHUP');
    await eventually(async () => (await status('plt_other')) === 200);
    expect(await status('plt_reader')).toBe(401);
    await eventually(async () => (await serial()) !== before);

    writeFileSync(tokensFile, '');
    master.process.kill('SIGHUP');
    await master.logged(({ msg }) => msg.startsWith('cannot reload the API tokens, so the old ones stay active'));
    expect(await status('plt_other')).toBe(200);
  } finally {
    await authority.remove();
  }
});
