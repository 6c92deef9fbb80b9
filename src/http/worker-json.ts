/** Workers as JSON text: joined from what lanes wrote and what main judged, never parsed, never serialised anew. */
import { recordJsonTail } from '../model/record-json.ts';
import type { Directory, WorkerEntry } from '../store/directory.ts';
import type { JsonText } from './json-text.ts';

/** An id as JSON string, in bytes: escaping it costs more than all the rest of a worker's text. */
const keys = new WeakMap<WorkerEntry, Buffer>();

function keyOf(entry: WorkerEntry): Buffer {
  let key = keys.get(entry);
  if (key === undefined) {
    key = Buffer.from(JSON.stringify(entry.workerId));
    keys.set(entry, key);
  }
  return key;
}

type AppendWorker = (text: JsonText, directory: Directory, entry: WorkerEntry) => void;

/** The seed's object for one worker. */
export const appendTelemetry: AppendWorker = (text, { board }, { slot, row }) => {
  text.head(slot).ascii(recordJsonTail(board.lastUpdateS(row), board.isActive(row)));
};

/** One value of `GET /workers`. */
export const appendSummary: AppendWorker = (text, { board }, entry) => {
  const { slot, row } = entry;
  text
    .ascii('{"worker_id":')
    .append(keyOf(entry))
    .ascii(`,"is_active":${board.isActive(row)},"running_tasks_count":${slot.numbers()?.runningTasks ?? 0}`)
    .ascii(`,"last_update":${board.lastUpdateS(row)}}`);
};

/** A map from id to what `append` makes of each worker. */
export function appendMap(
  text: JsonText,
  directory: Directory,
  entries: Iterable<WorkerEntry>,
  append: AppendWorker,
): void {
  let separator = '{';
  for (const entry of entries) {
    text.ascii(separator).append(keyOf(entry)).ascii(':');
    append(text, directory, entry);
    separator = ',';
  }
  text.ascii(separator === '{' ? '{}' : '}');
}
