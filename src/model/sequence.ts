/**
 * Which heartbeats of one instance are missing, came twice or came late, told from their sequence numbers. Counted from
 * the first one that this master received: what was before it may have gone to another master.
 */

/** Numbers below the highest whose arrival is remembered; one bit each. */
const WINDOW = 32;
/** Further back than this is no late heartbeat: the worker counts anew. */
const FAR_BACK = 1000;

/**
 * So many old numbers in a row, each one more than the last, are no late heartbeats: the worker counts from there, as one
 * whose machine was set back does under its former name. Beyond the window, where nothing comes late that was only
 * overtaken, fewer are enough. Until then its heartbeats are dropped, and what is shown of it stands still. They come at the
 * worker's pace: old numbers at once are copies of what was not acknowledged.
 */
const OLD_IN_A_ROW = 8;
const FAR_OLD_IN_A_ROW = 3;
/** Of the worker's interval: heartbeats of which some come late and the next in time are no burst. */
const PACE_SHARE = 0.5;

/** `next`: newer than all before. `again`: the worker has begun to count anew, or from an earlier number. */
export type Arrival = 'next' | 'late' | 'duplicate' | 'again';

export class SequenceWindow {
  #first = 0;
  #highest = 0;
  /** Bit i: number `highest - i` has arrived. */
  #arrived = 0;
  /** The last number that was not newer than all before; how many such came in a row, each one more than the last; since when. */
  #lastOld = 0;
  #oldInARow = 0;
  #oldSinceMs = 0;
  /** Heartbeats that did not arrive, up to now. A late one takes itself back. */
  missed = 0;

  /** A new instance counts anew; what was missed stays counted. */
  reset(): void {
    this.#highest = 0;
  }

  /** Whether it is not newer than all before. */
  isOld(sequence: number): boolean {
    return sequence <= this.#highest;
  }

  /**
   * @param sequence from 1
   * @param atMs when it came
   * @param intervalMs how often the worker sends
   */
  note(sequence: number, atMs: number, intervalMs: number): Arrival {
    if (this.#highest === 0) {
      this.#begin(sequence);
      return 'next';
    }
    const ahead = sequence - this.#highest;
    if (ahead <= 0 && this.#countsAnew(sequence, atMs, intervalMs)) return this.beginAgain(sequence);
    if (ahead > 0) {
      this.#oldInARow = 0;
      // A worker may say any number: what it missed stays one that can be counted.
      this.missed = Math.min(this.missed + ahead - 1, Number.MAX_SAFE_INTEGER);
      this.#arrived = ahead >= WINDOW ? 1 : (this.#arrived << ahead) | 1;
      this.#highest = sequence;
      return 'next';
    }
    const back = -ahead;
    if (back > FAR_BACK || (sequence === 1 && back >= WINDOW)) return this.beginAgain(sequence);
    if (back >= WINDOW) return 'late';
    const bit = 1 << back;
    if ((this.#arrived & bit) !== 0) return 'duplicate';
    this.#arrived |= bit;
    if (sequence > this.#first) this.missed--;
    return 'late';
  }

  /** The worker is known to count anew, from this number. */
  beginAgain(sequence: number): Arrival {
    this.#begin(sequence);
    return 'again';
  }

  /** A worker that was set back, or whose first numbers were lost, would look late for as long as it lived before. */
  #countsAnew(sequence: number, atMs: number, intervalMs: number): boolean {
    this.#oldInARow = sequence === this.#lastOld + 1 ? this.#oldInARow + 1 : 1;
    if (this.#oldInARow === 1) this.#oldSinceMs = atMs;
    this.#lastOld = sequence;
    const enough = this.#highest - sequence >= WINDOW ? FAR_OLD_IN_A_ROW : OLD_IN_A_ROW;
    return this.#oldInARow >= enough && atMs - this.#oldSinceMs >= (enough - 1) * PACE_SHARE * intervalMs;
  }

  #begin(sequence: number): void {
    this.#oldInARow = 0;
    this.#first = sequence;
    this.#highest = sequence;
    this.#arrived = 1;
  }
}
