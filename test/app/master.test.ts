/** A whole master in this process, as others see it over HTTP and gRPC. */
import { mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { eventually } from '../support/eventually.ts';
import { WorkerClient } from '../support/grpc-client.ts';

/** What is tried again after 5 s is tried again soon. */
const hasty: Clock = { ...systemClock, after: (ms, fn) => systemClock.after(ms === 5000 ? 50 : ms, fn) };

let dataDir: string;
let master: RunningMaster | undefined;
let client: WorkerClient | undefined;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-app-'));
});
afterEach(async () => {
  client?.close();
  await master?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function start(settings: Readonly<Record<string, string>> = {}) {
  const config = resolveOptions(masterOptions, {
    flags: {},
    environment: { ALERTS: 'off', DATA_DIR: dataDir, GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0', ...settings },
    dotenv: {},
  });
  master = await startMaster(config, { logger: silentLogger, clock: hasty });
  const url = `http://127.0.0.1:${master.httpAddress?.port}`;
  client = new WorkerClient(master.grpcAddress.port);
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(url + path, { method });
    // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what these tests look at
    return { status: response.status, body: (await response.json()) as any };
  };
  return { master, client, ask };
}

test('a processor that cannot start is no reason for the service manager to restart the master', async () => {
  const processor = join(dataDir, 'unreachable.mjs');
  const outage = join(dataDir, 'outage');
  const code = `import { existsSync } from 'node:fs';
    const connect = () => { if (existsSync(${JSON.stringify(outage)})) throw new Error('the database cannot be reached'); };
    connect();
    setInterval(connect, 5);
    export default () => undefined;`;
  await writeFile(processor, code);
  const { master, client } = await start({ PROCESSOR: processor, MAX_DEDICATED_LANES: '0', SHARED_LANES: '1' });
  await client.sendHeartbeat({ workerId: 'a' });
  await writeFile(outage, '');
  const lanes = () => master.manager.internalState().lanes.filter(({ workers }) => workers > 0);
  await eventually(() => lanes().length === 1 && lanes()[0]?.state === 'restarting');
  expect(master.vitality()).toEqual({ status: '1 of 1 workers active', stuck: undefined });
});

test('readiness is the same over HTTP and gRPC, from the start to the stop', async () => {
  const { master, client, ask } = await start();
  expect(await ask('/readyz')).toEqual({ status: 200, body: { status: 'ready', reasons: [], degraded: [] } });
  const seen: string[] = [];
  client.watchHealth((status) => seen.push(status));
  await eventually(() => seen.length === 1);

  // Nothing can be written there, by whatever user.
  await mkdir(join(dataDir, 'members.jsonl'));
  await client.sendHeartbeat({ workerId: 'a' });
  const failing = { status: 503, body: { status: 'not ready', reasons: [{ code: 'members_file' }] } };
  expect(await eventually(async () => (await ask('/readyz')).status === 503 && ask('/readyz'))).toMatchObject(failing);
  expect((await ask('/livez')).status).toBe(200);
  await eventually(() => seen.length === 2);
  await rmdir(join(dataDir, 'members.jsonl'));
  await eventually(async () => (await ask('/readyz')).status === 200);
  await eventually(() => seen.length === 3);

  await master.stop();
  expect(seen).toEqual(['SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING']);
});

test('a worker that waits is seen, let in and forgotten over HTTP', async () => {
  const { client, ask } = await start({ ADMISSION: 'approved' });
  const knock = () => client.sendHeartbeat({ workerId: 'a/b', cpuUsage: 7 });
  await expect(knock()).rejects.toThrow();
  const [waiting] = await eventually(async () => {
    const { workers } = (await ask('/api/v1/pending')).body;
    return workers.length === 1 && workers;
  });
  expect(waiting).toMatchObject({ worker_id: 'a/b', attempts: 1 });
  expect(await ask('/api/v1/workers/a%2Fb/approve', 'POST')).toMatchObject({ status: 200 });
  await eventually(async () => (await ask('/api/v1/pending')).body.workers.length === 0);
  expect(await ask('/api/v1/workers/a%2Fb')).toMatchObject({ status: 404 });
  expect(await ask('/api/v1/workers/early/approve', 'POST')).toMatchObject({
    status: 200,
    body: { message: 'early is approved; it has not reported yet.' },
  });
  await knock();
  await eventually(async () => (await ask('/api/v1/workers/a%2Fb')).body.record?.cpu_usage === 7);
  expect(await ask('/api/v1/workers/a%2Fb/release', 'POST')).toMatchObject({ status: 409 });
  expect(await ask('/api/v1/brakes/release', 'POST')).toMatchObject({ status: 409 });
  expect(await ask('/api/v1/workers/a%2Fb', 'DELETE')).toMatchObject({ status: 200 });
  await eventually(async () => (await ask('/api/v1/workers/a%2Fb')).status === 404);
  expect(await ask('/api/v1/workers/a%2Fb', 'DELETE')).toMatchObject({ status: 404 });
  expect(await ask('/api/v1/workers/%0a/approve', 'POST')).toMatchObject({
    status: 400,
    body: { detail: 'worker_id contains a control character' },
  });
  await expect(knock()).rejects.toThrow();
});
