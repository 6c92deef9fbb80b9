/** Workers as JSON text: joined from what lanes wrote and what main judged, never parsed, never serialised anew. */
import { recordJsonTail } from '../model/record-json.ts';
import type { BoardReader } from '../store/board.ts';
import type { Directory, WorkerEntry } from '../store/directory.ts';
import type { JsonText, Room } from './json-text.ts';

/** Main's part of what is told of a worker. */
export interface Standing {
  readonly lastUpdateS: number;
  readonly isActive: boolean;
}

/** Puts one worker's value into the room: how many bytes, or minus how many it needs if that is more. */
export type PutValue = (room: Room, entry: WorkerEntry, standing: Standing) => number;

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

/** The seed's object for one worker. */
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

export function appendValue(text: JsonText, board: BoardReader, entry: WorkerEntry, putValue: PutValue): void {
  const standing = { lastUpdateS: board.lastUpdateS(entry.row), isActive: isShownActive(board, entry) };
  text.put((room) => putValue(room, entry, standing));
}

/** A map from id to each worker's value. */
export function appendMap(
  text: JsonText,
  { board }: Directory,
  entries: Iterable<WorkerEntry>,
  putValue: PutValue,
): void {
  let separator = '{';
  for (const entry of entries) {
    text.ascii(separator).append(keyOf(entry)).ascii(':');
    appendValue(text, board, entry, putValue);
    separator = ',';
  }
  text.ascii(separator === '{' ? '{}' : '}');
}
