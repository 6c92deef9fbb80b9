/**
 * Reads a heartbeat as JSON and writes it as the message that a lane decodes. Members have the names of
 * proto/pulselane/v1/telemetry.proto. Members of `worker` make a registration, another message.
 *
 * | in JSON                   | means                                                                              |
 * |---------------------------|------------------------------------------------------------------------------------|
 * | null                      | the member was not sent                                                            |
 * | a name twice              | an error; of two metrics or labels with one name the last counts, as in protobuf    |
 * | an unknown name           | an error that names it: a misspelt usage would be 0 for ever, and nobody would know |
 * | NaN, Infinity, 1e999      | an error: JSON has no such numbers                                                 |
 * | a fraction for a time     | is rounded: Python's clock has fractions of milliseconds                           |
 */
import { ENDED_TASK_OUTCOMES } from '../../model/telemetry.ts';
import { type JsonReader, LAST_NAME, Names, refuse } from './json-reader.ts';
import type { WireWriter } from './wire-writer.ts';

type Kind =
  | 'number'
  | 'count'
  | 'signed'
  | 'time'
  | 'text'
  | 'flag'
  | 'outcome'
  | 'numbers'
  | 'texts'
  | 'worker'
  | Message;

type Field = readonly [name: string, number: number, kind: Kind];

/** The members of a kind of object. */
class Message {
  readonly names: Names;
  readonly numbers: readonly number[];
  readonly kinds: readonly Kind[];

  constructor(fields: readonly Field[]) {
    this.names = new Names(fields.map(([name]) => name));
    this.numbers = fields.map(([, number]) => number);
    this.kinds = fields.map(([, , kind]) => kind);
  }
}

const RUNNING_TASK = new Message([
  ['task_id', 1, 'text'],
  ['cpu_allocated', 2, 'number'],
  ['memory_allocated', 3, 'number'],
  ['status', 4, 'text'],
  ['gpu_allocated', 5, 'number'],
  ['started_at_unix_ms', 16, 'time'],
  ['progress', 17, 'number'],
]);

const ENDED_TASK = new Message([
  ['task_id', 1, 'text'],
  ['started_at_unix_ms', 2, 'time'],
  ['ended_at_unix_ms', 3, 'time'],
  ['outcome', 4, 'outcome'],
  ['exit_code', 5, 'signed'],
  ['cpu_seconds', 6, 'number'],
  ['max_rss_bytes', 7, 'count'],
]);

const GPU = new Message([
  ['index', 1, 'count'],
  ['uuid', 2, 'text'],
  ['name', 3, 'text'],
  ['utilization_percent', 4, 'number'],
  ['memory_used_bytes', 5, 'number'],
  ['memory_total_bytes', 6, 'number'],
  ['temperature_celsius', 7, 'number'],
  ['power_watts', 8, 'number'],
  ['parent_uuid', 9, 'text'],
]);

const WORKER_ID = 'worker_id';
const INSTANCE_ID = 'instance_id';

const HEARTBEAT = new Message([
  [WORKER_ID, 1, 'text'],
  ['cpu_usage', 2, 'number'],
  ['memory_usage', 3, 'number'],
  ['storage_usage', 4, 'number'],
  ['running_tasks', 5, RUNNING_TASK],
  ['gpu_usage', 6, 'number'],
  ['sequence', 16, 'count'],
  ['sent_at_unix_ms', 17, 'time'],
  [INSTANCE_ID, 18, 'text'],
  ['metrics', 19, 'numbers'],
  ['gpus', 20, GPU],
  ['host_loop_lag_ms', 21, 'number'],
  ['last_round_trip_ms', 22, 'number'],
  ['leaving', 23, 'flag'],
  ['ended_tasks', 24, ENDED_TASK],
  ['worker', 0, 'worker'],
]);
const AT_WORKER_ID = HEARTBEAT.names.all.indexOf(WORKER_ID);
const AT_INSTANCE_ID = HEARTBEAT.names.all.indexOf(INSTANCE_ID);

/** WorkerInfo without what heartbeats have too, and without the interval, which the request says. */
const WORKER = new Message([
  ['worker_ip', 2, 'text'],
  ['total_cpu', 3, 'number'],
  ['total_memory', 4, 'number'],
  ['total_storage', 5, 'number'],
  ['total_gpu', 6, 'number'],
  ['labels', 17, 'texts'],
  ['group', 18, 'text'],
  ['ephemeral', 19, 'flag'],
  ['agent_version', 20, 'text'],
]);
const INFO = { workerId: 1, instanceId: 16, intervalMs: 21 } as const;

export const HEARTBEAT_MEMBERS: readonly string[] = HEARTBEAT.names.all;

export interface HeartbeatTargets {
  /** Gets the heartbeat. */
  readonly heartbeat: WireWriter;
  /** Gets the registration, if there is one. */
  readonly info: WireWriter;
  /** Announced with the registration; 0: none. */
  readonly intervalMs: number;
  /** Maximum size of the heartbeat as a message. */
  readonly maxBytes: number;
}

/**
 * Stops reading once the heartbeat is too large; the caller checks its size.
 * @throws BadJson; what was written until then is to be dropped
 */
export function readHeartbeat(reader: JsonReader, targets: HeartbeatTargets): void {
  const { heartbeat, info, intervalMs, maxBytes } = targets;
  const start = heartbeat.at;
  reader.list = '';
  let seen = 0;
  let idFrom = 0;
  let idTo = 0;
  let instanceFrom = 0;
  let instanceTo = 0;
  let hasWorker = false;
  for (let more = reader.open('the heartbeat', false); more; more = reader.more(false)) {
    const index = reader.name(HEARTBEAT.names);
    seen = withMember(reader, HEARTBEAT, index, seen);
    if (reader.passNull()) continue;
    const kind = HEARTBEAT.kinds[index] as Kind;
    if (kind === 'worker') {
      hasWorker = true;
      readMembers(reader, info, WORKER, 'worker', -1);
      continue;
    }
    readValue(reader, heartbeat, HEARTBEAT, index);
    if (index === AT_WORKER_ID) {
      idTo = heartbeat.at;
      idFrom = idTo - (reader.textTo - reader.textFrom);
    } else if (index === AT_INSTANCE_ID) {
      instanceTo = heartbeat.at;
      instanceFrom = instanceTo - (reader.textTo - reader.textFrom);
    } else if (heartbeat.at - start > maxBytes) {
      // Before anything else is missed: what was not read may have it.
      return;
    }
  }
  if (idTo === 0) refuse('worker_id is missing');
  if (!hasWorker) return;
  const bytes = heartbeat.view(0);
  info.text(INFO.workerId, bytes, idFrom, idTo);
  if (instanceTo > instanceFrom) info.text(INFO.instanceId, bytes, instanceFrom, instanceTo);
  if (intervalMs > 0) info.integer(INFO.intervalMs, intervalMs);
}

/** @returns the members that were seen. @throws BadJson if it was seen before, or there is no such member */
function withMember(reader: JsonReader, message: Message, index: number, seen: number): number {
  if (index < 0) refuseUnknown(reader, message);
  const bit = 1 << index;
  if ((seen & bit) !== 0) refuse(`${reader.pathOf(LAST_NAME)} is given more than once`);
  return seen | bit;
}

function refuseUnknown(reader: JsonReader, { names }: Message): never {
  const given = reader.string;
  const plain = (name: string) => name.replaceAll(/[^a-z\d]/gi, '').toLowerCase();
  const meant = names.all.find((name) => plain(name) === plain(given)) ?? names.all.find((name) => isNear(given, name));
  const advice = meant === undefined ? `expected one of ${names.all.join(', ')}` : `did you mean ${meant}?`;
  return refuse(`unknown member ${reader.pathOf(LAST_NAME)}; ${advice}`);
}

/** Whether one letter is missing, is too much, is another, or two are swapped. */
function isNear(given: string, name: string): boolean {
  if (given === name || Math.abs(given.length - name.length) > 1) return false;
  let at = 0;
  while (at < name.length && given[at] === name[at]) at++;
  const rest = name.slice(at + 1);
  return (
    given.slice(at + 1) === rest ||
    given.slice(at) === rest ||
    given.slice(at + 1) === name.slice(at) ||
    (given[at] === name[at + 1] && given[at + 1] === name[at] && given.slice(at + 2) === name.slice(at + 2))
  );
}

/** Reads an object of a list, or the one member of that name. @param at its index in the list; -1: it is in none */
function readMembers(reader: JsonReader, out: WireWriter, message: Message, list: string, at: number): void {
  let seen = 0;
  // Errors about the whole name it differently.
  let more = reader.open(at < 0 ? list : `${list}[${at}]`, false);
  reader.list = list;
  reader.index = at;
  while (more) {
    const index = reader.name(message.names);
    seen = withMember(reader, message, index, seen);
    if (!reader.passNull()) readValue(reader, out, message, index);
    more = reader.more(false);
  }
  reader.list = '';
}

function readValue(reader: JsonReader, out: WireWriter, { names, numbers, kinds }: Message, index: number): void {
  const name = names.all[index] as string;
  const field = numbers[index] as number;
  const kind = kinds[index] as Kind;
  switch (kind) {
    case 'number':
      out.double(field, reader.readNumber(name));
      break;
    case 'text':
      reader.readText(name);
      out.text(field, reader.text, reader.textFrom, reader.textTo);
      break;
    case 'count':
      out.integer(field, wholeNumber(reader, name, 0));
      break;
    case 'signed':
      out.integer(field, wholeNumber(reader, name, -(2 ** 31), 2 ** 31 - 1));
      break;
    case 'time':
      out.integer(field, time(reader, name));
      break;
    case 'flag':
      out.integer(field, Number(reader.readBoolean(name)));
      break;
    case 'outcome':
      out.integer(field, outcome(reader, name));
      break;
    case 'numbers':
    case 'texts':
      readMap(reader, out, name, field, kind === 'texts');
      break;
    case 'worker':
      break;
    default:
      readList(reader, out, name, field, kind);
  }
}

function readList(reader: JsonReader, out: WireWriter, name: string, field: number, message: Message): void {
  let at = 0;
  for (let more = reader.open(name, true); more; more = reader.more(true)) {
    const start = out.begin(field);
    readMembers(reader, out, message, name, at++);
    out.end(start);
  }
}

/** An entry of a map is a message of its name (1) and its value (2). */
function readMap(reader: JsonReader, out: WireWriter, name: string, field: number, isText: boolean): void {
  let more = reader.open(name, false);
  const { list, index } = reader;
  reader.list = list === '' ? name : `${list}.${name}`;
  reader.index = -1;
  while (more) {
    reader.anyName();
    if (reader.passNull()) {
      more = reader.more(false);
      continue;
    }
    const start = out.begin(field);
    out.text(1, reader.text, reader.textFrom, reader.textTo);
    if (isText) {
      reader.readText(LAST_NAME);
      out.text(2, reader.text, reader.textFrom, reader.textTo);
    } else out.double(2, reader.readNumber(LAST_NAME));
    out.end(start);
    more = reader.more(false);
  }
  reader.list = list;
  reader.index = index;
}

function wholeNumber(reader: JsonReader, name: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = reader.readNumber(name);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const most = max === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : max;
  return refuse(`${reader.pathOf(name)} is ${value}, expected a whole number from ${min} to ${most}`);
}

function time(reader: JsonReader, name: string): number {
  const value = Math.round(reader.readNumber(name));
  if (Number.isSafeInteger(value)) return value;
  return refuse(`${reader.pathOf(name)} is ${value}, expected milliseconds since 1970`);
}

function outcome(reader: JsonReader, name: string): number {
  reader.readText(name);
  const given = reader.string;
  const index = (ENDED_TASK_OUTCOMES as readonly string[]).indexOf(given);
  if (index >= 0) return index + 1;
  const expected = `expected one of ${ENDED_TASK_OUTCOMES.join(', ')}`;
  return refuse(`${reader.pathOf(name)} is ${JSON.stringify(given)}, ${expected}`);
}
