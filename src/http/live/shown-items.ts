/**
 * When what is shown of each worker changed last, for fields that stay the same through most heartbeats: who follows
 * these is not told of the others. What was told is remembered as hashes, and a worker's place in the order moves only when
 * its hash differs.
 *
 * A hash holds as long as every client whose position is behind the worker's place has just these bytes. Where that is not
 * sure, as when a client was told something newer than the last look saw, there is none, and the next change counts
 * whatever it is.
 */
import { hash } from 'node:crypto';
import type { Directory, WorkerEntry } from '../../store/directory.ts';
import { ChangeOrder } from '../change-order.ts';
import { JsonText } from '../json-text.ts';
import type { Fields } from '../query/fields.ts';
import { putItem } from '../query/item.ts';
import type { Revisions } from '../revisions.ts';

/** Of this thread: what is written into it is hashed before anything else runs. */
const text = new JsonText();
const UNSURE = Number.NaN;

export class ShownItems {
  readonly order: ChangeOrder;
  readonly #fields: Fields;
  readonly #directory: Directory;
  /** By row. */
  readonly #hashes: Float64Array;

  /** @param shows whether the view that these items are of shows a worker; @param revisions as of their last look */
  constructor(fields: Fields, directory: Directory, revisions: Revisions, shows: (workerId: string) => boolean) {
    this.#fields = fields;
    this.#directory = directory;
    this.order = new ChangeOrder(directory.board.capacity);
    this.#hashes = new Float64Array(directory.board.capacity).fill(UNSURE);
    for (const entry of revisions.changedAfter(0)) {
      this.order.move(entry.row, revisions.of(entry));
      if (shows(entry.workerId)) this.#hashes[entry.row] = this.#hashOf(entry);
    }
    // Those who come back have what was seen by then, and not what is there now.
    for (const row of revisions.changedSinceLook()) this.#hashes[row] = UNSURE;
  }

  /** The worker is shown, and changed at that counter. @param wasShown before */
  changed(entry: WorkerEntry, at: number, wasShown: boolean): boolean {
    const { row } = entry;
    const before = this.#hashes[row];
    const now = this.#hashOf(entry);
    this.#hashes[row] = now;
    // Nothing equals UNSURE, not even itself.
    if (wasShown && now === before) return false;
    this.order.move(row, at);
    return true;
  }

  /** It is not shown. @param leaves it was until now */
  hidden({ row }: WorkerEntry, at: number, leaves: boolean): void {
    this.#hashes[row] = UNSURE;
    if (leaves || this.order.at(row) === 0) this.order.move(row, at);
  }

  gone(row: number): void {
    this.#hashes[row] = UNSURE;
    this.order.remove(row);
  }

  /** A client is told these bytes. */
  told(row: number, bytes: Uint8Array): void {
    if (hashOf(bytes) !== this.#hashes[row]) this.#hashes[row] = UNSURE;
  }

  #hashOf(entry: WorkerEntry): number {
    try {
      return putItem(text.clear(), entry, this.#directory, this.#fields) ? hashOf(text.bytes()) : UNSURE;
    } catch {
      // It changes too fast to be read: so it changes again.
      return UNSURE;
    }
  }
}

/** 48 bits: that a change is taken for none happens once in 280 million million. */
function hashOf(bytes: Uint8Array): number {
  return hash('sha256', bytes, 'buffer').readUIntBE(0, 6);
}
