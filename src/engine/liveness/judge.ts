/**
 * Judges who is alive, four times a second, and tells what changed. The rules are in model/liveness.ts and model/brake.ts;
 * here are the facts, and the effects. Who is
 * looked at with a sweep stands in due-times.ts.
 */

import type { Clock } from '../../lib/clock.ts';
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
  /** The longest interval to which some of those who can be told one may still keep. */
  readonly assignedIntervalMs: () => number;
  /** The worker is to be forgotten. */
  readonly onGone: (entry: RosterEntry) => void;
  /** The worker is active now, or no more: it outlives the master. */
  readonly onActivity: (entry: RosterEntry, isActive: boolean) => void;
  /** The worker is absent now, or no more: see `isAbsentIn` of model/liveness.ts. */
  readonly onPresence: (entry: RosterEntry) => void;
  /** What holds up judgement is other than before. */
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
  /** By which those who are told one were judged at the last sweep. */
  #assignedIntervalMs: number;
  /** Workers of an earlier master that are not heard yet. */
  #unknown = 0;
  /** Until when they are waited for. */
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

  /** From now on main listens: what it did before, such as starting, is no stall. */
  begin(): void {
    this.attentive.begin(this.#options.clock.monotonicMs());
  }

  /** Now, in attentive time. */
  nowMs(): number {
    return this.attentive.at(this.#options.clock.monotonicMs());
  }

  /** How often a worker sends as far as is known. */
  intervalOf({ cadence, hears, announcedIntervalMs }: WorkerLiveness): number {
    const { limits, assignedIntervalMs } = this.#options;
    // Who is told an interval does not keep to the one that it announced before.
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
      // If nobody of its group comes back, it is rather the way to them.
      if (this.#options.board.isActive(row)) this.#groups.watch(entry);
    } else {
      this.#flaps.changed(entry, { from: undefined, to: 'registered', cause: 'registration' });
    }
    this.#options.board.setInterval(row, liveness.intervalMs);
  }

  /** Workers of an earlier master are waited for until then. */
  grace(workers: number, untilMs: number): void {
    this.#graceUntilMs = untilMs;
    const seconds = Math.round((untilMs - this.nowMs()) / 1000);
    this.#options.recorder.record({ type: 'grace', detail: `${workers}, for up to ${seconds} s` });
    this.#publishHolds();
  }

  /** From now on it is told how often to send, or cannot be told any more. How it kept its own pace says nothing then. */
  hears({ liveness, row }: RosterEntry, hears: boolean): void {
    liveness.hears = hears;
    this.#due.soon(row);
    if (!hears) return;
    liveness.cadence.reset();
    // Nor is it waited for longer than others after a restart of the master.
    liveness.graceUntilMs = Math.min(liveness.graceUntilMs, this.#graceUntilMs ?? 0);
  }

  /**
   * A heartbeat came, at `atMs` of attentive time.
   * @param isNewest it is no copy of one that came before, nor one that was overtaken
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

  /** The first record of the worker is there: from now on it is what its heartbeats make it. */
  recorded(entry: RosterEntry): void {
    const { liveness, row } = entry;
    liveness.hasRecord = true;
    if (liveness.lastReceivedMs === undefined) return;
    this.#due.soon(row);
    if (liveness.isLeaving) this.#groups.unwatch(entry);
    else this.#groups.watch(entry);
    const { state, cause } = judge(liveness, this.nowMs(), this.#options.limits);
    // Whose heartbeat had to wait for so long that it is silent by now, or to be forgotten, is so with the next sweep.
    if (state === 'active' || state === 'leaving' || state === 'left') this.#change(entry, state, cause);
  }

  /** There is nothing to show of it. That it falls silent again is no news, and no sign of anything. */
  #receivedWithoutRecord(entry: RosterEntry): void {
    const { board, clock } = this.#options;
    this.#due.soon(entry.row);
    if (entry.liveness.state !== 'registered' || board.cause(entry.row) === 'no_record') return;
    board.setState(entry.row, 'registered', 'no_record', clock.wallMs());
  }

  /** It was told, or found out, what its group is, or whether it is ephemeral. */
  described(entry: RosterEntry): void {
    if (entry.liveness.watchedIn !== undefined) this.#groups.watch(entry);
    this.#due.soon(entry.row);
  }

  /**
   * The stream by which the last heartbeat came is closed. After a farewell, the worker has left. Without one it says
   * nothing of the worker: a load balancer that restarts closes the streams of a whole fleet.
   */
  hungUp(entry: RosterEntry): void {
    if (!entry.liveness.isLeaving) return;
    entry.liveness.hasHungUp = true;
    this.#due.soon(entry.row);
    this.#look(entry, this.nowMs());
  }

  /** The worker is forgotten. */
  forget(entry: RosterEntry, cause: StateCause): void {
    this.#due.never(entry.row);
    if (entry.liveness.state === 'unknown') this.#unknown--;
    this.#groups.unwatch(entry);
    this.#flaps.changed(entry, { from: entry.liveness.state, to: 'gone', cause });
    this.#flaps.forget(entry);
  }

  // ── judgement ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Four times a second. */
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
      brakes: this.#groups.held.map(({ name, heldSinceMs, silent, watched }) => ({
        group: name,
        sinceUnixMs: this.#unixOf(heldSinceMs as number),
        endsUnixMs: this.#unixOf((heldSinceMs as number) + this.#options.brakeMaxHoldMs),
        silent,
        watched,
      })),
    };
  }

  /**
   * An operator says that the workers have failed indeed. @param name of the group; undefined: all.
   * @returns how many brakes were held
   */
  releaseBrakes(name?: string): number {
    return this.#brakes.release(name);
  }

  /**
   * The interval of those who are told one becomes shorter without news of any of them. Who was heard of late is not looked at
   * for that before its silence counts: so the looks at a whole fleet are spread as its heartbeats are.
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

  /** @returns who has fallen silent: these are scheduled when it is known whether a brake holds */
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

  /** Says when it is to be looked at next. */
  #schedule(entry: RosterEntry, nowMs: number): void {
    const { liveness, row } = entry;
    const { atRow, limits } = this.#options;
    // Forgotten when it was looked at?
    if (atRow(row) !== entry) return;
    const { state, untilMs } = judge(liveness, nowMs, limits);
    const isHeld = isWorse(state, liveness.state);
    const isCounted = liveness.state === 'inactive' && liveness.watchedIn !== undefined;
    const countsUntilMs = isCounted ? this.#countsUntilMs(liveness) : undefined;
    this.#due.schedule(row, { untilMs, isHeld, countsUntilMs }, nowMs);
  }

  /** @returns whether it has fallen silent: then its group is asked first. */
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
    // That it left, or that of a worker of an earlier master there is nothing to show, is no silence.
    if (state === 'left' || state === 'registered') {
      this.#groups.unwatch(entry);
      this.#change(entry, state, cause);
      return false;
    }
    this.#groups.silent(entry);
    return true;
  }

  /** The brake, if it holds, keeps the worker as it is. */
  #lookAtSilent(entry: RosterEntry, nowMs: number): void {
    const { liveness } = entry;
    // A brake that was just released may have given it more time.
    const { state, cause } = judge(liveness, nowMs, this.#options.limits);
    if (!isWorse(state, liveness.state) || this.#groups.isHeld(entry)) return;
    this.#change(entry, state, cause, silenceText(liveness, nowMs));
  }

  /**
   * It counts as having fallen silent for one inactivity timeout, and while it is not yet inactive: for as long as others may
   * be found to have fallen silent with it.
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
    // The earlier master has told it. Whoever restarts masters often is not to be told of the same workers each time.
    if (from === 'unknown' && to === 'inactive' && !wasActive) return;
    this.#flaps.changed(entry, { from, to, cause, detail });
    if (isAbsentIn(from) !== isAbsentIn(to)) onPresence(entry);
  }

  // ── what holds it up ─────────────────────────────────────────────────────────────────────────────────────────

  /** Most of its group are heard again; it may be on its way, and gets as long as if it had been heard just now: once. */
  #waitOnceMore({ liveness, row }: RosterEntry, nowMs: number): void {
    const hadMore = liveness.lastReceivedMs !== undefined && liveness.graceUntilMs > liveness.lastReceivedMs;
    if (!hadMore) liveness.graceUntilMs = nowMs + inactiveAfterMs(liveness.intervalMs, this.#options.limits);
    this.#due.soon(row);
  }

  /** It was silent until the brake was released. */
  #failed(entry: RosterEntry): void {
    this.#due.soon(entry.row);
    const { state } = judge(entry.liveness, this.nowMs(), this.#options.limits);
    // Who is to be forgotten is so with the next sweep.
    if (isWorse(state, entry.liveness.state)) this.#change(entry, state, 'brake_released');
  }

  #endGrace(nowMs: number): void {
    // Earlier, when everybody is heard.
    if (this.#graceUntilMs === undefined || (nowMs <= this.#graceUntilMs && this.#unknown > 0)) return;
    this.#graceUntilMs = undefined;
    this.#options.recorder.record({ type: 'grace_over' });
    this.#publishHolds();
  }

  #recordStall(): void {
    const stalledMs = this.attentive.takeStall();
    if (stalledMs === undefined) return;
    const detail = `${(stalledMs / 1000).toFixed(1)} s, by which every deadline is later`;
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
