/**
 * The revision used by live streams, blocking queries and ETags: a counter that increases with every change of a worker that a
 * poll of shared memory finds. Changes are not announced; they are found by comparing words.
 *
 *     counter   1      2      3      4      5      6
 *               a      b      c      a      –b     c        –: removed
 *     order     ·      ·      ·      a             c        each worker once, at its last change
 *     removed                               b
 *
 * Workers are linked in the order of their last change, so finding everything that changed after counter N takes as many steps as
 * there are such workers; removed workers are remembered in a ring. A client that has everything up to N, and is sent
 * both, has everything up to now. Each change has its own counter, so sending may stop anywhere and resume there.
 *
 * A worker's state is noted before its values are read: a change in between differs from the note, and the next poll finds it.
 */
import { randomBytes } from 'node:crypto';
import { ChangeOrder } from './change-order.ts';
import type { Directory, WorkerEntry } from './directory.ts';
import { MAX_GONE_REMEMBERED } from './reading-limits.ts';

/** A worker that left, and the counter of that. */
export interface Left {
  readonly workerId: string;
  readonly at: number;
}

/** A removed worker. */
export interface Gone extends Left {
  readonly row: number;
  /** The counter of its last change before; `at` if it changed in a way that no poll saw. */
  readonly before: number;
}

/** Identifies one life of the HTTP thread: counters of different epochs do not compare. */
export function newEpoch(): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return Array.from(randomBytes(8), (byte) => alphabet[byte & 31]).join('');
}

export class Revisions {
  readonly epoch: string;
  /** The present workers in the order of their last changes, as of the last poll. */
  readonly order: ChangeOrder;
  readonly #directory: Directory;
  readonly #listeners = new Set<() => void>();
  #counter = 0;

  // By board row, as in joined-map.ts.
  /** The workers at the last poll. */
  readonly #entries: (WorkerEntry | undefined)[] = [];
  readonly #rowCopies: Int32Array;
  /** In how many steps the row changed, at this poll. */
  readonly #rowSteps: Int32Array;
  /** The publications to the worker's slot at the last poll, and at this one. */
  readonly #counted: Int32Array;
  readonly #countedNow: Int32Array;
  /** The same as counted by the slot itself. */
  readonly #publications: Int32Array;
  readonly #changedRows: Int32Array;
  /** The counter of the worker's previous change, or of the last one if that was several changes; 0: none. */
  readonly #before: Float64Array;

  /** The ring: entry n is at n modulo its size. */
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

  /** The last change found; 0 before the first. */
  get counter(): number {
    return this.#counter;
  }

  /** `<epoch>-<counter>`, as clients see it. */
  get text(): string {
    return this.textOf(this.#counter);
  }

  textOf(counter: number): string {
    return `${this.epoch}-${counter}`;
  }

  /** The counter in such a text; undefined if this epoch never issued it. */
  counterIn(text: string): number | undefined {
    const [epoch, digits = '', ...rest] = text.split('-');
    if (epoch !== this.epoch || rest.length > 0 || !/^\d{1,16}$/.test(digits)) return undefined;
    const counter = Number(digits);
    return counter <= this.#counter ? counter : undefined;
  }

  /** A position below this counter cannot be resumed: some removals since then are no longer remembered. */
  get horizon(): number {
    return this.#horizon;
  }

  /** The counter of the worker's last change as of the last poll; for a worker that poll did not see, the newest counter. */
  of({ row, workerId }: WorkerEntry): number {
    return this.#entries[row]?.workerId === workerId ? this.order.at(row) : this.#counter;
  }

  /** Calls `looked` after each poll. @returns a function that stops it */
  listen(looked: () => void): () => void {
    this.#listeners.add(looked);
    return () => this.#listeners.delete(looked);
  }

  /** Finds what changed since the last poll. @returns the new or changed workers, each once */
  look(): readonly WorkerEntry[] {
    const rows = this.#findChangedRows();
    // Removed workers first, so that an id that moved to another row ends up present.
    for (const row of rows) this.#lookForGone(row);
    const changed: WorkerEntry[] = [];
    for (const row of rows) {
      const entry = this.#lookForChange(row);
      if (entry !== undefined) changed.push(entry);
    }
    for (const looked of this.#listeners) looked();
    return changed;
  }

  /** The worker seen in this row. */
  entryAt(row: number): WorkerEntry | undefined {
    return this.#entries[row];
  }

  /**
   * The counter of the previous change of the worker in this row; 0: none. It equals the last counter if the slot, the row or
   * what is known besides them may have changed several times since the previous poll: nothing here saw the states in between,
   * but a list may have.
   */
  changeBefore(row: number): number {
    return this.#before[row] as number;
  }

  /** Whether the worker in this row is unchanged since the last poll. */
  isAsSeen(row: number): boolean {
    const { board, rows } = this.#directory;
    const entry = this.#entries[row];
    if (entry === undefined || entry !== rows[row]) return false;
    return entry.slot.publications === this.#publications[row] && board.isAsCopied(row, this.#rowCopies);
  }

  /** Workers removed after `counter`, in order; complete if it is not below the horizon. Some may be back. */
  *goneAfter(counter: number): Generator<Gone> {
    const oldest = Math.max(0, this.#goneCount - MAX_GONE_REMEMBERED);
    let number = this.#goneCount;
    while (number > oldest && this.#goneNumber(number - 1).at > counter) number--;
    for (; number < this.#goneCount; number++) yield this.#goneNumber(number);
  }

  #goneNumber(number: number): Gone {
    return this.#gone[number % MAX_GONE_REMEMBERED] as Gone;
  }

  /** Valid until the next poll. */
  #findChangedRows(): Int32Array {
    const { board, rows } = this.#directory;
    const entries = this.#entries;
    while (entries.length < rows.length) entries.push(undefined);
    board.publications.copyTo(this.#countedNow);
    const changedRows = this.#changedRows;
    let found = board.changedRows(this.#rowCopies, rows.length, changedRows);
    // Workers already in the list are not searched for again: rows come in ascending order.
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
    // A new entry of the same worker means a larger slot, new facts, or that the worker was removed and came back.
    if (entry?.workerId === known.workerId && board.isOccupiedBy(row, entry.occupant)) return;
    this.#entries[row] = undefined;
    const at = ++this.#counter;
    // What happened since the previous poll was not seen here, as in #lookForChange.
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
    // A new entry means a new slot, which counts from 0, or new facts, whose changes nobody counts.
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
