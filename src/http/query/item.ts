/** Writes one worker as a JSON object from shared memory. */

import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { FIELD_NAMES, type FieldName, type Fields } from '../../reading/fields.ts';
import { ParsedRecord } from '../../reading/parsed-record.ts';
import { scoreOf } from '../../reading/scores.ts';
import { groupOf, hasGpu } from '../../reading/values.ts';
import type { BoardReader } from '../../store/board.ts';
import type { JsonText } from '../bodies/json-text.ts';
import { appendValue, isShownActive, putTelemetry } from '../bodies/worker-json.ts';

interface Source {
  readonly reading: ParsedRecord;
  readonly entry: WorkerEntry;
  readonly board: BoardReader;
}

const NULL = 'null';

/** Each member's value as JSON text. */
const VALUES: Readonly<Record<Exclude<FieldName, 'telemetry'>, (source: Source) => string>> = {
  worker_id: ({ entry }) => JSON.stringify(entry.workerId),
  state: ({ entry, board }) => `"${board.state(entry.row)}"`,
  cause: ({ entry, board }) => `"${board.cause(entry.row)}"`,
  since: ({ entry, board }) => isoOf(board.stateSinceS(entry.row)),
  is_active: ({ entry, board }) => String(isShownActive(board, entry)),
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
  cpu_usage: ({ reading }) => String(reading.numbers?.cpuUsage ?? NULL),
  memory_usage: ({ reading }) => String(reading.numbers?.memoryUsage ?? NULL),
  storage_usage: ({ reading }) => String(reading.numbers?.storageUsage ?? NULL),
  gpu_usage: ({ reading }) => String(reading.numbers?.gpuUsage ?? NULL),
  has_gpu: ({ reading, entry }) => String(hasGpu(entry, reading.numbers)),
  running_tasks_count: ({ reading }) => String(reading.numbers?.runningTasks ?? NULL),
  anomaly_score: ({ entry, board }) => String(scoreOf(entry, board)?.score ?? NULL),
  late: ({ entry, board }) => String(board.replacedBy(entry.row).late),
  duplicate: ({ entry, board }) => String(board.replacedBy(entry.row).duplicate),
  metrics: ({ reading }) => reading.metricsText ?? NULL,
};

/** By the index of the field. */
const BY_NUMBER = FIELD_NAMES.map((name) => (name === 'telemetry' ? undefined : VALUES[name]));

function valueText(reading: ParsedRecord, board: BoardReader, field: number): string {
  const known = reading.texts[field];
  if (known !== undefined) return known;
  reading.touched();
  const text = BY_NUMBER[field]?.({ reading, entry: reading.entry, board }) ?? '';
  reading.texts[field] = text;
  return text;
}

/**
 * Appends the worker as a JSON object.
 * @param reading the worker's parsed record, if the caller shares one
 * @returns false if the worker was forgotten meanwhile; then nothing is appended
 */
export function putItem(
  text: JsonText,
  entry: WorkerEntry,
  { board }: Directory,
  { names, numbers }: Fields,
  reading = new ParsedRecord(entry),
): boolean {
  const before = text.length;
  const isPut = readWhileThere(board, entry, () => {
    let json = '';
    for (const [index, name] of names.entries()) {
      json += `${index === 0 ? '{' : ','}"${name}":${valueText(reading, board, numbers[index] as number)}`;
    }
    text.utf8(json);
    if (names.at(-1) === 'telemetry' && !appendValue(text, board, entry, putTelemetry)) return false;
    text.ascii('}');
    return true;
  });
  if (isPut === true) return true;
  text.cutTo(before);
  return false;
}

/**
 * A hash of what {@link putItem} would append for fields without `telemetry`. It has 53 bits: a change is missed once in
 * 9 × 10^15 times. Each field is hashed once for all clients, whichever fields they combine.
 */
export function itemHash(reading: ParsedRecord, board: BoardReader, { numbers }: Fields): number {
  let low = 0;
  let high = 0;
  for (const field of numbers) {
    const words = reading.hashOf(field, valueText(reading, board, field));
    low ^= words[0] as number;
    high ^= words[1] as number;
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}

function isoOf(unixS: number): string {
  return `"${new Date(unixS * 1000).toISOString()}"`;
}

/** A word that needs no escaping. */
function quoted(word: string | undefined): string {
  return word === undefined ? NULL : `"${word}"`;
}
