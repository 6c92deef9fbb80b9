/**
 * Who is alive, as a pure function of facts and time. Only the master's monotonic time of receipt counts: a worker's
 * clock is never trusted.
 *
 * | state      | a worker is in it                                                  | leaves it for                    |
 * |------------|--------------------------------------------------------------------|----------------------------------|
 * | registered | from its registration to its first heartbeat                       | active; gone                     |
 * | active     | while its last heartbeat is not older than the inactivity timeout  | inactive                         |
 * | inactive   | while it is silent for longer                                      | active at a heartbeat; gone      |
 * | gone       | silent for the retention: it is forgotten, its memory given back   | –                                |
 */
export const WORKER_STATES = ['registered', 'active', 'inactive'] as const;
export type WorkerState = (typeof WORKER_STATES)[number];

export interface LivenessFacts {
  /** When the worker became known, by the master's monotonic clock. */
  readonly registeredMs: number;
  /** When its last heartbeat was received, by the same clock; undefined if none was. */
  readonly lastReceiptMs: number | undefined;
}

export interface LivenessLimits {
  readonly inactivityTimeoutMs: number;
  /** 0 = never forgotten. */
  readonly retentionMs: number;
}

export function judge(facts: LivenessFacts, nowMs: number, limits: LivenessLimits): WorkerState | 'gone' {
  const silentMs = nowMs - (facts.lastReceiptMs ?? facts.registeredMs);
  if (limits.retentionMs > 0 && silentMs > limits.retentionMs) return 'gone';
  if (facts.lastReceiptMs === undefined) return 'registered';
  return silentMs > limits.inactivityTimeoutMs ? 'inactive' : 'active';
}
