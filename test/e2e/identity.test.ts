/** TLS and tokens as an operator meets them: real processes, files and signals. */
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

let authority: CertificateAuthority;
const processes: PulselaneProcess[] = [];
beforeEach(async () => {
  authority = await CertificateAuthority.create();
});
afterEach(async () => {
  for (const process of processes.splice(0).reverse()) await process.close();
  await authority.remove();
});

function run(args: readonly string[], environment: Record<string, string> = {}): PulselaneProcess {
  const started = new PulselaneProcess(args, environment);
  processes.push(started);
  return started;
}

async function newToken(file: string, workerId: string): Promise<string> {
  const made = run(['token', 'create', '--worker', workerId, '--tokens-file', file]);
  expect(await made.ended()).toBe(0);
  const path = join(authority.folder, `${workerId}.token`);
  await writeFile(path, made.stdout);
  return path;
}

async function overTls(port: number, path: string, caFile: string): Promise<unknown> {
  const call = get({ host: '127.0.0.1', port, path, ca: await readFile(caFile), agent: false });
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return json(response);
}

test('workers are let in by their tokens, over TLS, and SIGHUP takes one back and lets another one in', async () => {
  const tokensFile = join(authority.folder, 'worker-tokens');
  const firstToken = await newToken(tokensFile, 'worker-1');
  const keys = await authority.server();
  const master = run(['master', '--with-agent', '--heartbeat-interval', '200ms'], {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: '127.0.0.1:0',
    TLS_CERT: keys.cert,
    TLS_KEY: keys.key,
    WORKER_TOKENS_FILE: tokensFile,
  });
  const address = `127.0.0.1:${await portOf(master, 'grpc')}`;
  const httpPort = await portOf(master, 'http');
  const isActive = async (id: string) => {
    const telemetry = await overTls(httpPort, '/telemetry', authority.path);
    return (telemetry as Record<string, { is_active: boolean }>)[id]?.is_active;
  };
  const agent = (id: string, tokenFile: string) =>
    run(['agent', '--master', address, '--tls-ca', authority.path, '--id', id, '--token-file', tokenFile]);
  await eventually(() => isActive(hostname()));
  const first = agent('worker-1', firstToken);
  await eventually(() => isActive('worker-1'));
  const impostor = agent('worker-2', firstToken);
  await impostor.logged(({ msg }) => msg.includes('does not let this agent report worker-2 (PERMISSION_DENIED'));
  await master.logged(({ msg }) => msg.startsWith('a call for this worker was refused'));

  await writeFile(tokensFile, '# nobody\n');
  const secondToken = await newToken(tokensFile, 'worker-3');
  const renewed = await authority.server();
  await copyFile(renewed.cert, keys.cert);
  await copyFile(renewed.key, keys.key);
  master.process.kill('SIGHUP');
  await first.logged(({ msg }) => msg.includes('UNAUTHENTICATED'));
  agent('worker-3', secondToken);
  await eventually(() => isActive('worker-3'));
  // The local agent's token is of no file.
  expect(await isActive(hostname())).toBe(true);
  expect(master.log.filter(({ level }) => level === 'error')).toEqual([]);
  for (const { stdout, stderr } of [master, first, impostor]) expect(stdout + stderr).not.toContain('plt_');
  master.process.kill('SIGTERM');
  expect(await master.ended()).toBe(0);
});

test('a service that is told to reload lives on, also without such files', async () => {
  const master = run(['master'], { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'off' });
  const agent = run(['agent', '--master', `127.0.0.1:${await portOf(master, 'grpc')}`, '--id', 'worker-1']);
  await agent.logged(({ msg }) => msg.startsWith('reporting worker-1'));
  for (const { process } of [master, agent]) process.kill('SIGHUP');
  await master.logged(({ msg }) => msg.includes('nothing to reload'));
  await agent.logged(({ msg }) => msg.includes('nothing to read again'));
  agent.process.kill('SIGTERM');
  expect(await agent.ended()).toBe(0);
  master.process.kill('SIGTERM');
  expect(await master.ended()).toBe(0);
});

test('an agent whose token file is wrong says so and ends with 2', async () => {
  const agent = run(['agent', '--master', '127.0.0.1:1', '--token-file', '/no/such/token']);
  expect(await agent.ended()).toBe(2);
  expect(agent.stderr).toBe('pulselane: --token-file /no/such/token: cannot be read: no such file\n');
});
