/** The alerts in the file. */
import type { AlertRecord } from '../state/record.ts';
import type { Connection } from './connection.ts';

/** The attentive time of the last evaluation, by which the times in records are understood. */
const SEEN = 'seen_ms';

export interface StoredAlerts {
  readonly records: readonly AlertRecord[];
  readonly seenMs: number;
  /** Rows that are no alerts, and were left out. */
  readonly unreadable: number;
}

export function readAlerts(connection: Connection): StoredAlerts {
  const records: AlertRecord[] = [];
  let unreadable = 0;
  for (const { record } of connection.all<{ record: string }>('SELECT record FROM alerts')) {
    const parsed = parse(record);
    if (parsed === undefined) unreadable++;
    else records.push(parsed);
  }
  const seenMs = connection.value('SELECT value FROM progress WHERE name = ?', SEEN) as number | undefined;
  records.sort((a, b) => lastAt(a) - lastAt(b));
  return { records, seenMs: seenMs ?? 0, unreadable };
}

export function writeAlerts(
  connection: Connection,
  changed: Iterable<AlertRecord>,
  removed: Iterable<string>,
  seenMs: number,
): void {
  for (const record of changed) {
    connection.run('INSERT OR REPLACE INTO alerts (id, record) VALUES (?, ?)', record.id, JSON.stringify(record));
  }
  for (const id of removed) connection.run('DELETE FROM alerts WHERE id = ?', id);
  connection.run('INSERT OR REPLACE INTO progress (name, value) VALUES (?, ?)', SEEN, seenMs);
}

function parse(text: string): AlertRecord | undefined {
  try {
    const record = JSON.parse(text) as AlertRecord;
    return typeof record?.core?.state === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}

function lastAt({ resolvedUnixMs, firingSinceUnixMs, pendingSinceUnixMs }: AlertRecord): number {
  return resolvedUnixMs ?? firingSinceUnixMs ?? pendingSinceUnixMs;
}
