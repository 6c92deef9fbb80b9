/** The library's history: an engine in this process that keeps what was, and is asked for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HistoryReading } from '../../src/app/history-reading.ts';
import { type HistoryOptions, PulselaneError, TelemetryManager } from '../../src/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { historyStatus } from '../support/history-status.ts';

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
    // The sample follows its record.
    await eventually(async () => (await usages(manager)).length === 3);
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
    await eventually(() => history.status.state === 'ok');
    await expect(history.query({ workerId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(history.tasks({ workerId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(history.events({ workerId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(history.export({ workerIds: ['nobody'] }).next()).rejects.toMatchObject({ code: 'not_found' });
    const refused = async (answer: Promise<unknown>, message: string) => {
      await expect(answer).rejects.toMatchObject({
        constructor: PulselaneError,
        code: 'invalid_argument',
        message: expect.stringContaining(message),
      });
    };
    const query = (wrong: object) => history.query({ workerId: 'a', ...wrong });
    const exported = (wrong: object) => history.export(wrong).next();
    await refused(query({ from: 'yesterday' }), 'from: expected a time such as');
    await refused(query({ from: Number.NaN }), 'from: expected a time: Unix milliseconds');
    await refused(query({ to: {} }), 'to: expected a time: Unix milliseconds');
    await refused(query({ from: 'now', to: '-1h' }), 'from: expected a time before');
    await refused(query({ workerId: undefined }), 'workerId: expected the id of a worker');
    await refused(query({ metric: 'big' }), 'unknown option "metric": did you mean metrics?');
    await refused(query({ metrics: 'big' }), 'metrics: expected a list of names of metrics, got "big"');
    await refused(query({ stepMs: 0 }), 'stepMs: expected a whole number of milliseconds above 0, got 0');
    await refused(query({ stepMs: 1.5 }), 'stepMs: expected a whole number of milliseconds above 0, got 1.5');
    await refused(query({ stepMs: 1, from: '-2y' }), 'stepMs: ');
    await refused(query({ points: 1 }), 'points: expected a whole number from 2');
    await refused(history.query(undefined as never), 'expected an object with options');
    await refused(history.tasks({ worker: 'a' } as object), 'unknown option "worker"');
    await refused(history.tasks({ outcomes: ['nonsense'] as never }), 'outcomes: expected a list of running, ended');
    await refused(history.tasks({ limit: 0 }), 'limit: expected a whole number from 1 to 10000, got 0');
    await refused(exported({ workerId: 'a' }), 'unknown option "workerId": did you mean workerIds?');
    await refused(exported({ tier: '5m' }), 'tier: expected one of raw, 1m, 1h, got "5m"');
    await refused(exported({ format: 'xml' }), 'format: expected one of csv, jsonl, parquet, got "xml"');
    await refused(exported({ metrics: ['cpu'] }), 'metrics: unknown metric "cpu"');
  }, 60_000);

  test('is started once', async () => {
    const manager = await started({ dataDir: await newFolder() });
    await expect(manager.start()).rejects.toThrow('can be started only once');
    manager.processHeartbeat({ workerId: 'worker-1', cpuUsage: 1 });
    await eventually(async () => (await usages(manager)).length === 1);
  }, 60_000);

  test('answers from memory while its database is away', async () => {
    const databaseUrl = `postgres://me:secret@127.0.0.1:${await freePort()}/x`;
    const manager = await started({ dataDir: await newFolder(), databaseUrl });
    manager.processHeartbeat({ workerId: 'worker-1', cpuUsage: 1 });
    await eventually(async () => {
      const events = await manager.history.events({ workerId: 'worker-1' });
      return events.some(({ to }) => to === 'active');
    });
    await expect(manager.history.events({ workerId: 'nobody' })).rejects.toMatchObject({ code: 'unavailable' });
  }, 60_000);

  test('ends an export with what the database lacks, or with the end of the engine', async () => {
    const manager = await started({ dataDir: await newFolder() });
    manager.processHeartbeat({ workerId: 'worker-1', cpuUsage: 1 });
    await eventually(() => manager.history.status.samples === 1);
    const degraded = new HistoryReading(
      { kind: 'sqlite', path: join(manager.history.status.place) },
      {
        ...{ directory: manager.directory, clock: systemClock, logger: silentLogger },
        status: () => historyStatus({ state: 'degraded', durableUntilUnixMs: 1000 }),
      },
    );
    onTestFinished(() => degraded.stop());
    const chunks: Uint8Array[] = [];
    await expect(async () => {
      for await (const chunk of degraded.export({ metrics: ['cpu_usage'] })) chunks.push(chunk);
    }).rejects.toThrow('the export is incomplete: what came in after 1970-01-01T00:00:01.000Z is not in the database');
    expect(Buffer.concat(chunks).toString().split('\n')).toHaveLength(3);

    const cut = manager.history.export();
    await cut.next();
    await manager.shutdown();
    await expect(cut.next()).rejects.toThrow('the TelemetryManager was shut down');
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
