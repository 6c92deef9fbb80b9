/** Recorded gaps as rows, and times without a master: those in which none of its runs wrote. */
import type { Gap, GapReason } from '../samples.ts';
import type { Connection } from './connection.ts';
import { storable } from './metric-columns.ts';
import { fromSqlMs, sqlMs } from './sql.ts';

export async function putGaps(connection: Connection, gaps: readonly Gap[]): Promise<void> {
  if (gaps.length === 0) return;
  await connection.rows(
    `INSERT INTO pulselane.gaps (worker, from_at, to_at, reason, lost)
     SELECT worker, ${sqlMs('from_at')}, ${sqlMs('to_at')}, reason, lost
     FROM unnest($1::text[], $2::float8[], $3::float8[], $4::text[], $5::bigint[]) AS new (worker, from_at, to_at, reason, lost)`,
    [
      gaps.map(({ workerId }) => (workerId === undefined ? null : storable(workerId))),
      gaps.map(({ fromMs }) => fromMs),
      gaps.map(({ toMs }) => toMs),
      gaps.map(({ reason }) => reason),
      gaps.map(({ lost }) => lost),
    ],
  );
}

/** Those that overlap [fromMs, toMs), of these workers and of all. A gap without length counts where it begins. */
export async function findGaps(
  connection: Connection,
  workerIds: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Gap[]> {
  const from = sqlMs('$2');
  const rows = await connection.rows(
    `SELECT worker, ${fromSqlMs('from_at')}, ${fromSqlMs('to_at')}, reason, lost FROM pulselane.gaps
     WHERE (worker = ANY($1::text[]) OR worker IS NULL)
       AND from_at < ${sqlMs('$3')} AND to_at >= ${from} AND (to_at > ${from} OR from_at >= ${from})
     ORDER BY worker NULLS FIRST, from_at, id`,
    [workerIds.map(storable), fromMs, toMs],
  );
  return rows.map(([workerId, gapFrom, gapTo, reason, lost]) => ({
    workerId: workerId ?? undefined,
    fromMs: Number(gapFrom),
    toMs: Number(gapTo),
    reason: reason as GapReason,
    lost: Number(lost),
  }));
}

/**
 * From when all runs so far had ended, with their last batch, to the start of the next. Runs overlap where the clock was set, or where
 * two masters write. One that has written nothing yet ends such a time only as the newest.
 */
export const DOWNTIMES = `SELECT down_from, down_to FROM (
    SELECT max(last_batch_at) OVER (ORDER BY started_at, run ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS down_from,
      started_at AS down_to
    FROM pulselane.runs WHERE last_batch_at > started_at OR started_at = (SELECT max(started_at) FROM pulselane.runs)
  ) AS downtime WHERE down_to > down_from`;

/** As far as they overlap [fromMs, toMs). */
export async function downtimes(connection: Connection, fromMs: number, toMs: number): Promise<Gap[]> {
  const rows = await connection.rows(
    `SELECT ${fromSqlMs('down_from')}, ${fromSqlMs('down_to')} FROM (${DOWNTIMES}) AS downtimes
     WHERE down_to > ${sqlMs('$1')} AND down_from < ${sqlMs('$2')} ORDER BY down_from`,
    [fromMs, toMs],
  );
  return rows.map(([from, to]) => ({
    workerId: undefined,
    fromMs: Number(from),
    toMs: Number(to),
    reason: 'master_down',
    lost: 0,
  }));
}
