/** The tasks of a record, read from its JSON. */
import { type TelemetryJson, taskOfJson } from '../model/record-json.ts';
import { SampleFlag } from '../model/sample-flags.ts';
import type { RunningTask } from '../model/telemetry.ts';
import { type Copy, RecordNumber } from './layout.ts';
import type { SlotViews } from './slot-memory.ts';

export interface RecordTasks {
  /** None after the worker's farewell. */
  readonly tasks: readonly RunningTask[];
  readonly receivedUnixMs: number;
  /** Whether it comes from a heartbeat of this master. */
  readonly isApplied: boolean;
}

const UNREADABLE: RecordTasks = { tasks: [], receivedUnixMs: 0, isApplied: false };

/** The copy must not be overwritten meanwhile. */
export function recordTasksIn({ bytes, numbers, offsets, size }: SlotViews, copy: Copy): RecordTasks {
  const record = offsets.record[copy] / 8;
  const from = offsets.json[copy];
  const jsonBytes = numbers[record + RecordNumber.jsonBytes] as number;
  if (!(jsonBytes >= 0 && jsonBytes <= size.jsonCapacity)) return UNREADABLE;
  const tasks = tasksInHead(bytes.toString('utf8', from, from + jsonBytes));
  if (tasks === undefined) return UNREADABLE;
  const isLeaving = ((numbers[record + RecordNumber.sampleFlags] as number) & SampleFlag.leaving) !== 0;
  return {
    tasks: isLeaving ? [] : tasks,
    receivedUnixMs: numbers[record + RecordNumber.receivedUnixMs] as number,
    isApplied: numbers[record + RecordNumber.appliedIndex] !== 0,
  };
}

/** @returns undefined if it is no record: code in a lane can write anywhere in its workers' memory */
export function tasksInHead(head: string): RunningTask[] | undefined {
  try {
    return (JSON.parse(`${head}}`) as TelemetryJson).running_tasks.map(taskOfJson);
  } catch {
    return undefined;
  }
}
