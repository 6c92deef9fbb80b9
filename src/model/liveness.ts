/**
 * The states of workers, as a pure function of facts and time. The worker's clock is not used: all times are the
 * master's attentive time, which is its monotonic clock without the periods in which it could not receive
 * (engine/liveness/attentive-clock.ts).
 *
 * | state      | the worker                                                           | `is_active` | next states               |
 * |------------|----------------------------------------------------------------------|-------------|---------------------------|
 * | registered | is registered, but none of its heartbeats was applied yet            | no          | active, leaving, gone     |
 * | active     | sends heartbeats                                                     | yes         | suspect, inactive, leaving |
 * | suspect    | has missed two heartbeats                                            | yes         | active, inactive, leaving |
 * | inactive   | has been silent for longer than the inactivity timeout               | no          | active, leaving, gone     |
 * | unknown    | was known to an earlier master, but has not reported to this one, or | unchanged   | active, inactive, leaving, |
 * |            | has no values yet; until the restart grace ends                      |             | registered                |
 * | leaving    | said farewell with its last heartbeat                                 | yes         | left, active              |
 * | left       | said farewell, and its connection is closed or two intervals passed   | no          | active, leaving, gone     |
 * | gone       | was silent for its retention: it is removed with its lane and memory | –           | –                         |
 *
 * A heartbeat makes any worker active or leaving, and any worker may be gone after a long silence. `active` changes
 * directly to `inactive` if the timeout is shorter than the time until `suspect`.
 *
 * Flags accompany the state without changing it: `stuck` (heartbeats without progress), `flapping` (see flapping.ts)
 * and a conflict about the id (see instances.ts).
 */
import { LONGEST_INTERVAL_MS } from './pace.ts';

export const WORKER_STATES = ['registered', 'active', 'suspect', 'inactive', 'unknown', 'leaving', 'left'] as const;
export type WorkerState = (typeof WORKER_STATES)[number];

/**
 * Why a worker is in its state.
 *
 * | cause          | meaning                                                                    |
 * |----------------|----------------------------------------------------------------------------|
 * | registration   | it registered, or an operator registered it                                |
 * | heartbeat      | a heartbeat arrived                                                        |
 * | silence        | no heartbeat arrived for too long                                          |
 * | farewell       | its last heartbeat said farewell                                            |
 * | master_restart | this master knows it from an earlier one                                   |
 * | grace_over     | it did not report before the restart grace ended                           |
 * | brake_released | it stayed silent until the brake on mass failure was released              |
 * | retention      | its retention has passed                                                   |
 * | unregistered   | it deregistered itself, or an operator removed it                          |
 * | no_record      | heartbeats arrived, but none was applied: there are no values to show      |
 */
export const STATE_CAUSES = [
  'registration',
  'heartbeat',
  'silence',
  'farewell',
  'master_restart',
  'grace_over',
  'brake_released',
  'retention',
  'unregistered',
  'no_record',
] as const;
export type StateCause = (typeof STATE_CAUSES)[number];

/** The value of `is_active` in a state; undefined: it keeps its value. */
export function isActiveIn(state: WorkerState): boolean | undefined {
  if (state === 'unknown') return undefined;
  return state === 'active' || state === 'suspect' || state === 'leaving';
}

/**
 * Whether the worker is absent as far as is known, so that a dedicated lane would be wasted. Silence alone is not
 * absence.
 */
export function isAbsentIn(state: WorkerState): boolean {
  return state === 'inactive' || state === 'unknown' || state === 'left';
}

export interface LivenessFacts {
  /** When the worker became known; if known from an earlier master, when that one last received a heartbeat. */
  readonly knownMs: number;
  /** When this master received its last heartbeat; undefined if none. */
  readonly lastReceivedMs: number | undefined;
  readonly isRestored: boolean;
  /** Whether a heartbeat was applied, by this master or an earlier one. */
  readonly hasRecord: boolean;
  /** Whether its last heartbeat said farewell. */
  readonly isLeaving: boolean;
  /** Whether the connection that delivered its farewell is closed. */
  readonly hasHungUp: boolean;
  readonly isEphemeral: boolean;
  /** Its heartbeat interval as far as is known; never less than the shortest assigned one. */
  readonly intervalMs: number;
  /** It is neither suspect nor inactive before this time; 0 = no such time. */
  readonly graceUntilMs: number;
  /** The same, for a worker that may have begun to send less often; 0 = no such time. */
  readonly patientUntilMs: number;
}

export interface LivenessLimits {
  /** The interval for which the inactivity timeout is configured. */
  readonly heartbeatIntervalMs: number;
  readonly inactivityTimeoutMs: number;
  /** 0 = never removed. */
  readonly retentionMs: number;
  /** The same for ephemeral workers; 0 = same as `retentionMs`. */
  readonly ephemeralRetentionMs: number;
}

export interface Verdict {
  readonly state: WorkerState | 'gone';
  readonly cause: StateCause;
  /** Without news, the verdict holds up to and including this time. */
  readonly untilMs: number;
}

/** Two heartbeats are missing: the second was due two intervals after the last one, and may be slightly late. */
const SUSPECT_AFTER_INTERVALS = 2.2;

/** Silence after which a worker is suspect. */
export function suspectAfterMs(intervalMs: number): number {
  return SUSPECT_AFTER_INTERVALS * intervalMs;
}

/** Silence after which a worker is inactive: longer for one that sends less often. */
export function inactiveAfterMs(intervalMs: number, limits: LivenessLimits): number {
  return limits.inactivityTimeoutMs * Math.max(1, intervalMs / limits.heartbeatIntervalMs);
}

export function judge(facts: LivenessFacts, nowMs: number, limits: LivenessLimits): Verdict {
  const { lastReceivedMs, intervalMs } = facts;
  const heldUntilMs = Math.max(facts.graceUntilMs, facts.patientUntilMs);
  const suspectFromMs = Math.max(
    heldUntilMs,
    (lastReceivedMs ?? Number.NEGATIVE_INFINITY) + suspectAfterMs(intervalMs),
  );
  // A worker that keeps to its interval is not removed, however short the retention is.
  const goneAfterMs = Math.max(
    suspectFromMs,
    (lastReceivedMs ?? facts.knownMs) + retentionOf(facts, limits) + silenceBeforeRetentionMs(intervalMs, limits),
  );
  if (nowMs > goneAfterMs) return { state: 'gone', cause: 'retention', untilMs: Number.POSITIVE_INFINITY };
  if (lastReceivedMs === undefined) return judgeNeverReceived(facts, nowMs, goneAfterMs);
  if (!facts.hasRecord) return judgeWithoutRecord(facts, nowMs, goneAfterMs);
  if (facts.isLeaving) {
    return facts.hasHungUp || nowMs > suspectFromMs
      ? { state: 'left', cause: 'farewell', untilMs: goneAfterMs }
      : { state: 'leaving', cause: 'farewell', untilMs: Math.min(suspectFromMs, goneAfterMs) };
  }
  const inactiveFromMs = Math.max(heldUntilMs, lastReceivedMs + inactiveAfterMs(intervalMs, limits));
  if (nowMs > inactiveFromMs) return { state: 'inactive', cause: 'silence', untilMs: goneAfterMs };
  if (nowMs > suspectFromMs) {
    return { state: 'suspect', cause: 'silence', untilMs: Math.min(inactiveFromMs, goneAfterMs) };
  }
  return { state: 'active', cause: 'heartbeat', untilMs: Math.min(suspectFromMs, inactiveFromMs, goneAfterMs) };
}

function judgeNeverReceived({ isRestored, graceUntilMs }: LivenessFacts, nowMs: number, goneAfterMs: number): Verdict {
  if (!isRestored) return { state: 'registered', cause: 'registration', untilMs: goneAfterMs };
  return nowMs > graceUntilMs
    ? { state: 'inactive', cause: 'grace_over', untilMs: goneAfterMs }
    : { state: 'unknown', cause: 'master_restart', untilMs: graceUntilMs };
}

/** A worker of an earlier master without an applied heartbeat: its state is kept until the grace ends. */
function judgeWithoutRecord({ isRestored, graceUntilMs }: LivenessFacts, nowMs: number, goneAfterMs: number): Verdict {
  return isRestored && nowMs <= graceUntilMs
    ? { state: 'unknown', cause: 'master_restart', untilMs: Math.min(graceUntilMs, goneAfterMs) }
    : { state: 'registered', cause: 'no_record', untilMs: goneAfterMs };
}

/**
 * Whether a verdict applies to a worker in that state. Time alone improves nothing: only a heartbeat does, even if a
 * grace or a longer interval has moved a deadline.
 */
export function isWorse(verdict: Verdict['state'], state: WorkerState): verdict is WorkerState {
  if (verdict === 'gone' || verdict === state) return false;
  return !BY_TIME.some((states) => states.includes(verdict) && states.indexOf(verdict) < states.indexOf(state));
}
const BY_TIME: readonly (readonly WorkerState[])[] = [
  ['active', 'suspect', 'inactive'],
  ['leaving', 'left'],
];

/**
 * The retention of a worker that sends once in hours counts from the end of its inactivity timeout: otherwise one that sends
 * once a day would be removed before it is inactive, and no alarm would ever be raised.
 */
function silenceBeforeRetentionMs(intervalMs: number, limits: LivenessLimits): number {
  return intervalMs > LONGEST_INTERVAL_MS ? inactiveAfterMs(intervalMs, limits) : 0;
}

function retentionOf({ isEphemeral }: LivenessFacts, limits: LivenessLimits): number {
  const retentionMs = limits.retentionMs || Number.POSITIVE_INFINITY;
  const ephemeralMs = limits.ephemeralRetentionMs || Number.POSITIVE_INFINITY;
  return isEphemeral ? Math.min(retentionMs, ephemeralMs) : retentionMs;
}
