/** Workers as JSON text: joined from what lanes wrote and main judged, without parsing or serialising. */
import { recordJsonTail } from '../../model/record-json.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import type { BoardReader } from '../../store/board.ts';
import type { JsonText, TextRoom } from './json-text.ts';

/** The part of a worker's value that main provides. */
export interface BoardFacts {
  readonly lastUpdateS: number;
  readonly isActive: boolean;
}

/** Writes one worker's value into the room: returns its bytes, or minus the bytes needed if it does not fit. */
export type PutValue = (room: TextRoom, entry: WorkerEntry, facts: BoardFacts) => number;

/** Ids as JSON strings, in bytes: escaping an id costs more than the rest of a worker's text. */
const keys = new WeakMap<WorkerEntry, Buffer>();

export function keyOf(entry: WorkerEntry): Buffer {
  let key = keys.get(entry);
  if (key === undefined) {
    key = Buffer.from(JSON.stringify(entry.workerId));
    keys.set(entry, key);
  }
  return key;
}

/** The value of one worker in the earlier system's format. */
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
 * A worker is shown as active only if it has values. Main ensures that, but main may know a record that made the slot grow
 * before this thread does. Must be called before the values are read.
 */
export function isShownActive(board: BoardReader, { row, slot }: WorkerEntry): boolean {
  return board.isActive(row) && slot.hasRecord;
}

/** @returns false if the worker was forgotten meanwhile; then nothing is appended */
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
 * Appends a map from id to each worker's value, without workers forgotten meanwhile.
 * @returns how many workers it has
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
