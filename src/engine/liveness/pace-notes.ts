/** What the gap before a heartbeat tells of how often its worker sends, and how long it is waited for next time. */
import { patienceMs } from '../../model/cadence.ts';
import type { LivenessLimits } from '../../model/liveness.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

/**
 * How long before a heartbeat at `atMs` a worker was quiet; undefined if that is no pace of its own: it had said goodbye, or
 * another process speaks now, or it is told how often to send and did not. How it sends before any was applied says nothing
 * either: it may be a worker that tries.
 */
export function gapOfPaceMs(liveness: WorkerLiveness, atMs: number): number | undefined {
  const { lastReceivedMs, hasRecord, isLeaving, hasBegunAnew, hears, state } = liveness;
  if (lastReceivedMs === undefined || !hasRecord || isLeaving || hasBegunAnew) return undefined;
  return hears && state === 'inactive' ? undefined : atMs - lastReceivedMs;
}

/**
 * @param gapMs before the heartbeat that came just now; undefined: it says nothing of the worker's pace
 * @returns whether a verdict may change earlier than was known
 */
export function notePace(liveness: WorkerLiveness, gapMs: number | undefined, limits: LivenessLimits): boolean {
  const { cadence, lastReceivedMs, hears, intervalMs, isLeaving, patientUntilMs } = liveness;
  const isPaceKnown = hears || isLeaving || gapMs === undefined;
  const isShorter = gapMs !== undefined && cadence.note(gapMs);
  // By the pace that is believed from now on: a long gap behind a burst may be what makes a shorter one believed.
  const paceMs = Math.min(intervalMs, Math.max(cadence.intervalMs, limits.heartbeatIntervalMs));
  const patientForMs = isPaceKnown ? 0 : patienceMs(gapMs, paceMs);
  liveness.patientUntilMs = patientForMs > 0 ? (lastReceivedMs as number) + patientForMs : 0;
  return isShorter || patientUntilMs > 0;
}
