/**
 * Terms for lanes: kinds, states, causes of failure, and reasons why a heartbeat was replaced. Defined at this low rank
 * because main writes them, shared memory carries them as indices, and all readers show them.
 */

/**
 * | kind      | serves                                                                                          |
 * |-----------|-------------------------------------------------------------------------------------------------|
 * | dedicated | one worker                                                                                      |
 * | shared    | workers without a dedicated lane, or whose dedicated lane is starting                           |
 * | penalty   | workers that failed on a shared lane and for which no dedicated lane is free, kept apart from   |
 * |           | the others                                                                                      |
 */
export const LANE_KINDS = ['dedicated', 'shared', 'penalty'] as const;
export type LaneKind = (typeof LANE_KINDS)[number];

/**
 * | state       | the lane                                                             | next states                    |
 * |-------------|----------------------------------------------------------------------|--------------------------------|
 * | starting    | was created; its first thread is not ready yet                       | ready; restarting …            |
 * | ready       | has a thread that accepts heartbeats                                 | restarting …                   |
 * | restarting  | has lost its thread; the next one is not ready yet                   | ready …                        |
 * | quarantined | failed too often and has no thread; its worker stays visible with    | restarting, when a timer or an |
 * |             | its last good record, its heartbeats wait                            | operator releases it           |
 * | draining    | finishes its work before it is stopped                               | –                              |
 * | stopped     | is stopped for good                                                  | –                              |
 *
 * … and from every state but the last: draining, stopped; from the first three: quarantined.
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

/** Whether a lane may change from one state to the other; staying is not a change. */
export function isLaneTransition(from: LaneState, to: LaneState): boolean {
  return NEXT_STATES[from].includes(to);
}

/**
 * Why a lane's thread ended unexpectedly.
 *
 * | cause  | meaning                                                                            |
 * |--------|------------------------------------------------------------------------------------|
 * | crash  | uncaught exception or unhandled rejection; or the thread could not be started      |
 * | exit   | the thread ended itself, for example by `process.exit`                             |
 * | memory | heap or off-heap memory reached its limit                                          |
 * | stall  | no progress for too long, or too much of a shared lane's time for one worker       |
 */
export const FAULT_CAUSES = ['crash', 'exit', 'memory', 'stall'] as const;
export type FaultCause = (typeof FAULT_CAUSES)[number];

/**
 * Why an accepted heartbeat was replaced by a newer one.
 *
 * | reason     | meaning                                                             |
 * |------------|---------------------------------------------------------------------|
 * | backlog    | the worker sends faster than its lane processes                     |
 * | restart    | its lane was starting or restarting                                 |
 * | quarantine | its lane is in quarantine                                           |
 * | late       | a newer one had arrived before it                                   |
 * | duplicate  | it arrived twice                                                    |
 * | memory     | the memory for records and queued heartbeats was exhausted          |
 */
export const REPLACEMENT_REASONS = ['backlog', 'restart', 'quarantine', 'late', 'duplicate', 'memory'] as const;
export type ReplacementReason = (typeof REPLACEMENT_REASONS)[number];

/** Why a waiting heartbeat is replaced, by its lane's state. */
export function replacementReason(state: LaneState | undefined): ReplacementReason {
  if (state === 'quarantined') return 'quarantine';
  return state === 'ready' || state === 'draining' ? 'backlog' : 'restart';
}

/**
 * What limits the number of dedicated lanes.
 *
 * | limit                                         | meaning                                                       |
 * |-----------------------------------------------|---------------------------------------------------------------|
 * | MAX_DEDICATED_LANES                           | the setting                                                   |
 * | cores                                         | `auto`: with more threads, cores would mostly wake threads    |
 * | first workers                                 | `auto`: the minimum, for any number of cores                  |
 * | memory, processes, memory maps, open files    | `auto`: a limit of the machine                                |
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
  /** Maximum number of dedicated lanes. */
  readonly dedicated: number;
  readonly limitedBy: (typeof LANE_LIMITS)[number];
  /** Name under which the limit can be raised, such as `vm.max_map_count`. */
  readonly setting: string;
  /** Other processes use the memory that was free at the start: no further lanes are started while it is short. */
  readonly isMemoryShort: boolean;
}

/**
 * Why a lane rejected a heartbeat.
 *
 * | cause         | meaning                                                               |
 * |---------------|-----------------------------------------------------------------------|
 * | content       | a field is invalid, or a processor rejected it                        |
 * | record_size   | its record would exceed the maximum size                              |
 * | record_memory | there is currently not enough memory for its record                   |
 */
export const REJECTION_CAUSES = ['content', 'record_size', 'record_memory'] as const;
export type RejectionCause = (typeof REJECTION_CAUSES)[number];

/** The last failure charged to a worker. */
export interface LaneFault {
  readonly cause: FaultCause;
  /** Readable text. */
  readonly reason: string;
  readonly atUnixMs: number;
}
