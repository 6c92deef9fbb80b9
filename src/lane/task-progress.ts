/**
 * Since when a worker's running tasks have made no progress, of those that tell theirs. Lives in the lane's heap: after a
 * restart of the lane all tasks seem to have moved just now, which makes a stuck one be noticed later, never a good one
 * sooner.
 */
import type { RunningTask } from '../model/telemetry.ts';

interface Progress {
  readonly progress: number;
  readonly sinceMs: number;
}

const NO_TASKS: ReadonlyMap<string, Progress> = new Map();

export class TaskProgress {
  #tasks = NO_TASKS;
  #stoodStillSinceMs = 0;

  /** When the one that has waited for the longest moved last; 0 if no running task tells its progress. */
  get stoodStillSinceMs(): number {
    return this.#stoodStillSinceMs;
  }

  /** The worker's tasks are these now. Not called while nothing of them changes. */
  note(tasks: readonly RunningTask[], nowMs: number): void {
    const before = this.#tasks;
    this.#tasks = NO_TASKS;
    this.#stoodStillSinceMs = 0;
    const known = new Map<string, Progress>();
    for (const { taskId, status, progress } of tasks) {
      if (progress === undefined || status !== 'running') continue;
      const last = before.get(taskId);
      const sinceMs = last?.progress === progress ? last.sinceMs : nowMs;
      known.set(taskId, { progress, sinceMs });
      this.#stoodStillSinceMs = Math.min(this.#stoodStillSinceMs || sinceMs, sinceMs);
    }
    if (known.size > 0) this.#tasks = known;
  }
}
