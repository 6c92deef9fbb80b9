/**
 * When the shown fields of each worker changed last, for fields that most heartbeats leave unchanged: clients that follow
 * these are not sent the other changes. What was sent is remembered as a hash, and a worker moves in the order only when its
 * hash differs.
 *
 * A hash is valid only if every client whose position is before the worker's place has exactly these values. If that is not
 * certain, for example because a client was sent something newer than the last poll saw, there is no hash, and the next change
 * counts whatever it is.
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

  /** The worker is seen for the first time, whether shown or not. */
  begin(reading: ParsedRecord, at: number, isShown: boolean): void {
    const { row } = reading.entry;
    this.#hashes[row] = isShown ? this.#hashOf(reading) : UNSURE;
    this.order.move(row, at);
  }

  /** A shown worker changed at this counter. @param isKnown it was shown before, and no change of it was missed */
  changed(reading: ParsedRecord, at: number, isKnown: boolean): boolean {
    const { row } = reading.entry;
    const before = this.#hashes[row];
    const now = this.#hashOf(reading);
    this.#hashes[row] = now;
    // UNSURE is NaN, which equals nothing.
    if (isKnown && now === before) return false;
    this.order.move(row, at);
    return true;
  }

  /** The worker is not shown. @param leaves whether it was shown until now */
  hidden(row: number, at: number, leaves: boolean): void {
    this.#hashes[row] = UNSURE;
    if (leaves || this.order.at(row) === 0) this.order.move(row, at);
  }

  gone(row: number): void {
    this.#hashes[row] = UNSURE;
    this.order.remove(row);
  }

  /** What was read of the worker may be newer than what the last poll saw. */
  unsure(row: number): void {
    this.#hashes[row] = UNSURE;
  }

  /** A client is sent what was read. */
  shown(reading: ParsedRecord): void {
    const { row } = reading.entry;
    if (this.#hashOf(reading) !== this.#hashes[row]) this.#hashes[row] = UNSURE;
  }

  #hashOf(reading: ParsedRecord): number {
    try {
      return itemHash(reading, this.#directory.board, this.#fields);
    } catch {
      // The record changes too fast to be read, so it will change again.
      return UNSURE;
    }
  }
}
