/**
 * Since when a worker's running tasks have made no progress, of those that tell theirs.
 *
 * The table of all of them is in the lane's heap, bounded as the tasks of one heartbeat are. With each record those that
 * have stood still for the longest go into the slot, as many as it holds: a lane that was started again goes on with them.
 * Of the others it then knows nothing, so that they seem to have moved just now; a task that stands still becomes one
 * of the oldest sooner or later, so that it is noticed in time, whatever happens to its lane.
 */
import type { RunningTask } from '../model/telemetry.ts';
import { MAX_PROGRESS_ENTRIES, type ProgressEntry } from '../store/slot-progress.ts';

const NO_TASKS: ReadonlyMap<number, ProgressEntry> = new Map();
const NONE: readonly ProgressEntry[] = [];

export class TaskProgress {
  /** By the hash of their ids. */
  #tasks: ReadonlyMap<number, ProgressEntry>;
  #oldest: readonly ProgressEntry[];

  /** @param restored what the slot holds, the oldest first */
  constructor(restored: readonly ProgressEntry[] = NONE) {
    this.#tasks = new Map(restored.map((entry) => [entry.taskHash, entry]));
    this.#oldest = restored;
  }

  /** Those that have stood still for the longest, the oldest first: for the slot. */
  get oldest(): readonly ProgressEntry[] {
    return this.#oldest;
  }

  /** When the one that has waited for the longest moved last; 0 if no running task tells its progress. */
  get stoodStillSinceMs(): number {
    return this.#oldest[0]?.sinceMs ?? 0;
  }

  /** The worker's tasks are these now. Not called while nothing of them changes. */
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

/** The `most` entries with the least `sinceMs`, in that order. */
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

/** 53 bits of two hashes over the id, so that in practice no two tasks of a worker share one. */
export function taskHashOf(taskId: string): number {
  let low = 0x811c9dc5;
  let high = 0x1b873593;
  for (let at = 0; at < taskId.length; at++) {
    const unit = taskId.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit ^ (low >>> 16), 0x85ebca6b);
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}
