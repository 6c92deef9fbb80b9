/**
 * The periodic work of main, four times a second. The order matters: mailboxes release processed heartbeats before
 * lanes are checked, since a lane that made progress is not stalled; everything is counted before it is published.
 *
 *     beat ──► mailboxes ──► liveness ──► loads ──► lanes ──► rate, journal, memory ──► publish
 */
import type { Clock, Timer } from '../lib/clock.ts';
import { meanRate } from '../model/rate.ts';
import { type ClockLook, clockStepMs, clockStepText } from '../model/wall-clock.ts';
import type { BoardWriter } from '../store/board.ts';
import type { DeliveryWatch } from './delivery-watch.ts';
import type { FigurePublisher } from './figure-publisher.ts';
import type { LanePool } from './lanes/lane-pool.ts';
import type { LoadWatch } from './lanes/load-watch.ts';
import type { Liveness } from './liveness/liveness.ts';
import type { Members } from './persistence/members.ts';
import type { StatusPublisher } from './status-publisher.ts';
import type { RecordMemory } from './workers/record-memory.ts';
import type { RingMemory } from './workers/ring-memory.ts';

export interface PulseOptions {
  readonly board: BoardWriter;
  readonly deliveries: DeliveryWatch;
  readonly liveness: Liveness;
  readonly loads: LoadWatch;
  readonly lanes: LanePool;
  readonly members: Members;
  readonly records: RecordMemory;
  readonly rings: RingMemory;
  readonly publisher: StatusPublisher;
  readonly figures: FigurePublisher;
  readonly clock: Clock;
}

/** Interval of the sweep. */
const SWEEP_EVERY_MS = 250;
/** Interval at which delayed member changes are saved. */
const TELL_LATE_EVERY_MS = 5000;

export class Pulse {
  readonly #options: PulseOptions;
  #timer: Timer | undefined;
  #sweptMs = 0;
  #lateReportedMs = 0;
  #clocks: ClockLook = { wallMs: 0, monotonicMs: 0 };
  /** Recent heartbeat rate, and the total at the last sweep. */
  #heartbeatsPerS = 0;
  #heartbeatsSeen = 0;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  /** Starts the sweeps. */
  begin(): void {
    const { publisher, liveness, clock } = this.#options;
    this.#sweptMs = clock.monotonicMs();
    this.#clocks = { wallMs: clock.wallMs(), monotonicMs: this.#sweptMs };
    publisher.begin(this.#sweptMs);
    liveness.begin();
    this.#timer = clock.every(SWEEP_EVERY_MS, () => this.#sweep());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #sweep(): void {
    const { board, deliveries, liveness, loads, lanes, records, rings, publisher, figures, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const elapsedMs = nowMs - this.#sweptMs;
    board.stampBeat(nowMs);
    this.#lookAtClocks();
    deliveries.sweep();
    liveness.sweep(nowMs);
    loads.look();
    lanes.watch(elapsedMs);
    this.#measureRate(elapsedMs);
    this.#tellLate(nowMs);
    records.look(nowMs);
    rings.look(board.rowsUsed);
    publisher.look(nowMs);
    figures.publish(nowMs, elapsedMs - SWEEP_EVERY_MS);
    this.#sweptMs = nowMs;
  }

  /** A step is told even if liveness does not depend on it: times of samples and events do. */
  #lookAtClocks(): void {
    const { clock, liveness } = this.#options;
    const before = this.#clocks;
    this.#clocks = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
    const stepMs = clockStepMs(before, this.#clocks);
    if (stepMs !== 0) liveness.recordEvent({ type: 'clock_set', detail: clockStepText(stepMs), stepMs });
  }

  #measureRate(elapsedMs: number): void {
    const { board } = this.#options;
    const { heartbeats } = board;
    this.#heartbeatsPerS = meanRate(this.#heartbeatsPerS, (heartbeats - this.#heartbeatsSeen) >>> 0, elapsedMs);
    this.#heartbeatsSeen = heartbeats;
    board.setHeartbeatRate(this.#heartbeatsPerS);
  }

  #tellLate(nowMs: number): void {
    if (nowMs - this.#lateReportedMs < TELL_LATE_EVERY_MS) return;
    this.#lateReportedMs = nowMs;
    this.#options.members.tellLate();
  }
}
