/**
 * Writes batches: one transaction each, together with the batch's number, so that a batch whose commit got no answer is either
 * there as a whole or not at all, and is never written twice.
 *
 * Of one batch, in this order: the row of the master's run is locked (one batch of a run at a time), what is kept is locked against
 * deleting, samples are copied, and what is known of hours and workers is brought up to date in a fixed order, so that two masters
 * cannot wait for each other.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Batch, Begun, HistoryFigures, HistoryWriter, MasterRun, Retention } from '../backend.ts';
import type { OnLoss } from '../database.ts';
import { HistoryError } from '../history-error.ts';
import type { SampleRun, Tier } from '../samples.ts';
import type { Connection, Row } from './connection.ts';
import { lastEventIds, putEvents } from './events.ts';
import { readFigures } from './figures.ts';
import { putGaps } from './gaps.ts';
import { putHours } from './hours.ts';
import { KnownMetrics, putWorkers } from './known-workers.ts';
import { lastExpiry, Maintenance, sincesOf } from './maintenance.ts';
import { type Pieces, piecesOf } from './partitions.ts';
import { bucketsOf, insertBuckets } from './rollup-sql.ts';
import { COPY_COLUMNS, SampleRows } from './sample-rows.ts';
import { fromSqlMs, sqlMs } from './sql.ts';
import { DAY_MS, floorTo, HOUR_MS, sqlTime } from './tables.ts';
import { putTaskRuns, taskRunsSince } from './task-runs.ts';

/** How long after its end a run of a task is still told to a new process. */
const ENDED_RUNS_MS = HOUR_MS;
/** It stands in a statement. */
const BOOT_ID = /^[0-9a-z-]+$/i;

export class PostgresWriter implements HistoryWriter {
  readonly #connection: Connection;
  readonly #rows = new SampleRows();
  readonly #metrics = new KnownMetrics();
  readonly #maintenance: Maintenance;
  #pieces: Pieces | undefined;
  /** As maintenance was last told. Until then everything is kept that comes. */
  #expiry: { readonly atMs: number; readonly retention: Retention } | undefined;

  constructor(connection: Connection, clock: Clock, onLoss: OnLoss) {
    this.#connection = connection;
    this.#maintenance = new Maintenance(connection, clock, onLoss, () => this.#metrics.forget());
  }

  begin({ bootId, startedMs }: MasterRun): Promise<Begun> {
    return this.#connection.exclusively(async () => {
      checkBootId(bootId);
      // Asked first, because each attempt to insert would take a number.
      const row = (await this.#findRun(bootId)) ?? (await this.#addRun(bootId, startedMs));
      return {
        run: Number(row?.[0]),
        lastBatch: Number(row?.[1]),
        ...(await lastEventIds(this.#connection, Number(row?.[0]))),
        lastExpiryMs: await lastExpiry(this.#connection, bootId),
        taskRuns: await taskRunsSince(this.#connection, startedMs - ENDED_RUNS_MS),
      };
    });
  }

  async #findRun(bootId: string): Promise<Row | undefined> {
    const [row] = await this.#connection.rows('SELECT run, last_batch FROM pulselane.runs WHERE boot_id = $1', [
      bootId,
    ]);
    return row;
  }

  async #addRun(bootId: string, startedMs: number): Promise<Row | undefined> {
    await this.#connection.rows(
      `INSERT INTO pulselane.runs (boot_id, started_at, last_batch_at) VALUES ($1, ${sqlMs('$2')}, ${sqlMs('$2')})
       ON CONFLICT (boot_id) DO NOTHING`,
      [bootId, startedMs],
    );
    return this.#findRun(bootId);
  }

  write(batch: Batch): Promise<void> {
    return this.#send(batch, 'COMMIT');
  }

  async check(batch: Batch): Promise<void> {
    await this.#send(batch, 'ROLLBACK');
    this.#metrics.forget();
  }

  #send(batch: Batch, end: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    return this.#connection.exclusively(async () => {
      checkBootId(batch.bootId);
      try {
        await this.#ensurePieces(batch.samples);
        await this.#write(batch, end);
      } catch (error) {
        // What the transaction wrote is not there, and what was there may not be there any more: ask again with the next batch.
        this.#metrics.forget();
        this.#pieces = undefined;
        throw error;
      }
    });
  }

  maintain(nowMs: number, retention: Retention, expiryMs = nowMs): Promise<boolean> {
    return this.#connection.exclusively(async () => {
      this.#expiry = { atMs: expiryMs, retention };
      const pieces = await this.#somePieces();
      // Today's and tomorrow's, so that no batch has to wait for them.
      await pieces.ensure(this.#connection, [nowMs, nowMs + DAY_MS]);
      return this.#maintenance.step(pieces, nowMs, retention, expiryMs);
    });
  }

  figures(): Promise<HistoryFigures> {
    return this.#connection.exclusively(() => readFigures(this.#connection));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #somePieces(): Promise<Pieces> {
    this.#pieces ??= await piecesOf(this.#connection);
    return this.#pieces;
  }

  async #ensurePieces(samples: readonly SampleRun[]): Promise<void> {
    const days = new Set<number>();
    for (const { at } of samples) for (const atMs of at) days.add(floorTo(atMs, DAY_MS));
    if (days.size === 0) return;
    const pieces = await this.#somePieces();
    await pieces.ensure(this.#connection, days);
  }

  async #write(batch: Batch, end: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const begin = `BEGIN;
      SELECT run, last_batch FROM pulselane.runs WHERE boot_id = '${batch.bootId}' FOR UPDATE;
      SELECT ${fromSqlMs('since')} FROM pulselane.kept WHERE tier = 'raw' FOR SHARE`;
    await this.#connection.transaction(
      begin,
      async ([, runs, kept]) => {
        const [run, lastBatch] = runs?.[0]?.map(Number) ?? [];
        if (run === undefined || lastBatch === undefined) {
          throw new HistoryError('failed', `a batch of the run ${batch.bootId}, which was not announced`);
        }
        if (batch.number <= lastBatch) return;
        await this.#writeSamples(batch, run, Number(kept?.[0]?.[0]));
        await putGaps(this.#connection, batch.gaps);
        await putTaskRuns(this.#connection, batch.taskRuns);
        await putEvents(this.#connection, batch.events, run);
        await this.#connection.rows(
          `UPDATE pulselane.runs SET last_batch = $1, last_batch_at = ${sqlMs('$2')} WHERE run = $3`,
          [batch.number, batch.atMs, run],
        );
      },
      end,
    );
  }

  /**
   * @param keptSinceMs hours before are not computed any more, because some of their samples are deleted: what comes late is added
   * to their rollups at once. It may be after now, when the clock was set back
   */
  async #writeSamples({ samples, atMs: batchMs }: Batch, run: number, keptSinceMs: number): Promise<void> {
    const inTime = await this.#copy('pulselane.samples', samples, run, (atMs) => atMs >= keptSinceMs);
    const isLate = samples.some(({ at }) => at.some((atMs) => atMs < keptSinceMs));
    if (isLate) {
      await this.#copy('pulselane.late_samples', samples, run, (atMs) => atMs < keptSinceMs);
      await this.#putLate(this.#sincesAt(batchMs));
    }
    if (inTime === 0 && !isLate) return;
    await putHours(this.#connection, samples, keptSinceMs);
    await putWorkers(this.#connection, samples, run);
    await this.#metrics.put(this.#connection, samples);
  }

  async #copy(
    table: string,
    samples: readonly SampleRun[],
    run: number,
    isWanted: (atMs: number) => boolean,
  ): Promise<number> {
    this.#rows.clear();
    for (const part of samples) this.#rows.add(part, run, isWanted);
    const { count } = this.#rows;
    if (count === 0) return 0;
    await this.#connection.copy(`COPY ${table} (${COPY_COLUMNS}) FROM STDIN WITH (FORMAT binary)`, this.#rows.finish());
    return count;
  }

  /** Since when each tier is to be kept, also when the clock was set back since maintenance was last told. */
  #sincesAt(batchMs: number): Readonly<Record<Tier, number>> {
    const everything = Number.NEGATIVE_INFINITY;
    if (this.#expiry === undefined) return { raw: everything, '1m': everything, '1h': everything };
    return sincesOf(Math.min(this.#expiry.atMs, batchMs), this.#expiry.retention);
  }

  /** What is not too old, in each tier. */
  async #putLate(sinces: Readonly<Record<Tier, number>>): Promise<void> {
    await this.#connection.rows(
      `INSERT INTO pulselane.samples (${COPY_COLUMNS}) SELECT ${COPY_COLUMNS} FROM pulselane.late_samples WHERE at >= ${sqlTime(sinces.raw)}`,
    );
    for (const tier of ['1m', '1h'] as const) {
      const kept = `pulselane.late_samples WHERE at >= (
        SELECT least(since, ${sqlTime(sinces[tier])}) FROM pulselane.kept WHERE tier = '${tier}' FOR SHARE)`;
      await this.#connection.rows(insertBuckets(tier, bucketsOf(kept, tier), 'extended'));
    }
    await this.#connection.rows('DELETE FROM pulselane.late_samples');
  }
}

function checkBootId(bootId: string): void {
  if (!BOOT_ID.test(bootId)) throw new HistoryError('failed', `a boot id has letters and digits only, not ${bootId}`);
}
