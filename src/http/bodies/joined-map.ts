/**
 * A map of all workers as JSON text that is kept between requests: only changes are copied again. With 10,000 workers, a
 * request then copies a few hundred records instead of 10,000.
 *
 *     {␣"a":{…}␣␣␣,"b":{…}␣␣,"c":{…}␣␣␣␣}
 *      └─ region ─┘└─ region ┘└─ region ──┘
 *
 * Each worker has a region: a separator, its key, its value, and padding spaces, which JSON ignores. A value whose size
 * changes a little fits into its region. One that outgrows its region moves to the end, and the old region is blanked, as
 * is the region of a removed worker. When too much of the text is blank, the whole text is rebuilt. The separator is a
 * comma; that of whichever region comes first is a space.
 *
 * A worker's state is noted before its value is copied: a change in between differs from the note, and the next update
 * finds it.
 */
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { MAX_BLANK_SHARE } from '../http-limits.ts';
import { JsonText } from './json-text.ts';
import { isShownActive, keyOf, type PutValue } from './worker-json.ts';

const SPACE = 0x20;
const NONE = -1;
/** In a small value, such as in `GET /workers`: `true` becomes `false`, 9 tasks become 10. */
const LEAST_SPARE_BYTES = 8;

export class JoinedMap {
  readonly #directory: Directory;
  readonly #putValue: PutValue;
  #text = new JsonText();
  /** The position of the closing brace: the end of the last region. */
  #end = 0;
  /** Bytes that are not blank. */
  #usedBytes = 0;
  /** The row whose region comes first; NONE if unknown. */
  #first = NONE;
  /** False at first, and after an error in the middle of a change: then everything is rebuilt. */
  #isWhole = false;

  // By board row; typed arrays, because going through 10,000 objects takes longer than sending them.
  /** The worker of each region. */
  readonly #entries: (WorkerEntry | undefined)[] = [];
  readonly #start: Int32Array;
  /** The region's size in bytes; of these: */
  readonly #size: Int32Array;
  /** … not blank. */
  readonly #used: Int32Array;
  readonly #occupant: Int32Array;
  /** The publications to the worker's slot when its value was copied. */
  readonly #publications: Int32Array;
  /** … and at this update. */
  readonly #publicationsNow: Int32Array;
  readonly #lastUpdateS: Uint32Array;
  readonly #isActive: Uint8Array;

  constructor(directory: Directory, putValue: PutValue) {
    this.#directory = directory;
    this.#putValue = putValue;
    const rows = directory.board.capacity;
    this.#start = new Int32Array(rows);
    this.#size = new Int32Array(rows);
    this.#used = new Int32Array(rows);
    this.#occupant = new Int32Array(rows);
    this.#publications = new Int32Array(rows);
    this.#publicationsNow = new Int32Array(rows);
    this.#lastUpdateS = new Uint32Array(rows);
    this.#isActive = new Uint8Array(rows);
  }

  get capacityBytes(): number {
    return this.#text.capacityBytes;
  }

  /** The text as of now. Valid until the next call. */
  bytes(): Buffer {
    const whole = this.#isWhole;
    this.#isWhole = false;
    if (!whole) this.#startOver();
    this.#text.cutTo(this.#end);
    this.#look();
    if (this.#end - this.#usedBytes > this.#end * MAX_BLANK_SHARE) {
      this.#startOver();
      this.#look();
    }
    this.#separateFirst();
    this.#text.ascii('}');
    this.#isWhole = true;
    return this.#text.bytes();
  }

  /** Updates every region. */
  #look(): void {
    const { board, rows } = this.#directory;
    const entries = this.#entries;
    while (entries.length < rows.length) entries.push(undefined);
    board.publications.copyTo(this.#publicationsNow);
    for (let row = 0; row < rows.length; row++) {
      const entry = rows[row];
      if (
        entry === entries[row] &&
        (entry === undefined ||
          (this.#publicationsNow[row] === this.#publications[row] &&
            board.looksLike(
              row,
              this.#occupant[row] as number,
              this.#lastUpdateS[row] as number,
              this.#isActive[row] === 1,
            )))
      ) {
        continue;
      }
      this.#change(row, entry);
    }
  }

  /** Updates one region that differs. */
  #change(row: number, entry: WorkerEntry | undefined): void {
    const { board } = this.#directory;
    // The same worker may have a new entry with a larger slot.
    if (this.#entries[row]?.workerId !== entry?.workerId) this.#remove(row);
    if (entry === undefined || readWhileThere(board, entry, () => this.#bringUpToDate(row, entry))) return;
    // Forgotten, perhaps during the update.
    this.#remove(row);
    this.#text.cutTo(this.#end);
  }

  #bringUpToDate(row: number, entry: WorkerEntry): true {
    const { board } = this.#directory;
    // Read again in the required order: the first check was a quick one.
    this.#occupant[row] = entry.occupant;
    this.#publications[row] = board.publications.of(row);
    this.#lastUpdateS[row] = board.lastUpdateS(row);
    this.#isActive[row] = isShownActive(board, entry) ? 1 : 0;
    if (this.#entries[row] === undefined || !this.#rewrite(row, entry)) this.#append(row, entry);
    this.#entries[row] = entry;
    return true;
  }

  /** Writes the value into the worker's region. @returns false if the region was too small and was given up */
  #rewrite(row: number, entry: WorkerEntry): boolean {
    const start = this.#start[row] as number;
    const end = start + (this.#size[row] as number);
    const at = start + keyOf(entry).length + 2;
    const { buffer } = this.#text;
    const bytes = this.#putValue({ buffer, at, end }, entry, this.#boardFacts(row));
    if (bytes < 0) {
      this.#remove(row);
      return false;
    }
    // Blank to the very end: a discarded torn copy may have been longer than the value.
    buffer.fill(SPACE, at + bytes, end);
    this.#use(row, at + bytes - start);
    return true;
  }

  /** Appends a region for the worker. */
  #append(row: number, entry: WorkerEntry): void {
    const start = this.#end;
    const facts = this.#boardFacts(row);
    const text = this.#text.ascii(',').append(keyOf(entry)).ascii(':');
    text.put((room) => this.#putValue(room, entry, facts));
    const used = text.length - start;
    const size = regionBytes(used, this.#size[row] as number);
    this.#end = text.spaces(size - used).length;
    this.#start[row] = start;
    this.#size[row] = size;
    this.#use(row, used);
  }

  /** Blanks the region, if there is one. Its size is remembered as a hint for the worker's next one. */
  #remove(row: number): void {
    if (this.#entries[row] === undefined) return;
    const start = this.#start[row] as number;
    this.#text.buffer.fill(SPACE, start, start + (this.#size[row] as number));
    this.#use(row, 0);
    this.#entries[row] = undefined;
    if (this.#first === row) this.#first = NONE;
  }

  #use(row: number, bytes: number): void {
    this.#usedBytes += bytes - (this.#used[row] as number);
    this.#used[row] = bytes;
  }

  /** Removes the comma of the first region, if it has one. */
  #separateFirst(): void {
    if (this.#first !== NONE) return;
    for (let row = 0; row < this.#entries.length; row++) {
      if (this.#entries[row] === undefined) continue;
      if (this.#first === NONE || (this.#start[row] as number) < (this.#start[this.#first] as number))
        this.#first = row;
    }
    if (this.#first !== NONE) this.#text.buffer[this.#start[this.#first] as number] = SPACE;
  }

  #startOver(): void {
    this.#entries.fill(undefined);
    this.#used.fill(0);
    this.#first = NONE;
    // Free the memory of a fleet that was much larger.
    if (this.#usedBytes < this.#text.capacityBytes / 4) this.#text = new JsonText();
    this.#end = this.#text.clear().ascii('{').length;
    this.#usedBytes = this.#end;
  }

  #boardFacts(row: number) {
    return { lastUpdateS: this.#lastUpdateS[row] as number, isActive: this.#isActive[row] === 1 };
  }
}

/**
 * The size of a region for a value: numbers may gain a few digits. `before` is the size of the row's last region. A value
 * that outgrew its region gets a roomier one, up to a quarter more than used, which a rebuild keeps: so workers whose
 * size varies settle in regions that are large enough.
 */
function regionBytes(used: number, before: number): number {
  const grew = before > 0 && before < used;
  const spare = grew ? used >> 3 : Math.max(used >> 5, Math.min(used >> 2, before - used));
  return used + spare + LEAST_SPARE_BYTES;
}
