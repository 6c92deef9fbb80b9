/** One worker as a JSON object, made from what lies in memory. */
import { metricsTextIn } from '../../model/record-json.ts';
import type { BoardReader } from '../../store/board.ts';
import type { Directory, WorkerEntry } from '../../store/directory.ts';
import type { JsonText } from '../json-text.ts';
import { appendValue, putTelemetry } from '../worker-json.ts';
import type { FieldName, Fields } from './fields.ts';
import { groupOf } from './values.ts';

interface Source {
  readonly entry: WorkerEntry;
  readonly board: BoardReader;
  /** Of the last record; undefined before the first heartbeat. */
  readonly record: ReturnType<WorkerEntry['slot']['numbers']>;
}

const NULL = 'null';

/** Each member's value as JSON text. */
const VALUES: Readonly<Record<Exclude<FieldName, 'telemetry'>, (source: Source) => string>> = {
  worker_id: ({ entry }) => JSON.stringify(entry.workerId),
  state: ({ entry, board }) => `"${board.state(entry.row)}"`,
  cause: ({ entry, board }) => `"${board.cause(entry.row)}"`,
  since: ({ entry, board }) => isoOf(board.stateSinceS(entry.row)),
  is_active: ({ entry, board }) => String(board.isActive(entry.row)),
  stuck: ({ entry, board }) => quoted(board.stuck(entry.row)),
  flapping: ({ entry, board }) => String(board.isFlapping(entry.row)),
  id_conflict: ({ entry, board }) => String(board.hasConflict(entry.row)),
  group: ({ entry }) => JSON.stringify(groupOf(entry) || null),
  labels: ({ entry }) => JSON.stringify(entry.facts?.labels ?? {}),
  isolation: ({ entry, board }) => `"${board.lane(entry.row).kind}"`,
  lane: ({ entry, board }) => String(board.lane(entry.row).number),
  lane_state: ({ entry, board }) => `"${board.lane(entry.row).state}"`,
  interval_ms: ({ entry, board }) => String(board.intervalMs(entry.row)),
  skew_ms: ({ entry, board }) => String(board.skewMs(entry.row) ?? NULL),
  restarts: ({ entry, board }) => String(board.restarts(entry.row)),
  missed: ({ entry, board }) => String(board.missed(entry.row)),
  registered_at: ({ entry, board }) => isoOf(board.registeredS(entry.row)),
  last_update_at: ({ entry, board }) => isoOf(board.lastUpdateS(entry.row)),
  cpu_usage: ({ record }) => String(record?.cpuUsage ?? NULL),
  memory_usage: ({ record }) => String(record?.memoryUsage ?? NULL),
  storage_usage: ({ record }) => String(record?.storageUsage ?? NULL),
  gpu_usage: ({ record }) => String(record?.gpuUsage ?? NULL),
  running_tasks_count: ({ record }) => String(record?.runningTasks ?? NULL),
  metrics: ({ entry }) => metricsTextIn(entry.slot.json('')) ?? NULL,
};

/**
 * Appends the worker as a JSON object.
 * @returns false if the worker was forgotten meanwhile; nothing is appended then.
 */
export function putItem(text: JsonText, entry: WorkerEntry, directory: Directory, { names }: Fields): boolean {
  const { board } = directory;
  const before = text.length;
  const source: Source = { entry, board, record: entry.slot.numbers() };
  let json = '';
  for (const name of names) {
    json += `${json === '' ? '{' : ','}"${name}":`;
    if (name !== 'telemetry') json += VALUES[name](source);
  }
  text.utf8(json);
  if (names.at(-1) === 'telemetry') appendValue(text, board, entry, putTelemetry);
  text.ascii('}');
  // Asked last: if the row is the worker's still, so was all that was read of it.
  if (board.isOccupiedBy(entry.row, entry.occupant)) return true;
  text.cutTo(before);
  return false;
}

function isoOf(unixS: number): string {
  return `"${new Date(unixS * 1000).toISOString()}"`;
}

/** Of a word of ours, which needs no escaping. */
function quoted(word: string | undefined): string {
  return word === undefined ? NULL : `"${word}"`;
}
