/**
 * The progress table of a record: since when each of the worker's tasks has made no progress. Part of layout.ts's
 * record.
 */
import { PROGRESS_ENTRIES, PROGRESS_ENTRY_NUMBERS, ProgressNumber } from './layout.ts';

export const MAX_PROGRESS_ENTRIES = PROGRESS_ENTRIES;

export interface ProgressEntry {
  /** Hash of the task's id. */
  readonly taskHash: number;
  /** Its progress … */
  readonly progress: number;
  /** … and since when, by the monotonic clock. */
  readonly sinceMs: number;
}

/** @param at index of the table's first number @param entries beyond the table's capacity are ignored */
export function writeProgress(numbers: Float64Array, at: number, entries: readonly ProgressEntry[]): void {
  const count = Math.min(entries.length, PROGRESS_ENTRIES);
  numbers[at + ProgressNumber.count] = count;
  for (let index = 0; index < count; index++) {
    const { taskHash, progress, sinceMs } = entries[index] as ProgressEntry;
    const from = entryAt(at, index);
    numbers[from] = taskHash;
    numbers[from + 1] = progress;
    numbers[from + 2] = sinceMs;
  }
}

export function readProgress(numbers: Float64Array, at: number): ProgressEntry[] {
  const count = numbers[at + ProgressNumber.count] as number;
  return Array.from({ length: count }, (_, index) => {
    const from = entryAt(at, index);
    return {
      taskHash: numbers[from] as number,
      progress: numbers[from + 1] as number,
      sinceMs: numbers[from + 2] as number,
    };
  });
}

function entryAt(at: number, index: number): number {
  return at + ProgressNumber.first + index * PROGRESS_ENTRY_NUMBERS;
}
