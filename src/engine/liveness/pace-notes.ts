/** Derives a worker's pace from the gaps before its heartbeats, and how long to wait for its next one. */
import { patienceMs } from '../../model/cadence.ts';
import type { LivenessLimits } from '../../model/liveness.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

/**
 * The gap before a heartbeat at `atMs`; undefined if it says nothing about the worker's own pace: it had said farewell,
 * another process reports now, or it did not follow its assigned interval. Gaps before the first applied heartbeat do
 * not count either: the worker may be retrying.
 */
export function gapOfPaceMs(liveness: WorkerLiveness, atMs: number): number | undefined {
  const { lastReceivedMs, hasRecord, isLeaving, hasBegunAnew, hears, state } = liveness;
  if (lastReceivedMs === undefined || !hasRecord || isLeaving || hasBegunAnew) return undefined;
  return hears && state === 'inactive' ? undefined : atMs - lastReceivedMs;
}

/**
 * @param gapMs gap before the latest heartbeat; undefined: it says nothing about the worker's pace
 * @returns whether the verdict may change earlier than known before
 */
export function notePace(liveness: WorkerLiveness, gapMs: number | undefined, limits: LivenessLimits): boolean {
  const { cadence, lastReceivedMs, hears, intervalMs, isLeaving, patientUntilMs } = liveness;
  const isPaceKnown = hears || isLeaving || gapMs === undefined;
  const isShorter = gapMs !== undefined && cadence.note(gapMs);
  // Uses the updated pace: a long gap after a burst may make a shorter pace credible.
  const paceMs = Math.min(intervalMs, Math.max(cadence.intervalMs, limits.heartbeatIntervalMs));
  const patientForMs = isPaceKnown ? 0 : patienceMs(gapMs, paceMs);
  liveness.patientUntilMs = patientForMs > 0 ? (lastReceivedMs as number) + patientForMs : 0;
  return isShorter || patientUntilMs > 0;
}
