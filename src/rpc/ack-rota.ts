/**
 * When streams send the acks that wait: each stream once in a period, and all of them spread over it, since acks of thousands of
 * streams in one turn hold up everything else on the main thread. The period is cut into slots, and a stream keeps the slot
 * that had the fewest streams when it was opened. So no ack waits for longer than the period, and streams that are opened at once do
 * not send their acks at once.
 */
import type { Clock, Timer } from '../lib/clock.ts';

export interface AckStream {
  /** Sends the acks that wait; nothing if there are none. */
  flush(): void;
}

export interface AckRotaOptions {
  readonly clock: Clock;
  readonly periodMs: number;
  /** Calls it in a later turn of the event loop. */
  readonly later?: (turn: () => void) => void;
}

/** With a period of 3 s a timer every 50 ms, which costs less than a thousandth of a core. */
export const SLOTS = 60;
/** An ack with its message takes some 10 µs. */
export const MAX_STREAMS_PER_TURN = 256;

export class AckRota {
  readonly #clock: Clock;
  readonly #slotMs: number;
  readonly #later: (turn: () => void) => void;
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<AckStream>());
  readonly #slotOf = new Map<AckStream, Set<AckStream>>();
  readonly #startMs: number;
  readonly #timer: Timer;
  /** Slots that have been due, since the start. */
  #passed = 0;
  /** Streams whose slot has been due. */
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
    // By the time that has passed: timers come late, and after a stall several slots are due.
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
