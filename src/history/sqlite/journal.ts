/**
 * The newest samples. Each commit adds one row for each group of workers that reported, at the end of the group's rows: a commit
 * changes as many pages as there are groups, however many workers there are, and a reader of one worker scans one group.
 * Maintenance moves a group's rows to open hours, one row per worker and hour.
 */
import type { MetricKey, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { RunCollector } from './run-collector.ts';
import { decodeUnsealed, type StoredRun, unsealedRows } from './unsealed.ts';

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
    for (const row of unsealedRows(stored)) {
      const id = (newestId(db, group) ?? group * ROWS - 1) + 1;
      db.run('INSERT INTO journal (id, at_ms, samples) VALUES (?, ?, ?)', id, atMs, row);
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
  return decodedRows(journalRows(db, group), workerId, keys, onDamage);
}

/** The same of given rows. */
export function decodedRows(
  rows: readonly JournalRow[],
  workerId: (worker: number) => string | undefined,
  keys: readonly MetricKey[] | undefined,
  onDamage: (row: JournalRow, error: unknown) => void,
): Map<number, SampleRun[]> {
  const collectors = new Map<number, RunCollector>();
  const collectorOf = (worker: number): RunCollector | undefined => {
    const known = collectors.get(worker);
    if (known !== undefined) return known;
    const id = workerId(worker);
    if (id === undefined) return undefined;
    const collector = new RunCollector(id);
    collectors.set(worker, collector);
    return collector;
  };
  for (const row of rows) {
    try {
      decodeUnsealed(row.samples, keys, collectorOf);
    } catch (error) {
      onDamage(row, error);
    }
  }
  return new Map([...collectors].map(([worker, collector]) => [worker, collector.runs()]));
}
