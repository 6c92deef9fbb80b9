/** A master and an agent whose working directory and whose package go away under them. */
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { MAX_WORKERS_INLINE } from '../../src/http/http-limits.ts';
import { eventually } from '../support/eventually.ts';
import { WorkerClient } from '../support/grpc-client.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const clean: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const undo of clean.splice(0).reverse()) await undo();
});

/** An installed package, as far as a program that runs can tell. */
function installed(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-package-'));
  clean.push(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, 'pulselane');
  for (const part of ['bin', 'dist', 'package.json', 'proto'])
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  return root;
}

test('a master without working directory and package starts threads as before, and its agent goes on', async () => {
  const root = installed();
  const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-data-'));
  clean.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const settings = { DATA_DIR: dataDir, GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0', MAX_DEDICATED_LANES: '20' };
  const master = new PulselaneProcess(['master', '--with-agent'], settings, join(root, 'bin/pulselane.js'));
  clean.push(() => master.close());
  const [grpcPort, httpPort] = [await portOf(master, 'grpc'), await portOf(master, 'http')];
  const get = async <T>(path: string) => (await fetch(`http://127.0.0.1:${httpPort}${path}`)).json() as Promise<T>;
  const served = async () => {
    const path = '/api/v1/workers?fields=worker_id,isolation,lane_state,cpu_usage';
    const { workers } = await get<{ workers: Record<string, unknown>[] }>(path);
    return workers.every((item) => item.isolation === 'dedicated' && item.lane_state === 'ready') && workers;
  };
  // A thread that was on its way when the directory went would be tried again.
  await eventually(async () => ((await served()) || []).length === 1);

  rmSync(master.folder, { recursive: true });
  renameSync(root, `${root}-gone`);
  const client = new WorkerClient(grpcPort);
  clean.push(() => client.close());
  const ids = ['a', 'b', 'c'];
  for (const workerId of ids) await client.sendHeartbeat({ workerId, cpuUsage: 42 });
  const workers = await eventually(async () => {
    const all = (await served()) || [];
    return all.length === 4 && all;
  });
  expect(workers.filter(({ cpu_usage }) => cpu_usage === 42)).toHaveLength(3);
  expect(await get('/readyz')).toEqual({ status: 'ready', reasons: [], degraded: [] });

  // A fleet that is large enough is listed by threads that did not exist before.
  const more = Array.from({ length: MAX_WORKERS_INLINE }, (_, i) => `more-${i}`);
  await Promise.all(more.map((workerId) => client.sendHeartbeat({ workerId, cpuUsage: 7 })));
  const figures = await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/cluster`);
    expect(response.status).toBe(200);
    const { workers } = (await response.json()) as { workers: { total: number } };
    return workers.total === 4 + MAX_WORKERS_INLINE && workers;
  });
  expect(figures.total).toBeGreaterThan(MAX_WORKERS_INLINE);
  expect(master.log.filter(({ msg }) => /be started|lane failed/.test(msg))).toEqual([]);
  await master.logged(({ msg }) => msg.startsWith('the working directory was removed; now using '));
  master.process.kill('SIGTERM');
  expect(await master.ended()).toBe(0);
  expect(readdirSync(dataDir)).toContain('values.jsonl');
});
