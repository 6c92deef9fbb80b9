/**
 * What one heartbeat may hold: the one rule for the agent, which refuses more where it is given, and for the master, which
 * refuses more when it comes.
 */
import { taskJson } from './record-json.ts';
import type { RunningTask } from './telemetry.ts';

const MIB = 1024 ** 2;

/**
 * Tasks, devices and metrics in one heartbeat. Five times the 10,000 that a large worker runs; without a bound, 4 MiB of
 * empty tasks would be two million objects, and end the lane for want of memory.
 */
export const MAX_ITEMS = 50_000;
/** Of a heartbeat as it is sent, by default: 4 MiB hold 10,000 running tasks with room to spare, 50,000 plain ones. */
export const MAX_MESSAGE_BYTES = 4 * MIB;
/** Of its record as JSON, by default: the names of members make a task twice as long as it is on the wire. */
export const MAX_RECORD_BYTES = 8 * MIB;
/** Devices of one worker: a large machine has 16. Part of the items. */
export const MAX_DEVICES = 256;
/** Tasks and metrics that an agent takes. */
export const MAX_TASKS_AND_METRICS = MAX_ITEMS - MAX_DEVICES;
/** Of both sizes, for all that is neither task nor metric: devices, ids, usages. */
const REST_BYTES = 128 * 1024;

/** What a master takes of one heartbeat. */
export interface HeartbeatLimits {
  readonly messageBytes: number;
  /** As the JSON that a master makes of it. */
  readonly recordBytes: number;
}

export const DEFAULT_LIMITS: HeartbeatLimits = { messageBytes: MAX_MESSAGE_BYTES, recordBytes: MAX_RECORD_BYTES };

/** What tasks and metrics take: at most so much of a message, and of its record. */
export interface Load {
  readonly messageBytes: number;
  readonly recordBytes: number;
}

/** The room for tasks and metrics. Of limits below the defaults, a part is left for the rest. */
export function roomFor({ messageBytes, recordBytes }: HeartbeatLimits): Load {
  return { messageBytes: withoutRest(messageBytes), recordBytes: withoutRest(recordBytes) };
}

function withoutRest(bytes: number): number {
  return bytes - Math.min(REST_BYTES, bytes / 2);
}

/** Tag and length of a text or a nested message of less than 2^14 bytes. */
const TEXT_HEAD_BYTES = 4;
/** Of a task: its own head; three amounts and its progress of 8 bytes; its start, a varint; their tags. */
const TASK_NUMBERS_BYTES = TEXT_HEAD_BYTES + 3 * 9 + 10 + 12;

export function loadOfTask(task: RunningTask): Load {
  const texts = Buffer.byteLength(task.taskId) + Buffer.byteLength(task.status);
  return {
    messageBytes: TASK_NUMBERS_BYTES + 2 * TEXT_HEAD_BYTES + texts,
    recordBytes: Buffer.byteLength(taskJson(task)) + 1,
  };
}

/** Its value may change: the longest that a number can be as JSON. */
const LONGEST_NUMBER_BYTES = 25;

export function loadOfMetric(name: string): Load {
  return {
    messageBytes: 2 * TEXT_HEAD_BYTES + 9 + Buffer.byteLength(name),
    recordBytes: Buffer.byteLength(JSON.stringify(name)) + LONGEST_NUMBER_BYTES + 2,
  };
}

export interface Fitted {
  readonly tasks: readonly RunningTask[];
  readonly metrics: readonly (readonly [name: string, value: number])[];
  /** How many had no room. */
  readonly leftOut: { readonly tasks: number; readonly metrics: number };
}

/** As much as there is room for, tasks first: a heartbeat without the rest is better than none. */
export function fitted(
  tasks: Iterable<RunningTask>,
  metrics: Iterable<readonly [name: string, value: number]>,
  limits: HeartbeatLimits,
): Fitted {
  const room = roomFor(limits);
  let messageBytes = 0;
  let recordBytes = 0;
  const fits = (load: Load) => {
    if (messageBytes + load.messageBytes > room.messageBytes || recordBytes + load.recordBytes > room.recordBytes) {
      return false;
    }
    messageBytes += load.messageBytes;
    recordBytes += load.recordBytes;
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
