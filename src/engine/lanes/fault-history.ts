/**
 * Recent failures of a lane, or charged to a worker, and what follows from them: pure functions of history and time.
 */
import { backOffMs } from '../../lib/supervised-thread.ts';

/**
 * Times of failures (monotonic clock), oldest first. Failures older than {@link FAULT_WINDOW_MS} are dropped on
 * insertion.
 */
export type FaultHistory = readonly number[];

export const NO_FAULTS: FaultHistory = [];

/** Number of failures in the window that leads to quarantine. */
export const MAX_FAULTS = 5;
export const FAULT_WINDOW_MS = 60_000;
/**
 * Maximum delay before a shared lane that failed without a culprit is restarted. With the 2 s until a stall is
 * detected, its workers are served again within 3 s.
 */
const LONGEST_SHARED_DELAY_MS = 400;

export function withFault(history: FaultHistory, nowMs: number): FaultHistory {
  return [...history.filter((atMs) => nowMs - atMs < FAULT_WINDOW_MS), nowMs];
}

/** Whether there was a failure in the window. The history itself is cut only on insertion. */
export function isOfLate(history: FaultHistory, nowMs: number): boolean {
  return failuresOfLate(history, nowMs) > 0;
}

export function isTooMuch(history: FaultHistory, nowMs: number): boolean {
  return failuresOfLate(history, nowMs) >= MAX_FAULTS;
}

function failuresOfLate(history: FaultHistory, nowMs: number): number {
  return history.filter((atMs) => nowMs - atMs < FAULT_WINDOW_MS).length;
}

/** A worker without a failure on the penalty lane for this long returns to the shared lanes. */
export const CLEAN_AFTER_MS = 10 * 60_000;

/** Whether a worker may return to the shared lanes. @param sinceMs when it came to the penalty lane */
export function isCleanAgain(history: FaultHistory, sinceMs: number, nowMs: number): boolean {
  return nowMs - Math.max(sinceMs, history.at(-1) ?? sinceMs) >= CLEAN_AFTER_MS;
}

/** Delay before the next start; it grows with each failure in the window. */
export function restartDelayMs(history: FaultHistory, isShared: boolean): number {
  const delayMs = backOffMs(history.length);
  return isShared ? Math.min(delayMs, LONGEST_SHARED_DELAY_MS) : delayMs;
}
