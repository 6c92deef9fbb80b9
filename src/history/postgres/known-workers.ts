/** What is known of each worker: `workers`, which changes with each batch, and `worker_metrics`, which changes rarely. */
import type { HeardWorker, KnownWorker } from '../backend.ts';
import type { MetricKey, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { storable } from './metric-columns.ts';
import { fromSqlMs, sqlMs } from './sql.ts';

/** The newest keys of a worker are kept: what a worker whose metrics change their names can take. */
const MAX_KEYS = 1_000;

/** Of what the writer remembers: twice the largest fleet. Beyond, it starts anew. */
const MAX_REMEMBERED = 20_000;

interface Received {
  firstMs: number;
  lastMs: number;
  next: number;
}

/** @param samples of one run of the master */
export async function putWorkers(connection: Connection, samples: readonly SampleRun[], run: number): Promise<void> {
  const workers = new Map<string, Received>();
  for (const { workerId, at, first } of samples) {
    if (at.length === 0) continue;
    const name = storable(workerId);
    const known = workers.get(name) ?? {
      firstMs: Number.POSITIVE_INFINITY,
      lastMs: Number.NEGATIVE_INFINITY,
      next: 0,
    };
    workers.set(name, known);
    for (const atMs of at) {
      if (atMs < known.firstMs) known.firstMs = atMs;
      if (atMs > known.lastMs) known.lastMs = atMs;
    }
    known.next = Math.max(known.next, first + at.length);
  }
  const all = [...workers];
  // Of a replayed batch of an earlier run, a later one has more to say.
  await connection.rows(
    `INSERT INTO pulselane.workers AS known (worker, first_at, last_at, run, next_number)
     SELECT worker, ${sqlMs('first_at')}, ${sqlMs('last_at')}, $5, next_number
     FROM unnest($1::text[], $2::float8[], $3::float8[], $4::bigint[]) AS new (worker, first_at, last_at, next_number)
     ORDER BY worker COLLATE "C"
     ON CONFLICT (worker) DO UPDATE SET first_at = least(known.first_at, EXCLUDED.first_at),
       last_at = greatest(known.last_at, EXCLUDED.last_at), run = greatest(known.run, EXCLUDED.run),
       next_number = CASE WHEN EXCLUDED.run >= known.run THEN EXCLUDED.next_number ELSE known.next_number END`,
    [
      all.map(([workerId]) => workerId),
      all.map(([, { firstMs }]) => firstMs),
      all.map(([, { lastMs }]) => lastMs),
      all.map(([, { next }]) => next),
      run,
    ],
  );
}

/** The writer's memory of which metrics `worker_metrics` has. */
export class KnownMetrics {
  readonly #metrics = new Map<string, ReadonlySet<MetricKey>>();

  forget(): void {
    this.#metrics.clear();
  }

  /** Whoever calls it calls {@link forget} if the transaction fails. */
  async put(connection: Connection, samples: readonly SampleRun[]): Promise<void> {
    const changed = new Map<string, Set<MetricKey>>();
    for (const { workerId, columns } of samples) {
      const known = this.#metrics.get(workerId);
      for (const [key, values] of columns) {
        if (known?.has(key) || changed.get(workerId)?.has(key) || values.every(Number.isNaN)) continue;
        const more = changed.get(workerId) ?? new Set(known);
        changed.set(workerId, more.add(key));
      }
    }
    for (const keys of changed.values()) {
      for (const key of keys) {
        if (keys.size <= MAX_KEYS) break;
        keys.delete(key);
      }
    }
    if (changed.size === 0) return;
    const rows = [...changed].map(([workerId, keys]) => [storable(workerId), [...keys].reverse().map(storable)]);
    await connection.rows(
      `INSERT INTO pulselane.worker_metrics AS known (worker, metrics)
       SELECT key, ARRAY(SELECT jsonb_array_elements_text(value)) FROM jsonb_each($1::jsonb) ORDER BY key COLLATE "C"
       ON CONFLICT (worker) DO UPDATE SET metrics = (EXCLUDED.metrics || ARRAY(
         SELECT metric FROM unnest(known.metrics) AS former (metric) WHERE metric <> ALL (EXCLUDED.metrics)))[:${MAX_KEYS}]`,
      [JSON.stringify(Object.fromEntries(rows))],
    );
    if (this.#metrics.size + changed.size > MAX_REMEMBERED) this.#metrics.clear();
    for (const [workerId, keys] of changed) this.#metrics.set(workerId, keys);
  }
}

export async function heardWorkers(
  connection: Connection,
  bootId: string,
  most: number,
  others: readonly string[],
): Promise<HeardWorker[]> {
  const rows = await connection.rows(
    `SELECT * FROM (
       SELECT worker, ${fromSqlMs('last_at')}, next_number FROM pulselane.workers JOIN pulselane.runs USING (run)
       WHERE boot_id = $1 ORDER BY last_at DESC LIMIT $2) AS own
     UNION ALL SELECT worker, ${fromSqlMs('last_at')}, NULL FROM pulselane.workers JOIN pulselane.runs USING (run)
       WHERE boot_id <> $1 AND worker = ANY($3::text[])`,
    [bootId, most, others.map(storable)],
  );
  return rows.map(([workerId, lastMs, next]) => ({
    workerId: workerId as string,
    lastMs: Number(lastMs),
    next: next === null ? undefined : Number(next),
  }));
}

/** @param workerIds undefined: all */
export async function knownWorkers(
  connection: Connection,
  workerIds: readonly string[] | undefined,
): Promise<KnownWorker[]> {
  const rows = await connection.rows(
    `SELECT worker, ${fromSqlMs('first_at')}, ${fromSqlMs('last_at')}, to_json(coalesce(metrics, '{}')), boot_id, next_number
     FROM pulselane.workers JOIN pulselane.runs USING (run) LEFT JOIN pulselane.worker_metrics USING (worker)
     WHERE $1::text[] IS NULL OR worker = ANY($1)`,
    [workerIds?.map(storable) ?? null],
  );
  return rows.map(([workerId, firstMs, lastMs, keys, bootId, next]) => ({
    workerId: workerId as string,
    firstMs: Number(firstMs),
    lastMs: Number(lastMs),
    keys: JSON.parse(keys as string) as MetricKey[],
    durable: { bootId: bootId as string, next: Number(next) },
  }));
}
