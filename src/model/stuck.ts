/**
 * Detects workers that send heartbeats but make no progress: the agent's thread runs, its host program may not. Only
 * heartbeats show a lack of progress; while none arrive, because the worker is silent or the master did not receive,
 * nothing is known.
 */

/**
 * | reason    | meaning                                                                            |
 * |-----------|------------------------------------------------------------------------------------|
 * | host_loop | the event loop of the agent's host program is blocked                              |
 * | tasks     | a running task has reported the same progress for longer than STUCK_AFTER          |
 */
export const STUCK_REASONS = ['host_loop', 'tasks'] as const;
export type StuckReason = (typeof STUCK_REASONS)[number];

/** A loop blocked for six heartbeats; no garbage collection takes so long. */
export const HOST_LOOP_STUCK_MS = 30_000;

export interface StuckFacts {
  /** As reported with the last heartbeat. */
  readonly hostLoopLagMs: number;
  /** Time of the least recent progress of any running task; undefined if no task reports progress. */
  readonly taskStoodStillSinceMs: number | undefined;
  /** When the newest heartbeat with this report arrived. */
  readonly reportedMs: number;
  /** Since when heartbeats have arrived without a gap. */
  readonly steadySinceMs: number;
}

/** @param stuckAfterMs applies to tasks; 0 = never */
export function stuckReason(facts: StuckFacts, stuckAfterMs: number): StuckReason | undefined {
  const { hostLoopLagMs, taskStoodStillSinceMs: stillSinceMs, reportedMs, steadySinceMs } = facts;
  if (hostLoopLagMs >= HOST_LOOP_STUCK_MS) return 'host_loop';
  if (stuckAfterMs <= 0 || stillSinceMs === undefined) return undefined;
  return reportedMs - Math.max(stillSinceMs, steadySinceMs) > stuckAfterMs ? 'tasks' : undefined;
}
