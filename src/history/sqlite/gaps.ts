/** Recorded gaps as rows, and times without a master: those in which none of its runs wrote. */
import type { Gap, GapReason } from '../samples.ts';
import type { Connection } from './connection.ts';

export function putGaps(db: Connection, gaps: readonly Gap[]): void {
  for (const { workerId, fromMs, toMs, reason, lost } of gaps) {
    db.run(
      'INSERT INTO gaps (worker_id, from_ms, to_ms, reason, lost) VALUES (?, ?, ?, ?, ?)',
      workerId ?? null,
      fromMs,
      toMs,
      reason,
      lost,
    );
  }
}

interface GapRow {
  readonly worker_id: string | null;
  readonly from_ms: number;
  readonly to_ms: number;
  readonly reason: GapReason;
  readonly lost: number;
}

/** Those that overlap [fromMs, toMs), of these workers and of all. A gap without length counts where it begins. */
export function findGaps(db: Connection, workerIds: readonly string[], fromMs: number, toMs: number): Gap[] {
  const overlapping = 'from_ms < ? AND to_ms >= ? AND (to_ms > ? OR from_ms >= ?)';
  const times = [toMs, fromMs, fromMs, fromMs];
  const select = 'SELECT worker_id, from_ms, to_ms, reason, lost FROM gaps WHERE';
  const rows = [
    ...db.all<GapRow>(`${select} worker_id IS NULL AND ${overlapping} ORDER BY from_ms, id`, ...times),
    ...db.all<GapRow>(
      `${select} worker_id IN (SELECT value FROM json_each(?)) AND ${overlapping} ORDER BY worker_id, from_ms, id`,
      JSON.stringify(workerIds),
      ...times,
    ),
  ];
  return rows.map((row) => ({
    workerId: row.worker_id ?? undefined,
    fromMs: row.from_ms,
    toMs: row.to_ms,
    reason: row.reason,
    lost: row.lost,
  }));
}

/**
 * From when all runs so far had ended, with their last batch, to the start of the next, as far as they overlap [fromMs, toMs). Runs
 * overlap where the clock was set. One that has written nothing yet ends such a time only as the newest.
 */
export function downtimes(db: Connection, fromMs: number, toMs: number): Gap[] {
  return db
    .all<{ from_ms: number; to_ms: number }>(
      `SELECT from_ms, to_ms FROM (
         SELECT max(up_until_ms) OVER (ORDER BY started_ms, run ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS from_ms,
           started_ms AS to_ms
         FROM master_runs
         WHERE up_until_ms > started_ms OR started_ms = (SELECT max(started_ms) FROM master_runs)
       ) WHERE to_ms > from_ms AND to_ms > ? AND from_ms < ? ORDER BY from_ms`,
      fromMs,
      toMs,
    )
    .map((row) => ({ workerId: undefined, fromMs: row.from_ms, toMs: row.to_ms, reason: 'master_down', lost: 0 }));
}
