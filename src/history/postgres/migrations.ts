/**
 * The tables, in the schema `pulselane`. Migrations go forward only. Each is a transaction of its own, under a lock that lets one
 * master at a time through, so that masters may start at once, and a master of an earlier version may still run meanwhile.
 *
 * The tables are made for people: one wide row for each sample and bucket, whose columns are named as the API names metrics, times
 * with time zones. Rollups are one row per worker and bucket, too, and not one per metric, which would repeat worker, time and row
 * header for each; Grafana charts a column as it is.
 */

import { HistoryError } from '../history-error.ts';
import { type RollupTier, TIERS } from '../samples.ts';
import type { Connection } from './connection.ts';
import { DOWNTIMES } from './gaps.ts';
import { TABLES } from './tables.ts';

/** Any number: who else locks it in this database would wait. Spells `PULS`. */
const MIGRATION_LOCK = 0x50554c53;

export type Storage = 'partitions' | 'hypertables';

/** In order; the first is version 1. */
const MIGRATIONS: readonly ((storage: Storage) => string)[] = [firstTables, viewOfGaps, eventsOfAlerts, anomalies];

/** Those of version 1. */
const FIRST_METRICS = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage', 'running_tasks'];

/** Brings the tables up to this program's version. @throws HistoryError `newer`, `refused` and others */
export async function migrate(connection: Connection): Promise<void> {
  let version = await versionOf(connection);
  while (version < MIGRATIONS.length) {
    await withAdvice(connection, () =>
      connection.transaction(`BEGIN; SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`, async () => {
        // Another master may have been faster, and even newer.
        version = await versionOf(connection);
        const migration = MIGRATIONS[version];
        if (migration === undefined) return;
        await makeSchema(connection);
        await connection.statements(migration(await storageToMake(connection)));
        version++;
        await connection.rows('INSERT INTO pulselane.schema_versions VALUES ($1)', [version]);
      }),
    );
  }
}

/** @returns 0 if there are no tables @throws HistoryError `newer` */
export async function versionOf(connection: Connection): Promise<number> {
  // As of now. `to_regclass` may still answer from what the connection has remembered, when another one made the table while this one
  // waited for the lock.
  const tables = await connection.rows(
    `SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = 'pulselane' AND relname = 'schema_versions'`,
  );
  if (tables.length === 0) return 0;
  const [row] = await connection.rows('SELECT coalesce(max(version), 0) FROM pulselane.schema_versions');
  const version = Number(row?.[0]);
  if (version > MIGRATIONS.length) {
    throw new HistoryError(
      'newer',
      `the tables of history in PostgreSQL at ${connection.where} have version ${version}; this Pulselane knows versions up to ` +
        `${MIGRATIONS.length}: use the newer one`,
    );
  }
  return version;
}

async function makeSchema(connection: Connection): Promise<void> {
  const rows = await connection.rows(`SELECT FROM pg_namespace WHERE nspname = 'pulselane'`);
  // Not IF NOT EXISTS: that would need the right to create schemas even when there is nothing to create.
  if (rows.length === 0) await connection.rows('CREATE SCHEMA pulselane');
}

/** At once, however many events there are: new columns are empty. */
function eventsOfAlerts(): string {
  const columns = ['alert_id', 'rule', 'severity', 'closed_because'];
  return `ALTER TABLE pulselane.events ${columns.map((column) => `ADD COLUMN ${column} text`).join(', ')}`;
}

/** TimescaleDB's hypertables where the database has the extension, else partitions. */
async function storageToMake(connection: Connection): Promise<Storage> {
  const rows = await connection.rows(`SELECT FROM pg_extension WHERE extname = 'timescaledb'`);
  return rows.length > 0 ? 'hypertables' : 'partitions';
}

/** Says what to grant when something is not allowed. */
async function withAdvice(connection: Connection, use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    const historyError = connection.errorOf(error);
    if (historyError.kind !== 'refused') throw historyError;
    const [row] = await connection.rows('SELECT quote_ident(current_user), quote_ident(current_database())');
    const [user, database] = row ?? [];
    throw new HistoryError(
      'refused',
      `${historyError.message}; as its owner or a superuser, run CREATE SCHEMA IF NOT EXISTS pulselane AUTHORIZATION ${user}, ` +
        `or GRANT CREATE ON DATABASE ${database} TO ${user}`,
    );
  }
}

function firstTables(storage: Storage): string {
  const partitioned = (key: string) => (storage === 'partitions' ? `PARTITION BY RANGE (${key})` : '');
  const statements = [
    `CREATE TABLE pulselane.schema_versions (
      version int PRIMARY KEY,
      migrated_at timestamptz NOT NULL DEFAULT now())`,
    `CREATE TABLE pulselane.runs (
      run int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      boot_id text COLLATE "C" NOT NULL UNIQUE,
      started_at timestamptz NOT NULL,
      last_batch bigint NOT NULL DEFAULT 0,
      last_batch_at timestamptz NOT NULL)`,
    `COMMENT ON TABLE pulselane.runs IS 'Each run of a master. It ran at least until last_batch_at.'`,
    // Rows change with each batch, and stay in their page while it has room.
    `CREATE TABLE pulselane.workers (
      worker text COLLATE "C" PRIMARY KEY,
      first_at timestamptz NOT NULL,
      last_at timestamptz NOT NULL,
      run int NOT NULL,
      next_number bigint NOT NULL) WITH (fillfactor = 50)`,
    `COMMENT ON TABLE pulselane.workers IS 'Workers with samples. Of the given run, all samples before next_number are here.'`,
    `CREATE TABLE pulselane.worker_metrics (
      worker text COLLATE "C" PRIMARY KEY,
      metrics text[] NOT NULL)`,
    `COMMENT ON TABLE pulselane.worker_metrics IS 'Which metrics a worker has ever reported, as the API names them.'`,
    `CREATE TABLE pulselane.samples (
      worker text COLLATE "C" NOT NULL,
      at timestamptz NOT NULL,
      ${FIRST_METRICS.map((metric) => `${metric} double precision`).join(', ')},
      flags smallint NOT NULL,
      run int NOT NULL,
      number bigint NOT NULL,
      metrics jsonb,
      gpus jsonb) ${partitioned('at')}`,
    `COMMENT ON TABLE pulselane.samples IS 'Every heartbeat as received. Order within a worker: run, number. Percentages; custom metrics by name; values of devices as "0.utilization_percent".'`,
    'CREATE INDEX samples_worker_at ON pulselane.samples (worker, at)',
    // Copied into, added to the rollups and emptied in one transaction: samples that come after their day was deleted.
    `CREATE TABLE pulselane.late_samples (LIKE pulselane.samples)`,
    ...rollupTable('1m', partitioned('start')),
    ...rollupTable('1h', partitioned('start')),
    `CREATE TABLE pulselane.hours (
      hour timestamptz PRIMARY KEY,
      first_at timestamptz NOT NULL,
      samples bigint NOT NULL,
      is_due boolean NOT NULL,
      done_through text COLLATE "C") WITH (fillfactor = 50)`,
    'CREATE INDEX hours_due ON pulselane.hours (hour) WHERE is_due',
    `COMMENT ON TABLE pulselane.hours IS 'Hours with samples. Due: its rollups lack some of them. Rolled up are the workers up to done_through.'`,
    `CREATE TABLE pulselane.kept (
      tier text PRIMARY KEY,
      since timestamptz NOT NULL DEFAULT '-infinity',
      deleted_early bigint NOT NULL DEFAULT 0)`,
    `INSERT INTO pulselane.kept (tier) VALUES ${TIERS.map((tier) => `('${tier}')`).join(', ')}`,
    `COMMENT ON TABLE pulselane.kept IS 'Since when each tier is kept: what was before is deleted, or about to be. Expiry: by which time data was last deleted as too old.'`,
    `CREATE TABLE pulselane.gaps (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      worker text COLLATE "C",
      from_at timestamptz NOT NULL,
      to_at timestamptz NOT NULL,
      reason text NOT NULL,
      lost bigint NOT NULL)`,
    `COMMENT ON TABLE pulselane.gaps IS 'Times without samples, and why. Without a worker: of all workers.'`,
    'CREATE INDEX gaps_worker_to_at ON pulselane.gaps (worker, to_at)',
    'CREATE INDEX gaps_to_at ON pulselane.gaps (to_at)',
    `CREATE TABLE pulselane.events (
      id bigint NOT NULL,
      run int NOT NULL,
      at timestamptz NOT NULL,
      type text NOT NULL,
      worker text COLLATE "C",
      worker_group text,
      from_state text,
      to_state text,
      cause text,
      detail text,
      PRIMARY KEY (id, run))`,
    'CREATE INDEX events_worker_id ON pulselane.events (worker, id)',
    'CREATE INDEX events_at ON pulselane.events (at)',
    `CREATE TABLE pulselane.task_runs (
      worker text COLLATE "C" NOT NULL,
      task_id text COLLATE "C" NOT NULL,
      first_seen timestamptz NOT NULL,
      last_seen timestamptz,
      started timestamptz,
      ended timestamptz,
      status text NOT NULL,
      cpu_allocated double precision NOT NULL,
      memory_allocated_gib double precision NOT NULL,
      gpu_allocated double precision NOT NULL,
      outcome text NOT NULL,
      exit_code bigint,
      cpu_seconds double precision,
      max_rss_bytes bigint)`,
    // A task's id may be longer than what an index takes.
    'CREATE UNIQUE INDEX task_runs_identity ON pulselane.task_runs (worker, first_seen, hashtextextended(task_id, 0))',
    'CREATE INDEX task_runs_first_seen ON pulselane.task_runs (first_seen)',
    'CREATE INDEX task_runs_last_seen ON pulselane.task_runs (last_seen)',
    `CREATE VIEW pulselane.latest AS
      SELECT sample.* FROM pulselane.workers AS known CROSS JOIN LATERAL (
        SELECT * FROM pulselane.samples AS newest WHERE newest.worker = known.worker
        AND newest.at BETWEEN known.last_at - interval '1 ms' AND known.last_at + interval '1 ms'
        ORDER BY newest.run DESC, newest.number DESC LIMIT 1) AS sample`,
    `COMMENT ON VIEW pulselane.latest IS 'The last sample of each worker.'`,
  ];
  if (storage === 'hypertables') statements.push(...Object.values(TABLES).map(toHypertable));
  return statements.join(';\n');
}

/** What the API tells of them, for SQL: most are not recorded, but follow from runs and events. */
function viewOfGaps(): string {
  return [
    `CREATE VIEW pulselane.times_without_samples AS
      SELECT worker, from_at, to_at, reason, lost FROM pulselane.gaps
      UNION ALL
      SELECT NULL, down_from, down_to, 'master_down', 0 FROM (${DOWNTIMES}) AS downtimes
      UNION ALL
      SELECT worker, at, coalesce(next_at, now()), 'worker_inactive', 0 FROM (
        SELECT worker, at, to_state, lead(at) OVER (PARTITION BY worker ORDER BY id, run) AS next_at
        FROM pulselane.events WHERE type = 'state' AND worker IS NOT NULL) AS state
      WHERE to_state IN ('inactive', 'left') AND coalesce(next_at, now()) > at`,
    `COMMENT ON VIEW pulselane.times_without_samples IS 'Times without samples, and why. Without a worker: of all workers.'`,
  ].join(';\n');
}

/** How unusual each sample is, and why: `anomaly` by reason and metric. */
function anomalies(): string {
  const rollup = [
    ...['min', 'max', 'sum', 'last'].map((what) => `anomaly_score_${what} double precision`),
    'anomaly_score_count int NOT NULL DEFAULT 0',
    'anomaly jsonb',
  ];
  const added = (columns: readonly string[]) => columns.map((column) => `ADD COLUMN ${column}`).join(', ');
  return [
    ...[TABLES.raw.name, 'pulselane.late_samples'].map(
      (table) => `ALTER TABLE ${table} ${added(['anomaly_score double precision', 'anomaly jsonb'])}`,
    ),
    ...(['1m', '1h'] as const).map((tier) => `ALTER TABLE ${TABLES[tier].name} ${added(rollup)}`),
    `CREATE OR REPLACE VIEW pulselane.latest AS
      SELECT sample.* FROM pulselane.workers AS known CROSS JOIN LATERAL (
        SELECT * FROM pulselane.samples AS newest WHERE newest.worker = known.worker
        AND newest.at BETWEEN known.last_at - interval '1 ms' AND known.last_at + interval '1 ms'
        ORDER BY newest.run DESC, newest.number DESC LIMIT 1) AS sample`,
    `COMMENT ON COLUMN pulselane.samples.anomaly_score IS '0 to 1: how unusual the sample is for its worker; from 0.5 on an anomaly.'`,
    `COMMENT ON COLUMN pulselane.samples.anomaly IS 'Of anomalies: {"<reason>.<metric>": times the usual spread, "usual.<metric>": what is usual}.'`,
  ].join(';\n');
}

function rollupTable(tier: RollupTier, partitioned: string): string[] {
  const { name } = TABLES[tier];
  const columns = FIRST_METRICS.flatMap((metric) => [
    ...['min', 'max', 'sum', 'last'].map((what) => `${metric}_${what} double precision`),
    `${metric}_count int NOT NULL`,
  ]);
  return [
    `CREATE TABLE ${name} (
      worker text COLLATE "C" NOT NULL,
      start timestamptz NOT NULL,
      samples int NOT NULL,
      ${columns.join(', ')},
      metrics jsonb,
      gpus jsonb,
      PRIMARY KEY (worker, start)) ${partitioned}`,
    `COMMENT ON TABLE ${name} IS 'One row for each worker and ${tier === '1m' ? 'minute' : 'hour'} that is over. The mean is sum / count. Custom metrics: {"name": {"min", "max", "sum", "last", "count"}}.'`,
  ];
}

function toHypertable({ name, timeColumn, days }: (typeof TABLES)[keyof typeof TABLES]): string {
  return `SELECT create_hypertable('${name}', '${timeColumn}', chunk_time_interval => interval '${days} days', create_default_indexes => false)`;
}
