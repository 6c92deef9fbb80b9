/** What receivers were told, and the silences, in the file of alerts. */
import type { Silence } from '../../model/silence.ts';
import type { Connection } from '../store/connection.ts';
import { parsedRecord } from '../store/parsed-record.ts';
import { groupId, type ToldGroup, toldGroupOfJson, toldGroupToJson } from './told.ts';

export interface StoredTold {
  readonly told: Map<string, ToldGroup>;
  readonly silences: Map<string, Silence>;
  /** Rows that cannot be read, and were left out. */
  readonly unreadable: number;
}

export function readTold(connection: Connection): StoredTold {
  const told = new Map<string, ToldGroup>();
  const silences = new Map<string, Silence>();
  let unreadable = 0;
  for (const { record } of connection.all<{ record: string }>('SELECT record FROM told_groups')) {
    const group = parsedRecord(() => toldGroupOfJson(record));
    if (group === undefined) unreadable++;
    else told.set(groupId(group), group);
  }
  for (const { record } of connection.all<{ record: string }>('SELECT record FROM silences')) {
    const silence = parsedRecord(() => JSON.parse(record) as Silence);
    if (silence === undefined) unreadable++;
    else silences.set(silence.id, silence);
  }
  return { told, silences, unreadable };
}

/** @param ids of groups that were changed or removed */
export function writeTold(connection: Connection, ids: Iterable<string>, told: ReadonlyMap<string, ToldGroup>): void {
  for (const id of ids) {
    const group = told.get(id);
    if (group === undefined) connection.run('DELETE FROM told_groups WHERE id = ?', id);
    else connection.run('INSERT OR REPLACE INTO told_groups (id, record) VALUES (?, ?)', id, toldGroupToJson(group));
  }
}

/** @param ids of silences that were changed or removed */
export function writeSilences(
  connection: Connection,
  ids: Iterable<string>,
  silences: ReadonlyMap<string, Silence>,
): void {
  for (const id of ids) {
    const silence = silences.get(id);
    if (silence === undefined) connection.run('DELETE FROM silences WHERE id = ?', id);
    else connection.run('INSERT OR REPLACE INTO silences (id, record) VALUES (?, ?)', id, JSON.stringify(silence));
  }
}
