/** Notifications that wait, and those that were given up, in the file of alerts. */
import type { DeadLetter } from '../../model/dead-letter.ts';
import type { PlannedNotification } from '../notify/plan.ts';
import type { Connection } from '../store/connection.ts';
import { parsedRecord } from '../store/parsed-record.ts';
import { MAX_DEAD_LETTERS } from './delivery-limits.ts';
import type { Notification } from './notification.ts';

/** The id of the next notification: ids of those that were delivered are not used again. */
const NEXT_ID = 'next_notification';

export interface StoredQueue {
  /** In the order of their ids. */
  readonly waiting: readonly PlannedNotification[];
  /** Oldest first. */
  readonly deadLetters: readonly DeadLetter[];
  readonly nextId: number;
  /** Rows that cannot be read, and were left out. */
  readonly unreadable: number;
}

export function readQueue(connection: Connection): StoredQueue {
  const waiting: PlannedNotification[] = [];
  const deadLetters: DeadLetter[] = [];
  let unreadable = 0;
  const sql = 'SELECT target, fresh, record FROM notifications ORDER BY id';
  for (const { target, fresh, record } of connection.all<{ target: string; fresh: string; record: string }>(sql)) {
    const planned = parsedRecord(() => ({
      notification: JSON.parse(record) as Notification,
      targetKey: target,
      fresh: JSON.parse(fresh) as string[],
      isResend: false,
    }));
    if (planned === undefined) unreadable++;
    else waiting.push(planned);
  }
  for (const { record } of connection.all<{ record: string }>('SELECT record FROM dead_letters ORDER BY id')) {
    const letter = parsedRecord(() => JSON.parse(record) as DeadLetter);
    if (letter === undefined) unreadable++;
    else deadLetters.push(letter);
  }
  const nextId = connection.value('SELECT value FROM progress WHERE name = ?', NEXT_ID) as number | undefined;
  const last = connection.value('SELECT max(id) FROM notifications') as number | null | undefined;
  return { waiting, deadLetters, nextId: Math.max(nextId ?? 1, (last ?? 0) + 1), unreadable };
}

export function writeNextId(connection: Connection, nextId: number): void {
  connection.run('INSERT OR REPLACE INTO progress (name, value) VALUES (?, ?)', NEXT_ID, nextId);
}

export function addNotifications(connection: Connection, planned: Iterable<PlannedNotification>): void {
  const sql = 'INSERT OR REPLACE INTO notifications (id, target, fresh, record) VALUES (?, ?, ?, ?)';
  for (const { notification, targetKey, fresh } of planned) {
    connection.run(sql, notification.id, targetKey, JSON.stringify(fresh), JSON.stringify(notification));
  }
}

export function removeNotifications(connection: Connection, ids: Iterable<number>): void {
  for (const id of ids) connection.run('DELETE FROM notifications WHERE id = ?', id);
}

/** The oldest go when there are too many. */
export function addDeadLetters(connection: Connection, letters: Iterable<DeadLetter>): void {
  for (const letter of letters) {
    connection.run('INSERT OR REPLACE INTO dead_letters (id, record) VALUES (?, ?)', letter.id, JSON.stringify(letter));
  }
  const kept = 'SELECT id FROM dead_letters ORDER BY id DESC LIMIT ?';
  connection.run(`DELETE FROM dead_letters WHERE id NOT IN (${kept})`, MAX_DEAD_LETTERS);
}
