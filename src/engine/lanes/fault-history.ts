/**
 * When the lanes of a worker, or a lane itself, failed of late, and what follows: pure functions of that and the time.
 */
import { backOffMs } from '../../lib/supervised-thread.ts';

/** Moments of failures by the monotonic clock, oldest first, none older than {@link FAULT_WINDOW_MS} when the last came. */
export type FaultHistory = readonly number[];

export const NO_FAULTS: FaultHistory = [];

/** Failures in the window after which it is not tried again for a while. */
export const MAX_FAULTS = 5;
export const FAULT_WINDOW_MS = 60_000;
/**
 * A shared lane that failed with nobody to blame is started again this soon at the latest: with the 2 s until a stall is
 * noticed, the workers of the lane are served again within 3 s.
 */
const LONGEST_SHARED_DELAY_MS = 400;

export function withFault(history: FaultHistory, nowMs: number): FaultHistory {
  return [...history.filter((atMs) => nowMs - atMs < FAULT_WINDOW_MS), nowMs];
}

/** Whether there was a failure in the window. The history itself is cut only when another is added. */
export function isOfLate(history: FaultHistory, nowMs: number): boolean {
  return failuresOfLate(history, nowMs) > 0;
}

export function isTooMuch(history: FaultHistory, nowMs: number): boolean {
  return failuresOfLate(history, nowMs) >= MAX_FAULTS;
}

function failuresOfLate(history: FaultHistory, nowMs: number): number {
  return history.filter((atMs) => nowMs - atMs < FAULT_WINDOW_MS).length;
}

/** A worker that did no harm on the penalty lane for this long goes back to the others. */
export const CLEAN_AFTER_MS = 10 * 60_000;

/** Whether a worker has done no harm for long enough. @param sinceMs when it came to the penalty lane */
export function isCleanAgain(history: FaultHistory, sinceMs: number, nowMs: number): boolean {
  return nowMs - Math.max(sinceMs, history.at(-1) ?? sinceMs) >= CLEAN_AFTER_MS;
}

/** How long to wait before the next start: longer with each failure in the window. */
export function restartDelayMs(history: FaultHistory, isShared: boolean): number {
  const delayMs = backOffMs(history.length);
  return isShared ? Math.min(delayMs, LONGEST_SHARED_DELAY_MS) : delayMs;
}
