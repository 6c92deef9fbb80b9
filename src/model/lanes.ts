/**
 * What can be said of a lane: its kind, its state, why one failed, and why a heartbeat was replaced. The words are here,
 * low, because main writes them, shared memory carries them as indices, and every reader shows them.
 */

/**
 * | kind      | serves                                                                                          |
 * |-----------|-------------------------------------------------------------------------------------------------|
 * | dedicated | one worker                                                                                      |
 * | shared    | the workers for whom there is no thread of their own, or not yet                                |
 * | penalty   | workers that ended a shared lane and for whom there is no thread of their own: they are kept    |
 * |           | apart from those that did no harm                                                               |
 */
export const LANE_KINDS = ['dedicated', 'shared', 'penalty'] as const;
export type LaneKind = (typeof LANE_KINDS)[number];

/**
 * | state       | a lane is in it                                                      | leaves it for                  |
 * |-------------|----------------------------------------------------------------------|--------------------------------|
 * | starting    | from its making until its first thread is ready                      | ready; restarting …            |
 * | ready       | while its thread takes heartbeats                                    | restarting …                   |
 * | restarting  | from the end of a thread until the next one is ready                 | ready …                        |
 * | quarantined | after too many failures in a row: it has no thread; its worker stays | restarting, when a timer or an |
 * |             | visible with the last good record, its heartbeats wait               | operator releases it           |
 * | draining    | while it finishes what it was given, before it is stopped            | –                              |
 * | stopped     | for ever                                                             | –                              |
 *
 * … and, from every state but the last: draining, stopped; from the first three: quarantined.
 */
export const LANE_STATES = ['starting', 'ready', 'restarting', 'quarantined', 'draining', 'stopped'] as const;
export type LaneState = (typeof LANE_STATES)[number];

const NEXT_STATES: Readonly<Record<LaneState, readonly LaneState[]>> = {
  starting: ['ready', 'restarting', 'quarantined', 'draining', 'stopped'],
  ready: ['restarting', 'quarantined', 'draining', 'stopped'],
  restarting: ['ready', 'quarantined', 'draining', 'stopped'],
  quarantined: ['restarting', 'draining', 'stopped'],
  draining: ['stopped'],
  stopped: [],
};

/** Whether a lane may go from one state to the other; staying is no change. */
export function isLaneTransition(from: LaneState, to: LaneState): boolean {
  return NEXT_STATES[from].includes(to);
}

/**
 * Why a lane's thread ended without being asked to.
 *
 * | cause  | means                                                                              |
 * |--------|------------------------------------------------------------------------------------|
 * | crash  | something was thrown, or rejected, that nobody caught; or it could not be started  |
 * | exit   | it ended itself, as by `process.exit`                                              |
 * | memory | heap or off-heap memory reached its limit                                          |
 * | stall  | it made no progress for too long, or took too much of a lane's time for one worker |
 */
export const FAULT_CAUSES = ['crash', 'exit', 'memory', 'stall'] as const;
export type FaultCause = (typeof FAULT_CAUSES)[number];

/**
 * Why an accepted heartbeat gave way to a newer one.
 *
 * | reason     | means                                                               |
 * |------------|---------------------------------------------------------------------|
 * | backlog    | the worker sends faster than its lane takes                         |
 * | restart    | its lane was being started, or started again                        |
 * | quarantine | its lane is in quarantine                                           |
 * | late       | a newer one had come before it                                      |
 * | duplicate  | it came twice                                                       |
 * | memory     | the memory for records and heartbeats on their way was used up      |
 */
export const REPLACEMENT_REASONS = ['backlog', 'restart', 'quarantine', 'late', 'duplicate', 'memory'] as const;
export type ReplacementReason = (typeof REPLACEMENT_REASONS)[number];

/** Why a heartbeat that waited gives way, by its lane's state. */
export function replacementReason(state: LaneState | undefined): ReplacementReason {
  if (state === 'quarantined') return 'quarantine';
  return state === 'ready' || state === 'draining' ? 'backlog' : 'restart';
}

/**
 * What keeps the number of dedicated lanes where it is.
 *
 * | limit                                         | means                                                         |
 * |-----------------------------------------------|---------------------------------------------------------------|
 * | MAX_DEDICATED_LANES                           | the setting says so                                           |
 * | cores                                         | `auto`: with more threads the cores would mostly wake threads |
 * | first workers                                 | `auto`: the least on any number of cores                      |
 * | memory, processes, memory maps, open files    | `auto`: the machine carries no more                           |
 */
export const LANE_LIMITS = [
  'MAX_DEDICATED_LANES',
  'cores',
  'first workers',
  'memory',
  'processes',
  'memory maps',
  'open files',
] as const;

export interface LaneLimit {
  /** How many there may be. */
  readonly dedicated: number;
  readonly limitedBy: (typeof LANE_LIMITS)[number];
  /** What it is called where it can be raised, such as `vm.max_map_count`. */
  readonly setting: string;
  /** Others have taken the memory that was free at the start: no more are started until there is some again. */
  readonly isMemoryShort: boolean;
}

/**
 * Why a lane rejected a heartbeat.
 *
 * | cause         | means                                                                 |
 * |---------------|-----------------------------------------------------------------------|
 * | content       | a field holds what it must not, or a processor did not want it        |
 * | record_size   | its record would be larger than any may be                            |
 * | record_memory | its record would be larger than there is memory for just now          |
 */
export const REJECTION_CAUSES = ['content', 'record_size', 'record_memory'] as const;
export type RejectionCause = (typeof REJECTION_CAUSES)[number];

/** The last failure that was charged to a worker. */
export interface LaneFault {
  readonly cause: FaultCause;
  /** For people. */
  readonly reason: string;
  readonly atUnixMs: number;
}
