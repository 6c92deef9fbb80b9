/** What main knows of one worker's life, beside its telemetry: the facts that are judged, and what is counted of them. */
import { Cadence } from '../../model/cadence.ts';
import type { FlapSteps } from '../../model/flapping.ts';
import type { Instances } from '../../model/instances.ts';
import type { LivenessFacts, WorkerState } from '../../model/liveness.ts';
import { SequenceWindow } from '../../model/sequence.ts';
import type { StuckReason } from '../../model/stuck.ts';

/** The stream by which a heartbeat came, while it is open; undefined for a single call. */
export type Via =
  | {
      /** The worker is not known any more, and need not be remembered as one of the stream's. */
      forget(workerId: string): void;
      /** The worker came by another stream, or by a call of its own. */
      left?(workerId: string): void;
    }
  | undefined;

export class WorkerLiveness implements LivenessFacts {
  state: WorkerState = 'registered';
  /** Since when it is in its state. */
  stateSinceMs: number;
  readonly knownMs: number;
  lastReceivedMs: number | undefined;
  readonly isRestored: boolean;
  /** Set by the judge alone, when it sees the first one. */
  hasRecord: boolean;
  isLeaving = false;
  hasHungUp = false;
  isEphemeral = false;
  graceUntilMs: number;
  patientUntilMs = 0;
  /** How often it said at its registration that it means to send; 0 = it did not. */
  announcedIntervalMs = 0;
  /** Workers that may fail together; empty: it belongs to none. */
  group = '';
  /** Counts among those whose group's brake looks at it, and in which group: it may be told another one meanwhile. */
  watchedIn: string | undefined;
  /** Silent, and counted as such in that group. */
  isSilent = false;
  via: Via;
  /** It is told how often to send, and keeps to that: its last heartbeat came by Pulselane's own stream. */
  hears = false;
  /** Another process speaks for it since its last heartbeat, or the same one counts anew. */
  hasBegunAnew = false;
  readonly cadence: Cadence;
  readonly sequence = new SequenceWindow();
  instances: Instances = [];
  /** How often it came back as a new instance, as far as this master saw. */
  restarts = 0;
  /** When its newest instance first spoke, if only to register; of one that an earlier master knew it is not known. */
  takenOverMs = Number.NEGATIVE_INFINITY;
  /** Heartbeats of older instances that were refused since there is a conflict, and when the last one came. */
  refusedOlder = 0;
  refusedOlderMs = 0;
  hasConflict = false;
  hostLoopLagMs = 0;
  /** When its last heartbeat was received, and since when they have come without a gap, by the monotonic clock. */
  receivedMs = Number.NEGATIVE_INFINITY;
  steadySinceMs = Number.NEGATIVE_INFINITY;
  stuck: StuckReason | undefined;
  skewMs: number | undefined;
  flapSteps: FlapSteps = 0;
  /** State changes since it was last steady, and those of them that were not told. */
  transitions = 0;
  suppressed = 0;
  isFlapping = false;
  readonly #intervalOf: (liveness: WorkerLiveness) => number;

  constructor(facts: {
    knownMs: number;
    /** Until when an earlier master's worker is waited for; undefined: it is new. */
    graceUntilMs: number | undefined;
    /** Whether there are values of it from an earlier master. */
    hasRecord: boolean;
    /** How often it sent to an earlier master; 0 = not known. */
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
