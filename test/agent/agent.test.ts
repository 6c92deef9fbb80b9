/** The whole agent with its real thread; needs dist/agent/thread.cjs. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Agent } from '../../src/agent/agent.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { SupervisedThread } from '../../src/lib/supervised-thread.ts';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';
import { isRunning } from '../support/is-running.ts';

let master: FakeMaster;

beforeEach(async () => {
  master = await FakeMaster.start();
});

afterEach(() => master.close());

/** An nvidia-smi that does not return. */
class HangingTool {
  readonly folder: string;

  static async install(): Promise<HangingTool> {
    const tool = new HangingTool(await mkdtemp(join(tmpdir(), 'hanging-tool-')));
    const script = `#!/bin/sh\necho $$ >> ${join(tool.folder, 'pids')}\nexec sleep 600\n`;
    await writeFile(join(tool.folder, 'nvidia-smi'), script, { mode: 0o755 });
    return tool;
  }

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Process ids of those that were started and have not ended. */
  running(): number[] {
    const path = join(this.folder, 'pids');
    const started = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
    return started.map(Number).filter(isRunning);
  }

  /** With those that nobody was left to end: of a program that was killed. */
  async remove(): Promise<void> {
    for (const pid of this.running()) process.kill(pid, 'SIGKILL');
    await rm(this.folder, { recursive: true });
  }
}

describe('an embedded agent', () => {
  let agent: Agent;

  afterEach(async () => {
    await agent.stop();
    vi.restoreAllMocks();
  });

  test('started again is the same run while it runs, and an error once it was stopped', async () => {
    agent = new Agent({ workerId: 'worker-1', master: master.address });
    const [first, second] = [agent.start(), agent.start()];
    expect(second).toBe(first);
    await first;
    const stopping = agent.stop();
    await expect(agent.start()).rejects.toMatchObject({ code: 'unavailable' });
    await stopping;
    await expect(agent.start()).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('reports real usages, tasks and metrics, and their changes', async () => {
    agent = new Agent({ workerId: 'worker-1', master: master.address, intervalMs: 100 });
    agent.addTask({ taskId: 'render-17', cpuAllocated: 2, startedAtUnixMs: 1_700_000_000_000, progress: 0.25 });
    await agent.start();
    agent.setMetric('queue_depth', 3);
    agent.setMetric('__proto__', -1.5);
    const full = await eventually(() => master.heartbeats.find(({ metrics }) => Object.keys(metrics).length === 2));
    expect(full.runningTasks).toMatchObject([
      { taskId: 'render-17', cpuAllocated: 2, status: 'running', progress: 0.25, startedAtUnixMs: 1_700_000_000_000n },
    ]);
    expect(Object.entries(full.metrics)).toEqual(
      expect.arrayContaining([
        ['queue_depth', 3],
        ['__proto__', -1.5],
      ]),
    );
    expect(full.memoryUsage).toBeGreaterThan(0);
    expect(full.storageUsage).toBeGreaterThan(0);
    agent.updateTask('render-17', { progress: 0.5, status: 'paused' });
    agent.removeMetric('queue_depth');
    const changed = await eventually(() =>
      master.heartbeats.find(({ metrics, runningTasks }) => !metrics.queue_depth && runningTasks[0]?.progress === 0.5),
    );
    expect(changed.runningTasks).toMatchObject([{ cpuAllocated: 2, status: 'paused', progress: 0.5 }]);
    agent.removeTask('render-17');
    await eventually(() => master.heartbeats.at(-1)?.runningTasks.length === 0);
  });

  test('reports what its vendor’s tool tells of a split GPU, found in the folder that it was given', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tools-'));
    const script = `#!/bin/sh
case "$1" in
  --query-gpu*) echo '0, GPU-1, NVIDIA H100, [N/A], 3000, 81559, 31, 55' ;;
  -L) echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'; echo '  MIG 1g.10gb     Device  0: (UUID: MIG-a)' ;;
  -q) echo '<gpu id="1"><mig_devices><mig_device><index>0</index><fb_memory_usage><total>9856 MiB</total><used>12 MiB</used></fb_memory_usage></mig_device></mig_devices><uuid>GPU-1</uuid></gpu>' ;;
esac
`;
    await writeFile(join(folder, 'nvidia-smi'), script, { mode: 0o755 });
    const lines: string[] = [];
    const logger = { info: () => {}, warn: (_: object, line: string) => lines.push(line), error: () => {} };
    const gpuToolPath = `${folder}:tools`;
    agent = new Agent({ workerId: 'w', master: master.address, intervalMs: 100, gpuToolPath, logger: logger as never });
    await agent.start();
    await eventually(() => lines.some((line) => line.includes('"tools" is a relative path')));
    const { gpus } = await eventually(() => master.heartbeats.find((heartbeat) => heartbeat.gpus.length === 2));
    expect(gpus).toMatchObject([
      { uuid: 'GPU-1', memoryTotalBytes: 81559 * 1024 ** 2, parentUuid: '' },
      { uuid: 'MIG-a', name: 'MIG 1g.10gb', memoryUsedBytes: 12 * 1024 ** 2, parentUuid: 'GPU-1' },
    ]);
    expect(gpus[0]?.utilizationPercent).toBeUndefined();
    await rm(folder, { recursive: true });
  });

  test('gives a thread that follows a dead one its tasks, metrics and the next sequence', async () => {
    const starts = vi.spyOn(SupervisedThread.prototype, 'start');
    const lines: string[] = [];
    const logger = { info: () => {}, warn: () => {}, error: (_: object, line: string) => lines.push(line) };
    const tool = await HangingTool.install();
    agent = new Agent({
      workerId: 'w',
      master: master.address,
      intervalMs: 100,
      gpuToolPath: tool.folder,
      logger: logger as never,
    });
    await agent.start();
    agent.addTask({ taskId: 'survivor' });
    agent.setMetric('m', 1);
    await eventually(() => master.heartbeats.at(-1)?.metrics.m === 1);
    const streams = master.streamsOpened;
    const [hanging] = await eventually(() => tool.running().length > 0 && tool.running());
    // As running out of memory would, without the agent's knowledge.
    const [supervised] = starts.mock.contexts as SupervisedThread<unknown, unknown>[];
    await supervised?.thread?.terminate();
    await eventually(() => master.streamsOpened > streams && master.heartbeats.at(-1)?.metrics.m === 1);
    const sequences = master.heartbeats.map(({ sequence }) => Number(sequence));
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    expect(new Set(master.heartbeats.map(({ instanceId }) => instanceId)).size).toBe(1);
    expect(master.heartbeats.at(-1)?.runningTasks).toMatchObject([{ taskId: 'survivor' }]);
    expect(lines).toEqual([expect.stringContaining('is started again in')]);
    await eventually(() => !tool.running().includes(hanging as number));
    await tool.remove();
  });

  test('refuses bad values at the call, naming the field', () => {
    agent = new Agent({ workerId: 'worker-1', master: master.address });
    agent.addTask({ taskId: 'known' });
    const refused: [() => void, string, string][] = [
      [() => agent.addTask({ taskId: '' }), 'invalid_argument', 'taskId'],
      [() => agent.addTask({ taskId: 'known' }), 'invalid_argument', 'taskId'],
      [() => agent.addTask({ taskId: 'a', cpuAllocated: Number.NaN }), 'invalid_argument', 'cpuAllocated'],
      [() => agent.addTask({ taskId: 'a', memoryAllocated: -1 }), 'invalid_argument', 'memoryAllocated'],
      [() => agent.addTask({ taskId: 'a', gpuAllocated: Infinity }), 'invalid_argument', 'gpuAllocated'],
      [() => agent.updateTask('known', { progress: 1.1 }), 'invalid_argument', 'progress'],
      [() => agent.updateTask('known', { startedAtUnixMs: 1.5 }), 'invalid_argument', 'startedAtUnixMs'],
      [() => agent.updateTask('known', { status: '\ud800' }), 'invalid_argument', 'status'],
      [() => agent.updateTask('unknown', {}), 'not_found', 'taskId'],
      [() => agent.removeTask('unknown'), 'not_found', 'taskId'],
      [() => agent.setMetric('', 1), 'invalid_argument', 'metric name'],
      [() => agent.setMetric('m', Number.NaN), 'invalid_argument', 'metric "m"'],
      [() => agent.removeMetric('m'), 'not_found', 'metric "m"'],
      [() => new Agent({ workerId: '', master: 'a:1' }), 'invalid_argument', 'worker_id'],
      [() => new Agent({ workerId: 'w', master: 'nowhere' }), 'invalid_argument', 'master'],
      [() => new Agent({ workerId: 'w', master: 'a:1,,b:1' }), 'invalid_argument', 'master is "a:1,,b:1"; expected'],
      [() => new Agent({ workerId: 'w', master: [] }), 'invalid_argument', 'master is []; expected host:port'],
      [() => new Agent({ workerId: 'w', master: ['a:1', ''] }), 'invalid_argument', 'one part is empty'],
      [() => new Agent({ workerId: 'w', master: ['a:1', 'a:1'] }), 'invalid_argument', 'a:1 occurs twice'],
      [() => new Agent({ workerId: 'w', master: 'a:1', intervalMs: 0 }), 'invalid_argument', 'intervalMs'],
      [() => new Agent({ workerId: 'w' }), 'invalid_argument', 'master'],
    ];
    for (const [call, code, field] of refused) {
      expect(call).toThrow(expect.objectContaining({ code, message: expect.stringContaining(field) }));
    }
    // What was refused has left no trace.
    agent.updateTask('known', { progress: 1 });
  });

  test.each<[object, string]>([
    [{ group: 'a\tb' }, 'group: group contains a control character'],
    [{ group: 'x'.repeat(257) }, 'group: group has 257 bytes'],
    [{ labels: { 'a\nb': '' } }, 'labels: the name of a label contains'],
    [
      { isolate: true, labels: { 'pulselane.isolation': 'shared' } },
      'isolate and labels: the label pulselane.isolation=shared is given, too',
    ],
    [{ labels: { a: 'x'.repeat(1025) } }, 'labels: the value of a label has 1025 bytes'],
    [{ labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [i, ''])) }, 'labels: 65 labels; at most 64'],
  ])('is not made with what no master keeps: %#', (description, problem) => {
    agent = new Agent({ workerId: 'w', master: master.address });
    expect(() => new Agent({ workerId: 'w', master: master.address, ...description })).toThrow(problem);
  });

  test('cannot be started where its port is taken, and says so', async () => {
    const first = new Agent({ workerId: 'first', listen: '127.0.0.1:0' });
    await first.start();
    agent = new Agent({ workerId: 'second', listen: first.listening });
    const error = await agent.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PulselaneError);
    expect(error).toMatchObject({
      code: 'environment',
      message: expect.stringContaining(`listen=${first.listening}`),
    });
    await first.stop();
  });

  test('stops before it was started, and twice', async () => {
    agent = new Agent({ workerId: 'worker-1', master: master.address });
    await Promise.all([agent.stop(), agent.stop()]);
    await expect(agent.start()).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a host program', () => {
  let host: ChildProcessWithoutNullStreams;
  let words: string[];
  let tool: HangingTool;

  beforeEach(async () => {
    const program = fileURLToPath(new URL('../support/agent-host.ts', import.meta.url));
    tool = await HangingTool.install();
    host = spawn(process.execPath, [program, master.address, tool.folder]);
    words = [];
    createInterface({ input: host.stdout }).on('line', (line) => words.push(line));
    host.stderr.pipe(process.stderr);
    await eventually(() => words.includes('started'));
  });

  afterEach(async () => {
    host.kill('SIGKILL');
    if (host.exitCode === null && host.signalCode === null) await once(host, 'exit');
    await tool.remove();
  });

  test('that is blocked for seconds goes on beating, and its lag is seen while it is', async () => {
    await eventually(() => master.heartbeats.length > 2);
    host.stdin.write('block 3000\n');
    await eventually(() => words.includes('blocking'));
    const before = master.heartbeats.length;
    const seen = await eventually(() => {
      const beat = master.heartbeats.at(-1);
      return beat !== undefined && beat.hostLoopLagMs > 1_000 && !words.includes('free') && beat;
    });
    expect(seen.hostLoopLagMs).toBeLessThan(10_000);
    await eventually(() => words.includes('free'));
    // Every 200 ms for 3 s, with room for a slow machine.
    expect(master.heartbeats.length - before).toBeGreaterThan(7);
    await eventually(() => (master.heartbeats.at(-1)?.hostLoopLagMs ?? 1_000) < 500);
  });

  test('that stops its agent says farewell and ends by itself, with nothing left behind', async () => {
    await eventually(() => master.heartbeats.length > 0);
    await eventually(() => tool.running().length > 0);
    const ended = once(host, 'exit');
    host.stdin.write('stop\n');
    expect(await ended).toEqual([0, null]);
    expect(master.heartbeats.at(-1)?.leaving).toBe(true);
    expect(master.openStreams).toBe(0);
    await eventually(() => tool.running().length === 0);
  });

  test('that exits without stopping its agent leaves no tool behind', async () => {
    await eventually(() => tool.running().length > 0);
    host.stdin.write('exit\n');
    await once(host, 'exit');
    await eventually(() => tool.running().length === 0);
  });
});
