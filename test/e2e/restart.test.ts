import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { WorkerClient } from '../support/grpc-client.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

let dataDir: string;
const processes: PulselaneProcess[] = [];
const clients: WorkerClient[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-restart-'));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(processes.splice(0).map((process) => process.close()));
  await rm(dataDir, { recursive: true, force: true });
});

function run(): PulselaneProcess {
  const master = new PulselaneProcess(['master'], {
    DATA_DIR: dataDir,
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: '127.0.0.1:0',
    MAX_DEDICATED_LANES: '2',
  });
  processes.push(master);
  return master;
}

async function startMaster() {
  const master = run();
  const [grpcPort, httpPort] = [await portOf(master, 'grpc'), await portOf(master, 'http')];
  const client = new WorkerClient(grpcPort);
  clients.push(client);
  const telemetry = async () => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/telemetry`);
    return (await response.json()) as Record<string, { cpu_usage: number; last_update: number; is_active: boolean }>;
  };
  return { master, client, telemetry };
}

const activeOnDisk = async () => {
  const text = await readFile(join(dataDir, 'members.jsonl'), 'utf8').catch(() => '');
  // The last line may be on its way.
  const lines = text.split('\n').slice(1, -1);
  const members = new Map(lines.map((line) => JSON.parse(line)).map((member) => [member.id, member]));
  return [...members.values()].filter(({ isActive }) => isActive).length;
};

test('a master that is killed finds its fleet again, with the last values that were saved', async () => {
  const first = await startMaster();
  const early = Array.from({ length: 50 }, (_, index) => `early-${index}`);
  await Promise.all(early.map((workerId, index) => first.client.sendHeartbeat({ workerId, cpuUsage: index + 0.5 })));
  const before = await eventually(async () => {
    const seen = await first.telemetry();
    return early.every((id, index) => seen[id]?.cpu_usage === index + 0.5 && seen[id].is_active) && seen;
  });
  // Stopped by a signal it saves values and all; nothing is left of its lock.
  first.master.process.kill('SIGTERM');
  expect(await first.master.ended()).toBe(0);
  expect((await readdir(dataDir)).filter((name) => !name.startsWith('prompt')).sort()).toEqual([
    'event-ids',
    'history.db',
    'members.jsonl',
    'values.jsonl',
    'version',
  ]);

  const second = await startMaster();
  expect(await second.telemetry()).toEqual(before);
  const late = Array.from({ length: 200 }, (_, index) => `late-${index}`);
  await Promise.all(late.map((workerId) => second.client.sendHeartbeat({ workerId })));
  await eventually(async () => (await activeOnDisk()) === 250);
  const valuesOnDisk = async () => (await readFile(join(dataDir, 'values.jsonl'), 'utf8')).split('\n').length - 2;
  await eventually(async () => (await valuesOnDisk()) >= 250);
  second.master.process.kill('SIGKILL');
  await second.master.ended();

  const third = await startMaster();
  const after = await third.telemetry();
  expect(Object.keys(after).sort()).toEqual([...early, ...late].sort());
  expect(after).toMatchObject(before);
  // Long before all values are saved for the first time.
  for (const id of late) expect(after[id]).toMatchObject({ is_active: true, last_update: expect.any(Number) });
  expect(late.filter((id) => Math.abs((after[id]?.last_update ?? 0) - Date.now() / 1000) > 60)).toEqual([]);
  expect(third.master.log.filter(({ level }) => level === 'error')).toEqual([]);
});

test('a second master on the directory ends, and names the directory and the process that has it', async () => {
  const { master } = await startMaster();
  const second = run();
  expect(await second.ended()).toBe(1);
  expect(second.stderr.trimEnd().split('\n')).toHaveLength(1);
  const lock = join(dataDir, 'lock');
  expect(second.stderr).toContain(`DATA_DIR=${dataDir}: in use by process ${master.process.pid} (${lock})`);
  expect(JSON.parse(await readFile(lock, 'utf8')).pid).toBe(master.process.pid);
});

test('a master starts whatever is in its files', async () => {
  for (const name of ['members.jsonl', 'values.jsonl']) await writeFile(join(dataDir, name), 'not what it was\n');
  const { master, telemetry } = await startMaster();
  expect(await telemetry()).toEqual({});
  const aside = (await readdir(dataDir)).filter((name) => name.includes('.damaged-'));
  expect(aside).toHaveLength(2);
  expect(master.log.filter(({ level }) => level === 'error').map(({ aside: path }) => path)).toEqual(
    aside.sort().map((name) => join(dataDir, name)),
  );
});
