/**
 * What is due, one step at a time: rolling up hours that are over, deleting what is too old or too much. Each step is a transaction
 * of its own, except that deleting a piece is several statements, which the next step goes on with if they were interrupted. Of
 * several masters on one database, each does the steps that no other is doing.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Retention } from '../backend.ts';
import type { OnLoss } from '../database.ts';
import { TIERS, type Tier } from '../samples.ts';
import type { Connection } from './connection.ts';
import { bytesOf } from './figures.ts';
import type { Pieces } from './partitions.ts';
import { bucketsOf, insertBuckets } from './rollup-sql.ts';
import { fromSqlMs } from './sql.ts';
import { DAY_MS, floorTo, HOUR_MS, pieceStartMs, sqlTime, TABLES } from './tables.ts';

/** After the end of an hour, so that the last batches with its samples have come. Later ones make it due again. */
const ROLL_UP_AFTER_MS = 10_000;
/** How long a step should take. */
const STEP_MS = 50;
/** Workers of an hour that are rolled up in one step: at first, and at most. */
const FIRST_WORKERS = 10;
const MAX_WORKERS = 1_000;
/** Samples of several hours that are rolled up in one step. */
const STEP_SAMPLES = 5_000;
/** Rows that one step deletes of the small tables, and how often it looks for them. */
const DELETED_ROWS = 2_000;
const SWEEP_MS = HOUR_MS;
/** The row of `kept` that says by which time data was last deleted as too old, and how often it is written. */
const EXPIRY = 'expiry';
const EXPIRY_PUT_MS = HOUR_MS;
/** What has no tier is bounded by number too: each some 200 MB at most. */
const MAX_ROWS = 1_000_000;
/** How often sizes are compared. */
const SIZE_MS = 60_000;

const ROLLUPS = ['1m', '1h'] as const;

interface DueHour {
  readonly startMs: number;
  readonly samples: number;
  /** `''`: no worker is done. */
  readonly doneThrough: string;
}

export class Maintenance {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #onLoss: OnLoss;
  readonly #onWorkersDeleted: () => void;
  #workers = FIRST_WORKERS;
  #sweptMs = Number.NEGATIVE_INFINITY;
  #sizeMs = Number.NEGATIVE_INFINITY;
  #toldMs = Number.NEGATIVE_INFINITY;
  #expiryPutMs = Number.NEGATIVE_INFINITY;
  /** Since when each tier is kept, as far as pieces before were looked for. */
  readonly #cleared = new Map<Tier, number>();

  /** @param onWorkersDeleted called when some workers have no data any more */
  constructor(connection: Connection, clock: Clock, onLoss: OnLoss, onWorkersDeleted: () => void) {
    this.#connection = connection;
    this.#clock = clock;
    this.#onWorkersDeleted = onWorkersDeleted;
    this.#onLoss = onLoss;
  }

  /** Does the first thing that is due. @returns whether it found one */
  async step(pieces: Pieces, nowMs: number, retention: Retention, expiryMs: number): Promise<boolean> {
    await this.#rememberExpiry(expiryMs);
    return (
      (await this.#rollUp(pieces, nowMs - HOUR_MS - ROLL_UP_AFTER_MS)) ||
      (await this.#expire(pieces, sincesOf(expiryMs, retention))) ||
      (await this.#sweep(nowMs, expiryMs, retention)) ||
      (await this.#keepSize(pieces, nowMs, retention.maxBytes))
    );
  }

  /** For the next start. */
  async #rememberExpiry(expiryMs: number): Promise<void> {
    if (Math.abs(expiryMs - this.#expiryPutMs) < EXPIRY_PUT_MS) return;
    await this.#connection.rows(
      `INSERT INTO pulselane.kept (tier, since) VALUES ('${EXPIRY}', ${sqlTime(expiryMs)})
       ON CONFLICT (tier) DO UPDATE SET since = EXCLUDED.since`,
    );
    this.#expiryPutMs = expiryMs;
  }

  /**
   * Rolls up some workers of the oldest hour that is due and began at or before `untilMs`; or, of a small fleet, several hours of one
   * day at once.
   */
  async #rollUp(pieces: Pieces, untilMs: number): Promise<boolean> {
    const due = `pulselane.hours WHERE is_due AND hour <= ${sqlTime(untilMs)}`;
    const [oldest] = await this.#connection.rows(`SELECT ${fromSqlMs('min(hour)')} FROM ${due}`);
    if (oldest?.[0] === null || oldest?.[0] === undefined) return false;
    const dayMs = floorTo(Number(oldest[0]), DAY_MS);
    await pieces.ensure(this.#connection, [dayMs]);
    const startedMs = this.#clock.monotonicMs();
    // Those that another master has locked are being done.
    const lock = `BEGIN; SELECT ${fromSqlMs('hour')}, samples, done_through FROM ${due} AND hour < ${sqlTime(dayMs + DAY_MS)}
      ORDER BY hour FOR UPDATE SKIP LOCKED`;
    try {
      return await this.#connection.transaction(lock, async ([, rows]) => {
        const hours = (rows ?? []).map(([hour, samples, doneThrough]) => ({
          startMs: Number(hour),
          samples: Number(samples),
          doneThrough: doneThrough ?? '',
        }));
        if (hours.length > 0) await this.#rollUpSome(hours);
        return hours.length > 0;
      });
    } finally {
      // Also when it took so long that the server ended it.
      const tookMs = this.#clock.monotonicMs() - startedMs;
      if (tookMs > STEP_MS) this.#workers = Math.max(1, this.#workers >> 1);
      else if (tookMs < STEP_MS / 2) this.#workers = Math.min(MAX_WORKERS, this.#workers * 2);
    }
  }

  /** @param hours in order, at least one */
  async #rollUpSome(hours: readonly DueHour[]): Promise<void> {
    const [first] = hours as [DueHour];
    const rows = await this.#connection.rows(
      'SELECT worker FROM pulselane.workers WHERE worker > $1 ORDER BY worker LIMIT $2',
      [first.doneThrough, this.#workers],
    );
    const workers = rows.map(([worker]) => worker);
    const isLast = workers.length < this.#workers;
    const some = isLast && first.doneThrough === '' ? firstOf(hours) : [first];
    const starts = `ARRAY[${some.map(({ startMs }) => sqlTime(startMs)).join(', ')}]`;
    const samples = `pulselane.samples WHERE worker = ANY($1::text[]) AND at >= ${sqlTime(first.startMs)}
      AND at < ${sqlTime((some.at(-1) ?? first).startMs + HOUR_MS)} AND date_bin('1 hour', at, to_timestamp(0)) = ANY (${starts})`;
    for (const tier of ROLLUPS) {
      if (workers.length === 0) break;
      await this.#connection.rows(insertBuckets(tier, bucketsOf(samples, tier), 'replaced'), [workers]);
    }
    await this.#connection.rows(
      `UPDATE pulselane.hours SET is_due = $1, done_through = $2 WHERE hour = ANY (${starts})`,
      [!isLast, isLast ? null : workers.at(-1)],
    );
  }

  /** Pieces whose newest moment is older than their tier is kept. */
  async #expire(pieces: Pieces, sinces: Readonly<Record<Tier, number>>): Promise<boolean> {
    for (const tier of TIERS) {
      const sinceMs = sinces[tier];
      if (this.#cleared.get(tier) === sinceMs) continue;
      if (!(await this.#keepSince(tier, sinceMs))) continue;
      if (await pieces.deleteOne(this.#connection, tier, sinceMs)) return true;
      // Some may still be in use: they are looked for again with the next sweep.
      this.#cleared.set(tier, sinceMs);
    }
    return false;
  }

  /**
   * From then on no batch makes an hour before `sinceMs` due. Waits for batches that do. After the clock was set back, hours that
   * have no samples yet can be due again: all after the last hour that has.
   * @returns false: some of them are still to be rolled up
   */
  async #keepSince(tier: Tier, sinceMs: number): Promise<boolean> {
    const since = sqlTime(sinceMs);
    return this.#connection.transaction(
      `BEGIN; SELECT FROM pulselane.kept WHERE tier = '${tier}' FOR UPDATE`,
      async () => {
        await this.#connection.rows(
          `UPDATE pulselane.kept SET since = ${since} WHERE tier = '${tier}' AND since < ${since}
           AND NOT EXISTS (SELECT FROM pulselane.hours WHERE hour < ${since} AND is_due)`,
        );
        await this.#connection.rows(
          `UPDATE pulselane.kept SET since = greatest(${since},
             (SELECT max(hour) + interval '1 hour' FROM pulselane.hours WHERE hour < since))
           WHERE tier = '${tier}' AND since > ${since}`,
        );
        const [row] = await this.#connection.rows(
          `SELECT since >= ${since} FROM pulselane.kept WHERE tier = '${tier}'`,
        );
        return row?.[0] === 't';
      },
    );
  }

  /** Rows of the small tables, which are kept as long as the longest tier, and bounded in number. */
  async #sweep(nowMs: number, expiryMs: number, { hourMs }: Retention): Promise<boolean> {
    if (Math.abs(nowMs - this.#sweptMs) < SWEEP_MS) return false;
    const before = sqlTime(expiryMs - hourMs);
    const isFull =
      (await this.#delete('events', `at < ${before}`, 'at')) ||
      (await this.#delete('gaps', `to_at < ${before}`, 'to_at')) ||
      (await this.#delete('task_runs', `last_seen < ${before}`, 'last_seen')) ||
      (await this.#deleteWorkers(before)) ||
      (await this.#delete(
        'hours',
        `hour < ${before} AND NOT is_due AND hour < ALL (SELECT since FROM pulselane.kept)`,
      )) ||
      (await this.#delete('runs', `last_batch_at < ${before} AND run NOT IN (SELECT run FROM pulselane.workers)`)) ||
      (await this.#deleteSurplus('events', 'at')) ||
      (await this.#deleteSurplus('gaps', 'to_at')) ||
      (await this.#deleteSurplus('task_runs', 'last_seen'));
    if (isFull) return true;
    this.#sweptMs = nowMs;
    this.#cleared.clear();
    return false;
  }

  async #deleteWorkers(before: string): Promise<boolean> {
    const silent = `SELECT worker FROM pulselane.workers WHERE last_at < ${before}`;
    const mayBeMore = await this.#delete('worker_metrics', `worker IN (${silent})`);
    const [row] = await this.#connection.rows(`SELECT EXISTS (${silent})`);
    if (row?.[0] !== 't') return false;
    this.#onWorkersDeleted();
    return mayBeMore || this.#delete('workers', `last_at < ${before}`);
  }

  /** @returns whether there may be more */
  async #delete(table: string, condition: string, order?: string): Promise<boolean> {
    const rows = await this.#connection.rows(
      `DELETE FROM pulselane.${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM pulselane.${table} WHERE ${condition}
       ${order === undefined ? '' : `ORDER BY ${order}`} LIMIT ${DELETED_ROWS})) RETURNING 1`,
    );
    return rows.length === DELETED_ROWS;
  }

  /** @param time a column; rows without it stay */
  async #deleteSurplus(table: string, time: string): Promise<boolean> {
    const [row] = await this.#connection.rows(
      `SELECT count(*) FROM (SELECT FROM pulselane.${table} LIMIT ${MAX_ROWS + DELETED_ROWS}) AS counted`,
    );
    return Number(row?.[0]) > MAX_ROWS && this.#delete(table, `${time} IS NOT NULL`, time);
  }

  /**
   * Above the maximum size, the oldest pieces go: of raw samples first, then of the rollups. The newest piece of each tier stays,
   * because what is deleted from within one gives no disk back.
   */
  async #keepSize(pieces: Pieces, nowMs: number, maxBytes: number | undefined): Promise<boolean> {
    if (maxBytes === undefined || Math.abs(nowMs - this.#sizeMs) < SIZE_MS) return false;
    if ((await bytesOf(this.#connection)) > maxBytes) {
      for (const tier of TIERS) {
        if (await this.#deleteEarly(pieces, nowMs, tier, maxBytes)) return true;
      }
      this.#tell(nowMs, `more than its maximum size of ${mib(maxBytes)} MiB, although only the newest day is left`);
    }
    this.#sizeMs = nowMs;
    return false;
  }

  async #deleteEarly(pieces: Pieces, nowMs: number, tier: Tier, maxBytes: number): Promise<boolean> {
    const table = TABLES[tier];
    const [row] = await this.#connection.rows(
      `SELECT ${fromSqlMs('min(hour)')} FROM pulselane.hours JOIN pulselane.kept ON hour >= since WHERE tier = '${tier}'`,
    );
    if (row?.[0] === null || row?.[0] === undefined) return false;
    const sinceMs = pieceStartMs(table, Number(row[0])) + table.days * DAY_MS;
    if (sinceMs > pieceStartMs(table, nowMs) || !(await this.#keepSince(tier, sinceMs))) return false;
    if (!(await pieces.deleteOne(this.#connection, tier, sinceMs))) return false;
    if (tier === 'raw') {
      await this.#connection.rows(
        `UPDATE pulselane.kept SET deleted_early = deleted_early + (
           SELECT coalesce(sum(samples), 0) FROM pulselane.hours
           WHERE hour >= ${sqlTime(sinceMs - table.days * DAY_MS)} AND hour < ${sqlTime(sinceMs)})
         WHERE tier = 'raw'`,
      );
    }
    const before = new Date(sinceMs).toISOString();
    this.#tell(
      nowMs,
      `reached its maximum size of ${mib(maxBytes)} MiB: what was received before ${before} is deleted early`,
    );
    return true;
  }

  /** Once an hour while it lasts. */
  #tell(nowMs: number, what: string): void {
    if (Math.abs(nowMs - this.#toldMs) < HOUR_MS) return;
    this.#toldMs = nowMs;
    this.#onLoss(`history in PostgreSQL at ${this.#connection.where}: ${what}`);
  }
}

/** Since when each tier is kept: whole pieces. */
export function sincesOf(expiryMs: number, { rawMs, minuteMs, hourMs }: Retention): Record<Tier, number> {
  return {
    raw: pieceStartMs(TABLES.raw, expiryMs - rawMs),
    '1m': pieceStartMs(TABLES['1m'], expiryMs - minuteMs),
    '1h': pieceStartMs(TABLES['1h'], expiryMs - hourMs),
  };
}

/** By which time data was last deleted. Before the first time: when earlier runs of a master last wrote; undefined: never. */
export async function lastExpiry(connection: Connection, bootId: string): Promise<number | undefined> {
  const [row] = await connection.rows(
    `SELECT ${fromSqlMs(`coalesce((SELECT since FROM pulselane.kept WHERE tier = '${EXPIRY}'),
       (SELECT max(last_batch_at) FROM pulselane.runs WHERE boot_id <> $1))`)}`,
    [bootId],
  );
  const lastMs = row?.[0];
  return lastMs === null || lastMs === undefined ? undefined : Number(lastMs);
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

/** The first hours that together have so few samples that one step has time for them; at least one. */
function firstOf(hours: readonly DueHour[]): readonly DueHour[] {
  let samples = 0;
  const end = hours.findIndex((hour, index) => {
    samples += hour.samples;
    return index > 0 && (samples > STEP_SAMPLES || hour.doneThrough !== '');
  });
  return end < 0 ? hours : hours.slice(0, end);
}
