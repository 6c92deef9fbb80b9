import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import { WorkerClient } from '../support/grpc-client.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

// biome-ignore lint/suspicious/noExplicitAny: what the API answers is what these tests look at
type Json = any;

const processes: PulselaneProcess[] = [];
afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process.close()));
});

function run(args: readonly string[], environment: Record<string, string> = {}): PulselaneProcess {
  const started = new PulselaneProcess(args, environment);
  processes.push(started);
  return started;
}

async function startMaster(args: readonly string[] = [], environment: Record<string, string> = {}) {
  const master = run(['master', ...args], { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0', ...environment });
  const grpcPort = await portOf(master, 'grpc');
  const httpPort = await portOf(master, 'http');
  const get = async (path: string): Promise<Json> =>
    (await fetch(`http://127.0.0.1:${httpPort}${path}`)).json() as Promise<Json>;
  return { master, grpcPort, httpPort, get };
}

test('a master with its agent reports this very machine', async () => {
  const { master, get } = await startMaster(['--with-agent', '--heartbeat-interval', '200ms']);
  const id = hostname();
  const record = await eventually(async () => {
    const telemetry = await get('/telemetry');
    return telemetry[id]?.is_active && telemetry[id]?.memory_usage > 0 && telemetry[id];
  });
  expect(record).toMatchObject({ worker_id: id, running_tasks: [] });
  expect(record.cpu_usage).toBeGreaterThanOrEqual(0);
  expect(record.cpu_usage).toBeLessThanOrEqual(100);
  expect(record.storage_usage).toBeGreaterThan(0);
  master.process.kill('SIGTERM');
  expect(await master.ended()).toBe(0);
  expect(master.stderr).toBe('');
});

test('the machine’s load is seen: CPU rises while something works', async () => {
  const { get } = await startMaster(['--with-agent', '--heartbeat-interval', '200ms']);
  const id = encodeURIComponent(hostname());
  await eventually(async () => (await get('/workers'))[hostname()]?.is_active);
  const cpu = await eventually(async () => {
    // This process is the load: most of one core.
    const endMs = performance.now() + 200;
    while (performance.now() < endMs);
    const { cpu_usage: usage } = await get(`/telemetry/${id}`);
    return usage > 60 / availableParallelism() && usage;
  });
  expect(cpu).toBeLessThanOrEqual(100);
});

test('agents of other processes come, are seen live, and say farewell', async () => {
  const { grpcPort, httpPort, get } = await startMaster(['--heartbeat-interval', '200ms']);
  const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/ws/telemetry`);
  const frames: Record<string, { is_active: boolean }>[] = [];
  socket.on('message', (data) => frames.push(JSON.parse(String(data))));
  await once(socket, 'open');
  const agents = ['worker-1', '__proto__', 'röchelnder 🦊'].map((id) =>
    run(['agent', '--master', `127.0.0.1:${grpcPort}`, '--id', id]),
  );
  await eventually(async () => Object.values<{ is_active: boolean }>(await get('/workers')).length === 3);
  await eventually(() => frames.some((frame) => frame['röchelnder 🦊']?.is_active));
  expect(frames[0]).toEqual({});
  expect(await get(`/telemetry/${encodeURIComponent('röchelnder 🦊')}`)).toMatchObject({ is_active: true });
  for (const agent of agents) {
    agent.process.kill('SIGTERM');
    expect(await agent.ended()).toBe(0);
  }
  socket.close();
});

test('a worker of the Go system is served as it is: a fresh connection for each unary heartbeat', async () => {
  const { grpcPort, get } = await startMaster();
  for (let i = 1; i <= 3; i++) {
    const client = new WorkerClient(grpcPort, { 'grpc.use_local_subchannel_pool': 1 });
    await client.sendHeartbeat({ workerId: 'go', cpuUsage: 14.999999999997726 + i, memoryUsage: 0 });
    client.close();
  }
  await eventually(async () => (await get('/telemetry/go')).cpu_usage === 17.999999999997726);
});

test('an agent that waits is told where its master is, and again when the master comes back elsewhere', async () => {
  const agent = run(['agent', '--listen', '127.0.0.1:0', '--id', 'waiting', '--heartbeat-interval', '200ms']);
  const line = await agent.logged((entry) => /127\.0\.0\.1:\d+/.test(JSON.stringify(entry)));
  const address = /127\.0\.0\.1:\d+/.exec(JSON.stringify(line))?.[0];
  const dataDir = await mkdtemp(join(tmpdir(), 'pulselane-data-'));
  const workers = [{ id: 'waiting', approved: false, address }];
  await writeFile(join(dataDir, 'members.json'), JSON.stringify({ version: 1, workers }));
  try {
    for (let life = 1; life <= 2; life++) {
      const { master, get } = await startMaster(['--heartbeat-interval', '200ms'], { DATA_DIR: dataDir });
      expect(Object.keys(await get('/telemetry'))).toEqual(['waiting']);
      await eventually(async () => (await get('/workers')).waiting.is_active);
      master.process.kill('SIGKILL');
      await master.ended();
    }
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test('a taken port and a wrong setting end the master with one line that names them', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  for (const [environment, code, line] of [
    [{ GRPC_PORT: `127.0.0.1:${port}` }, 1, `GRPC_PORT=127.0.0.1:${port}: the port is in use`],
    [
      { HTTP_PORT: `127.0.0.1:${port}`, GRPC_PORT: '127.0.0.1:0' },
      1,
      `HTTP_PORT=127.0.0.1:${port}: the port is in use`,
    ],
    [{ HTTP_PORT: 'abc' }, 2, 'HTTP_PORT=abc: expected'],
    [{ INACTIVITY_TIMEOUT: '1s' }, 2, 'INACTIVITY_TIMEOUT=1s: expected at least twice HEARTBEAT_INTERVAL'],
  ] as const) {
    const master = run(['master'], environment);
    expect(await master.ended()).toBe(code);
    expect(master.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(master.stderr).toContain(line);
  }
  other.close();
});
