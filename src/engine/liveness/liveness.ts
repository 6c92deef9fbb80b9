/**
 * Who is alive, as a whole: joins what judges, what each heartbeat and registration tells of it, and what is told to others.
 * The manager hands over what happens; the rest is here.
 */
import type { WorkerInfo } from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import type { NewEvent } from '../../model/events.ts';
import type { HeartbeatHead } from '../../model/heartbeat-scan.ts';
import type { Holds } from '../../model/holds.ts';
import { type StateCause, suspectAfterMs } from '../../model/liveness.ts';
import {
  type AssignedInterval,
  assignedIntervals,
  jitteredIntervalMs,
  LONGEST_INTERVAL_MS,
  longestIntervalMs,
  pacedIntervalMs,
} from '../../model/pace.ts';
import type { Arrival } from '../../model/sequence.ts';
import type { BoardWriter, Receipt } from '../../store/board.ts';
import type { AttentiveTime } from '../../store/master-figures.ts';
import type { Roster, RosterEntry } from '../workers/roster.ts';
import { EventRecorder } from './event-recorder.ts';
import { HeartbeatWatch } from './heartbeat-watch.ts';
import { InstanceGuard } from './instance-guard.ts';
import { Judge } from './judge.ts';
import { StuckWatch } from './stuck-watch.ts';
import { type Via, WorkerLiveness } from './worker-liveness.ts';

export interface LivenessSettings {
  /** How often workers send; `inactivityTimeoutMs` is longer for one that sends less often. */
  readonly heartbeatIntervalMs: number;
  /** Silence after which a worker is inactive. */
  readonly inactivityTimeoutMs: number;
  /** Silence after which a worker is forgotten; 0 = never. */
  readonly retentionMs: number;
  /** The same for workers that said at their registration that they are ephemeral; 0 = as for all. */
  readonly ephemeralRetentionMs: number;
  /** How long workers of an earlier master are waited for; at least what an agent may need to come back. */
  readonly restartGraceMs: number;
  /** How long a group that fell silent at once is not judged. */
  readonly brakeMaxHoldMs: number;
  /** A running task that tells its progress and makes none for longer is stuck; 0 = never. */
  readonly stuckAfterMs: number;
  /** Heartbeats a second of the whole fleet above which workers are told to send less often. */
  readonly targetHeartbeatsPerS: number;
}

export interface LivenessOptions {
  readonly settings: Partial<LivenessSettings>;
  readonly roster: Roster;
  readonly board: BoardWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The worker was silent for as long as workers are remembered. */
  readonly onGone: (entry: RosterEntry) => void;
  /** A worker's instances are others than before: they outlive the master. */
  readonly onInstances: (entry: RosterEntry) => void;
  /** A worker is active now, or no more: it outlives the master. */
  readonly onActivity: (entry: RosterEntry, isActive: boolean) => void;
  /** A worker is absent now, or no more: see `isAbsentIn` of model/liveness.ts. */
  readonly onPresence: (entry: RosterEntry) => void;
}

/** What of a worker's registration counts here. */
type Description = Pick<WorkerInfo, 'group' | 'ephemeral' | 'intervalMs'>;

const DEFAULTS: LivenessSettings = {
  heartbeatIntervalMs: 5000,
  inactivityTimeoutMs: 30_000,
  retentionMs: 24 * 3_600_000,
  ephemeralRetentionMs: 10 * 60_000,
  restartGraceMs: 60_000,
  brakeMaxHoldMs: 5 * 60_000,
  stuckAfterMs: 5 * 60_000,
  targetHeartbeatsPerS: 5000,
};

/** What is looked at less often, at a share of the workers with each sweep, so that each has its turn in 5 s. */
const SLOW_ROUND_SWEEPS = 20;
/** The longest that an agent waits before it tries a master again: MAX_BACKOFF_MS of the agent. */
const AGENT_BACK_OFF_MS = 10_000;

export class Liveness {
  readonly #settings: LivenessSettings;
  readonly #roster: Roster;
  readonly #board: BoardWriter;
  readonly #clock: Clock;
  readonly #guard: InstanceGuard;
  readonly #stuck: StuckWatch;
  readonly #heartbeats: HeartbeatWatch;
  readonly #judge: Judge;
  readonly #recorder: EventRecorder;
  /** How often workers are to send. */
  #intervalMs: number;
  /** What some worker may still keep to, longest first. */
  #assigned: readonly [AssignedInterval, ...AssignedInterval[]];
  #sweeps = 0;

  constructor({
    settings,
    roster,
    board,
    clock,
    logger,
    onGone,
    onInstances,
    onActivity,
    onPresence,
  }: LivenessOptions) {
    this.#settings = withDefaults(settings);
    this.#roster = roster;
    this.#board = board;
    this.#clock = clock;
    const { heartbeatIntervalMs, stuckAfterMs, brakeMaxHoldMs, restartGraceMs } = this.#settings;
    const leastGraceMs = this.#leastGraceMs();
    if (settings.restartGraceMs !== undefined && restartGraceMs < leastGraceMs) {
      logger.warn(
        `RESTART_GRACE is ${restartGraceMs / 1000} s; ${leastGraceMs / 1000} s are waited, which agents may need to come back`,
      );
    }
    this.#intervalMs = heartbeatIntervalMs;
    this.#assigned = [{ intervalMs: heartbeatIntervalMs, untilMs: 0 }];
    const recorder = new EventRecorder({
      log: roster.directory.events,
      clock,
      logger,
      onEvents: (events) => roster.publishEvents(events),
    });
    this.#recorder = recorder;
    this.#guard = new InstanceGuard({ limits: this.#settings, board, recorder, onInstances });
    this.#stuck = new StuckWatch(board, recorder, stuckAfterMs);
    this.#heartbeats = new HeartbeatWatch({ heartbeatIntervalMs, board, guard: this.#guard, stuck: this.#stuck });
    this.#judge = new Judge({
      rows: board.capacity,
      limits: this.#settings,
      brakeMaxHoldMs,
      board,
      recorder,
      clock,
      atRow: (row) => roster.atRow(row),
      assignedIntervalMs: () => this.#assigned[0].intervalMs,
      onGone,
      onActivity,
      onPresence,
      onHolds: (holds) => roster.publishHolds(holds),
    });
  }

  /** From now on the master listens. */
  begin(): void {
    this.#judge.begin();
  }

  /** Tells of what was seen elsewhere: one recorder for all, since the order of events counts. */
  recordEvent(event: NewEvent): void {
    this.#recorder.record(event);
  }

  // ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** When the last heartbeat of the worker came, by the wall clock of now; now, if none did. */
  receivedUnixMs({ liveness }: RosterEntry): number {
    const nowMs = this.#judge.nowMs();
    return this.#clock.wallMs() - (nowMs - (liveness.lastReceivedMs ?? nowMs));
  }

  /** Until when workers of an earlier master are waited for, from now on, in attentive time. */
  graceUntilMs(): number {
    return this.#judge.nowMs() + Math.max(this.#settings.restartGraceMs, this.#leastGraceMs());
  }

  #leastGraceMs(): number {
    const { inactivityTimeoutMs, heartbeatIntervalMs } = this.#settings;
    return inactivityTimeoutMs + AGENT_BACK_OFF_MS + 2 * heartbeatIntervalMs;
  }

  /**
   * The facts of a worker that is about to be known.
   * @param earlier what an earlier master knew of it: how long it had been silent then, and how often it sent
   * @param graceUntilMs until when such workers are waited for
   */
  newFacts(earlier?: { silentMs: number; intervalMs: number }, graceUntilMs?: number): WorkerLiveness {
    const nowMs = this.#judge.nowMs();
    const { silentMs, intervalMs } = earlier ?? { silentMs: 0, intervalMs: 0 };
    return new WorkerLiveness({
      knownMs: nowMs - silentMs,
      // One that sends less often than others is waited for longer.
      graceUntilMs: graceUntilMs && Math.max(graceUntilMs, nowMs + AGENT_BACK_OFF_MS + suspectAfterMs(intervalMs)),
      hasRecord: earlier !== undefined,
      intervalMs,
      intervalOf: (liveness) => this.#judge.intervalOf(liveness),
    });
  }

  admit(entry: RosterEntry): void {
    this.#judge.admit(entry);
  }

  /** So many workers of an earlier master are waited for. */
  grace(workers: number, untilMs: number): void {
    this.#judge.grace(workers, untilMs);
  }

  /** @throws PulselaneError `failed_precondition` if a later instance of the worker has spoken */
  checkInstance(entry: RosterEntry, instanceId: string): void {
    this.#guard.check(entry, instanceId, this.#judge.nowMs());
  }

  /** @throws PulselaneError `failed_precondition` if it is not that instance which speaks for the worker now */
  checkFarewell(entry: RosterEntry, instanceId: string): void {
    this.#guard.checkFarewell(entry, instanceId, this.#judge.nowMs());
  }

  /** What a worker says of itself, or said to an earlier master. */
  describe(entry: RosterEntry, { group, ephemeral, intervalMs }: Description): void {
    // Away for so long, it may have reported to another master: what that one took is not missing.
    if (!this.#board.isActive(entry.row)) entry.liveness.sequence.reset();
    entry.liveness.group = group;
    entry.liveness.isEphemeral = ephemeral;
    entry.liveness.announcedIntervalMs = Math.min(intervalMs, LONGEST_INTERVAL_MS);
    this.#judge.described(entry);
  }

  forget(entry: RosterEntry, cause: Extract<StateCause, 'retention' | 'unregistered'>): void {
    this.#judge.forget(entry, cause);
    this.#guard.forget(entry);
  }

  // ── heartbeats ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * @param via the stream by which it came; undefined: it was a call of its own
   * @returns how it comes among the others of its worker
   * @throws PulselaneError `failed_precondition` if a later instance of the worker has spoken
   */
  received(entry: RosterEntry, head: HeartbeatHead, receipt: Receipt, via: Via): Arrival {
    const { liveness } = entry;
    const atMs = this.#judge.attentive.at(receipt.monotonicMs);
    const arrival = this.#heartbeats.note(entry, head, receipt, atMs);
    if (liveness.via !== via) liveness.via?.left?.(entry.workerId);
    liveness.via = via;
    if ((via !== undefined) !== liveness.hears) this.#judge.hears(entry, via !== undefined);
    const isNewest = arrival === 'next' || arrival === 'again';
    // What was on its way when the worker said farewell brings nobody back.
    if (isNewest || !liveness.isLeaving) this.#judge.received(entry, atMs, isNewest, isNewest && head.leaving);
    return arrival;
  }

  /** Says so if the first record of the worker is there by now. */
  lookForRecord(entry: RosterEntry): void {
    if (!entry.liveness.hasRecord && entry.slot.hasRecord) this.#judge.recorded(entry);
  }

  /** A stream is over because its client closed it. */
  hungUp(workerIds: Iterable<string>, via: Via): void {
    for (const workerId of workerIds) {
      const entry = this.#roster.get(workerId);
      // It may have come back by another one before this one ended.
      if (entry === undefined || entry.liveness.via !== via) continue;
      entry.liveness.via = undefined;
      this.#judge.hungUp(entry);
    }
  }

  /** How often to send, as one worker is told. @param random from 0 up to 1: in a large fleet it differs a little */
  intervalToTell(random: number): number {
    return jitteredIntervalMs(this.#intervalMs, this.#settings.heartbeatIntervalMs, random);
  }

  // ── judgement ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Four times a second. */
  sweep(nowMonotonicMs: number): void {
    this.#judge.sweep();
    this.#guard.look(this.#judge.nowMs());
    if (this.#sweeps % SLOW_ROUND_SWEEPS === 0) this.#recorder.look(nowMonotonicMs);
    for (let row = this.#sweeps++ % SLOW_ROUND_SWEEPS; row < this.#board.rowsUsed; row += SLOW_ROUND_SWEEPS) {
      const entry = this.#roster.atRow(row);
      if (entry !== undefined) this.#stuck.look(entry);
    }
    const { heartbeatIntervalMs, targetHeartbeatsPerS } = this.#settings;
    this.#intervalMs = pacedIntervalMs(heartbeatIntervalMs, this.#board.activeWorkers, targetHeartbeatsPerS);
    const longestMs = longestIntervalMs(this.#intervalMs, heartbeatIntervalMs);
    this.#assigned = assignedIntervals(this.#assigned, longestMs, this.#judge.nowMs());
  }

  get attentive(): AttentiveTime {
    return this.#judge.attentiveTime;
  }

  get holds(): Holds {
    return this.#judge.holds;
  }

  /** @param group undefined: all. @returns how many brakes were held */
  releaseBrakes(group: string | undefined): number {
    return this.#judge.releaseBrakes(group);
  }
}

/** What is undefined is not given. */
function withDefaults(settings: Partial<LivenessSettings>): LivenessSettings {
  const given = Object.entries(settings).filter(([name, value]) => name in DEFAULTS && value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}
