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
import { FLAP_STEP_MS } from '../model/flapping.ts';
import type { Holds } from '../model/holds.ts';
import { inactiveAfterMs, judge, type LivenessLimits, type StateCause, type WorkerState } from '../model/liveness.ts';
import type { BoardWriter } from '../store/board.ts';
import { Attention } from './attention.ts';
import type { Chronicle } from './chronicle.ts';
import { FlapDamper } from './flap-damper.ts';
import { GroupWatch, type WatchedGroup } from './group-watch.ts';
import type { RosterEntry } from './roster.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

export interface JudgeOptions {
  readonly rows: number;
  readonly limits: LivenessLimits;
  readonly brakeMaxHoldMs: number;
  readonly board: BoardWriter;
  readonly chronicle: Chronicle;
  readonly clock: Clock;
  readonly atRow: (row: number) => RosterEntry | undefined;
  /** The longest interval that those who can be told one were told. */
  readonly toldIntervalMs: () => number;
  /** The worker is to be forgotten. */
  readonly onGone: (entry: RosterEntry) => void;
  /** What holds up judgement is other than before. */
  readonly onHolds: (holds: Holds) => void;
}

/**
 * A closed connection is a sign that the worker ended, unless it was the master who closed it because pings went unanswered,
 * which takes 10 s (`grpc.keepalive_timeout_ms`).
 */
const HANG_UP_WITHIN_MS = 9_000;
const NEVER = Number.POSITIVE_INFINITY;

export class Judge {
  readonly attention: Attention;
  readonly #options: JudgeOptions;
  readonly #groups = new GroupWatch();
  readonly #flaps: FlapDamper;
  /** By row. */
  readonly #dueMs: Float64Array;
  /** Rows at or beyond it were never used. */
  #rows = 0;
  #nextFlapStepMs: number;
  /** Until when workers of an earlier master are waited for. */
  #graceUntilMs: number | undefined;

  constructor(options: JudgeOptions) {
    this.#options = options;
    const nowMs = options.clock.monotonicMs();
    this.attention = new Attention(nowMs);
    this.#flaps = new FlapDamper(options.chronicle, options.board);
    this.#dueMs = new Float64Array(options.rows).fill(NEVER);
    this.#nextFlapStepMs = nowMs + FLAP_STEP_MS;
  }

  /** From now on main listens: what it did before, such as starting, is no stall. */
  begin(): void {
    this.attention.begin(this.#options.clock.monotonicMs());
  }

  /** Now, in attentive time. */
  nowMs(): number {
    return this.attention.at(this.#options.clock.monotonicMs());
  }

  /** How often a worker sends as far as is known. */
  intervalOf({ cadence, hears }: Pick<WorkerLiveness, 'cadence' | 'hears'>): number {
    const { limits, toldIntervalMs } = this.#options;
    return Math.max(limits.heartbeatIntervalMs, cadence.intervalMs, hears ? toldIntervalMs() : 0);
  }

  // ── news ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A worker is known from now on. */
  admit(entry: RosterEntry): void {
    this.#rows = Math.max(this.#rows, entry.row + 1);
    this.#dueMs[entry.row] = 0;
    const { liveness, row } = entry;
    if (liveness.isRestored) {
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
    this.#options.chronicle.tell({ type: 'grace', detail: `${workers} of them, for ${seconds} s` });
    this.#tellHolds();
  }

  /** A heartbeat came, at `atMs` of attentive time. */
  heard(entry: RosterEntry, atMs: number, isLeaving: boolean): void {
    const { liveness } = entry;
    const beforeMs = liveness.heardMs;
    liveness.heardMs = atMs;
    liveness.isLeaving = isLeaving;
    liveness.hasHungUp = false;
    if (beforeMs !== undefined && liveness.cadence.note(atMs - beforeMs)) this.#dueMs[entry.row] = 0;
    if (liveness.isSilent) {
      this.#groups.heard(entry);
      this.#dueMs[entry.row] = 0;
    }
    const state = isLeaving ? 'leaving' : 'active';
    if (liveness.state === state) return;
    this.#change(entry, state, isLeaving ? 'farewell' : 'heartbeat');
    if (isLeaving) this.#groups.unwatch(entry);
    else this.#groups.watch(entry);
    this.#dueMs[entry.row] = 0;
  }

  /** It was told, or found out, what its group is, or whether it is ephemeral. */
  described(entry: RosterEntry): void {
    if (entry.liveness.watchedIn !== undefined) this.#groups.watch(entry);
    this.#dueMs[entry.row] = 0;
  }

  /** The worker closed the connection by which its last heartbeat came. */
  hungUp(entry: RosterEntry): void {
    const { liveness } = entry;
    const { heardMs } = liveness;
    if (heardMs === undefined || this.nowMs() - heardMs > HANG_UP_WITHIN_MS) return;
    liveness.hasHungUp = true;
    if (liveness.isLeaving) this.#look(entry, this.nowMs());
  }

  /** The worker is forgotten. */
  forget(entry: RosterEntry, cause: StateCause): void {
    this.#dueMs[entry.row] = NEVER;
    this.#groups.unwatch(entry);
    this.#flaps.changed(entry, { from: entry.liveness.state, to: 'gone', cause });
    this.#flaps.forget(entry);
  }

  // ── judgement ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Four times a second. */
  sweep(): void {
    const nowMs = this.attention.look(this.#options.clock.monotonicMs());
    if (nowMs === undefined) return;
    this.#tellStall();
    const silent = this.#lookAtDue(nowMs);
    this.#decideBrakes(nowMs);
    for (const entry of silent) this.#lookAtSilent(entry, nowMs);
    this.#endGrace(nowMs);
    if (nowMs < this.#nextFlapStepMs) return;
    this.#nextFlapStepMs = nowMs + FLAP_STEP_MS;
    this.#flaps.step();
  }

  get holds(): Holds {
    return {
      graceEndsUnixMs: this.#graceUntilMs === undefined ? undefined : this.#unixOf(this.#graceUntilMs),
      brakes: this.#groups.held.map((group) => ({
        group: group.name,
        sinceUnixMs: this.#unixOf(group.heldSinceMs as number),
        silent: group.silent,
        watched: group.watched,
      })),
    };
  }

  /**
   * An operator says that the workers have failed indeed. @param name of the group; undefined: all.
   * @returns how many brakes were held
   */
  releaseBrakes(name?: string): number {
    const groups = this.#groups.held.filter((group) => name === undefined || group.name === name);
    for (const group of groups) this.#releaseFailed(group, 'by an operator');
    return groups.length;
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
    if (state === 'left') {
      this.#change(entry, state, cause);
      return false;
    }
    if (!liveness.hasHungUp) this.#groups.silent(entry);
    return true;
  }

  /** The brake, if it holds, keeps the worker as it is: it is looked at again when the brake is released. */
  #lookAtSilent(entry: RosterEntry, nowMs: number): void {
    const { liveness, row } = entry;
    // A brake that was just released may have given it more time.
    const { state, cause, untilMs } = judge(liveness, nowMs, this.#options.limits);
    if (state === 'gone' || state === liveness.state || isBetter(state, liveness.state)) return;
    if (this.#groups.isHeld(entry) && !liveness.hasHungUp) {
      this.#dueMs[row] = NEVER;
      return;
    }
    this.#change(entry, state, cause, silenceText(liveness, nowMs));
    // It goes on counting as one of its group for as long as others may be found to have fallen silent with it.
    this.#dueMs[row] = state === 'inactive' ? Math.min(untilMs, nowMs + this.#watchedForMs(liveness)) : untilMs;
  }

  #inactiveStill(entry: RosterEntry, nowMs: number, untilMs: number): void {
    const { liveness, row } = entry;
    if (liveness.watchedIn === undefined) return;
    const unwatchedFromMs = liveness.stateSinceMs + this.#watchedForMs(liveness);
    if (nowMs >= unwatchedFromMs) this.#groups.unwatch(entry);
    else this.#dueMs[row] = Math.min(untilMs, unwatchedFromMs);
  }

  #watchedForMs({ intervalMs }: WorkerLiveness): number {
    return inactiveAfterMs(intervalMs, this.#options.limits);
  }

  #change(entry: RosterEntry, to: WorkerState, cause: StateCause, detail?: string): void {
    const { liveness, row } = entry;
    const from = liveness.state;
    liveness.state = to;
    liveness.stateSinceMs = this.nowMs();
    this.#options.board.setState(row, to, cause, this.#options.clock.wallMs());
    this.#flaps.changed(entry, { from, to, cause, detail });
  }

  // ── what holds it up ─────────────────────────────────────────────────────────────────────────────────────────

  #decideBrakes(nowMs: number): void {
    for (const group of this.#groups.groups) {
      switch (decideBrake(group, nowMs, this.#options.brakeMaxHoldMs)) {
        case 'engage':
          this.#engage(group, nowMs);
          break;
        case 'heard again':
          this.#releaseHeard(group, nowMs);
          break;
        case 'longest hold over':
          this.#releaseFailed(group, 'it was held for as long as is allowed');
          break;
        default:
      }
    }
  }

  #engage(group: WatchedGroup, nowMs: number): void {
    group.heldSinceMs = nowMs;
    const detail = `${group.silent} of ${group.watched} workers of ${groupText(group)} fell silent at once`;
    this.#options.chronicle.tell({ type: 'brake', group: group.name, detail });
    this.#tellHolds();
  }

  /** Most are back; the others may be on their way, and get as long as if they had been heard just now. */
  #releaseHeard(group: WatchedGroup, nowMs: number): void {
    const late = [...group.silentEntries].filter(({ liveness }) => liveness.state !== 'inactive');
    for (const entry of late) {
      entry.liveness.graceUntilMs = nowMs + this.#watchedForMs(entry.liveness);
      this.#groups.heard(entry);
      this.#dueMs[entry.row] = 0;
    }
    this.#released(group, `${groupText(group)} is heard again; ${late.length} of it not yet`);
  }

  /** Who is silent now has failed. */
  #releaseFailed(group: WatchedGroup, reason: string): void {
    const failed = [...group.silentEntries];
    this.#released(group, `${reason}; ${failed.length} workers of ${groupText(group)} are silent`);
    for (const entry of failed) {
      this.#groups.unwatch(entry);
      const { state, untilMs } = judge(entry.liveness, this.nowMs(), this.#options.limits);
      this.#dueMs[entry.row] = untilMs;
      if (state !== 'gone' && state !== entry.liveness.state) this.#change(entry, state, 'brake_released');
    }
  }

  #released(group: WatchedGroup, detail: string): void {
    this.#groups.release(group);
    this.#options.chronicle.tell({ type: 'brake_released', group: group.name, detail });
    this.#tellHolds();
  }

  #endGrace(nowMs: number): void {
    if (this.#graceUntilMs === undefined || nowMs <= this.#graceUntilMs) return;
    this.#graceUntilMs = undefined;
    this.#options.chronicle.tell({ type: 'grace_over' });
    this.#tellHolds();
  }

  #tellStall(): void {
    const stalledMs = this.attention.takeStall();
    if (stalledMs === undefined) return;
    const detail = `for ${(stalledMs / 1000).toFixed(1)} s, by which every deadline is later`;
    this.#options.chronicle.tell({ type: 'stall', detail });
  }

  #tellHolds(): void {
    this.#options.onHolds(this.holds);
  }

  #unixOf(attentiveMs: number): number {
    return this.#options.clock.wallMs() + attentiveMs - this.nowMs();
  }
}

/** Time alone makes nothing better: only a heartbeat does, however a grace or a longer interval put a deadline off. */
function isBetter(state: WorkerState, than: WorkerState): boolean {
  return BY_SILENCE.indexOf(state) >= 0 && BY_SILENCE.indexOf(state) < BY_SILENCE.indexOf(than);
}
const BY_SILENCE: readonly WorkerState[] = ['active', 'suspect', 'inactive'];

function silenceText({ heardMs }: WorkerLiveness, nowMs: number): string | undefined {
  return heardMs === undefined ? undefined : `silent for ${((nowMs - heardMs) / 1000).toFixed(1)} s`;
}

function groupText({ name }: WatchedGroup): string {
  return name === '' ? 'no group' : `group ${name}`;
}
