/**
 * Who is alive, as a pure function of facts and time. The worker's clock is never asked: every moment here is one of the
 * master's attentive time, which is its monotonic clock without the stretches in which it could not listen (see
 * engine/liveness/attentive-clock.ts).
 *
 * | state      | a worker is in it                                                    | `is_active` | leaves it for             |
 * |------------|----------------------------------------------------------------------|-------------|---------------------------|
 * | registered | from its registration until a heartbeat of it was applied            | no          | active, leaving, gone     |
 * | active     | while its heartbeats come                                            | yes         | suspect, inactive, leaving |
 * | suspect    | two heartbeats are missing                                           | yes         | active, inactive, leaving |
 * | inactive   | silent for longer than the inactivity timeout                        | no          | active, leaving, gone     |
 * | unknown    | an earlier master knew it, this one has not heard it yet, or has no  | as it was   | active, inactive, leaving, |
 * |            | values of it; until the grace after the restart is over              |             | registered                |
 * | leaving    | its last heartbeat said farewell                                     | yes         | left, active              |
 * | left       | after a farewell: its connection is closed, or two intervals passed  | no          | active, leaving, gone     |
 * | gone       | silent for the retention: forgotten, its lane ended, its memory given | –          | –                         |
 * |            | back                                                                 |             |                           |
 *
 * A heartbeat makes any worker active, or leaving, and any may be gone when it was silent for long. `active` also leaves for `inactive` at once where the timeout is shorter
 * than the time until `suspect`.
 *
 * Beside the state stand flags, which change no state: `stuck` (heartbeats come, but nothing moves behind them), `flapping`
 * (see flapping.ts) and a conflict about the id (see instances.ts).
 */
export const WORKER_STATES = ['registered', 'active', 'suspect', 'inactive', 'unknown', 'leaving', 'left'] as const;
export type WorkerState = (typeof WORKER_STATES)[number];

/**
 * Why a worker is in its state.
 *
 * | cause          | means                                                                      |
 * |----------------|----------------------------------------------------------------------------|
 * | registration   | it registered, or an operator registered it                                |
 * | heartbeat      | a heartbeat came                                                           |
 * | silence        | none came for too long                                                     |
 * | farewell       | its last heartbeat said so                                                 |
 * | master_restart | this master took it over from an earlier one                               |
 * | grace_over     | it was not heard before the grace after the restart was over               |
 * | brake_released | it stayed silent until the brake on mass failure was released              |
 * | retention      | it was silent, or gone for good, for as long as workers are remembered     |
 * | unregistered   | it asked to be forgotten, or an operator did                               |
 * | no_record      | heartbeats came, and none of them was applied: there are no values to show |
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

/** What a state says of `is_active`; undefined: it keeps its value. */
export function isActiveIn(state: WorkerState): boolean | undefined {
  if (state === 'unknown') return undefined;
  return state === 'active' || state === 'suspect' || state === 'leaving';
}

/** Whether nobody is there, as far as is known: a lane of its own would be kept for nobody. Silence alone is no absence. */
export function isAbsentIn(state: WorkerState): boolean {
  return state === 'inactive' || state === 'unknown' || state === 'left';
}

export interface LivenessFacts {
  /** When the worker became known; if an earlier master knew it, when that one had heard it last. */
  readonly knownMs: number;
  /** When this master received its last heartbeat; undefined if it received none. */
  readonly lastReceivedMs: number | undefined;
  readonly isRestored: boolean;
  /** A heartbeat of it was applied, by this master or an earlier one. */
  readonly hasRecord: boolean;
  /** Its last heartbeat said farewell. */
  readonly isLeaving: boolean;
  /** The connection by which its farewell came is closed. */
  readonly hasHungUp: boolean;
  readonly isEphemeral: boolean;
  /** How often it sends, as far as the master knows; never less than the shortest that workers are told. */
  readonly intervalMs: number;
  /** It is called neither suspect nor inactive before this moment; 0 = no such moment. */
  readonly graceUntilMs: number;
  /** The same, for a worker that may have begun to send less often; 0 = no such moment. */
  readonly patientUntilMs: number;
}

export interface LivenessLimits {
  /** The interval for which the inactivity timeout is meant. */
  readonly heartbeatIntervalMs: number;
  readonly inactivityTimeoutMs: number;
  /** 0 = never forgotten. */
  readonly retentionMs: number;
  /** The same for ephemeral workers; 0 = as for all. */
  readonly ephemeralRetentionMs: number;
}

export interface Verdict {
  readonly state: WorkerState | 'gone';
  readonly cause: StateCause;
  /** Without news the verdict holds up to and with this moment. */
  readonly untilMs: number;
}

/** Two heartbeats are missing: the second one was due two intervals after the last, and may be a little late. */
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
  // Nobody is forgotten who keeps to its interval, however short the retention is.
  const goneAfterMs = Math.max(suspectFromMs, (lastReceivedMs ?? facts.knownMs) + retentionOf(facts, limits));
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

/** A lane has yet to apply what an earlier master's worker sent: for so long it is as it was. */
function judgeWithoutRecord({ isRestored, graceUntilMs }: LivenessFacts, nowMs: number, goneAfterMs: number): Verdict {
  return isRestored && nowMs <= graceUntilMs
    ? { state: 'unknown', cause: 'master_restart', untilMs: Math.min(graceUntilMs, goneAfterMs) }
    : { state: 'registered', cause: 'no_record', untilMs: goneAfterMs };
}

/**
 * Whether a verdict is to be carried out for a worker in that state. Time alone makes nothing better: only a heartbeat does,
 * however a grace or a longer interval put a deadline off.
 */
export function isWorse(verdict: Verdict['state'], state: WorkerState): verdict is WorkerState {
  if (verdict === 'gone' || verdict === state) return false;
  return !BY_TIME.some((states) => states.includes(verdict) && states.indexOf(verdict) < states.indexOf(state));
}
const BY_TIME: readonly (readonly WorkerState[])[] = [
  ['active', 'suspect', 'inactive'],
  ['leaving', 'left'],
];

function retentionOf({ isEphemeral }: LivenessFacts, limits: LivenessLimits): number {
  const retentionMs = limits.retentionMs || Number.POSITIVE_INFINITY;
  const ephemeralMs = limits.ephemeralRetentionMs || Number.POSITIVE_INFINITY;
  return isEphemeral ? Math.min(retentionMs, ephemeralMs) : retentionMs;
}
