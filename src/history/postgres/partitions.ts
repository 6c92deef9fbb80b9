/**
 * The pieces of the large tables: partitions of PostgreSQL, or chunks of a hypertable of TimescaleDB, which makes its own. A piece
 * is attached and detached beside what reads and writes the others. Detaching waits a moment for those who read that very piece;
 * if they take longer, it is tried again.
 */
import { HistoryError } from '../history-error.ts';
import type { Tier } from '../samples.ts';
import { type Connection, LOCK_MS, type Row } from './connection.ts';
import { DAY_MS, pieceStartMs, sqlTime, TABLES, type TimeTable } from './tables.ts';

/** Two masters that make the same partition wait for each other. Spells `PULT`. */
const PARTITION_LOCK = 0x50554c54;
/** How long deleting may wait for a reader: the writer waits meanwhile. */
const DELETE_WAIT_MS = 50;

export interface Pieces {
  /** Makes sure that rows of these times have somewhere to go, in every tier. Not within a transaction. */
  ensure(connection: Connection, times: Iterable<number>): Promise<void>;
  /** Deletes one piece that ends at or before `sinceMs`. @returns whether there was one */
  deleteOne(connection: Connection, tier: Tier, sinceMs: number): Promise<boolean>;
}

export async function piecesOf(connection: Connection): Promise<Pieces> {
  const [row] = await connection.rows(`SELECT relkind FROM pg_class WHERE oid = '${TABLES.raw.name}'::regclass`);
  return row?.[0] === 'p' ? new Partitions() : new Chunks();
}

class Partitions implements Pieces {
  /** Names. */
  readonly #known = new Set<string>();

  async ensure(connection: Connection, times: Iterable<number>): Promise<void> {
    const wanted = new Map<string, string>();
    for (const atMs of times) {
      for (const table of Object.values(TABLES)) {
        const fromMs = pieceStartMs(table, atMs);
        const name = partitionName(table, fromMs);
        if (!this.#known.has(name)) wanted.set(name, creation(table, name, fromMs));
      }
    }
    if (wanted.size === 0) return;
    await connection.transaction(`BEGIN; SELECT pg_advisory_xact_lock(${PARTITION_LOCK})`, async () => {
      const present = await connection.rows(
        `SELECT 'pulselane.' || relname FROM pg_class WHERE relnamespace = 'pulselane'::regnamespace
         AND 'pulselane.' || relname = ANY($1::text[])`,
        [[...wanted.keys()]],
      );
      const missing = new Map(wanted);
      for (const [name] of present) missing.delete(name as string);
      if (missing.size > 0) await connection.statements([...missing.values()].join(';\n'));
    });
    for (const name of wanted.keys()) this.#known.add(name);
  }

  async deleteOne(connection: Connection, tier: Tier, sinceMs: number): Promise<boolean> {
    const table = TABLES[tier];
    const oldest = (await partitionsOf(connection, table)).find(({ endMs }) => endMs <= sinceMs);
    if (oldest === undefined) return false;
    const { name, state } = oldest;
    const detach = `ALTER TABLE ${table.name} DETACH PARTITION ${name}`;
    return unlessInUse(connection, async () => {
      if (state !== 'detached')
        await connection.rows(`${detach} ${state === 'detaching' ? 'FINALIZE' : 'CONCURRENTLY'}`);
      await connection.rows(`DROP TABLE ${name}`);
      this.#known.delete(name);
    });
  }
}

class Chunks implements Pieces {
  async ensure(): Promise<void> {}

  async deleteOne(connection: Connection, tier: Tier, sinceMs: number): Promise<boolean> {
    let isDeleted = false;
    await unlessInUse(connection, async () => {
      const chunks = await connection.rows(
        `SELECT drop_chunks('${TABLES[tier].name}', older_than => ${sqlTime(sinceMs)})`,
      );
      isDeleted = chunks.length > 0;
    });
    return isDeleted;
  }
}

/** Made first and attached then, because PARTITION OF would lock out those who read the other partitions. */
function creation(table: TimeTable, name: string, fromMs: number): string {
  const range = `FROM (${sqlTime(fromMs)}) TO (${sqlTime(fromMs + table.days * DAY_MS)})`;
  return `CREATE TABLE ${name} (LIKE ${table.name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    ALTER TABLE ${table.name} ATTACH PARTITION ${name} FOR VALUES ${range}`;
}

interface Partition {
  readonly name: string;
  readonly endMs: number;
  /** Detaching: it was interrupted between its two halves. */
  readonly state: 'attached' | 'detaching' | 'detached';
}

/** Oldest first. */
async function partitionsOf(connection: Connection, table: TimeTable): Promise<Partition[]> {
  const rows = await connection.rows(
    `SELECT relname, coalesce(inhdetachpending::text, 'detached') FROM pg_class
     LEFT JOIN pg_inherits ON inhrelid = pg_class.oid AND inhparent = '${table.name}'::regclass
     WHERE relnamespace = 'pulselane'::regnamespace AND relkind = 'r' AND relname ~ $1 ORDER BY relname`,
    [`^${unqualified(table.name)}_[0-9]{8}$`],
  );
  return rows.map((row) => partitionOf(table, row));
}

function partitionOf(table: TimeTable, [relname, pending]: Row): Partition {
  const day = `${relname}`.slice(-8).replace(/(....)(..)(..)/, '$1-$2-$3');
  const state = pending === 'detached' ? 'detached' : pending === 'true' ? 'detaching' : 'attached';
  return { name: `pulselane.${relname}`, endMs: Date.parse(day) + table.days * DAY_MS, state };
}

/** `pulselane.samples_20261126`: for people who look at the list of tables. @throws HistoryError for a year that has not four digits */
function partitionName(table: TimeTable, fromMs: number): string {
  const day = /^\d{4}-\d{2}-\d{2}/.exec(new Date(fromMs).toISOString())?.[0];
  if (day === undefined) throw new HistoryError('failed', `samples of a year beyond 0000 to 9999: ${fromMs} ms`);
  return `${table.name}_${day.replaceAll('-', '')}`;
}

function unqualified(name: string): string {
  return name.slice(name.indexOf('.') + 1);
}

/** @returns false if somebody reads what is to be deleted, or another master deletes it */
async function unlessInUse(connection: Connection, remove: () => Promise<void>): Promise<boolean> {
  await connection.rows(`SET lock_timeout = ${DELETE_WAIT_MS}`);
  try {
    await remove();
    return true;
  } catch (error) {
    const historyError = connection.errorOf(error);
    if (historyError.kind === 'busy' || isDeletedByAnother(error)) return false;
    throw historyError;
  } finally {
    await connection.rows(`SET lock_timeout = ${LOCK_MS}`).catch(() => connection.drop());
  }
}

/** Undefined table, or a partition that is being detached. */
function isDeletedByAnother(error: unknown): boolean {
  return ['42P01', '55000'].includes((error as { code?: string }).code ?? '');
}
