/**
 * Who takes much of a lane's time, so that others on the lane wait for it: large records, a flood, a slow processor.
 * Pure; load-watch.ts looks at the workers.
 */

/**
 * Of each second, in ms. A worker with 4 tasks every 5 s takes some 2 µs, a thousand of them on one lane 2 ms together: who takes
 * a millisecond alone is as much as hundreds of the others. That is a record of half a megabyte every 5 s, or 100 small
 * heartbeats a second.
 */
export const HEAVY_MS_PER_S = 1;
/** Less than that is not heavy any more. */
export const LIGHT_MS_PER_S = HEAVY_MS_PER_S / 2;
/** Looks in a row that must say the same: one large heartbeat makes nobody heavy. */
export const LOOKS_TO_CHANGE = 2;

/** Of a lane's time for a heartbeat without a processor, by bench `lane-cost` and bench/README.md: some µs, and more with its size. */
const US_PER_HEARTBEAT = 5;
const US_PER_RECORD_BYTE = 0.01;

/** What was seen of a worker over some seconds. */
export interface LoadSeen {
  readonly elapsedMs: number;
  /** Accepted ones. */
  readonly heartbeats: number;
  readonly recordBytes: number;
  /** Time of its lane that a processor took for it; 0 without one, or if it is not known. */
  readonly processorMs: number;
}

export interface WorkerLoad {
  readonly isHeavy: boolean;
  /** Looks in a row that said the contrary. */
  readonly contrary: number;
}

export const NO_LOAD: WorkerLoad = { isHeavy: false, contrary: 0 };

/** How much of each second a lane works for the worker, in ms: what is known of its processor, and an estimate of the rest. */
export function laneMsPerS({ elapsedMs, heartbeats, recordBytes, processorMs }: LoadSeen): number {
  if (!(elapsedMs > 0)) return 0;
  const ownMs = (heartbeats * (US_PER_HEARTBEAT + recordBytes * US_PER_RECORD_BYTE)) / 1000;
  return ((ownMs + processorMs) * 1000) / elapsedMs;
}

export function nextLoad(before: WorkerLoad, seen: LoadSeen): WorkerLoad {
  const msPerS = laneMsPerS(seen);
  const isContrary = before.isHeavy ? msPerS < LIGHT_MS_PER_S : msPerS >= HEAVY_MS_PER_S;
  if (!isContrary) return before.contrary === 0 ? before : { ...before, contrary: 0 };
  if (before.contrary + 1 < LOOKS_TO_CHANGE) return { ...before, contrary: before.contrary + 1 };
  return { isHeavy: !before.isHeavy, contrary: 0 };
}
