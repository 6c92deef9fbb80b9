/**
 * One line of what programs say: a JSON object with a task, metrics, or both. A pure parser: it takes a line as a whole or refuses
 * it as a whole, with the member that is wrong, its value, and what was expected.
 */
import { isNearMiss } from '../../config/near-misses.ts';
import { shortText } from '../../lib/foreign-text.ts';
import { MAX_NAME_BYTES } from '../../model/heartbeat-limits.ts';
import { MAX_KEEP_MS } from '../../model/task-keep.ts';
import { ENDED_TASK_OUTCOMES, type EndedTaskOutcome } from '../../model/telemetry.ts';

/** Of an id that comes back with the answer. */
const MAX_ID_LENGTH = 64;
/** Process ids are positive 32-bit numbers; 0 and below name groups. */
const MAX_PID = 2 ** 31 - 1;
const MAX_VALUE_SHOWN = 64;

export interface TaskLine {
  readonly taskId: string;
  /** Of a task that goes on; undefined: unchanged, or `running` for a new one. */
  readonly status: string | undefined;
  /** The task has ended. */
  readonly outcome: EndedTaskOutcome | undefined;
  readonly progress: number | undefined;
  readonly cpuAllocated: number | undefined;
  readonly memoryAllocated: number | undefined;
  readonly gpuAllocated: number | undefined;
  readonly startedAtUnixMs: number | undefined;
  readonly exitCode: number | undefined;
  readonly cpuSeconds: number | undefined;
  readonly maxRssBytes: number | undefined;
  /** True: it goes on when this connection closes. False: it ends with this connection. Undefined: as before; a new one ends with it. */
  readonly keep: boolean | undefined;
  /** For so long without an update; undefined: the default. */
  readonly keepMs: number | undefined;
  /** The process with which it ends. */
  readonly pid: number | undefined;
  /** In which that id is meant, such as `pid:[4026531836]`; undefined: the agent's own. */
  readonly pidNamespace: string | undefined;
  /** Refused if a task with this id runs. */
  readonly isNew: boolean;
}

export interface Line {
  /** Comes back with the answer, which a line without it gets only if it is refused. */
  readonly id: string | number | undefined;
  readonly task: TaskLine | undefined;
  /** Null removes the metric. */
  readonly metrics: readonly (readonly [name: string, value: number | null])[];
  /** How long the metrics are kept after their connection has closed; undefined: the default. */
  readonly metricsKeepMs: number | undefined;
}

/** By which refused lines are counted. */
export type LineRefusal =
  | 'not_utf8'
  | 'not_json'
  | 'wrong_member'
  | 'line_too_long'
  | 'task_exists'
  | 'no_such_process'
  | 'foreign_process'
  | 'too_many_tasks'
  | 'too_many_metrics'
  | 'too_many_processes';

/** Why a line is refused; the message is for its sender. */
export class RefusedLine extends Error {
  readonly reason: LineRefusal;
  /** Of the line, if it could be read. */
  readonly id: string | number | undefined;

  constructor(reason: LineRefusal, message: string, id?: string | number) {
    super(message);
    this.reason = reason;
    this.id = id;
  }
}

/** @throws RefusedLine */
export function parseLine(text: string): Line {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RefusedLine('not_json', `${shown(text)} is no JSON; expected ${LINE_FORMS}`);
  }
  return lineOf(value);
}

/** @throws RefusedLine */
export function lineOf(value: unknown): Line {
  if (!isObject(value)) throw new RefusedLine('wrong_member', `the line is ${shown(value)}; expected ${LINE_FORMS}`);
  const id = idIn(value);
  try {
    mustKnow('the line', value, ['id', 'task', 'metrics', 'keep_seconds']);
    const { task, metrics, keep_seconds: keepSeconds } = value;
    if (task === undefined && metrics === undefined) throw wrong('the line', value, LINE_FORMS);
    if (keepSeconds !== undefined && metrics === undefined) {
      throw new Wrong('keep_seconds is of metrics, and there are none; a task has its own');
    }
    return {
      id,
      task: task === undefined ? undefined : taskOf(task),
      metrics: metrics === undefined ? [] : metricsOf(metrics),
      metricsKeepMs: keepMsOf('keep_seconds', keepSeconds),
    };
  } catch (error) {
    if (error instanceof Wrong) throw new RefusedLine('wrong_member', error.message, id);
    throw error;
  }
}

const LINE_FORMS = '{"task":{"task_id":"a","progress":0.5}} or {"metrics":{"name":1}}';

class Wrong extends Error {}

const TASK_MEMBERS = [
  'task_id',
  'status',
  'progress',
  'cpu_allocated',
  'memory_allocated',
  'gpu_allocated',
  'started_at_unix_ms',
  'exit_code',
  'cpu_seconds',
  'max_rss_bytes',
  'keep',
  'keep_seconds',
  'pid',
  'pid_namespace',
  'new',
];
/** Of tasks that have ended. */
const END_MEMBERS = ['exit_code', 'cpu_seconds', 'max_rss_bytes'] as const;
/** Of tasks that go on. */
const RUNNING_MEMBERS = ['keep', 'keep_seconds', 'pid', 'pid_namespace', 'new'] as const;

function taskOf(task: unknown): TaskLine {
  if (!isObject(task)) throw wrong('task', task, 'an object with task_id');
  mustKnow('task', task, TASK_MEMBERS);
  const status = task.status === undefined ? undefined : name('task.status', task.status);
  const outcome = ENDED_TASK_OUTCOMES.find((known) => known === status);
  for (const member of outcome === undefined ? END_MEMBERS : RUNNING_MEMBERS) {
    if (task[member] === undefined) continue;
    throw new Wrong(
      outcome === undefined
        ? `task.${member} is given; expected it only with a status that ends the task: ${ENDED_TASK_OUTCOMES.join(', ')}`
        : `task.${member} is given; expected it only of a task that goes on, and not with status ${outcome}`,
    );
  }
  const keepMs = keepMsOf('task.keep_seconds', task.keep_seconds);
  const pid = optional(task.pid, (value) => whole('task.pid', value, 1, MAX_PID, 'a process id'));
  const keep = flag('task.keep', task.keep);
  if (keep === false && (keepMs !== undefined || pid !== undefined)) {
    throw wrong('task.keep', keep, 'true, or nothing, beside keep_seconds and pid');
  }
  return {
    taskId: name('task.task_id', task.task_id),
    status: outcome === undefined ? status : undefined,
    outcome,
    progress: optional(task.progress, (value) => amount('task.progress', value, 1, 'a number from 0 to 1')),
    cpuAllocated: optional(task.cpu_allocated, (value) => amount('task.cpu_allocated', value)),
    memoryAllocated: optional(task.memory_allocated, (value) => amount('task.memory_allocated', value)),
    gpuAllocated: optional(task.gpu_allocated, (value) => amount('task.gpu_allocated', value)),
    startedAtUnixMs: optional(task.started_at_unix_ms, (value) =>
      whole('task.started_at_unix_ms', value, 0, Number.MAX_SAFE_INTEGER, 'whole milliseconds since 1970'),
    ),
    exitCode: optional(task.exit_code, (value) =>
      whole('task.exit_code', value, -(2 ** 31) + 1, 2 ** 31 - 1, 'a whole number of 32 bits'),
    ),
    cpuSeconds: optional(task.cpu_seconds, (value) => amount('task.cpu_seconds', value)),
    maxRssBytes: optional(task.max_rss_bytes, (value) =>
      whole('task.max_rss_bytes', value, 0, Number.MAX_SAFE_INTEGER, 'a whole number of bytes'),
    ),
    keep: keepMs !== undefined || pid !== undefined || keep,
    keepMs,
    pid,
    pidNamespace: optional(task.pid_namespace, (value) => name('task.pid_namespace', value)),
    isNew: flag('task.new', task.new) ?? false,
  };
}

function metricsOf(metrics: unknown): (readonly [name: string, value: number | null])[] {
  if (!isObject(metrics)) throw wrong('metrics', metrics, 'an object such as {"queue_depth":3}');
  return Object.entries(metrics).map(([key, value]) => {
    const metric = name('a name in metrics', key);
    if (value === null) return [metric, null];
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw wrong(`metrics[${shown(key)}]`, value, 'a finite number, or null to remove it');
    }
    return [metric, value];
  });
}

function idIn({ id }: JsonObject): string | number | undefined {
  if (id === undefined) return undefined;
  if ((typeof id === 'string' && id.length <= MAX_ID_LENGTH) || (typeof id === 'number' && Number.isFinite(id)))
    return id;
  const expected = `a number, or a string of at most ${MAX_ID_LENGTH} characters`;
  throw new RefusedLine('wrong_member', wrong('id', id, expected).message);
}

function keepMsOf(member: string, seconds: unknown): number | undefined {
  if (seconds === undefined) return undefined;
  const most = MAX_KEEP_MS / 1000;
  if (typeof seconds === 'number' && seconds > 0 && seconds <= most) return seconds * 1000;
  throw wrong(member, seconds, `a number of seconds above 0 and at most ${most}`);
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mustKnow(what: string, value: JsonObject, known: readonly string[]): void {
  const unknown = Object.keys(value).find((member) => !known.includes(member));
  if (unknown === undefined) return;
  const meant = known.find((member) => unknown.length <= MAX_NAME_BYTES && isNearMiss(unknown.toLowerCase(), member));
  const advice = meant === undefined ? `expected ${known.join(', ')}` : `did you mean ${meant}?`;
  throw new Wrong(`${what} has an unknown member ${shown(unknown)}; ${advice}`);
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : read(value);
}

/** Sent in heartbeats, which have the same limits. */
function name(member: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw wrong(member, value, 'a string that is not empty');
  if (!value.isWellFormed()) throw wrong(member, value, 'valid Unicode');
  const bytes = Buffer.byteLength(value);
  if (bytes > MAX_NAME_BYTES) throw wrong(member, value, `at most ${MAX_NAME_BYTES} bytes, and it has ${bytes}`);
  return value;
}

function amount(member: string, value: unknown, most = Number.MAX_VALUE, expected = 'a finite number from 0'): number {
  if (typeof value === 'number' && value >= 0 && value <= most) return value;
  throw wrong(member, value, expected);
}

function whole(member: string, value: unknown, least: number, most: number, expected: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw wrong(member, value, expected);
}

function flag(member: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw wrong(member, value, 'true or false');
}

function wrong(member: string, value: unknown, expected: string): Wrong {
  return new Wrong(
    value === undefined
      ? `${member} is missing; expected ${expected}`
      : `${member} is ${shown(value)}; expected ${expected}`,
  );
}

/** What JSON.parse made of 1e999 is no JSON any more. */
function shown(value: unknown): string {
  return shortText(typeof value === 'number' ? String(value) : JSON.stringify(value), MAX_VALUE_SHOWN);
}
