/**
 * The revision behind live streams, blocking queries and ETags: a counter that moves with every change of a worker that a
 * look at shared memory finds. Nobody announces changes; they are seen by comparing words.
 *
 *     counter   1      2      3      4      5      6
 *               a      b      c      a      –b     c        –: gone
 *     order     ·      ·      ·      a             c        each worker once, where it changed last
 *     gone                                  b
 *
 * Workers hang in a list in the order of their last change, so that "all that changed after counter N" takes as many steps
 * as there are such workers; those that are gone are remembered in a ring. Whoever has everything up to N, and is told
 * both, has everything up to now. Each change has a counter of its own, so that the telling may stop anywhere and be gone on
 * with.
 *
 * What is seen of a worker is remembered before its values are read: whatever changes in between differs from what is
 * remembered, and is found by the next look.
 */
import { randomBytes } from 'node:crypto';
import { ChangeOrder } from './change-order.ts';
import type { Directory, WorkerEntry } from './directory.ts';
import { MAX_GONE_REMEMBERED } from './reading-limits.ts';

/** A worker that left, and the counter at which it did. */
export interface Left {
  readonly workerId: string;
  readonly at: number;
}

/** A worker that is gone. */
export interface Gone extends Left {
  readonly row: number;
  /** The counter of its last change before; `at` where it changed in a way that no look saw. */
  readonly before: number;
}

/** Tells one life of the http thread from another: counters of different epochs do not compare. */
export function newEpoch(): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return Array.from(randomBytes(8), (byte) => alphabet[byte & 31]).join('');
}

export class Revisions {
  readonly epoch: string;
  /** Those who are there, in the order of their last changes; as of the last look. */
  readonly order: ChangeOrder;
  readonly #directory: Directory;
  readonly #listeners = new Set<() => void>();
  #counter = 0;

  // By row of the board, as in joined-map.ts.
  /** Who was there at the last look. */
  readonly #entries: (WorkerEntry | undefined)[] = [];
  readonly #rowCopies: Int32Array;
  /** In how many steps the row changed, as of this look. */
  readonly #rowSteps: Int32Array;
  /** Publications to the worker's slot that were counted at the last look, and as of this one. */
  readonly #counted: Int32Array;
  readonly #countedNow: Int32Array;
  /** What the slot itself said of them. */
  readonly #publications: Int32Array;
  readonly #changedRows: Int32Array;
  /** The counter of the worker's change before its last one, or of the last itself where it was several; 0: there was none. */
  readonly #before: Float64Array;

  /** The ring: number n is at n modulo its size. */
  readonly #gone: Gone[] = [];
  #goneCount = 0;
  #horizon = 0;

  constructor(directory: Directory, epoch: string) {
    this.#directory = directory;
    this.epoch = epoch;
    const rows = directory.board.capacity;
    this.#rowCopies = directory.board.newRowCopies();
    this.#rowSteps = new Int32Array(rows);
    this.#counted = new Int32Array(rows);
    this.#countedNow = new Int32Array(rows);
    this.#publications = new Int32Array(rows);
    this.order = new ChangeOrder(rows);
    this.#changedRows = new Int32Array(rows);
    this.#before = new Float64Array(rows);
  }

  /** The last change that was seen; 0 before the first. */
  get counter(): number {
    return this.#counter;
  }

  /** `<epoch>-<counter>`, as clients know it. */
  get text(): string {
    return this.textOf(this.#counter);
  }

  textOf(counter: number): string {
    return `${this.epoch}-${counter}`;
  }

  /** The counter of such a text; undefined if this epoch never gave it out. */
  counterIn(text: string): number | undefined {
    const [epoch, digits = '', ...rest] = text.split('-');
    if (epoch !== this.epoch || rest.length > 0 || !/^\d{1,16}$/.test(digits)) return undefined;
    const counter = Number(digits);
    return counter <= this.#counter ? counter : undefined;
  }

  /** What was told up to a counter below it cannot be gone on with: some that are gone since are not remembered. */
  get horizon(): number {
    return this.#horizon;
  }

  /** The counter at which the worker changed last, as of the last look; for one that it did not see the newest. */
  of({ row, workerId }: WorkerEntry): number {
    return this.#entries[row]?.workerId === workerId ? this.order.at(row) : this.#counter;
  }

  /** Calls `looked` after each look. @returns what ends it. */
  listen(looked: () => void): () => void {
    this.#listeners.add(looked);
    return () => this.#listeners.delete(looked);
  }

  /** Finds what changed since the last look. @returns the workers that are new or changed, each once. */
  look(): readonly WorkerEntry[] {
    const rows = this.#findChangedRows();
    // First all that are gone: an id that left one row for another is there in the end.
    for (const row of rows) this.#lookForGone(row);
    const changed: WorkerEntry[] = [];
    for (const row of rows) {
      const entry = this.#lookForChange(row);
      if (entry !== undefined) changed.push(entry);
    }
    for (const looked of this.#listeners) looked();
    return changed;
  }

  /** Who was seen in that row. */
  entryAt(row: number): WorkerEntry | undefined {
    return this.#entries[row];
  }

  /**
   * The counter of the change before the last one of the worker in that row; 0: there was none. That of the last one itself
   * where its slot, its row or what is known beside them may have changed several times since the look before: what came
   * between nobody saw here, and a list may have.
   */
  changeBefore(row: number): number {
    return this.#before[row] as number;
  }

  /** Whether the worker in that row is still as the last look saw it. */
  isAsSeen(row: number): boolean {
    const { board, rows } = this.#directory;
    const entry = this.#entries[row];
    if (entry === undefined || entry !== rows[row]) return false;
    return entry.slot.publications === this.#publications[row] && board.isAsCopied(row, this.#rowCopies);
  }

  /** Those that went after `counter`, in that order; all of them, if it is not below the horizon. Some may be back. */
  *goneAfter(counter: number): Generator<Gone> {
    const oldest = Math.max(0, this.#goneCount - MAX_GONE_REMEMBERED);
    let number = this.#goneCount;
    while (number > oldest && this.#goneNumber(number - 1).at > counter) number--;
    for (; number < this.#goneCount; number++) yield this.#goneNumber(number);
  }

  #goneNumber(number: number): Gone {
    return this.#gone[number % MAX_GONE_REMEMBERED] as Gone;
  }

  /** Valid until the next look. */
  #findChangedRows(): Int32Array {
    const { board, rows } = this.#directory;
    const entries = this.#entries;
    while (entries.length < rows.length) entries.push(undefined);
    board.publications.copyTo(this.#countedNow);
    const changedRows = this.#changedRows;
    let found = board.changedRows(this.#rowCopies, rows.length, changedRows);
    // What is in the list already is not looked for again: rows come in ascending order.
    const onBoard = found;
    for (let row = 0, next = 0; row < rows.length; row++) {
      if (next < onBoard && changedRows[next] === row) {
        next++;
        continue;
      }
      const entry = rows[row];
      const isSame = entry === entries[row] && (entry === undefined || this.#countedNow[row] === this.#counted[row]);
      if (!isSame) changedRows[found++] = row;
    }
    return changedRows.subarray(0, found);
  }

  #lookForGone(row: number): void {
    const { board, rows } = this.#directory;
    const rowSteps = board.copyRow(row, this.#rowCopies);
    this.#rowSteps[row] = rowSteps;
    const known = this.#entries[row];
    if (known === undefined) return;
    const entry = rows[row];
    // Another entry of the same worker is a larger slot, new facts, or the worker after it was gone for a moment.
    if (entry?.workerId === known.workerId && board.isOccupiedBy(row, entry.occupant)) return;
    this.#entries[row] = undefined;
    const at = ++this.#counter;
    // What it was since the look before nobody saw here, as in #lookForChange.
    const isAsBefore = rowSteps === 0 && known.slot.publications === this.#publications[row];
    const before = isAsBefore ? this.order.at(row) : at;
    this.order.remove(row);
    const place = this.#goneCount++ % MAX_GONE_REMEMBERED;
    this.#horizon = this.#gone[place]?.at ?? 0;
    this.#gone[place] = { workerId: known.workerId, row, at, before };
  }

  #lookForChange(row: number): WorkerEntry | undefined {
    const { board, rows } = this.#directory;
    const entry = rows[row];
    if (entry === undefined || !board.isOccupiedBy(row, entry.occupant)) return undefined;
    this.#counted[row] = board.publications.of(row);
    const { publications } = entry.slot;
    const known = this.#entries[row];
    // Another entry is another slot, which counts anew, or what is known beside memory, of which nobody counts the changes.
    const isOneStep =
      known === undefined ||
      (known === entry &&
        ((publications - (this.#publications[row] as number)) | 0) <= 1 &&
        (this.#rowSteps[row] as number) <= 1);
    this.#publications[row] = publications;
    this.#entries[row] = entry;
    const at = ++this.#counter;
    this.#before[row] = isOneStep ? this.order.at(row) : at;
    this.order.move(row, at);
    return entry;
  }
}
