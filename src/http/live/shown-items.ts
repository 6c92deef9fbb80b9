/**
 * When what is shown of each worker changed last, for fields that stay the same through most heartbeats: who follows
 * these is not told of the others. What was told is remembered as hashes, and a worker's place in the order moves only when
 * its hash differs.
 *
 * A hash holds as long as every client whose position is behind the worker's place has just these values. Where that is not
 * sure, as when a client was told something newer than the last look saw, there is none, and the next change counts
 * whatever it is.
 */

import { ChangeOrder } from '../../reading/change-order.ts';
import type { Directory } from '../../reading/directory.ts';
import type { Fields } from '../../reading/fields.ts';
import type { ParsedRecord } from '../../reading/parsed-record.ts';
import { itemHash } from '../query/item.ts';

const UNSURE = Number.NaN;

export class ShownItems {
  readonly order: ChangeOrder;
  readonly #fields: Fields;
  readonly #directory: Directory;
  /** By row. */
  readonly #hashes: Float64Array;

  constructor(fields: Fields, directory: Directory) {
    this.#fields = fields;
    this.#directory = directory;
    this.order = new ChangeOrder(directory.board.capacity);
    this.#hashes = new Float64Array(directory.board.capacity).fill(UNSURE);
  }

  /** The worker is seen for the first time, shown or not. */
  begin(reading: ParsedRecord, at: number, isShown: boolean): void {
    const { row } = reading.entry;
    this.#hashes[row] = isShown ? this.#hashOf(reading) : UNSURE;
    this.order.move(row, at);
  }

  /** The worker is shown, and changed at that counter. @param isKnown it was shown before, and no change of it was missed */
  changed(reading: ParsedRecord, at: number, isKnown: boolean): boolean {
    const { row } = reading.entry;
    const before = this.#hashes[row];
    const now = this.#hashOf(reading);
    this.#hashes[row] = now;
    // Nothing equals UNSURE, not even itself.
    if (isKnown && now === before) return false;
    this.order.move(row, at);
    return true;
  }

  /** It is not shown. @param leaves it was until now */
  hidden(row: number, at: number, leaves: boolean): void {
    this.#hashes[row] = UNSURE;
    if (leaves || this.order.at(row) === 0) this.order.move(row, at);
  }

  gone(row: number): void {
    this.#hashes[row] = UNSURE;
    this.order.remove(row);
  }

  /** What was read of the worker in that row may be newer than what the last look saw. */
  unsure(row: number): void {
    this.#hashes[row] = UNSURE;
  }

  /** A client is told what was read. */
  shown(reading: ParsedRecord): void {
    const { row } = reading.entry;
    if (this.#hashOf(reading) !== this.#hashes[row]) this.#hashes[row] = UNSURE;
  }

  #hashOf(reading: ParsedRecord): number {
    try {
      return itemHash(reading, this.#directory.board, this.#fields);
    } catch {
      // It changes too fast to be read: so it changes again.
      return UNSURE;
    }
  }
}
