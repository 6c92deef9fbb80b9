/** How many bytes history takes on disk, and what others take for the same samples. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { postgres } from '../../src/history/postgres/open.ts';
import { sqlite } from '../../src/history/sqlite/open.ts';
import { obstacleTo, PostgresServer } from '../../test/support/postgres-server.ts';
import { Filling, type FillSpec, KEEP_DEFAULT, SAMPLES_PER_HOUR } from '../history/fill.ts';
import { PlainRows } from '../history/plain-rows.ts';
import { prometheusBytes } from '../history/prometheus.ts';
import { withFolder } from '../history/temporary.ts';
import { victoriaMetricsBytes } from '../history/victoria-metrics.ts';
import { WALK_KEYS, Walk } from '../history/walks.ts';
import { answerParent } from '../lib/child.ts';

export interface HistorySize {
  /** Of metrics; times are not counted, but their bytes are. */
  readonly numbers: number;
  /** All of the file, but without rollups. */
  readonly rawBytes: number;
  readonly minuteBytes: number;
  readonly hourBytes: number;
  /** CPU time of sealing and rolling up, for each sample. */
  readonly maintenanceUs: number;
}

const calls = { history, write, kept, inPostgres, plain, victoriaMetrics, prometheus };
export type HistorySizesCalls = typeof calls;

answerParent(calls);

/** After all is sealed and rolled up. */
function history({ workers, hours, kind }: FillSpec): Promise<HistorySize> {
  return withFolder(async (folder) => {
    const path = join(folder, 'history.db');
    const writer = await sqlite.openWriter({ kind: 'sqlite', path }, fail);
    const filling = new Filling(writer, workers, kind);
    await filling.write(hours);
    await filling.finishDay();
    await writer.close();
    const { minuteBytes, hourBytes } = rollupBytes(path);
    const rawBytes = statSync(path).size - minuteBytes - hourBytes;
    const maintenanceUs = (filling.maintenanceCpuMs * 1000) / (workers * hours * SAMPLES_PER_HOUR);
    return { numbers: numbersOf(workers, hours), rawBytes, minuteBytes, hourBytes, maintenanceUs };
  });
}

/** A database that a master of this data directory finds. */
async function write(folder: string, { workers, hours, kind }: FillSpec): Promise<void> {
  const writer = await sqlite.openWriter({ kind: 'sqlite', path: join(folder, 'history.db') }, fail);
  const filling = new Filling(writer, workers, kind);
  await filling.write(hours);
  await filling.finishDay();
  await writer.close();
}

/** Bytes for each worker of what the default retention keeps of samples, of a day of minutes, and of a day of hours. */
function kept(
  workers: number,
  hours: number,
  kind: FillSpec['kind'],
): Promise<Record<'raw' | 'minutes' | 'hours', number>> {
  return withFolder(async (folder) => {
    const path = join(folder, 'history.db');
    const writer = await sqlite.openWriter({ kind: 'sqlite', path }, fail);
    const filling = new Filling(writer, workers, kind, KEEP_DEFAULT);
    await filling.write(hours);
    await filling.finishDay();
    await writer.close();
    const { minuteBytes, hourBytes } = rollupBytes(path);
    const rawBytes = statSync(path).size - minuteBytes - hourBytes;
    return {
      raw: rawBytes / workers,
      minutes: (minuteBytes * 24) / workers / hours,
      hours: (hourBytes * 24) / workers / hours,
    };
  });
}

function rollupBytes(path: string): { readonly minuteBytes: number; readonly hourBytes: number } {
  const db = new DatabaseSync(path);
  const pagesOf = (table: string) =>
    Number(db.prepare('SELECT ifnull(sum(pgsize), 0) AS bytes FROM dbstat WHERE name = ?').get(table)?.bytes);
  const minuteBytes = pagesOf('minute_hours') + pagesOf('minute_days');
  const hourBytes = pagesOf('hour_months');
  db.close();
  return { minuteBytes, hourBytes };
}

/** @returns bytes per number of samples and of rollups; undefined: no server can run here */
async function inPostgres({ workers, hours, kind }: FillSpec): Promise<HistorySize | undefined> {
  if (obstacleTo(18) !== undefined) return undefined;
  const server = await PostgresServer.start(18);
  try {
    const url = await server.createDatabase();
    const writer = await postgres.openWriter({ kind: 'postgres', url }, fail);
    const filling = new Filling(writer, workers, kind);
    await filling.write(hours);
    await filling.finishDay();
    await writer.close();
    const rows = await server.sql(
      url,
      `SELECT relname AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pulselane' AND c.relkind = 'r'`,
    );
    const bytesOf = (start: string) =>
      rows.reduce((sum, { name, bytes }) => sum + (String(name).startsWith(start) ? Number(bytes) : 0), 0);
    const [minuteBytes, hourBytes] = [bytesOf('samples_1m'), bytesOf('samples_1h')];
    return {
      numbers: numbersOf(workers, hours),
      rawBytes: bytesOf('') - minuteBytes - hourBytes,
      minuteBytes,
      hourBytes,
      maintenanceUs: 0,
    };
  } finally {
    await server.remove();
  }
}

/** @returns bytes per number */
function plain({ workers, hours, kind }: FillSpec): Promise<number> {
  return withFolder(async (folder) => {
    const path = join(folder, 'plain.db');
    const rows = new PlainRows(path);
    for (let worker = 0; worker < workers; worker++) {
      rows.insertAll(worker, new Walk(worker, kind).next(hours * SAMPLES_PER_HOUR));
    }
    rows.close();
    return statSync(path).size / numbersOf(workers, hours);
  });
}

/** @returns bytes per number; undefined: it is not installed */
function victoriaMetrics(spec: FillSpec): Promise<number | undefined> {
  return withFolder(async (folder) => perNumber(await victoriaMetricsBytes(folder, spec), spec));
}

/** @returns bytes per number; undefined: it is not installed */
function prometheus(spec: FillSpec): Promise<number | undefined> {
  return withFolder(async (folder) => perNumber(await prometheusBytes(folder, spec), spec));
}

function perNumber(bytes: number | undefined, { workers, hours }: FillSpec): number | undefined {
  return bytes === undefined ? undefined : bytes / numbersOf(workers, hours);
}

function numbersOf(workers: number, hours: number): number {
  return workers * hours * SAMPLES_PER_HOUR * WALK_KEYS.length;
}

function fail(message: string): never {
  throw new Error(message);
}
