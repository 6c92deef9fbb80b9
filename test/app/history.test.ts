/** History as a part of a whole master: what is kept, and that nothing else suffers when it cannot be. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { historySettingsOf } from '../../src/app/history.ts';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { sqlite } from '../../src/history/sqlite/open.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { eventually } from '../support/eventually.ts';
import { keptLog } from '../support/kept-log.ts';
import { describeWithPostgres } from '../support/postgres.ts';
import { repetitions } from '../support/repetitions.ts';
import { storedSamples } from '../support/stored-samples.ts';

/** Whether this user and this container may mount. */
const MOUNT_TRIAL = 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && umount "$d" && rmdir "$d"';

let dataDir: string;
let master: RunningMaster | undefined;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-history-'));
});
afterEach(async () => {
  await master?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

type Settings = Readonly<Record<string, string>>;
const PORTS = { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0' };
// No heartbeat of a burst is replaced by a newer one.
const FEW_LANES = { MAX_DEDICATED_LANES: '0', SHARED_LANES: '1', LANE_DEPTH: '256', MAX_HEARTBEAT_RATE: '0' };

const configOf = (settings: Settings = {}, dotenv: Settings = {}) =>
  masterConfig({
    flags: {},
    environment: { ALERTS: 'off', DATA_DIR: dataDir, ...PORTS, ...FEW_LANES, ...settings },
    dotenv,
  });

async function start(settings: Settings = {}, dotenv: Settings = {}) {
  const { logger, lines } = keptLog();
  const started = await startMaster(configOf(settings, dotenv), { logger, clock: systemClock });
  master = started;
  let count = 0;
  return {
    master: started,
    logged: (text: string) => lines.filter(({ msg }) => msg?.includes(text)).length,
    /** Sends so many heartbeats, which are visible then. */
    async beat(times: number): Promise<void> {
      for (let n = 0; n < times; n++) started.manager.processHeartbeat({ workerId: 'w', metrics: { count: count++ } });
      await eventually(() => started.manager.getWorkerTelemetry('w')?.metrics?.count === count - 1);
    },
    async get(path: string) {
      const response = await fetch(`http://127.0.0.1:${started.httpAddress?.port}${path}`);
      // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what these tests look at
      return { status: response.status, body: (await response.json()) as any };
    },
    status: () => started.history?.status,
    faults: () => started.manager.events.all().filter(({ type }) => type === 'fault' || type === 'fault_over'),
  };
}

const countsOf = async () =>
  ((await storedSamples(dataDir, ['w'], 'metrics.count')).get('w') ?? []).map(({ values }) => values);
const counted = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

test('a clean stop loses nothing, and history goes on after it; HISTORY=off keeps and costs nothing', async () => {
  const first = await start();
  await first.beat(50);
  await first.master.stop();
  const second = await start();
  await second.beat(20);
  await second.master.stop();
  expect(await countsOf()).toEqual([counted(0, 50), counted(0, 20)]);

  await rm(dataDir, { recursive: true });
  const off = await start({ HISTORY: 'off' });
  await off.beat(5);
  expect(off.master.history).toBeUndefined();
  expect(await off.get('/readyz')).toMatchObject({ status: 200, body: { degraded: [] } });
  await off.master.stop();
  expect((await readdir(dataDir)).filter((name) => name.startsWith('history'))).toEqual([]);
});

test('a task stays one run across a restart of the master, and ends when it leaves the list or its worker does', async () => {
  const send = (manager: RunningMaster['manager'], workerId: string, ...tasks: string[]) =>
    manager.processHeartbeat({ workerId, runningTasks: tasks.map((taskId) => ({ taskId, status: 'running' })) });
  const first = await start();
  send(first.master.manager, 'w', 'long', 'short');
  send(first.master.manager, 'gone', 'lost');
  await eventually(() => first.master.manager.getWorkerTelemetry('gone')?.runningTasks.length === 1);
  send(first.master.manager, 'w', 'long');
  await eventually(() => first.master.manager.getWorkerTelemetry('w')?.runningTasks.length === 1);
  await first.master.stop();
  const second = await start();
  second.master.manager.unregisterWorker('gone');
  send(second.master.manager, 'w', 'long', 'new');
  await eventually(() => second.master.manager.getWorkerTelemetry('w')?.runningTasks.length === 2);
  await second.master.stop();
  const reader = await sqlite.openReader({ kind: 'sqlite', path: join(dataDir, 'history.db') }, () => {});
  const runs = await reader.taskRuns({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 100 });
  await reader.close();
  expect(runs.map(({ workerId, taskId, outcome }) => `${workerId} ${taskId} ${outcome}`).sort()).toEqual([
    'gone lost ended',
    'w long running',
    'w new running',
    'w short ended',
  ]);
});

test('while another program holds the database, heartbeats and queries do not notice; then everything is written', async () => {
  const { beat, get, faults, logged, status, master } = await start();
  await beat(10);
  await eventually(() => status()?.samples === 10);
  const other = new DatabaseSync(join(dataDir, 'history.db'));
  other.exec('BEGIN EXCLUSIVE');
  try {
    await beat(10);
    await eventually(() => status()?.state === 'degraded');
    await beat(10);
    expect((await get('/telemetry/w')).body.metrics.count).toBe(29);
    const { status: code, body } = await eventually(async () => {
      const answer = await get('/readyz');
      return answer.body.degraded.length > 0 && answer;
    });
    expect([code, body.status, body.degraded[0].code]).toEqual([200, 'ready', 'history']);
  } finally {
    other.exec('ROLLBACK');
    other.close();
  }
  await eventually(() => status()?.state === 'ok');
  await eventually(() => faults().length === 2);
  expect(faults().map(({ type }) => type)).toEqual(['fault', 'fault_over']);
  expect([logged('history degraded'), logged('history is written again')]).toEqual([1, 1]);
  expect((await get('/readyz')).body.degraded).toEqual([]);
  expect(status()?.lost).toEqual({ overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 });
  await master.stop();
  expect(await countsOf()).toEqual([counted(0, 30)]);
});

test('a database that cannot be opened at the start is told at once, and the master works', async () => {
  // Nothing can be written there, by whatever user.
  await mkdir(join(dataDir, 'history.db'));
  const { beat, get, faults, status, master } = await start();
  await beat(5);
  await eventually(() => faults().length === 1);
  expect((await get('/api/v1/history')).body).toMatchObject({ state: 'degraded' });
  await rmdir(join(dataDir, 'history.db'));
  await eventually(() => status()?.state === 'ok');
  await beat(5);
  await master.stop();
  expect(await countsOf()).toEqual([counted(0, 10)]);
});

const DEATHS = repetitions(2, 20);

test('a thread that dies is started again, and goes on behind what it has written', async () => {
  const { beat, status, faults, master } = await start();
  for (let death = 0; death < DEATHS; death++) {
    await beat(20);
    await eventually(() => (status()?.samples ?? 0) > 0 && status()?.state === 'ok');
    await beat(20);
    const { thread } = master.history?.thread ?? {};
    await thread?.terminate();
    await eventually(() => master.history?.thread.thread !== thread && status()?.state === 'ok');
  }
  await eventually(() => faults().length === 2 * DEATHS);
  await master.stop();
  expect(await countsOf()).toEqual([counted(0, 40 * DEATHS)]);
});

test('a stop loses nothing while the thread is dead, nor after it was started again', async () => {
  const first = await start();
  const written = () => first.status()?.samples ?? 0;
  await first.beat(10);
  await eventually(() => written() === 10);
  await first.master.history?.thread.thread?.terminate();
  await first.beat(10);
  await first.master.stop();
  expect(await countsOf()).toEqual([counted(0, 20)]);
  expect(first.logged('did not end in order')).toBe(0);
});

test('a master whose data directory is taken over writes no history any more', async () => {
  const { master, beat, status } = await start();
  await beat(10);
  await eventually(() => (status()?.samples ?? 0) === 10);
  await rm(join(dataDir, 'lock'));
  await writeFile(join(dataDir, 'members.jsonl'), 'what another master wrote');
  await beat(10);
  expect((await master.failure).message).toContain('another master has taken it over');
  const before = await countsOf();
  await beat(10);
  await master.stop();
  expect(await countsOf()).toEqual(before);
  expect(existsSync(join(dataDir, 'history-spool'))).toBe(false);
});

test('a wall clock that is set is an event and a gap; samples keep their order', async () => {
  let offsetMs = 0;
  const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + offsetMs };
  const started = await startMaster(configOf(), { logger: silentLogger, clock });
  master = started;
  for (let n = 0; n < 30; n++) {
    started.manager.processHeartbeat({ workerId: 'w', metrics: { count: n } });
    if (n % 10 !== 9) continue;
    await eventually(() => started.manager.getWorkerTelemetry('w')?.metrics?.count === n);
    const before = started.manager.events.all().filter(({ type }) => type === 'clock_set').length;
    offsetMs += n === 9 ? -3_600_000 : 7_200_000;
    await eventually(() => started.manager.events.all().filter(({ type }) => type === 'clock_set').length > before);
  }
  await started.stop();
  expect(await countsOf()).toEqual([counted(0, 30)]);
  const reader = await sqlite.openReader({ kind: 'sqlite', path: join(dataDir, 'history.db') }, () => {});
  const events = await reader.events({ limit: 100, prefer: 'oldest' });
  const gaps = await reader.gaps(['w'], 0, Number.MAX_SAFE_INTEGER);
  await reader.close();
  const steps = events.filter(({ type }) => type === 'clock_set');
  expect(steps.map(({ detail }) => detail)).toEqual(['3,600 s back', '7,200 s forward', '7,200 s forward']);
  expect(gaps.filter(({ reason }) => reason === 'clock_set')).toHaveLength(3);
});

test('DATABASE_URL of another scheme, or in a file that is none, is an error that names it, without the password', async () => {
  const file = join(dataDir, 'url');
  await writeFile(file, 'mysql://me:s3cret@db/x\n');
  const error = await historySettingsOf(configOf({ DATABASE_URL_FILE: file })).catch((reason: Error) => reason);
  expect(error).toMatchObject({
    code: 'bad_setting',
    message: expect.stringContaining(`DATABASE_URL_FILE=${file}: expected`),
  });
  expect(String(error)).not.toContain('s3cret');
  await writeFile(file, 'postgres://me:s3cret@db:5433/x\n');
  expect(await historySettingsOf(configOf({ DATABASE_URL_FILE: file }))).toMatchObject({
    place: { kind: 'postgres', url: 'postgres://me:s3cret@db:5433/x' },
    shownPlace: 'db:5433/x',
  });
});

test('a tier is kept at least as long as the finer one', async () => {
  const { rawMs, minuteMs, hourMs } =
    (await historySettingsOf(configOf({ HISTORY_RAW: '60d', HISTORY_1H: '1d' }))) ?? {};
  expect([rawMs, minuteMs, hourMs]).toEqual([5_184_000_000, 5_184_000_000, 5_184_000_000]);
});

test('a DATABASE_URL that cannot be reached: the master starts degraded, says so, and names the .env that it comes from', async () => {
  const { beat, faults, logged, master } = await start({}, { DATABASE_URL: 'postgres://me:s3cret@127.0.0.1:1/db' });
  expect(logged('history is kept in PostgreSQL at 127.0.0.1:1/db: DATABASE_URL (in .env)')).toBe(1);
  await beat(3);
  await eventually(() => faults().length === 1);
  expect(faults()[0]?.detail).toContain('127.0.0.1:1/db');
  expect(JSON.stringify(master.manager.events.all())).not.toContain('s3cret');
  await master.stop();
  // For the next master that reaches a database.
  expect((await readdir(join(dataDir, 'history-spool'))).length).toBe(1);
  expect(existsSync(join(dataDir, 'history.db'))).toBe(false);
});

/** A file system of 8 MiB at the data directory; only root may mount one. */
const canMount =
  process.platform === 'linux' && process.getuid?.() === 0 && spawnSync('sh', ['-c', MOUNT_TRIAL]).status === 0;

describe.skipIf(!canMount)('a disk', () => {
  test('that is full is told; what came meanwhile is written when there is room again', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dataDir]);
    try {
      const { beat, get, status, faults, master } = await start();
      await beat(10);
      await eventually(() => status()?.samples === 10);
      const filler = join(dataDir, 'filler');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096']);
      // Until the database has used what its own files had left.
      await eventually(async () => {
        await beat(100);
        return status()?.problem?.code === 'full';
      });
      const { body } = await get('/telemetry/w');
      const last = body.metrics.count as number;
      expect((await get('/readyz')).body.degraded).toMatchObject([{ code: 'history' }]);
      await rm(filler);
      await eventually(() => status()?.state === 'ok');
      await eventually(() => faults().length >= 2);
      expect(status()?.lost).toEqual({ overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 });
      await master.stop();
      expect(await countsOf()).toEqual([counted(0, last + 1)]);
    } finally {
      await master?.stop();
      execFileSync('umount', ['-l', dataDir]);
    }
  });
});

describeWithPostgres(18)('a database server', (server) => {
  test('that stops and comes back costs nothing', async () => {
    const url = await server().createDatabase();
    const { beat, get, status, faults, master } = await start({ DATABASE_URL: url });
    await beat(10);
    await eventually(() => status()?.samples === 10);
    await server().stop('INT');
    await beat(10);
    await eventually(() => status()?.state === 'degraded');
    expect((await get('/telemetry/w')).body.metrics.count).toBe(19);
    await server().start();
    await eventually(() => status()?.state === 'ok' && status()?.samples === 20);
    await eventually(() => faults().length === 2);
    expect(status()?.lost).toEqual({ overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 });
    await master.stop();
  });
});
