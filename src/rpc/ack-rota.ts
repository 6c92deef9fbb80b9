/**
 * Decides when each stream sends its pending acks: once per period, with all streams spread evenly over it. Acks of thousands
 * of streams in one turn would block the main thread. The period is divided into slots; a new stream joins the slot with the
 * fewest streams and keeps it. So no ack waits longer than one period, and streams opened together do not send together.
 */
import type { Clock, Timer } from '../lib/clock.ts';

export interface AckStream {
  /** Sends the pending acks; does nothing if there are none. */
  flush(): void;
}

export interface AckRotaOptions {
  readonly clock: Clock;
  readonly periodMs: number;
  /** Calls `turn` in a later turn of the event loop. */
  readonly later?: (turn: () => void) => void;
}

/** With a period of 3 s this is a timer every 50 ms, which costs less than 0.1 % of a core. */
export const SLOTS = 60;
/** Sending an ack message takes about 10 µs. */
export const MAX_STREAMS_PER_TURN = 256;

export class AckRota {
  readonly #clock: Clock;
  readonly #slotMs: number;
  readonly #later: (turn: () => void) => void;
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<AckStream>());
  readonly #slotOf = new Map<AckStream, Set<AckStream>>();
  readonly #startMs: number;
  readonly #timer: Timer;
  /** How many slots have been due since the start. */
  #passed = 0;
  /** Streams whose slot is due and that have not been flushed yet. */
  readonly #due = new Set<AckStream>();
  #isFlushing = false;

  constructor({ clock, periodMs, later = setImmediate }: AckRotaOptions) {
    this.#clock = clock;
    this.#slotMs = periodMs / SLOTS;
    this.#later = later;
    this.#startMs = clock.monotonicMs();
    this.#timer = clock.every(this.#slotMs, () => this.#look());
  }

  add(stream: AckStream): void {
    const slot = this.#slots.reduce((fewest, other) => (other.size < fewest.size ? other : fewest));
    slot.add(stream);
    this.#slotOf.set(stream, slot);
  }

  delete(stream: AckStream): void {
    this.#slotOf.get(stream)?.delete(stream);
    this.#slotOf.delete(stream);
    this.#due.delete(stream);
  }

  stop(): void {
    this.#timer.cancel();
    this.#due.clear();
  }

  #look(): void {
    // Counted from the elapsed time: timers run late, and after a stall several slots are due.
    const passed = Math.round((this.#clock.monotonicMs() - this.#startMs) / this.#slotMs);
    for (let slot = Math.max(this.#passed, passed - SLOTS); slot < passed; slot++) {
      for (const stream of this.#slots[slot % SLOTS] as Set<AckStream>) this.#due.add(stream);
    }
    this.#passed = passed;
    if (!this.#isFlushing) this.#flush();
  }

  #flush(): void {
    let flushed = 0;
    for (const stream of this.#due) {
      if (flushed++ === MAX_STREAMS_PER_TURN) break;
      this.#due.delete(stream);
      stream.flush();
    }
    this.#isFlushing = this.#due.size > 0;
    if (this.#isFlushing) this.#later(() => this.#flush());
  }
}
