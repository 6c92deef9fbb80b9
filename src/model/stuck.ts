/**
 * Heartbeats come, but nothing moves behind them: the agent's thread lives, its host program may not. Only heartbeats tell
 * that nothing moved. While none came, be it that the worker was silent or that the master did not listen, anything may have.
 */

/**
 * | reason    | means                                                                              |
 * |-----------|------------------------------------------------------------------------------------|
 * | host_loop | the event loop of the program that the agent is part of stands still                |
 * | tasks     | a running task that tells its progress has made none for longer than STUCK_AFTER   |
 */
export const STUCK_REASONS = ['host_loop', 'tasks'] as const;
export type StuckReason = (typeof STUCK_REASONS)[number];

/** Six heartbeats of a loop that did not come round: no collection of garbage takes so long. */
export const HOST_LOOP_STUCK_MS = 30_000;

export interface StuckFacts {
  /** What the agent reported with the last heartbeat. */
  readonly hostLoopLagMs: number;
  /** When the running task that has waited for the longest last moved; undefined if none waits. */
  readonly taskStoodStillSinceMs: number | undefined;
  /** When the newest heartbeat that tells so came: what follows it tells nothing yet. */
  readonly reportedMs: number;
  /** Since when heartbeats have come without a gap. */
  readonly steadySinceMs: number;
}

/** @param stuckAfterMs for tasks; 0 = never */
export function stuckReason(facts: StuckFacts, stuckAfterMs: number): StuckReason | undefined {
  const { hostLoopLagMs, taskStoodStillSinceMs: stillSinceMs, reportedMs, steadySinceMs } = facts;
  if (hostLoopLagMs >= HOST_LOOP_STUCK_MS) return 'host_loop';
  if (stuckAfterMs <= 0 || stillSinceMs === undefined) return undefined;
  return reportedMs - Math.max(stillSinceMs, steadySinceMs) > stuckAfterMs ? 'tasks' : undefined;
}
