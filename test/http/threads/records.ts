/** What record-writer.ts writes, for those who check it. */
import type { TelemetryJson } from '../../../src/model/record-json.ts';

/** Tasks of the largest record; the next one has none. */
export const MOST_TASKS = 7;

/** Whether every part is of one and the same record. */
export function isWhole(record: TelemetryJson): boolean {
  const ordinal = record.cpu_usage;
  return (
    record.memory_usage === ordinal &&
    record.running_tasks.length === ordinal % (MOST_TASKS + 1) &&
    record.running_tasks.every((task) => task.task_id === String(ordinal))
  );
}
