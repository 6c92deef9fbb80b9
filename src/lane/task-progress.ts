/**
 * Tracks since when each running task of a worker has reported the same progress.
 *
 * The table of all tasks is in the lane's heap, bounded by the tasks of one heartbeat. With each record, the tasks
 * without progress for the longest time are stored in the slot, up to its capacity, so that a restarted lane continues
 * with them. A restarted lane treats all other tasks as if they had just progressed. A task that makes no progress
 * eventually becomes one of the stored ones, so it is detected even if its lane restarts.
 */
import { taskHashOf } from '../model/task-hash.ts';
import type { RunningTask } from '../model/telemetry.ts';
import { MAX_PROGRESS_ENTRIES, type ProgressEntry } from '../store/slot-progress.ts';

const NO_TASKS: ReadonlyMap<number, ProgressEntry> = new Map();
const NONE: readonly ProgressEntry[] = [];

export class TaskProgress {
  /** By task hash. */
  #tasks: ReadonlyMap<number, ProgressEntry>;
  #oldest: readonly ProgressEntry[];

  /** @param restored the entries stored in the slot, oldest first */
  constructor(restored: readonly ProgressEntry[] = NONE) {
    this.#tasks = new Map(restored.map((entry) => [entry.taskHash, entry]));
    this.#oldest = restored;
  }

  /** The tasks without progress for the longest time, oldest first, to be stored in the slot. */
  get oldest(): readonly ProgressEntry[] {
    return this.#oldest;
  }

  /** Time of the least recent progress of any running task; 0 if no task reports progress. */
  get stoodStillSinceMs(): number {
    return this.#oldest[0]?.sinceMs ?? 0;
  }

  /** Sets the worker's current tasks. Not called while they are unchanged. */
  note(tasks: readonly RunningTask[], nowMs: number): void {
    const before = this.#tasks;
    const known = new Map<number, ProgressEntry>();
    for (const { taskId, status, progress } of tasks) {
      if (progress === undefined || status !== 'running') continue;
      const taskHash = taskHashOf(taskId);
      const last = before.get(taskHash);
      known.set(taskHash, last?.progress === progress ? last : { taskHash, progress, sinceMs: nowMs });
    }
    this.#tasks = known.size === 0 ? NO_TASKS : known;
    this.#oldest = known.size === 0 ? NONE : oldestOf(known.values(), MAX_PROGRESS_ENTRIES);
  }
}

/** The `most` entries with the smallest `sinceMs`, in that order. */
export function oldestOf(entries: Iterable<ProgressEntry>, most: number): readonly ProgressEntry[] {
  const oldest: ProgressEntry[] = [];
  for (const entry of entries) {
    let place = oldest.length;
    while (place > 0 && (oldest[place - 1] as ProgressEntry).sinceMs > entry.sinceMs) place--;
    if (place >= most) continue;
    oldest.splice(place, 0, entry);
    if (oldest.length > most) oldest.pop();
  }
  return oldest;
}
