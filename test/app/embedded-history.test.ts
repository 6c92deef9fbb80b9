/** The library's history: an engine in this process that keeps what was, and is asked for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type HistoryOptions, TelemetryManager } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pulselane-embedded-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function started(history: HistoryOptions): Promise<TelemetryManager> {
  const manager = new TelemetryManager({ maxWorkers: 10, maxDedicatedLanes: 0, sharedLanes: 1, history });
  onTestFinished(() => manager.shutdown());
  await manager.start();
  return manager;
}

const usages = async (manager: TelemetryManager, metric = 'cpu_usage') => {
  const [series] = await manager.history.query({ workerId: 'worker-1', metrics: [metric] });
  return series?.points.map(({ last }) => last) ?? [];
};

describe('an engine with history', () => {
  test('tells what was, also after a restart of the program', async () => {
    const dataDir = await newFolder();
    const manager = await started({ dataDir });
    for (const cpuUsage of [10, 20, 30]) {
      manager.processHeartbeat({
        workerId: 'worker-1',
        cpuUsage,
        metrics: { frames: cpuUsage * 2 },
        runningTasks: [{ taskId: 'frame-17', cpuAllocated: 1, memoryAllocated: 1, status: 'running' }],
      });
      await eventually(() => manager.getWorkerTelemetry('worker-1')?.cpuUsage === cpuUsage);
    }
    expect(await usages(manager)).toEqual([10, 20, 30]);
    expect(await usages(manager, 'frames')).toEqual([20, 40, 60]);
    const several = await manager.history.query({ workerId: 'worker-1', from: Date.now() - 60_000 });
    expect(several.map(({ metric }) => metric)).toContain('running_tasks');
    await eventually(() => manager.history.status.samples === 3);
    expect(await manager.history.tasks({ workerId: 'worker-1', outcomes: ['failed'] })).toEqual([]);
    const events = await eventually(async () => {
      const found = await manager.history.events({ workerId: 'worker-1' });
      return found.length > 0 && found;
    });
    expect(events.map(({ to }) => to)).toContain('active');
    const chunks: Uint8Array[] = [];
    for await (const chunk of manager.history.export({ format: 'jsonl', metrics: ['cpu_usage'] })) chunks.push(chunk);
    const rows = Buffer.concat(chunks).toString().trim().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as { last: number }).last)).toEqual([10, 20, 30]);
    await manager.shutdown();

    const again = await started({ dataDir });
    expect(await usages(again)).toEqual([10, 20, 30]);
  }, 60_000);

  test('shares its folder with nobody', async () => {
    const dataDir = await newFolder();
    await started({ dataDir });
    const second = new TelemetryManager({ history: { dataDir } });
    await expect(second.start()).rejects.toMatchObject({ code: 'environment' });
    await second.shutdown();
  }, 60_000);

  test('refuses what it cannot answer with an error that has a code', async () => {
    const { history } = await started({ dataDir: await newFolder() });
    await expect(history.query({ workerId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(history.query({ workerId: 'a', from: 'yesterday' })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('expected a time such as'),
    });
    await expect(history.query({ workerId: 'a', from: Number.NaN })).rejects.toThrow(
      'expected a time: Unix milliseconds',
    );
    await expect(history.tasks({ limit: 0 })).rejects.toThrow('limit: expected a whole number from 1 to 10000, got 0');
    await expect(history.export({ metrics: ['cpu'] }).next()).rejects.toThrow('metric: unknown metric "cpu"');
  }, 60_000);
});

test.each([
  [{ dataDirectory: 'x' }, 'unknown option "dataDirectory"'],
  [{ rawMs: 5 }, 'history.rawMs: expected a whole number from 3600000 to '],
  [{ databaseUrl: 'mysql://me:secret@db/x' }, 'history.databaseUrl: expected a URL such as postgres://'],
  [{ dataDir: '' }, 'history.dataDir: expected a path'],
  [7, 'history: expected an object'],
])('history: %j is refused, without a password', (history, message) => {
  const make = () => new TelemetryManager({ history: history as HistoryOptions });
  expect(make).toThrow(message);
  expect(make).not.toThrow('secret');
});

test('an engine without history says so', async () => {
  const manager = new TelemetryManager();
  expect(() => manager.history).toThrow('this needs the option history');
  expect(() => new TelemetryManager({ histroy: {} } as object)).toThrow('did you mean history?');
  expect(() => new TelemetryManager({ samples: { spanMs: 1 } } as object)).toThrow('unknown option "samples"');
});
