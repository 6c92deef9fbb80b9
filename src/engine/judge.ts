/**
 * Judges who is alive, four times a second, and tells what changed. The rules are in model/liveness.ts and model/brake.ts;
 * here are the facts, and the effects.
 *
 * A sweep over a large fleet must cost next to nothing: for each row stands the earliest moment at which its verdict may
 * change without news, and only rows whose moment has come are looked at. News only ever put that moment off, so they need
 * not touch it; where one brings it forward (a shorter interval), the row is due at once.
 */

import type { Clock } from '../lib/clock.ts';
import { decideBrake } from '../model/brake.ts';
import { patienceMs } from '../model/cadence.ts';
import { FLAP_STEP_MS } from '../model/flapping.ts';
import { type HeldBrake, type Holds, NO_HOLDS } from '../model/holds.ts';
import {
  inactiveAfterMs,
  judge,
  type LivenessLimits,
  type StateCause,
  suspectAfterMs,
  type WorkerState,
} from '../model/liveness.ts';
import type { BoardWriter } from '../store/board.ts';
import type { AttentiveTime } from '../store/master-figures.ts';
import { AttentiveClock } from './attentive-clock.ts';
import type { EventRecorder } from './event-recorder.ts';
import { FlapDamper } from './flap-damper.ts';
import { type BrakeUnit, GroupWatch } from './group-watch.ts';
import type { RosterEntry } from './roster.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

export interface JudgeOptions {
  readonly rows: number;
  readonly limits: LivenessLimits;
  readonly brakeMaxHoldMs: number;
  readonly board: BoardWriter;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly atRow: (row: number) => RosterEntry | undefined;
  /** The longest interval that those who can be told one were told. */
  readonly assignedIntervalMs: () => number;
  /** The worker is to be forgotten. */
  readonly onGone: (entry: RosterEntry) => void;
  /** The worker is active now, or no more: it outlives the master. */
  readonly onActivity: (entry: RosterEntry, isActive: boolean) => void;
  /** What holds up judgement is other than before. */
  readonly onHolds: (holds: Holds) => void;
}

/** How often readers are told at the most how many are silent while a brake holds. */
const TELL_HELD_EVERY_MS = 1000;
/** A moment that moved by less is told with the next figures that changed. */
const SAME_MOMENT_WITHIN_MS = 1000;
/** Its group may have become another, which is not held. */
const LOOK_AT_HELD_EVERY_MS = 1000;
const NEVER = Number.POSITIVE_INFINITY;

export class Judge {
  readonly attentive: AttentiveClock;
  readonly #options: JudgeOptions;
  readonly #groups = new GroupWatch();
  readonly #flaps: FlapDamper;
  /** By row. */
  readonly #dueMs: Float64Array;
  /** Rows at or beyond it were never used. */
  #rows = 0;
  #nextFlapStepMs: number;
  /** Workers of an earlier master that are not heard yet. */
  #unknown = 0;
  /** Until when they are waited for. */
  #graceUntilMs: number | undefined;
  /** What readers were told last, and when. */
  #publishedHolds = NO_HOLDS;
  #publishedHoldsMs = 0;

  constructor(options: JudgeOptions) {
    this.#options = options;
    const nowMs = options.clock.monotonicMs();
    this.attentive = new AttentiveClock(nowMs);
    this.#flaps = new FlapDamper(options.recorder, options.board);
    this.#dueMs = new Float64Array(options.rows).fill(NEVER);
    this.#nextFlapStepMs = nowMs + FLAP_STEP_MS;
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
    this.#rows = Math.max(this.#rows, entry.row + 1);
    this.#dueMs[entry.row] = 0;
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
    this.#dueMs[row] = 0;
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
    if (isNewest) this.#noteGap(entry, gapMs);
    if (liveness.isSilent) {
      this.#groups.received(entry);
      this.#dueMs[entry.row] = 0;
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
    this.#dueMs[entry.row] = 0;
  }

  /** The first record of the worker is there: from now on it is what its heartbeats make it. */
  recorded(entry: RosterEntry): void {
    const { liveness, row } = entry;
    liveness.hasRecord = true;
    if (liveness.lastReceivedMs === undefined) return;
    this.#dueMs[row] = 0;
    if (liveness.isLeaving) this.#groups.unwatch(entry);
    else this.#groups.watch(entry);
    const { state, cause } = judge(liveness, this.nowMs(), this.#options.limits);
    // Whose heartbeat had to wait for so long that it is silent by now, or to be forgotten, is so with the next sweep.
    if (state === 'active' || state === 'leaving' || state === 'left') this.#change(entry, state, cause);
  }

  /** There is nothing to show of it. That it falls silent again is no news, and no sign of anything. */
  #receivedWithoutRecord(entry: RosterEntry): void {
    const { board, clock } = this.#options;
    this.#dueMs[entry.row] = 0;
    if (entry.liveness.state !== 'registered' || board.cause(entry.row) === 'no_record') return;
    board.setState(entry.row, 'registered', 'no_record', clock.wallMs());
  }

  /** @param gapMs before the heartbeat that came just now; undefined: it says nothing of the worker's pace */
  #noteGap({ liveness, row }: RosterEntry, gapMs: number | undefined): void {
    const { cadence, lastReceivedMs, hears, intervalMs, isLeaving, patientUntilMs } = liveness;
    const isPaceKnown = hears || isLeaving || gapMs === undefined;
    const isShorter = gapMs !== undefined && cadence.note(gapMs);
    // By the pace that is believed from now on: a long gap behind a burst may be what makes a shorter one believed.
    const paceMs = Math.min(intervalMs, Math.max(cadence.intervalMs, this.#options.limits.heartbeatIntervalMs));
    const patientForMs = isPaceKnown ? 0 : patienceMs(gapMs, paceMs);
    liveness.patientUntilMs = patientForMs > 0 ? (lastReceivedMs as number) + patientForMs : 0;
    if (isShorter || patientUntilMs > 0) this.#dueMs[row] = 0;
  }

  /** It was told, or found out, what its group is, or whether it is ephemeral. */
  described(entry: RosterEntry): void {
    if (entry.liveness.watchedIn !== undefined) this.#groups.watch(entry);
    this.#dueMs[entry.row] = 0;
  }

  /**
   * The stream by which the last heartbeat came is closed. After a farewell, the worker has left. Without one it says
   * nothing of the worker: a load balancer that restarts closes the streams of a whole fleet.
   */
  hungUp(entry: RosterEntry): void {
    if (!entry.liveness.isLeaving) return;
    entry.liveness.hasHungUp = true;
    this.#look(entry, this.nowMs());
  }

  /** The worker is forgotten. */
  forget(entry: RosterEntry, cause: StateCause): void {
    this.#dueMs[entry.row] = NEVER;
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
    const silent = this.#lookAtDue(nowMs);
    this.#endGrace(nowMs);
    this.#decideBrakes(nowMs);
    for (const entry of silent) this.#lookAtSilent(entry, nowMs);
    this.#publishChangedHolds(nowMs);
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
    const units = this.#groups.held.filter((unit) => name === undefined || unit.name === name);
    for (const unit of units) this.#releaseFailed(unit, 'by an operator');
    return units.length;
  }

  #lookAtDue(nowMs: number): RosterEntry[] {
    const dueMs = this.#dueMs;
    const silent: RosterEntry[] = [];
    for (let row = 0; row < this.#rows; row++) {
      if ((dueMs[row] as number) >= nowMs) continue;
      const entry = this.#options.atRow(row);
      if (entry === undefined) dueMs[row] = NEVER;
      else if (this.#look(entry, nowMs)) silent.push(entry);
    }
    return silent;
  }

  /** @returns whether it has fallen silent: then its group is asked first. */
  #look(entry: RosterEntry, nowMs: number): boolean {
    const { liveness, row } = entry;
    const { limits, board, onGone } = this.#options;
    const { state, cause, untilMs } = judge(liveness, nowMs, limits);
    this.#dueMs[row] = untilMs;
    board.setInterval(row, liveness.intervalMs);
    if (state === 'gone') {
      onGone(entry);
      return false;
    }
    if (state === 'inactive' && liveness.state === 'inactive') this.#inactiveStill(entry, nowMs, untilMs);
    if (state === liveness.state || isBetter(state, liveness.state)) return false;
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
    const { liveness, row } = entry;
    // A brake that was just released may have given it more time.
    const { state, cause, untilMs } = judge(liveness, nowMs, this.#options.limits);
    if (state === 'gone' || state === liveness.state || isBetter(state, liveness.state)) return;
    if (this.#groups.isHeld(entry)) {
      this.#dueMs[row] = nowMs + LOOK_AT_HELD_EVERY_MS;
      return;
    }
    this.#change(entry, state, cause, silenceText(liveness, nowMs));
    // It goes on counting as one of its group for as long as others may be found to have fallen silent with it.
    this.#dueMs[row] = state === 'inactive' ? Math.min(untilMs, this.#unwatchedFromMs(liveness)) : untilMs;
  }

  #inactiveStill(entry: RosterEntry, nowMs: number, untilMs: number): void {
    const { liveness, row } = entry;
    if (liveness.watchedIn === undefined) return;
    const unwatchedFromMs = this.#unwatchedFromMs(liveness);
    if (nowMs >= unwatchedFromMs) this.#groups.unwatch(entry);
    else this.#dueMs[row] = Math.min(untilMs, unwatchedFromMs);
  }

  /** It counts as having fallen silent for one inactivity timeout, and while it is not yet inactive. */
  #unwatchedFromMs({ lastReceivedMs, intervalMs, patientUntilMs, stateSinceMs }: WorkerLiveness): number {
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
    const { board, clock, onActivity } = this.#options;
    const wasActive = board.isActive(row);
    board.setState(row, to, cause, clock.wallMs());
    const isActive = board.isActive(row);
    if (isActive !== wasActive) onActivity(entry, isActive);
    this.#flaps.changed(entry, { from, to, cause, detail });
  }

  // ── what holds it up ─────────────────────────────────────────────────────────────────────────────────────────

  #decideBrakes(nowMs: number): void {
    for (const unit of this.#groups.units) {
      switch (decideBrake(unit, nowMs, this.#options.brakeMaxHoldMs)) {
        case 'engage':
          this.#engage(unit, nowMs);
          break;
        case 'heard again':
          this.#releaseHeard(unit, nowMs);
          break;
        case 'longest hold over':
          this.#releaseFailed(unit, 'it was held for as long as is allowed');
          break;
        default:
      }
    }
  }

  #engage(unit: BrakeUnit, nowMs: number): void {
    this.#groups.setHeld(unit.name, nowMs);
    const maxS = this.#options.brakeMaxHoldMs / 1000;
    const detail =
      `${unit.silent} of ${unit.watched} workers of ${unitText(unit)} fell silent at once; ` +
      `they are not judged until most are heard, or "brake release", for ${maxS} s at most`;
    this.#options.recorder.record({ type: 'brake', group: unit.name, detail });
    this.#publishHolds();
  }

  /** Most are back; the others may be on their way, and get as long as if they had been heard just now: once. */
  #releaseHeard(unit: BrakeUnit, nowMs: number): void {
    const late = unit.silentEntries.filter(({ liveness }) => liveness.state !== 'inactive');
    for (const entry of late) {
      const { liveness } = entry;
      const hadMore = liveness.lastReceivedMs !== undefined && liveness.graceUntilMs > liveness.lastReceivedMs;
      if (!hadMore) liveness.graceUntilMs = nowMs + inactiveAfterMs(liveness.intervalMs, this.#options.limits);
      this.#groups.received(entry);
      this.#dueMs[entry.row] = 0;
    }
    const rest = late.length === 0 ? '' : `; ${late.length} not yet`;
    this.#released(unit, `workers of ${unitText(unit)} are heard again${rest}`);
  }

  /** Who is silent now has failed. */
  #releaseFailed(unit: BrakeUnit, reason: string): void {
    const failed = unit.silentEntries;
    this.#released(unit, `${reason}; ${failed.length} workers of ${unitText(unit)} have failed`);
    for (const entry of failed) {
      this.#groups.unwatch(entry);
      const { state, untilMs } = judge(entry.liveness, this.nowMs(), this.#options.limits);
      // Who is to be forgotten is so with the next sweep.
      this.#dueMs[entry.row] = state === 'gone' ? 0 : untilMs;
      if (state === 'gone' || state === entry.liveness.state || isBetter(state, entry.liveness.state)) continue;
      this.#change(entry, state, 'brake_released');
    }
  }

  #released({ name }: BrakeUnit, detail: string): void {
    this.#groups.setHeld(name, undefined);
    this.#options.recorder.record({ type: 'brake_released', group: name, detail });
    this.#publishHolds();
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
    this.#publishedHolds = this.holds;
    this.#publishedHoldsMs = this.nowMs();
    this.#options.onHolds(this.#publishedHolds);
  }

  /** While a brake holds others may fall silent or be heard, and a stall of the master's puts off every moment. */
  #publishChangedHolds(nowMs: number): void {
    const { graceEndsUnixMs, brakes } = this.#publishedHolds;
    if (graceEndsUnixMs === undefined && brakes.length === 0) return;
    if (nowMs - this.#publishedHoldsMs < TELL_HELD_EVERY_MS) return;
    if (!areAlike(this.holds, this.#publishedHolds)) this.#publishHolds();
  }

  #unixOf(attentiveMs: number): number {
    return this.#options.clock.wallMs() + attentiveMs - this.nowMs();
  }
}

function areAlike(a: Holds, b: Holds): boolean {
  return (
    isSameMoment(a.graceEndsUnixMs, b.graceEndsUnixMs) &&
    a.brakes.length === b.brakes.length &&
    a.brakes.every((brake, index) => areAlikeBrakes(brake, b.brakes[index] as HeldBrake))
  );
}

function areAlikeBrakes(a: HeldBrake, b: HeldBrake): boolean {
  const isSameUnit = a.group === b.group && a.silent === b.silent && a.watched === b.watched;
  return isSameUnit && isSameMoment(a.endsUnixMs, b.endsUnixMs);
}

function isSameMoment(aUnixMs: number | undefined, bUnixMs: number | undefined): boolean {
  if (aUnixMs === undefined || bUnixMs === undefined) return aUnixMs === bUnixMs;
  return Math.abs(aUnixMs - bUnixMs) < SAME_MOMENT_WITHIN_MS;
}

/**
 * How long before its newest heartbeat a worker was quiet; undefined if that is no pace of its own: it had said goodbye, or
 * another process speaks now, or it is told how often to send and did not. How it sends before any was applied says nothing
 * either: it may be a worker that tries.
 */
function gapOfPaceMs(liveness: WorkerLiveness, atMs: number): number | undefined {
  const { lastReceivedMs, hasRecord, isLeaving, hasBegunAnew, hears, state } = liveness;
  if (lastReceivedMs === undefined || !hasRecord || isLeaving || hasBegunAnew) return undefined;
  return hears && state === 'inactive' ? undefined : atMs - lastReceivedMs;
}

/** Time alone makes nothing better: only a heartbeat does, however a grace or a longer interval put a deadline off. */
function isBetter(state: WorkerState, than: WorkerState): boolean {
  return BY_TIME.some((states) => states.includes(state) && states.indexOf(state) < states.indexOf(than));
}
const BY_TIME: readonly (readonly WorkerState[])[] = [
  ['active', 'suspect', 'inactive'],
  ['leaving', 'left'],
];

function silenceText({ lastReceivedMs }: WorkerLiveness, nowMs: number): string | undefined {
  return lastReceivedMs === undefined ? undefined : `silent for ${((nowMs - lastReceivedMs) / 1000).toFixed(1)} s`;
}

function unitText({ name }: BrakeUnit): string {
  return name === '' ? 'no group' : `group ${name}`;
}
