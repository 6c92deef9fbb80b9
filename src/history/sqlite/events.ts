/** Events as rows: what is filtered by is a column, the rest JSON. */
import type { SQLInputValue } from 'node:sqlite';
import type { WorkerEvent } from '../../model/events.ts';
import type { EventFilter } from '../backend.ts';
import type { Connection } from './connection.ts';

/** A known id changes nothing. */
export function putEvents(db: Connection, events: readonly WorkerEvent[]): void {
  for (const { id, atUnixMs, workerId, ...rest } of events) {
    db.run(
      'INSERT OR IGNORE INTO events (id, at_ms, worker_id, event) VALUES (?, ?, ?, ?)',
      id,
      atUnixMs,
      workerId ?? null,
      JSON.stringify(rest),
    );
  }
}

/** Of all runs of the master; 0: there is none. */
export function newestEventId(db: Connection): number {
  return (db.value('SELECT max(id) FROM events') ?? 0) as number;
}

export function findEvents(db: Connection, filter: EventFilter): WorkerEvent[] {
  const { workerId, workerIds, types, afterId, beforeId, fromMs, toMs, limit, prefer } = filter;
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  const condition = (sql: string, value: SQLInputValue | undefined) => {
    if (value === undefined) return;
    conditions.push(sql);
    values.push(value);
  };
  condition('worker_id = ?', workerId);
  condition('worker_id IN (SELECT value FROM json_each(?))', workerIds && JSON.stringify(workerIds));
  condition("event ->> 'type' IN (SELECT value FROM json_each(?))", types && JSON.stringify(types));
  condition('id > ?', afterId);
  condition('id < ?', beforeId);
  condition('at_ms >= ?', fromMs);
  condition('at_ms < ?', toMs);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  // A range of time that holds few events of many is found by its index. Without the hint, all ids would be tried in order.
  const byTime = workerId === undefined && (fromMs !== undefined || toMs !== undefined);
  const from = byTime ? 'events INDEXED BY events_by_time' : 'events';
  const direction = prefer === 'oldest' ? 'ASC' : 'DESC';
  const rows = db.all<{ id: number; at_ms: number; worker_id: string | null; event: string }>(
    `SELECT id, at_ms, worker_id, event FROM ${from} ${where} ORDER BY id ${direction} LIMIT ?`,
    ...values,
    limit,
  );
  if (prefer === 'newest') rows.reverse();
  return rows.map(({ id, at_ms, worker_id, event }) => ({
    id,
    atUnixMs: at_ms,
    ...(worker_id === null ? {} : { workerId: worker_id }),
    ...JSON.parse(event),
  }));
}
