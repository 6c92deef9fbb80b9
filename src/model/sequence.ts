/**
 * Detects missing, duplicate and late heartbeats of one instance from their sequence numbers. Counting starts with the
 * first one that this master received, since earlier ones may have gone to another master.
 */

/** Number of sequence numbers below the highest whose arrival is stored, one bit each. */
const WINDOW = 32;
/** A number further back than this is not a late heartbeat: the worker has restarted its sequence. */
const FAR_BACK = 1000;

/**
 * This many old numbers in a row, each one greater than the last by one, are not late heartbeats: the worker has been
 * reset, for example from a snapshot of its machine, and continues from there. Beyond the window, where overtaken
 * heartbeats cannot be, fewer suffice. Until then its heartbeats are dropped, and its shown values do not change. They
 * must come at the worker's pace: old numbers in a burst are copies of unacknowledged heartbeats.
 */
const OLD_IN_A_ROW = 8;
const FAR_OLD_IN_A_ROW = 3;
/** Share of the worker's interval: if some heartbeats are late and the next ones on time, that is not a burst. */
const PACE_SHARE = 0.5;

/**
 * `next`: newer than all before. `again`: the worker has restarted its sequence, or continues from an earlier number.
 */
export type Arrival = 'next' | 'late' | 'duplicate' | 'again';

export class SequenceWindow {
  #first = 0;
  #highest = 0;
  /** Bit i: number `highest - i` has arrived. */
  #arrived = 0;
  /**
   * The last number that was not newer than all before; how many consecutive ones have arrived in a row; since when.
   */
  #lastOld = 0;
  #oldInARow = 0;
  #oldSinceMs = 0;
  /** Number of heartbeats that did not arrive so far. A late one is subtracted again. */
  missed = 0;

  /** For a new instance: the sequence restarts, the number of missed heartbeats stays. */
  reset(): void {
    this.#highest = 0;
  }

  /** Whether it is not newer than all before. */
  isOld(sequence: number): boolean {
    return sequence <= this.#highest;
  }

  /**
   * @param sequence from 1
   * @param atMs time of arrival
   * @param intervalMs the worker's heartbeat interval
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
      // A worker may send any number, so the count must saturate.
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

  /** The worker is known to restart its sequence with this number. */
  beginAgain(sequence: number): Arrival {
    this.#begin(sequence);
    return 'again';
  }

  /**
   * Without this, a worker that was reset, or whose first numbers were lost, would look late for as long as it ran
   * before.
   */
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
