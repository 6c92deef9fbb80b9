/** How long questions to history take, beside plain SQL on a table with a row for each heartbeat; how that grows by days. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Retention } from '../../src/history/backend.ts';
import { Budget } from '../../src/history/query/budget.ts';
import { HistoryQueries } from '../../src/history/query/queries.ts';
import { DEFAULT_POINTS } from '../../src/history/query/request.ts';
import { sqlite } from '../../src/history/sqlite/open.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { NO_CRITERIA } from '../../src/reading/selection.ts';
import { Filling, HOUR_MS, KEEP_ALL, KEEP_DEFAULT, SAMPLES_PER_HOUR } from '../history/fill.ts';
import { noWorkers } from '../history/no-workers.ts';
import { PlainRows } from '../history/plain-rows.ts';
import { bytesOf, withFolder } from '../history/temporary.ts';
import { randomOf, WALK_START_MS, Walk } from '../history/walks.ts';
import { answerParent } from '../lib/child.ts';

/** Whose values are asked for, in the plain table and in history. */
const DAY_WORKERS = 10;
const FLEET_HOURS = 2;
const MONTH_WORKERS = 2;
/** A tenth comes before, and is not measured: code is compiled, pages are read. */
const WARM_UP = 0.1;

export interface QueryTimes {
  readonly ours: Float64Array;
  /** The same answer by SQL. */
  readonly sql: Float64Array;
}

export interface Growth {
  readonly days: number;
  readonly bytes: number;
  /** 24 h of one worker, and the last hour of all, in ms. */
  readonly day: Float64Array;
  readonly fleet: Float64Array;
}

const calls = { day, fleet, month, growth };
export type HistoryQueriesCalls = typeof calls;

answerParent(calls);

/** Some hours of one worker, one metric. */
function day(hours: number, times: number): Promise<QueryTimes> {
  return withDatabase(DAY_WORKERS, KEEP_ALL, async ({ filling, path, folder }) => {
    await filling.write(hours);
    const rows = plainRows(folder, DAY_WORKERS, hours);
    const sql = rows.db.prepare(`${BY_STEPS} WHERE worker = ? AND at_ms >= ? AND at_ms < ? GROUP BY step`);
    const [fromMs, toMs] = [WALK_START_MS, filling.endMs];
    const stepMs = (toMs - fromMs) / DEFAULT_POINTS;
    const random = randomOf(1);
    const worker = () => Math.floor(random() * DAY_WORKERS);
    const answer = {
      ours: await timed(times, await asking(path, (queries) => oneWorker(queries, worker(), fromMs, toMs))),
      sql: await timed(times, async () => sql.all(stepMs, worker(), fromMs, toMs)),
    };
    rows.close();
    return answer;
  });
}

/** The mean of one metric over all workers, for the last hour by minutes. */
function fleet(workers: number, times: number): Promise<QueryTimes> {
  return withDatabase(workers, KEEP_ALL, async ({ filling, path, folder }) => {
    await filling.write(FLEET_HOURS);
    const rows = plainRows(folder, workers, FLEET_HOURS);
    rows.db.exec('CREATE INDEX by_time ON samples (at_ms)');
    const sql = rows.db.prepare(`${BY_STEPS} WHERE at_ms >= ? AND at_ms < ? GROUP BY step`);
    const toMs = filling.endMs;
    const answer = {
      ours: await timed(times, await asking(path, (queries) => allWorkers(queries, workers, toMs - HOUR_MS, toMs))),
      sql: await timed(Math.max(2, Math.round(times / 5)), async () => sql.all(60_000, toMs - HOUR_MS, toMs)),
    };
    rows.close();
    return answer;
  });
}

/** Many hours of one worker, one metric: samples of a day, minutes, hours. */
function month(hours: number, times: number): Promise<QueryTimes> {
  return withDatabase(MONTH_WORKERS, KEEP_DEFAULT, async ({ filling, path, folder }) => {
    await filling.write(hours);
    const rows = plainRows(folder, MONTH_WORKERS, hours);
    const sql = rows.db.prepare(`${BY_STEPS} WHERE worker = ? AND at_ms >= ? AND at_ms < ? GROUP BY step`);
    const toMs = filling.endMs;
    const fromMs = toMs - hours * HOUR_MS;
    const random = randomOf(1);
    const worker = () => Math.floor(random() * MONTH_WORKERS);
    const answer = {
      ours: await timed(times, await asking(path, (queries) => oneWorker(queries, worker(), fromMs, toMs))),
      sql: await timed(Math.max(2, Math.round(times / 5)), async () => sql.all(HOUR_MS, worker(), fromMs, toMs)),
    };
    rows.close();
    return answer;
  });
}

/** After the first and the last of some days, of which all samples are kept. */
function growth(workers: number, days: number, dayHours: number, times: number): Promise<Growth[]> {
  return withDatabase(workers, KEEP_ALL, async ({ filling, path }) => {
    const found: Growth[] = [];
    for (let written = 1; written <= days; written++) {
      await filling.write(dayHours);
      if (written > 1 && written < days) continue;
      const toMs = filling.endMs;
      const random = randomOf(written);
      const one = (queries: HistoryQueries) =>
        oneWorker(queries, Math.floor(random() * workers), toMs - dayHours * HOUR_MS, toMs);
      found.push({
        days: written,
        bytes: bytesOf(path),
        day: await timed(times, await asking(path, one)),
        fleet: await timed(times, await asking(path, (queries) => allWorkers(queries, workers, toMs - HOUR_MS, toMs))),
      });
    }
    return found;
  });
}

interface Database {
  readonly filling: Filling;
  readonly path: string;
  readonly folder: string;
}

function withDatabase<T>(workers: number, retention: Retention, work: (database: Database) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const path = join(folder, 'history.db');
    const writer = await sqlite.openWriter({ kind: 'sqlite', path }, fail);
    try {
      return await work({ filling: new Filling(writer, workers, 'walks', retention), path, folder });
    } finally {
      await writer.close();
    }
  });
}

function plainRows(folder: string, workers: number, hours: number): PlainRows {
  const rows = new PlainRows(join(folder, `plain-${randomBytes(4).toString('hex')}.db`));
  for (let worker = 0; worker < workers; worker++) {
    rows.insertAll(worker, new Walk(worker).next(hours * SAMPLES_PER_HOUR));
  }
  return rows;
}

/** Min, max, mean and last of each step, as history answers. */
const BY_STEPS = `SELECT CAST(at_ms / ? AS INTEGER) AS step, min(cpu_usage), max(cpu_usage), avg(cpu_usage), count(*), max(at_ms)
  FROM samples`;

/** All the way that a query takes in its thread, without the rings, which are empty here. */
async function asking(path: string, ask: (queries: HistoryQueries) => Promise<void>): Promise<() => Promise<void>> {
  const reader = await sqlite.openReader({ kind: 'sqlite', path }, fail);
  const queries = new HistoryQueries({ directory: noWorkers(), open: async () => reader });
  return () => ask(queries);
}

async function oneWorker(queries: HistoryQueries, worker: number, fromMs: number, toMs: number): Promise<void> {
  const { series, degraded } = await queries.worker(
    {
      workerId: `worker-${worker}`,
      metrics: ['cpu_usage'],
      range: { fromMs, toMs },
      wish: { points: DEFAULT_POINTS },
      nowMs: toMs,
    },
    new Budget(systemClock),
  );
  const points = series[0]?.points.length ?? 0;
  if (degraded !== undefined || points < 10) throw new Error(`${points} points, ${degraded?.detail}`);
}

async function allWorkers(queries: HistoryQueries, workers: number, fromMs: number, toMs: number): Promise<void> {
  const { series, degraded } = await queries.fleet(
    {
      workerIds: Array.from({ length: workers }, (_, worker) => `worker-${worker}`),
      criteria: NO_CRITERIA,
      withForgotten: true,
      metrics: ['cpu_usage'],
      range: { fromMs, toMs },
      wish: { stepMs: 60_000 },
      nowMs: toMs,
      overTime: 'avg',
      overWorkers: 'avg',
      by: undefined,
    },
    new Budget(systemClock),
  );
  const points = series[0]?.points.length ?? 0;
  if (degraded !== undefined || points < 59) throw new Error(`${points} points, ${degraded?.detail}`);
}

async function timed(times: number, ask: () => Promise<unknown>): Promise<Float64Array> {
  for (let warmUp = 0; warmUp < times * WARM_UP; warmUp++) await ask();
  const tookMs = new Float64Array(times);
  for (let time = 0; time < times; time++) {
    const startMs = performance.now();
    await ask();
    tookMs[time] = performance.now() - startMs;
  }
  return tookMs;
}

function fail(message: string): never {
  throw new Error(message);
}
