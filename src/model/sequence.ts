/**
 * Which heartbeats of one instance are missing, came twice or came late, told from their sequence numbers. Counted from
 * the first one that this master received: what was before it may have gone to another master.
 */

/** Numbers below the highest whose arrival is remembered; one bit each. */
const WINDOW = 32;
/** Further back than this is no late heartbeat: the worker counts anew. */
const FAR_BACK = 1000;

/** `next`: newer than all before. `again`: the worker has begun to count anew. */
export type Arrival = 'next' | 'late' | 'duplicate' | 'again';

export class SequenceWindow {
  #first = 0;
  #highest = 0;
  /** Bit i: number `highest - i` has arrived. */
  #arrived = 0;
  /** Heartbeats that did not arrive, up to now. A late one takes itself back. */
  missed = 0;

  /** A new instance counts anew; what was missed stays counted. */
  reset(): void {
    this.#highest = 0;
  }

  /** @param sequence from 1 */
  note(sequence: number): Arrival {
    if (this.#highest === 0) {
      this.#begin(sequence);
      return 'next';
    }
    const ahead = sequence - this.#highest;
    if (ahead > 0) {
      this.missed += ahead - 1;
      this.#arrived = ahead >= WINDOW ? 1 : (this.#arrived << ahead) | 1;
      this.#highest = sequence;
      return 'next';
    }
    const back = -ahead;
    if (back > FAR_BACK || (sequence === 1 && back >= WINDOW)) {
      this.#begin(sequence);
      return 'again';
    }
    if (back >= WINDOW) return 'late';
    const bit = 1 << back;
    if ((this.#arrived & bit) !== 0) return 'duplicate';
    this.#arrived |= bit;
    if (sequence > this.#first) this.missed--;
    return 'late';
  }

  #begin(sequence: number): void {
    this.#first = sequence;
    this.#highest = sequence;
    this.#arrived = 1;
  }
}
