/** The numbers by which rows name workers, and what is known of each. Tables: `workers` (changes rarely), `progress` (with each batch). */
import type { Durable, HeardWorker, KnownWorker } from '../backend.ts';
import type { MetricKey, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';

/** The newest keys of a worker are kept: what a worker whose metrics change their names can take. */
const MAX_KEYS = 1000;

/** Of the cache: twice the largest fleet. Beyond, it starts anew. */
const MAX_CACHED = 20_000;

interface Cached {
  readonly worker: number;
  firstMs: number;
  readonly keys: Set<MetricKey>;
}

/** The writer's view. What it caches is forgotten when a transaction fails. */
export class WorkerNumbers {
  readonly #db: Connection;
  readonly #cache = new Map<string, Cached>();

  constructor(db: Connection) {
    this.#db = db;
  }

  forget(): void {
    this.#cache.clear();
  }

  /** Enters what the samples say about their worker. @returns its number */
  enter(samples: SampleRun): number {
    const firstMs = minOf(samples.at);
    const known = this.#known(samples.workerId, firstMs);
    let changed = firstMs < known.firstMs;
    known.firstMs = Math.min(known.firstMs, firstMs);
    for (const key of samples.columns.keys()) {
      if (known.keys.has(key)) continue;
      known.keys.add(key);
      changed = true;
    }
    if (changed) this.#update(known);
    this.#db.run(
      `INSERT INTO progress (worker, run, next, last_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (worker) DO UPDATE SET run = excluded.run,
         next = CASE WHEN run = excluded.run THEN max(next, excluded.next) ELSE excluded.next END, last_ms = max(last_ms, excluded.last_ms)`,
      known.worker,
      samples.run,
      samples.first + samples.at.length,
      maxOf(samples.at),
    );
    return known.worker;
  }

  #known(workerId: string, firstMs: number): Cached {
    const cached = this.#cache.get(workerId);
    if (cached !== undefined) return cached;
    const row = this.#db.get<{ worker: number; first_ms: number; keys: string }>(
      'SELECT worker, first_ms, keys FROM workers WHERE worker_id = ?',
      workerId,
    );
    const known: Cached =
      row === undefined
        ? {
            worker: this.#db.run(
              'INSERT INTO workers (worker_id, first_ms, keys) VALUES (?, ?, ?)',
              workerId,
              firstMs,
              '[]',
            ).lastInsertRowid,
            firstMs,
            keys: new Set(),
          }
        : { worker: row.worker, firstMs: row.first_ms, keys: new Set(JSON.parse(row.keys)) };
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
    this.#cache.set(workerId, known);
    return known;
  }

  #update({ worker, firstMs, keys }: Cached): void {
    for (const key of keys) {
      if (keys.size <= MAX_KEYS) break;
      keys.delete(key);
    }
    this.#db.run(
      'UPDATE workers SET first_ms = ?, keys = ? WHERE worker = ?',
      firstMs,
      JSON.stringify([...keys]),
      worker,
    );
  }
}

/** A worker with samples, and which of them are in the database. */
export interface StoredWorker {
  readonly worker: number;
  readonly workerId: string;
  readonly durable: Durable;
}

interface WorkerRow {
  readonly worker: number;
  readonly worker_id: string;
  readonly boot_id: string;
  readonly next: number;
}

const COLUMNS = 'worker, worker_id, boot_id, next';

export function storedWorkers(db: Connection, workerIds: readonly string[]): StoredWorker[] {
  return workerRows<WorkerRow>(db, COLUMNS, workerIds).map((row) => ({
    worker: row.worker,
    workerId: row.worker_id,
    durable: durableOf(row),
  }));
}

/** @param workerIds undefined: all */
export function knownWorkers(db: Connection, workerIds: readonly string[] | undefined): KnownWorker[] {
  type Row = WorkerRow & { readonly first_ms: number; readonly last_ms: number; readonly keys: string };
  return workerRows<Row>(db, `${COLUMNS}, first_ms, last_ms, keys`, workerIds).map((row) => ({
    workerId: row.worker_id,
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    keys: JSON.parse(row.keys),
    durable: durableOf(row),
  }));
}

export function heardWorkers(db: Connection, bootId: string, most: number, others: readonly string[]): HeardWorker[] {
  type Row = { readonly worker_id: string; readonly last_ms: number; readonly next: number };
  // The cross join reads the small rows of `progress` first: those of `workers` have keys, which are not wanted.
  const own = db.all<Row>(
    `SELECT worker_id, last_ms, next FROM progress CROSS JOIN workers USING (worker)
     WHERE run = (SELECT run FROM master_runs WHERE boot_id = ?) ORDER BY last_ms DESC LIMIT ?`,
    bootId,
    most,
  );
  const listed = workerRows<Row & { readonly boot_id: string }>(db, 'worker_id, last_ms, next, boot_id', others);
  return [
    ...own.map(({ worker_id, last_ms, next }) => ({ workerId: worker_id, lastMs: last_ms, next })),
    ...listed
      .filter(({ boot_id }) => boot_id !== bootId)
      .map(({ worker_id, last_ms }) => ({ workerId: worker_id, lastMs: last_ms, next: undefined })),
  ];
}

function workerRows<Row>(db: Connection, columns: string, workerIds: readonly string[] | undefined): Row[] {
  const select = `SELECT ${columns} FROM workers JOIN progress USING (worker) JOIN master_runs USING (run)`;
  return workerIds === undefined
    ? db.all<Row>(select)
    : db.all<Row>(`${select} WHERE worker_id IN (SELECT value FROM json_each(?))`, JSON.stringify(workerIds));
}

function durableOf({ boot_id, next }: WorkerRow): Durable {
  return { bootId: boot_id, next };
}

function minOf(values: Float64Array): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

function maxOf(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}
