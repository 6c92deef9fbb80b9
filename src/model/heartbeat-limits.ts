/**
 * Maximum content of one heartbeat, the same for agents, which refuse more when it is set, and for the master, which
 * refuses more when it arrives.
 */
import { taskJson } from './record-json.ts';
import type { EndedTask, RunningTask } from './telemetry.ts';

const MIB = 1024 ** 2;

/**
 * Maximum number of tasks, devices and metrics in one heartbeat: five times the 10,000 of a large worker. Without it, 4
 * MiB of empty tasks would become two million objects and exhaust the lane's memory.
 */
export const MAX_ITEMS = 50_000;
/**
 * Default maximum size of an encoded heartbeat: 4 MiB hold 10,000 running tasks with room to spare, or 50,000 plain
 * ones.
 */
export const MAX_MESSAGE_BYTES = 4 * MIB;
/** Default maximum size of its record as JSON: member names make a task twice as long as in protobuf. */
export const MAX_RECORD_BYTES = 8 * MIB;
/** Maximum size of a task's id, of its status, and of a custom metric's name, in UTF-8. */
export const MAX_NAME_BYTES = 256;
/** Maximum number of devices, counted as items too: a large machine has 16. */
export const MAX_DEVICES = 256;
/**
 * Maximum number of ended tasks in one heartbeat: at one heartbeat per 5 s, 100 a second, each sent twice. With ids of 256 bytes
 * they take 340 kB.
 */
export const MAX_ENDED_TASKS = 1000;
/** Maximum number of tasks and metrics that an agent accepts. */
export const MAX_TASKS_AND_METRICS = MAX_ITEMS - MAX_DEVICES;
/** Reserved in both sizes for everything but tasks and metrics: devices, ids, usages. */
const REST_BYTES = 128 * 1024;

/** A master's limits for one heartbeat. */
export interface HeartbeatLimits {
  readonly messageBytes: number;
  /** Maximum size of the JSON that the master makes of it. */
  readonly recordBytes: number;
}

export const DEFAULT_LIMITS: HeartbeatLimits = { messageBytes: MAX_MESSAGE_BYTES, recordBytes: MAX_RECORD_BYTES };

/** Upper bounds of what tasks and metrics take in a message, and in its record. */
export interface Load {
  readonly messageBytes: number;
  readonly recordBytes: number;
}

/** The room for tasks and metrics. With limits below the defaults, a proportional part is reserved for the rest. */
export function roomFor({ messageBytes, recordBytes }: HeartbeatLimits): Load {
  return { messageBytes: withoutRest(messageBytes), recordBytes: withoutRest(recordBytes) };
}

function withoutRest(bytes: number): number {
  return bytes - Math.min(REST_BYTES, bytes / 2);
}

/** Tag and length of a string or nested message of less than 2^14 bytes. */
const TEXT_HEAD_BYTES = 4;
/** Of a task: its own head, three amounts and a progress of 8 bytes each, its start as a varint, and their tags. */
const TASK_NUMBERS_BYTES = TEXT_HEAD_BYTES + 3 * 9 + 10 + 12;

export function loadOfTask(task: RunningTask): Load {
  return { messageBytes: taskBytes(task), recordBytes: Buffer.byteLength(taskJson(task)) + 1 };
}

function taskBytes({ taskId, status }: RunningTask): number {
  return TASK_NUMBERS_BYTES + 2 * TEXT_HEAD_BYTES + Buffer.byteLength(taskId) + Buffer.byteLength(status);
}

function metricBytes(name: string): number {
  return 2 * TEXT_HEAD_BYTES + 9 + Buffer.byteLength(name);
}

/** Of an ended task: its own head, two times, an exit code and a size as varints, an outcome, a number of 8 bytes, and their tags. */
const ENDED_TASK_NUMBERS_BYTES = TEXT_HEAD_BYTES + 1 + 4 * 11 + 2 + 9;

/** An upper bound of what it takes in a message. A record has no ended tasks. */
export function endedTaskBytes({ taskId }: EndedTask): number {
  return ENDED_TASK_NUMBERS_BYTES + TEXT_HEAD_BYTES + Buffer.byteLength(taskId);
}

/** The part of {@link REST_BYTES} that ended tasks may take in any case, so that they are told however many tasks run. */
const ENDED_TASKS_SHARE = 1 / 4;

/** As many as fit beside these tasks and metrics, from the first on. */
export function fittedEnds(
  ended: readonly EndedTask[],
  tasks: Iterable<RunningTask>,
  metrics: Iterable<readonly [name: string, value: number]>,
  limits: HeartbeatLimits,
): readonly EndedTask[] {
  if (ended.length === 0) return ended;
  const { messageBytes } = roomFor(limits);
  let used = 0;
  for (const task of tasks) used += taskBytes(task);
  for (const [name] of metrics) used += metricBytes(name);
  let left = Math.max(0, messageBytes - used) + (limits.messageBytes - messageBytes) * ENDED_TASKS_SHARE;
  const firstTooMuch = ended.findIndex((task) => {
    left -= endedTaskBytes(task);
    return left < 0;
  });
  return firstTooMuch === -1 ? ended : ended.slice(0, firstTooMuch);
}

/** Maximum length of a number as JSON; used because the value may change. */
const LONGEST_NUMBER_BYTES = 25;

export function loadOfMetric(name: string): Load {
  return {
    messageBytes: metricBytes(name),
    recordBytes: Buffer.byteLength(JSON.stringify(name)) + LONGEST_NUMBER_BYTES + 2,
  };
}

export interface Fitted {
  readonly tasks: readonly RunningTask[];
  readonly metrics: readonly (readonly [name: string, value: number])[];
  /** How many did not fit. */
  readonly leftOut: { readonly tasks: number; readonly metrics: number };
}

/** Takes as much as fits, tasks first: a heartbeat without the rest is better than none. */
export function fitted(
  tasks: Iterable<RunningTask>,
  metrics: Iterable<readonly [name: string, value: number]>,
  limits: HeartbeatLimits,
): Fitted {
  const room = roomFor(limits);
  let messageBytes = 0;
  let recordBytes = 0;
  let items = 0;
  const fits = (load: Load) => {
    if (items >= MAX_TASKS_AND_METRICS) return false;
    if (messageBytes + load.messageBytes > room.messageBytes || recordBytes + load.recordBytes > room.recordBytes) {
      return false;
    }
    messageBytes += load.messageBytes;
    recordBytes += load.recordBytes;
    items++;
    return true;
  };
  const allTasks = [...tasks];
  const allMetrics = [...metrics];
  const fittedTasks = allTasks.filter((task) => fits(loadOfTask(task)));
  const fittedMetrics = allMetrics.filter(([name]) => fits(loadOfMetric(name)));
  return {
    tasks: fittedTasks,
    metrics: fittedMetrics,
    leftOut: {
      tasks: allTasks.length - fittedTasks.length,
      metrics: allMetrics.length - fittedMetrics.length,
    },
  };
}
