/**
 * The liveness of the whole fleet: connects the judge, the evaluation of heartbeats and registrations, and the
 * publication of results. The manager reports what happens; everything else is here.
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
  LONGEST_ANNOUNCED_MS,
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
  /** Interval at which workers send; `inactivityTimeoutMs` is extended for a worker that sends less often. */
  readonly heartbeatIntervalMs: number;
  /** A worker is inactive after this long without a heartbeat. */
  readonly inactivityTimeoutMs: number;
  /** A worker is removed after this long without a heartbeat; 0 = never. */
  readonly retentionMs: number;
  /** The same for workers registered as ephemeral; 0 = same as `retentionMs`. */
  readonly ephemeralRetentionMs: number;
  /** How long to wait for workers of an earlier master; raised to the time that an agent may need to reconnect. */
  readonly restartGraceMs: number;
  /** Maximum time for which a group that went silent at the same time is not judged. */
  readonly brakeMaxHoldMs: number;
  /** A worker is stuck when a running task reports the same progress for this long; 0 = never. */
  readonly stuckAfterMs: number;
  /** Heartbeats per second of the whole fleet above which workers are told to send less often. */
  readonly targetHeartbeatsPerS: number;
}

export interface LivenessOptions {
  readonly settings: Partial<LivenessSettings>;
  readonly roster: Roster;
  readonly board: BoardWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the worker's retention has passed. */
  readonly onGone: (entry: RosterEntry) => void;
  /** Called when a worker's instances, which survive restarts of the master, have changed. */
  readonly onInstances: (entry: RosterEntry) => void;
  /** Called when a worker becomes active or inactive, which is stored across restarts. */
  readonly onActivity: (entry: RosterEntry, isActive: boolean) => void;
  /** Called when a worker becomes absent or present, see `isAbsentIn` of model/liveness.ts. */
  readonly onPresence: (entry: RosterEntry) => void;
}

/** The part of a worker's registration that matters here. */
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

/** Some checks run on a share of the workers at each sweep, so that each worker is checked every 5 s. */
const SLOW_ROUND_SWEEPS = 20;
/** Maximum delay before an agent tries a master again: MAX_BACKOFF_MS of the agent. */
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
  /** The interval to assign. */
  #intervalMs: number;
  /** Intervals that workers may still follow, longest first. */
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
        `RESTART_GRACE is ${restartGraceMs / 1000} s; using ${leastGraceMs / 1000} s, which agents may need to reconnect`,
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

  /** Called when the master starts receiving. */
  begin(): void {
    this.#judge.begin();
  }

  /** Records an event observed elsewhere; there is one recorder, since the order of events matters. */
  recordEvent(event: NewEvent): void {
    this.#recorder.record(event);
  }

  // ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** When the worker's last heartbeat arrived, by the current wall clock; now, if there was none. */
  receivedUnixMs({ liveness }: RosterEntry): number {
    const nowMs = this.#judge.nowMs();
    return this.#clock.wallMs() - (nowMs - (liveness.lastReceivedMs ?? nowMs));
  }

  /** The end of a restart grace that begins now, in attentive time. */
  graceUntilMs(): number {
    return this.#judge.nowMs() + Math.max(this.#settings.restartGraceMs, this.#leastGraceMs());
  }

  #leastGraceMs(): number {
    const { inactivityTimeoutMs, heartbeatIntervalMs } = this.#settings;
    return inactivityTimeoutMs + AGENT_BACK_OFF_MS + 2 * heartbeatIntervalMs;
  }

  /**
   * The initial facts of a worker.
   * @param earlier facts from an earlier master: how long it had been silent then, and its interval
   * @param graceUntilMs end of the restart grace
   */
  newFacts(earlier?: { silentMs: number; intervalMs: number }, graceUntilMs?: number): WorkerLiveness {
    const nowMs = this.#judge.nowMs();
    const { silentMs, intervalMs } = earlier ?? { silentMs: 0, intervalMs: 0 };
    return new WorkerLiveness({
      knownMs: nowMs - silentMs,
      // A worker that sends less often gets a longer grace.
      graceUntilMs: graceUntilMs && Math.max(graceUntilMs, nowMs + AGENT_BACK_OFF_MS + suspectAfterMs(intervalMs)),
      hasRecord: earlier !== undefined,
      intervalMs,
      intervalOf: (liveness) => this.#judge.intervalOf(liveness),
    });
  }

  admit(entry: RosterEntry): void {
    this.#judge.admit(entry);
  }

  /** Starts the restart grace for this many workers of an earlier master. */
  grace(workers: number, untilMs: number): void {
    this.#judge.grace(workers, untilMs);
  }

  /** @throws PulselaneError `failed_precondition` if a later instance of the worker has reported */
  checkInstance(entry: RosterEntry, instanceId: string): void {
    this.#guard.check(entry, instanceId, this.#judge.nowMs());
  }

  /** @throws PulselaneError `failed_precondition` if another instance reports for the worker now */
  checkFarewell(entry: RosterEntry, instanceId: string): void {
    this.#guard.checkFarewell(entry, instanceId, this.#judge.nowMs());
  }

  /**
   * The worker says farewell without a heartbeat.
   * @param instanceId empty: not said
   * @throws PulselaneError `failed_precondition` if another instance reports for the worker now
   */
  sayFarewell(entry: RosterEntry, instanceId: string): void {
    const nowMs = this.#judge.nowMs();
    if (instanceId !== '') this.#guard.checkFarewell(entry, instanceId, nowMs);
    this.#judge.saidFarewell(entry, nowMs);
  }

  /** Sets the worker's description, from its registration with this master or an earlier one. */
  describe(entry: RosterEntry, { group, ephemeral, intervalMs }: Description): void {
    // While absent, it may have reported to another master, which received the missing numbers.
    if (!this.#board.isActive(entry.row)) entry.liveness.sequence.reset();
    entry.liveness.group = group;
    entry.liveness.isEphemeral = ephemeral;
    entry.liveness.announcedIntervalMs = Math.min(intervalMs, LONGEST_ANNOUNCED_MS);
    this.#judge.described(entry);
  }

  forget(entry: RosterEntry, cause: Extract<StateCause, 'retention' | 'unregistered'>): void {
    this.#judge.forget(entry, cause);
    this.#guard.forget(entry);
  }

  // ── heartbeats ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * @param via the stream that delivered it; undefined: a unary call
   * @returns how the heartbeat compares with the others of its worker
   * @throws PulselaneError `failed_precondition` if a later instance of the worker has reported
   */
  received(entry: RosterEntry, head: HeartbeatHead, receipt: Receipt, via: Via): Arrival {
    const { liveness } = entry;
    const atMs = this.#judge.attentive.at(receipt.monotonicMs);
    const arrival = this.#heartbeats.note(entry, head, receipt, atMs);
    const isSameStream = via !== undefined && liveness.via === via;
    if (liveness.via !== via) liveness.via?.left?.(entry.workerId);
    liveness.via = via;
    if ((via !== undefined) !== liveness.hears) this.#judge.hears(entry, via !== undefined);
    const isNewest = arrival === 'next' || arrival === 'again';
    liveness.heartbeatIntervalS = isSameStream && isNewest ? this.#judge.scoredIntervalS(entry, atMs) : Number.NaN;
    // A heartbeat in transit when the worker said farewell does not bring it back.
    if (isNewest || !liveness.isLeaving) this.#judge.received(entry, atMs, isNewest, isNewest && head.leaving);
    return arrival;
  }

  /** Reports the worker's first record if it exists by now. */
  lookForRecord(entry: RosterEntry): void {
    if (!entry.liveness.hasRecord && entry.slot.hasRecord) this.#judge.recorded(entry);
  }

  /** Called when a client closed its stream. */
  hungUp(workerIds: Iterable<string>, via: Via): void {
    for (const workerId of workerIds) {
      const entry = this.#roster.get(workerId);
      // It may have reconnected on another stream before this one ended.
      if (entry === undefined || entry.liveness.via !== via) continue;
      entry.liveness.via = undefined;
      this.#judge.hungUp(entry);
    }
  }

  /**
   * The interval to assign to one worker. @param random from 0 to 1, exclusive: in a large fleet the interval varies
   * slightly
   */
  intervalToTell(random: number): number {
    return jitteredIntervalMs(this.#intervalMs, this.#settings.heartbeatIntervalMs, random);
  }

  // ── judgement ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Called four times a second. */
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

  /** @param group undefined: all. @returns how many brakes were engaged */
  releaseBrakes(group: string | undefined): number {
    return this.#judge.releaseBrakes(group);
  }
}

/** Ignores members that are undefined. */
function withDefaults(settings: Partial<LivenessSettings>): LivenessSettings {
  const given = Object.entries(settings).filter(([name, value]) => name in DEFAULTS && value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}
