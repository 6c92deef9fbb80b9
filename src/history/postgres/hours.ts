/**
 * Hours with samples. An hour with new samples is due: it has to be rolled up, again if it was before. Whoever rolls it up locks its
 * row, and so does whoever adds samples to it, so that none is missed.
 */
import type { SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { sqlMs } from './sql.ts';
import { floorTo, HOUR_MS } from './tables.ts';

/** @param keptSinceMs samples before are rolled up already */
export async function putHours(
  connection: Connection,
  samples: readonly SampleRun[],
  keptSinceMs: number,
): Promise<void> {
  const hours = new Map<number, { firstMs: number; count: number }>();
  for (const { at } of samples) {
    for (const atMs of at) {
      const start = floorTo(atMs, HOUR_MS);
      const hour = hours.get(start) ?? { firstMs: atMs, count: 0 };
      hours.set(start, hour);
      hour.firstMs = Math.min(hour.firstMs, atMs);
      if (atMs >= keptSinceMs) hour.count++;
    }
  }
  const all = [...hours];
  await connection.rows(
    `INSERT INTO pulselane.hours AS known (hour, first_at, samples, is_due)
     SELECT ${sqlMs('hour')}, ${sqlMs('first_at')}, samples, samples > 0
     FROM unnest($1::float8[], $2::float8[], $3::bigint[]) AS new (hour, first_at, samples) ORDER BY hour
     ON CONFLICT (hour) DO UPDATE SET first_at = least(known.first_at, EXCLUDED.first_at),
       samples = known.samples + EXCLUDED.samples, is_due = known.is_due OR EXCLUDED.is_due,
       done_through = CASE WHEN EXCLUDED.is_due THEN NULL ELSE known.done_through END`,
    [all.map(([start]) => start), all.map(([, { firstMs }]) => firstMs), all.map(([, { count }]) => count)],
  );
}
