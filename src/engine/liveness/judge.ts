/**
 * Judges which workers are alive, four times a second, and reports changes. The rules are in model/liveness.ts and
 * model/brake.ts; this file collects the facts and carries out the effects. due-times.ts decides which workers each
 * sweep checks.
 */

import type { Clock } from '../../lib/clock.ts';
import { scoredIntervalS } from '../../model/anomaly/heartbeat-interval.ts';
import { FLAP_STEP_MS } from '../../model/flapping.ts';
import type { Holds } from '../../model/holds.ts';
import {
  inactiveAfterMs,
  isAbsentIn,
  isWorse,
  judge,
  type LivenessLimits,
  type StateCause,
  suspectAfterMs,
  type WorkerState,
} from '../../model/liveness.ts';
import type { BoardWriter } from '../../store/board.ts';
import type { AttentiveTime } from '../../store/master-figures.ts';
import type { RosterEntry } from '../workers/roster.ts';
import { AttentiveClock } from './attentive-clock.ts';
import { Brakes } from './brakes.ts';
import { DueTimes } from './due-times.ts';
import type { EventRecorder } from './event-recorder.ts';
import { FlapDamper } from './flap-damper.ts';
import { GroupWatch } from './group-watch.ts';
import { HoldsPublisher } from './holds-publisher.ts';
import { gapOfPaceMs, notePace } from './pace-notes.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

export interface JudgeOptions {
  readonly rows: number;
  readonly limits: LivenessLimits;
  readonly brakeMaxHoldMs: number;
  readonly board: BoardWriter;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly atRow: (row: number) => RosterEntry | undefined;
  /** The longest interval that workers assigned one may still follow. */
  readonly assignedIntervalMs: () => number;
  /** Called when the worker must be removed. */
  readonly onGone: (entry: RosterEntry) => void;
  /** Called when the worker becomes active or inactive, which is stored across restarts. */
  readonly onActivity: (entry: RosterEntry, isActive: boolean) => void;
  /** Called when the worker becomes absent or present, see `isAbsentIn` of model/liveness.ts. */
  readonly onPresence: (entry: RosterEntry) => void;
  /** Called when what holds judgement has changed. */
  readonly onHolds: (holds: Holds) => void;
}

export class Judge {
  readonly attentive: AttentiveClock;
  readonly #options: JudgeOptions;
  readonly #groups = new GroupWatch();
  readonly #flaps: FlapDamper;
  readonly #brakes: Brakes;
  readonly #publisher: HoldsPublisher;
  readonly #due: DueTimes;
  #nextFlapStepMs: number;
  /** The assigned interval used for judgement at the last sweep. */
  #assignedIntervalMs: number;
  /** Number of workers of an earlier master that have not reported yet. */
  #unknown = 0;
  /** End of the restart grace. */
  #graceUntilMs: number | undefined;

  constructor(options: JudgeOptions) {
    this.#options = options;
    const nowMs = options.clock.monotonicMs();
    this.attentive = new AttentiveClock(nowMs);
    this.#flaps = new FlapDamper(options.recorder, options.board);
    this.#brakes = new Brakes({
      groups: this.#groups,
      maxHoldMs: options.brakeMaxHoldMs,
      recorder: options.recorder,
      onLate: (entry, nowMs) => this.#waitOnceMore(entry, nowMs),
      onFailed: (entry) => this.#failed(entry),
      onChange: () => this.#publishHolds(),
    });
    this.#publisher = new HoldsPublisher({ holds: () => this.holds, onHolds: options.onHolds });
    this.#due = new DueTimes(options.rows);
    this.#nextFlapStepMs = nowMs + FLAP_STEP_MS;
    this.#assignedIntervalMs = options.assignedIntervalMs();
  }

  /** Called when main starts receiving: the time before, such as startup, is not a stall. */
  begin(): void {
    this.attentive.begin(this.#options.clock.monotonicMs());
  }

  /** The current attentive time. */
  nowMs(): number {
    return this.attentive.at(this.#options.clock.monotonicMs());
  }

  /** The worker's heartbeat interval, as far as is known. */
  intervalOf({ cadence, hears, announcedIntervalMs }: WorkerLiveness): number {
    const { limits, assignedIntervalMs } = this.#options;
    // A worker with an assigned interval does not follow the one that it announced.
    return Math.max(limits.heartbeatIntervalMs, cadence.intervalMs, hears ? assignedIntervalMs() : announcedIntervalMs);
  }

  // ── news ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A worker is known from now on. */
  admit(entry: RosterEntry): void {
    this.#due.soon(entry.row);
    const { liveness, row } = entry;
    if (liveness.isRestored) {
      this.#unknown++;
      this.#options.board.setState(row, 'unknown', 'master_restart', this.#options.clock.wallMs());
      // If no worker of its group comes back, the network to the group has probably failed.
      if (this.#options.board.isActive(row)) this.#groups.watch(entry);
    } else {
      this.#flaps.changed(entry, { from: undefined, to: 'registered', cause: 'registration' });
    }
    this.#options.board.setInterval(row, liveness.intervalMs);
  }

  /** Starts the restart grace for workers of an earlier master. */
  grace(workers: number, untilMs: number): void {
    this.#graceUntilMs = untilMs;
    const seconds = Math.round((untilMs - this.nowMs()) / 1000);
    this.#options.recorder.record({ type: 'grace', detail: `${workers}, for up to ${seconds} s` });
    this.#publishHolds();
  }

  /** The worker is assigned intervals from now on, or no longer. The pace measured so far does not apply any more. */
  hears({ liveness, row }: RosterEntry, hears: boolean): void {
    liveness.hears = hears;
    this.#due.soon(row);
    if (!hears) return;
    liveness.cadence.reset();
    // After a restart of the master, it gets no longer grace than others.
    liveness.graceUntilMs = Math.min(liveness.graceUntilMs, this.#graceUntilMs ?? 0);
  }

  /**
   * A heartbeat arrived at `atMs` of attentive time.
   * @param isNewest false for a duplicate, and for a heartbeat overtaken by a later one
   */
  received(entry: RosterEntry, atMs: number, isNewest: boolean, isLeaving: boolean): void {
    const { liveness } = entry;
    const gapMs = gapOfPaceMs(liveness, atMs);
    liveness.lastReceivedMs = atMs;
    liveness.isLeaving = isLeaving;
    liveness.hasHungUp = false;
    liveness.hasBegunAnew = false;
    if (isNewest && notePace(liveness, gapMs, this.#options.limits)) this.#due.soon(entry.row);
    if (liveness.isSilent) {
      this.#groups.received(entry);
      this.#due.soon(entry.row);
    }
    if (!liveness.hasRecord) {
      if (!entry.slot.hasRecord) {
        this.#receivedWithoutRecord(entry);
        return;
      }
      liveness.hasRecord = true;
    }
    if (isLeaving) this.#groups.unwatch(entry);
    else this.#groups.watch(entry);
    const state = isLeaving ? 'leaving' : 'active';
    if (liveness.state === state) return;
    this.#change(entry, state, isLeaving ? 'farewell' : 'heartbeat');
    this.#due.soon(entry.row);
  }

  /**
   * The time before a heartbeat that comes now through the worker's stream, as it is scored: not while its group is held, and not
   * right after a stall of this master. To be called before {@link received}.
   */
  scoredIntervalS(entry: RosterEntry, atMs: number): number {
    const { limits, assignedIntervalMs, clock } = this.#options;
    const { attentive } = this;
    if (this.#groups.isHeld(entry) || !attentive.mayJudge(clock.monotonicMs())) return Number.NaN;
    const baseMs = limits.heartbeatIntervalMs;
    return scoredIntervalS(gapOfPaceMs(entry.liveness, atMs), Math.max(baseMs, assignedIntervalMs()), baseMs);
  }

  /** The worker's first record exists: from now on its heartbeats determine its state. */
  recorded(entry: RosterEntry): void {
    const { liveness, row } = entry;
    liveness.hasRecord = true;
    if (liveness.lastReceivedMs === undefined) return;
    this.#due.soon(row);
    if (liveness.isLeaving) this.#groups.unwatch(entry);
    else this.#groups.watch(entry);
    const { state, cause } = judge(liveness, this.nowMs(), this.#options.limits);
    // If its heartbeat waited so long that the worker is silent or must be removed by now, the next sweep changes it.
    if (state === 'active' || state === 'leaving' || state === 'left') this.#change(entry, state, cause);
  }

  /** The worker has no values to show. That it goes silent again is not news. */
  #receivedWithoutRecord(entry: RosterEntry): void {
    const { board, clock } = this.#options;
    this.#due.soon(entry.row);
    if (entry.liveness.state !== 'registered' || board.cause(entry.row) === 'no_record') return;
    board.setState(entry.row, 'registered', 'no_record', clock.wallMs());
  }

  /** The worker's group, or whether it is ephemeral, was set or changed. */
  described(entry: RosterEntry): void {
    if (entry.liveness.watchedIn !== undefined) this.#groups.watch(entry);
    this.#due.soon(entry.row);
  }

  /**
   * The stream that delivered the last heartbeat is closed. After a farewell, the worker has left. Without one it means
   * nothing: a load balancer that restarts closes the streams of a whole fleet.
   */
  hungUp(entry: RosterEntry): void {
    if (!entry.liveness.isLeaving) return;
    entry.liveness.hasHungUp = true;
    this.#due.soon(entry.row);
    this.#look(entry, this.nowMs());
  }

  /** The worker says farewell, but not with a heartbeat: no connection needs to close before it has left. */
  saidFarewell(entry: RosterEntry, atMs: number): void {
    const { lastReceivedMs, hasRecord, state } = entry.liveness;
    // It has only been registered, so there is nothing to leave; or it has left: saying so again is no news.
    if ((lastReceivedMs === undefined && !hasRecord) || state === 'left') return;
    this.received(entry, atMs, false, true);
    this.hungUp(entry);
  }

  /** The worker is removed. */
  forget(entry: RosterEntry, cause: StateCause): void {
    this.#due.never(entry.row);
    if (entry.liveness.state === 'unknown') this.#unknown--;
    this.#groups.unwatch(entry);
    this.#flaps.changed(entry, { from: entry.liveness.state, to: 'gone', cause });
    this.#flaps.forget(entry);
  }

  // ── judgement ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Called four times a second. */
  sweep(): void {
    const nowMs = this.attentive.look(this.#options.clock.monotonicMs());
    if (nowMs === undefined) return;
    this.#recordStall();
    this.#noteAssigned();
    const silent = this.#lookAtDue(nowMs);
    this.#endGrace(nowMs);
    this.#brakes.decide(nowMs);
    for (const entry of silent) {
      this.#lookAtSilent(entry, nowMs);
      this.#schedule(entry, nowMs);
    }
    this.#publisher.look(nowMs);
    if (nowMs < this.#nextFlapStepMs) return;
    this.#nextFlapStepMs = nowMs + FLAP_STEP_MS;
    this.#flaps.step();
  }

  get attentiveTime(): AttentiveTime {
    const { offsetMs } = this.attentive;
    return { offsetMs, mayJudge: this.attentive.mayJudge(this.#options.clock.monotonicMs()) };
  }

  get holds(): Holds {
    return {
      graceEndsUnixMs: this.#graceUntilMs === undefined ? undefined : this.#unixOf(this.#graceUntilMs),
      brakes: this.#groups.held.map(({ name, heldSinceMs, silent, watched, silentGroups }) => ({
        group: name,
        sinceUnixMs: this.#unixOf(heldSinceMs as number),
        endsUnixMs: this.#unixOf((heldSinceMs as number) + this.#options.brakeMaxHoldMs),
        silent,
        watched,
        ...(name === '' ? { silentGroups } : {}),
      })),
    };
  }

  /**
   * An operator declares that silent workers have failed. @param name of the group; undefined: all
   * @returns how many brakes were engaged
   */
  releaseBrakes(name?: string): number {
    return this.#brakes.release(name);
  }

  /**
   * The assigned interval may become shorter without news of the workers. A worker that reported recently is checked
   * for it only when its silence counts, so that checks of a whole fleet are spread like its heartbeats.
   */
  #noteAssigned(): void {
    const { atRow, board, limits, assignedIntervalMs } = this.#options;
    const beforeMs = this.#assignedIntervalMs;
    this.#assignedIntervalMs = assignedIntervalMs();
    if (this.#assignedIntervalMs >= beforeMs) return;
    for (let row = 0; row < board.rowsUsed; row++) {
      const liveness = atRow(row)?.liveness;
      if (!liveness?.hears) continue;
      const { lastReceivedMs = 0, intervalMs } = liveness;
      const silentAfterMs = Math.min(suspectAfterMs(intervalMs), inactiveAfterMs(intervalMs, limits));
      this.#due.by(row, lastReceivedMs + silentAfterMs);
    }
  }

  /** @returns the workers that went silent: they are scheduled when it is known whether a brake is engaged */
  #lookAtDue(nowMs: number): RosterEntry[] {
    const { atRow } = this.#options;
    const silent: RosterEntry[] = [];
    this.#due.take(nowMs, (row) => {
      const entry = atRow(row);
      if (entry === undefined) return;
      if (this.#look(entry, nowMs)) silent.push(entry);
      else this.#schedule(entry, nowMs);
    });
    return silent;
  }

  /** Schedules the worker's next check. */
  #schedule(entry: RosterEntry, nowMs: number): void {
    const { liveness, row } = entry;
    const { atRow, limits } = this.#options;
    // It may have been removed by the check.
    if (atRow(row) !== entry) return;
    const { state, untilMs } = judge(liveness, nowMs, limits);
    const isHeld = isWorse(state, liveness.state);
    const isCounted = liveness.state === 'inactive' && liveness.watchedIn !== undefined;
    const countsUntilMs = isCounted ? this.#countsUntilMs(liveness) : undefined;
    this.#due.schedule(row, { untilMs, isHeld, countsUntilMs }, nowMs);
  }

  /** @returns whether the worker went silent: then its group must be checked first */
  #look(entry: RosterEntry, nowMs: number): boolean {
    const { liveness, row } = entry;
    const { limits, board, onGone } = this.#options;
    const { state, cause } = judge(liveness, nowMs, limits);
    board.setInterval(row, liveness.intervalMs);
    if (state === 'gone') {
      onGone(entry);
      return false;
    }
    if (state === 'inactive' && liveness.state === 'inactive' && nowMs > this.#countsUntilMs(liveness)) {
      this.#groups.unwatch(entry);
    }
    if (!isWorse(state, liveness.state)) return false;
    // Neither a worker that left, nor one of an earlier master without values, counts as silent.
    if (state === 'left' || state === 'registered') {
      this.#groups.unwatch(entry);
      this.#change(entry, state, cause);
      return false;
    }
    this.#groups.silent(entry);
    return true;
  }

  /** Keeps the worker's state while the brake is engaged. */
  #lookAtSilent(entry: RosterEntry, nowMs: number): void {
    const { liveness } = entry;
    // A brake that was just released may have given it more time.
    const { state, cause } = judge(liveness, nowMs, this.#options.limits);
    if (!isWorse(state, liveness.state) || this.#groups.isHeld(entry)) return;
    this.#change(entry, state, cause, silenceText(liveness, nowMs));
  }

  /**
   * How long the worker counts as silent in its group: for one inactivity timeout, and until it is inactive, since
   * others may be found to have gone silent with it.
   */
  #countsUntilMs({ lastReceivedMs, intervalMs, patientUntilMs, stateSinceMs }: WorkerLiveness): number {
    const timeoutMs = inactiveAfterMs(intervalMs, this.#options.limits);
    if (lastReceivedMs === undefined) return stateSinceMs + timeoutMs;
    const silentFromMs = Math.max(patientUntilMs, lastReceivedMs + Math.min(suspectAfterMs(intervalMs), timeoutMs));
    return Math.max(stateSinceMs, silentFromMs + timeoutMs);
  }

  #change(entry: RosterEntry, to: WorkerState, cause: StateCause, detail?: string): void {
    const { liveness, row } = entry;
    const from = liveness.state;
    if (from === 'unknown') this.#unknown--;
    liveness.state = to;
    liveness.stateSinceMs = this.nowMs();
    const { board, clock, onActivity, onPresence } = this.#options;
    const wasActive = board.isActive(row);
    board.setState(row, to, cause, clock.wallMs());
    const isActive = board.isActive(row);
    if (isActive !== wasActive) onActivity(entry, isActive);
    // Recorded by the earlier master; frequent restarts must not repeat it each time.
    if (from === 'unknown' && to === 'inactive' && !wasActive) return;
    this.#flaps.changed(entry, { from, to, cause, detail });
    if (isAbsentIn(from) !== isAbsentIn(to)) onPresence(entry);
  }

  // ── holds ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Most of its group report again; this worker may follow, and gets as much time as after a heartbeat, once. */
  #waitOnceMore({ liveness, row }: RosterEntry, nowMs: number): void {
    const hadMore = liveness.lastReceivedMs !== undefined && liveness.graceUntilMs > liveness.lastReceivedMs;
    if (!hadMore) liveness.graceUntilMs = nowMs + inactiveAfterMs(liveness.intervalMs, this.#options.limits);
    this.#due.soon(row);
  }

  /** The worker was silent until the brake was released. */
  #failed(entry: RosterEntry): void {
    this.#due.soon(entry.row);
    const { state } = judge(entry.liveness, this.nowMs(), this.#options.limits);
    // If it must be removed, the next sweep does so.
    if (isWorse(state, entry.liveness.state)) this.#change(entry, state, 'brake_released');
  }

  #endGrace(nowMs: number): void {
    // The grace ends early when all workers have reported.
    if (this.#graceUntilMs === undefined || (nowMs <= this.#graceUntilMs && this.#unknown > 0)) return;
    this.#graceUntilMs = undefined;
    this.#options.recorder.record({ type: 'grace_over' });
    this.#publishHolds();
  }

  #recordStall(): void {
    const stalledMs = this.attentive.takeStall();
    if (stalledMs === undefined) return;
    const detail = `${(stalledMs / 1000).toFixed(1)} s; every deadline was extended by as much`;
    this.#options.recorder.record({ type: 'stall', detail });
  }

  #publishHolds(): void {
    this.#publisher.publish(this.nowMs());
  }

  #unixOf(attentiveMs: number): number {
    return this.#options.clock.wallMs() + attentiveMs - this.nowMs();
  }
}

function silenceText({ lastReceivedMs }: WorkerLiveness, nowMs: number): string | undefined {
  return lastReceivedMs === undefined ? undefined : `silent for ${((nowMs - lastReceivedMs) / 1000).toFixed(1)} s`;
}
