/** When a slot's task log (task-log.ts) grows or shrinks: pure functions. */

/** Room for some ten changes. */
export const LEAST_TASK_LOG_BYTES = 1024;
/** 10,000 tasks that begin at once: those of a large worker, after a restart of its master. */
export const MOST_TASK_LOG_BYTES = 1024 ** 2;
/**
 * Entries are kept for this long if possible: longer than a reader may be away. The history thread is ended after a minute of silence
 * (MAX_SILENCE_S of history/), the next one starts after up to a minute more, and has to catch up. One change a second needs 16 KiB.
 */
export const TASK_LOG_SPAN_MS = 180_000;
const SHRINK_AT = 8;

export interface TaskLogFacts {
  readonly capacity: number;
  /** Bytes of the entries in it, and of the new ones. */
  readonly used: number;
  readonly added: number;
  /** Age of the oldest entry. */
  readonly heldMs: number;
}

/** The capacity from now on: a power of two, or 0. */
export function taskLogAfter({ capacity, used, added, heldMs }: TaskLogFacts): number {
  if (added === 0 || used + added <= capacity) return capacity;
  if (capacity === 0 || heldMs < TASK_LOG_SPAN_MS) return Math.max(capacity, capacityFor(used + added));
  // Halved at most: a reader takes in time what fills less than that.
  if (heldMs > SHRINK_AT * TASK_LOG_SPAN_MS) return Math.max(capacityFor(added), capacity / 2);
  return Math.max(capacity, capacityFor(added));
}

function capacityFor(bytes: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(bytes));
  return Math.min(MOST_TASK_LOG_BYTES, Math.max(LEAST_TASK_LOG_BYTES, wanted));
}

export function isTaskLogCapacity(bytes: number): boolean {
  if (bytes === 0) return true;
  return bytes >= LEAST_TASK_LOG_BYTES && bytes <= MOST_TASK_LOG_BYTES && Number.isInteger(Math.log2(bytes));
}
