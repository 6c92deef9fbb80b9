/** Workers as JSON text: joined from what lanes wrote and what main judged, never parsed, never serialised anew. */
import { recordJsonTail } from '../../model/record-json.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import type { BoardReader } from '../../store/board.ts';
import type { JsonText, TextRoom } from './json-text.ts';

/** Main's part of what is told of a worker. */
export interface BoardFacts {
  readonly lastUpdateS: number;
  readonly isActive: boolean;
}

/** Puts one worker's value into the room: how many bytes, or minus how many it needs if that is more. */
export type PutValue = (room: TextRoom, entry: WorkerEntry, facts: BoardFacts) => number;

/** An id as JSON string, in bytes: escaping it costs more than all the rest of a worker's text. */
const keys = new WeakMap<WorkerEntry, Buffer>();

export function keyOf(entry: WorkerEntry): Buffer {
  let key = keys.get(entry);
  if (key === undefined) {
    key = Buffer.from(JSON.stringify(entry.workerId));
    keys.set(entry, key);
  }
  return key;
}

/** The legacy object for one worker. */
export const putTelemetry: PutValue = ({ buffer, at, end }, { slot }, { lastUpdateS, isActive }) => {
  const tail = recordJsonTail(lastUpdateS, isActive);
  const headBytes = slot.copyJsonHead(buffer, at, end - tail.length);
  if (headBytes < 0) return headBytes - tail.length;
  return headBytes + buffer.write(tail, at + headBytes, 'latin1');
};

/** One value of `GET /workers`. */
export const putSummary: PutValue = ({ buffer, at, end }, entry, { lastUpdateS, isActive }) => {
  const key = keyOf(entry);
  const head = '{"worker_id":';
  const tail = `,"is_active":${isActive},"running_tasks_count":${entry.slot.runningTasks},"last_update":${lastUpdateS}}`;
  const bytes = head.length + key.length + tail.length;
  if (at + bytes > end) return -bytes;
  buffer.write(head, at, 'latin1');
  buffer.set(key, at + head.length);
  buffer.write(tail, at + head.length + key.length, 'latin1');
  return bytes;
};

/**
 * A worker is active only where there are values. Main sees to that; but of a record that made the slot grow it may have
 * been told earlier than this thread. Asked before the values are read.
 */
export function isShownActive(board: BoardReader, { row, slot }: WorkerEntry): boolean {
  return board.isActive(row) && slot.hasRecord;
}

/** @returns false if the worker was forgotten meanwhile: nothing is appended then */
export function appendValue(text: JsonText, board: BoardReader, entry: WorkerEntry, putValue: PutValue): boolean {
  const before = text.length;
  const put = readWhileThere(board, entry, () => {
    const facts = { lastUpdateS: board.lastUpdateS(entry.row), isActive: isShownActive(board, entry) };
    return text.put((room) => putValue(room, entry, facts));
  });
  if (put !== undefined) return true;
  text.cutTo(before);
  return false;
}

/**
 * A map from id to each worker's value, without those that were forgotten meanwhile.
 * @returns how many are in it
 */
export function appendMap(
  text: JsonText,
  { board }: Directory,
  entries: Iterable<WorkerEntry>,
  putValue: PutValue,
): number {
  let count = 0;
  text.ascii('{');
  for (const entry of entries) {
    const before = text.length;
    if (count > 0) text.ascii(',');
    text.append(keyOf(entry)).ascii(':');
    if (appendValue(text, board, entry, putValue)) count++;
    else text.cutTo(before);
  }
  text.ascii('}');
  return count;
}
