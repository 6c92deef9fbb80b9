/** How large history is, and what it reaches back to. */
import type { HistoryFigures } from '../backend.ts';
import { TIER_MS, TIERS, type Tier } from '../samples.ts';
import type { Connection } from './connection.ts';
import { fromSqlMs } from './sql.ts';
import { floorTo } from './tables.ts';

export async function readFigures(connection: Connection): Promise<HistoryFigures> {
  const [kept] = await connection.rows('SELECT sum(deleted_early) FROM pulselane.kept');
  return {
    bytes: await bytesOf(connection),
    oldestMs: await oldest(connection),
    deletedEarly: Number(kept?.[0]),
    // The server checks its pages itself, and says so as an error.
    damaged: 0,
  };
}

/** Everything in the schema, and the chunks of hypertables, which are elsewhere. */
export async function bytesOf(connection: Connection): Promise<number> {
  const [tables] = await connection.rows(
    `SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
     WHERE relnamespace = 'pulselane'::regnamespace AND relkind = 'r'`,
  );
  const [found] = await connection.rows(`SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL`);
  if (found?.[0] !== 't') return Number(tables?.[0]);
  const [chunks] = await connection.rows(
    `SELECT coalesce(sum(hypertable_size(format('%I.%I', hypertable_schema, hypertable_name)::regclass)), 0)
     FROM timescaledb_information.hypertables WHERE hypertable_schema = 'pulselane'`,
  );
  return Number(tables?.[0]) + Number(chunks?.[0]);
}

/** Each tier also has what the finer ones have: buckets are computed from them. */
async function oldest(connection: Connection): Promise<Partial<Record<Tier, number>>> {
  const rows = await connection.rows(
    `SELECT tier, ${fromSqlMs('min(first_at)')} FROM pulselane.kept JOIN pulselane.hours ON hour >= since
     WHERE tier <> 'raw' OR samples > 0 GROUP BY tier`,
  );
  const oldestMs: Partial<Record<Tier, number>> = {};
  for (const tier of TIERS) {
    const firstAt = rows.find(([name]) => name === tier)?.[1];
    if (firstAt === undefined || firstAt === null) continue;
    oldestMs[tier] = tier === 'raw' ? Number(firstAt) : floorTo(Number(firstAt), TIER_MS[tier]);
  }
  return oldestMs;
}
