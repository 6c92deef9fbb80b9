/**
 * Which workers take so much of a lane's time that others wait: those with large records, a flood of heartbeats, or a
 * slow processor. Pure functions; load-watch.ts collects the facts.
 */

/**
 * In ms per second. A worker with 4 tasks every 5 s takes about 2 µs, so that a thousand of them on one lane take 2 ms;
 * one that takes 1 ms equals hundreds of others. That is a record of 0.5 MB every 5 s, or 100 small heartbeats per
 * second.
 */
export const HEAVY_MS_PER_S = 1;
/** Below this a worker is no longer heavy. */
export const LIGHT_MS_PER_S = HEAVY_MS_PER_S / 2;
/** Number of consecutive looks that must agree, so that a single large heartbeat makes no worker heavy. */
export const LOOKS_TO_CHANGE = 2;

/**
 * Lane time per heartbeat without a processor, from bench `lane-cost` and bench/README.md: some µs, growing with its
 * size.
 */
const US_PER_HEARTBEAT = 5;
const US_PER_RECORD_BYTE = 0.01;

/** What was observed of a worker over some seconds. */
export interface LoadSeen {
  readonly elapsedMs: number;
  /** Accepted heartbeats. */
  readonly heartbeats: number;
  readonly recordBytes: number;
  /** Processor time for the worker; 0 without a processor, or if unknown. */
  readonly processorMs: number;
}

export interface WorkerLoad {
  readonly isHeavy: boolean;
  /** Number of consecutive looks that disagreed. */
  readonly contrary: number;
}

export const NO_LOAD: WorkerLoad = { isHeavy: false, contrary: 0 };

/** Lane time of the worker in ms per second: measured for its processor, estimated for the rest. */
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
