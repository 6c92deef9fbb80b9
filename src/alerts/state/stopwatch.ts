/**
 * Counts how long something has lasted, in attentive time, over interruptions and restarts. Only the time between two evaluations
 * that both saw it counts: nobody knows what was between an evaluation that saw it and one that could not look.
 */
export interface Stopwatch {
  readonly doneMs: number;
  /** When it was last seen; null: it is interrupted. */
  readonly lastMs: number | null;
}

export function startAt(nowMs: number): Stopwatch {
  return { doneMs: 0, lastMs: nowMs };
}

/** It is still seen. */
export function goOn({ doneMs, lastMs }: Stopwatch, nowMs: number): Stopwatch {
  return { doneMs: doneMs + (lastMs === null ? 0 : Math.max(0, nowMs - lastMs)), lastMs: nowMs };
}

/** It could not be looked at. */
export function interrupt(watch: Stopwatch): Stopwatch {
  return watch.lastMs === null ? watch : { doneMs: watch.doneMs, lastMs: null };
}
