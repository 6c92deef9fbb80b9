/**
 * The newest samples. Each commit adds one row for each group of workers that reported, at the end of the group's rows: a commit
 * changes as many pages as there are groups, however many workers there are, and a reader of one worker scans one group.
 * Maintenance moves a group's rows into pieces, one per worker and hour.
 */
import type { MetricKey, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { decodeUnsealed, encodeUnsealed, MAX_RUNS, type StoredRun } from './unsealed.ts';

/** More groups: a commit writes more pages. Fewer: a query of one worker reads more of the others'. */
export const GROUPS = 16;
/** A row's key: its group, then its number within the group. */
const ROWS = 2 ** 40;

export function groupOf(worker: number): number {
  return worker % GROUPS;
}

export interface JournalRow {
  readonly id: number;
  /** When its batch was made. */
  readonly atMs: number;
  readonly samples: Uint8Array;
}

export function appendToJournal(db: Connection, runs: readonly StoredRun[], atMs: number): void {
  const groups = Map.groupBy(runs, ({ worker }) => groupOf(worker));
  for (const [group, stored] of groups) {
    for (let start = 0; start < stored.length; start += MAX_RUNS) {
      db.run(
        'INSERT INTO journal (id, at_ms, samples) VALUES (?, ?, ?)',
        ((newestId(db, group) ?? group * ROWS - 1) as number) + 1,
        atMs,
        encodeUnsealed(stored.slice(start, start + MAX_RUNS)),
      );
    }
  }
}

function newestId(db: Connection, group: number): number | undefined {
  const id = db.value('SELECT max(id) FROM journal WHERE id >= ? AND id < ?', group * ROWS, (group + 1) * ROWS);
  return (id ?? undefined) as number | undefined;
}

/** A group's rows, oldest first. @param atMost rows */
export function journalRows(db: Connection, group: number, atMost = -1): JournalRow[] {
  return db.all<JournalRow>(
    'SELECT id, at_ms AS atMs, samples FROM journal WHERE id >= ? AND id < ? ORDER BY id LIMIT ?',
    group * ROWS,
    (group + 1) * ROWS,
    atMost,
  );
}

/** The time of a group's oldest row. */
export function oldestInJournal(db: Connection, group: number): number | undefined {
  return db.value(
    'SELECT at_ms FROM journal WHERE id >= ? AND id < ? ORDER BY id LIMIT 1',
    group * ROWS,
    (group + 1) * ROWS,
  ) as number | undefined;
}

/**
 * The samples of some workers of a group that are in the journal, in the order of receipt.
 * @param onDamage called for each row that cannot be read
 */
export function journalSamples(
  db: Connection,
  group: number,
  workerId: (worker: number) => string | undefined,
  keys: readonly MetricKey[] | undefined,
  onDamage: (row: JournalRow, error: unknown) => void,
): Map<number, SampleRun[]> {
  const found = new Map<number, SampleRun[]>();
  for (const row of journalRows(db, group)) {
    try {
      decodeUnsealed(row.samples, workerId, keys, (worker, samples) => {
        const runs = found.get(worker);
        if (runs === undefined) found.set(worker, [samples]);
        else runs.push(samples);
      });
    } catch (error) {
      onDamage(row, error);
    }
  }
  return found;
}
