/** Main's liveness facts and counters of one worker; its telemetry is elsewhere. */
import { Cadence } from '../../model/cadence.ts';
import type { FlapSteps } from '../../model/flapping.ts';
import type { Instances } from '../../model/instances.ts';
import type { LivenessFacts, WorkerState } from '../../model/liveness.ts';
import { SequenceWindow } from '../../model/sequence.ts';
import type { StuckReason } from '../../model/stuck.ts';

/** The open stream that delivered a heartbeat; undefined for a unary call. */
export type Via =
  | {
      /** The worker was removed, and need not be remembered as one of the stream's. */
      forget(workerId: string): void;
      /** The worker reported through another stream or a unary call. */
      left?(workerId: string): void;
      /** Its lane has rejected a heartbeat of the worker: inform the sender, see {@link UntoldRejections}. */
      rejected?(workerId: string): void;
    }
  | undefined;

export class WorkerLiveness implements LivenessFacts {
  state: WorkerState = 'registered';
  /** When it entered its state. */
  stateSinceMs: number;
  readonly knownMs: number;
  lastReceivedMs: number | undefined;
  readonly isRestored: boolean;
  /** Set only by the judge, when it sees the first record. */
  hasRecord: boolean;
  isLeaving = false;
  hasHungUp = false;
  isEphemeral = false;
  graceUntilMs: number;
  patientUntilMs = 0;
  /** Interval announced at registration; 0 = none. */
  announcedIntervalMs = 0;
  /** Group of workers that can fail together; empty: none. */
  group = '';
  /** The group in which it is counted for the brake; its own group may have changed meanwhile. */
  watchedIn: string | undefined;
  /** Whether it counts as silent in that group. */
  isSilent = false;
  via: Via;
  /** Whether it follows assigned intervals: its last heartbeat came through Pulselane's own stream. */
  hears = false;
  /** Since its last heartbeat another process has taken over, or the same one restarted its sequence. */
  hasBegunAnew = false;
  /** Time before its last heartbeat, see model/anomaly/heartbeat-interval.ts; NaN: not to be scored. */
  heartbeatIntervalS = Number.NaN;
  readonly cadence: Cadence;
  readonly sequence = new SequenceWindow();
  instances: Instances = [];
  /** Number of restarts seen by this master. */
  restarts = 0;
  /** When its newest instance first reported or registered; unknown for an instance of an earlier master. */
  takenOverMs = Number.NEGATIVE_INFINITY;
  /** During a conflict: number of refused heartbeats of older instances, and the time of the last one. */
  refusedOlder = 0;
  refusedOlderMs = 0;
  hasConflict = false;
  hostLoopLagMs = 0;
  /** When its last heartbeat arrived, and since when they have come without a gap, by the monotonic clock. */
  receivedMs = Number.NEGATIVE_INFINITY;
  steadySinceMs = Number.NEGATIVE_INFINITY;
  stuck: StuckReason | undefined;
  skewMs: number | undefined;
  flapSteps: FlapSteps = 0;
  /** State changes since it was last steady, and how many of them were not recorded. */
  transitions = 0;
  suppressed = 0;
  isFlapping = false;
  readonly #intervalOf: (liveness: WorkerLiveness) => number;

  constructor(facts: {
    knownMs: number;
    /** End of the restart grace of an earlier master's worker; undefined: it is new. */
    graceUntilMs: number | undefined;
    /** Whether there are values of it from an earlier master. */
    hasRecord: boolean;
    /** Its interval at an earlier master; 0 = unknown. */
    intervalMs: number;
    intervalOf: (liveness: WorkerLiveness) => number;
  }) {
    this.knownMs = facts.knownMs;
    this.stateSinceMs = facts.knownMs;
    this.isRestored = facts.graceUntilMs !== undefined;
    this.hasRecord = facts.hasRecord;
    this.graceUntilMs = facts.graceUntilMs ?? 0;
    this.cadence = new Cadence(facts.intervalMs);
    this.#intervalOf = facts.intervalOf;
    if (this.isRestored) this.state = 'unknown';
  }

  get intervalMs(): number {
    return this.#intervalOf(this);
  }
}
