/**
 * Batches on disk, for a time in which the database takes none: in the data directory, in order, each durable when `append`
 * resolves. Files of about {@link FILE_BYTES} are removed when all their batches are in the database.
 *
 *     history-spool/00000007.spool   oldest: the next batch to be written to the database
 *     history-spool/00000008.spool   newest: batches are appended here
 *
 * | what happened                                | what is left                                                                 |
 * |----------------------------------------------|------------------------------------------------------------------------------|
 * | the master ended while it appended           | a torn tail in the newest file: cut off, its batch was never said to be durable |
 * | … while it wrote batches to the database     | files whose batches the database has: it ignores them by their numbers       |
 * | a file is damaged                            | its other batches; what is missing is counted, becomes a gap, and its bytes are kept in a file `.damaged` |
 */
import { mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../lib/replace-file.ts';
import {
  decodeRecord,
  encodeRecord,
  isCutOff,
  type Piece,
  piecesOf,
  type RecordHead,
  type SpoolEntry,
} from './spool-records.ts';

/** Small enough that disk is given back early, and to be read at once. */
const FILE_BYTES = 16 * 1024 ** 2;
const SUFFIX = '.spool';
const NAME = /^(\d{8})\.spool$/;
const DAMAGED_SUFFIX = '.damaged';
/** Of damaged bytes that are kept for people to look at; what comes beyond is not kept. */
const MAX_KEPT_BYTES = 32 * 1024 ** 2;

/** What cannot be read, with what is known of it. */
export interface SpoolDamage {
  readonly bytes: number;
  /** 0: unknown. */
  readonly samples: number;
  /** Unix ms of the batches before and after; undefined: there is none. */
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  /** The file that has the bytes now; undefined: none. */
  readonly keptAs: string | undefined;
}

interface Waiting {
  readonly file: number;
  readonly offset: number;
  readonly bytes: number;
  readonly head: RecordHead;
}

export class Spool {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #waiting: Waiting[] = [];
  /** Sizes of the files, by number. */
  readonly #files = new Map<number, number>();
  readonly #damage: SpoolDamage[] = [];
  #damaged = 0;
  /** Damaged bytes in files of their own. */
  #keptBytes = 0;
  #newest = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, maxBytes: number) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** Reads what an earlier thread or master left. @throws as `readdir`, `readFile` and `truncate` do */
  static async open(folder: string, maxBytes: number): Promise<Spool> {
    const spool = new Spool(folder, maxBytes);
    await spool.#read();
    return spool;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  get batches(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    let bytes = 0;
    for (const size of this.#files.values()) bytes += size;
    return bytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Parts that could not be read since the start. */
  get damaged(): number {
    return this.#damaged;
  }

  /** What is known of the batches, oldest first. */
  get heads(): readonly RecordHead[] {
    return this.#waiting.map(({ head }) => head);
  }

  /** What was found damaged since the last call. */
  takeDamage(): readonly SpoolDamage[] {
    return this.#damage.splice(0);
  }

  /** @returns whether there was room. @throws as `open`, `write` and `fdatasync` do; then it is not in the spool */
  append(entry: SpoolEntry): Promise<boolean> {
    return this.#inTurn(async () => {
      const record = encodeRecord(entry);
      if (this.bytes + record.length > this.#maxBytes) return false;
      const size = await this.#place(record);
      const [piece] = piecesOf(record);
      if (piece?.kind !== 'record') throw new Error('a record cannot be read back');
      this.#files.set(this.#newest, size + record.length);
      this.#waiting.push({ file: this.#newest, offset: size, bytes: record.length, head: piece.head });
      return true;
    });
  }

  /** The oldest batch, which stays until `advance`. @throws as `readFile` does */
  peek(): Promise<SpoolEntry | undefined> {
    return this.#inTurn(async () => {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        try {
          return decodeRecord(await this.#readRecord(first));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== undefined && !isGone(error)) throw error;
          this.#noteDamage({ bytes: first.bytes, head: first.head }, first.head.atMs, this.#waiting[1]?.head.atMs);
          await this.#drop();
        }
      }
      return undefined;
    });
  }

  /** The oldest batch is in the database. */
  advance(): Promise<void> {
    return this.#inTurn(() => this.#drop());
  }

  /** Writes the record. @returns where it begins in the newest file */
  async #place(record: Buffer): Promise<number> {
    const size = this.#files.get(this.#newest) ?? FILE_BYTES;
    if (size < FILE_BYTES) {
      try {
        await this.#write(record, size);
        return size;
      } catch (error) {
        // Somebody removed the file: what was in it is found missing when it is read.
        if (!isGone(error)) throw error;
      }
    }
    this.#newest++;
    await mkdir(this.#folder, { recursive: true });
    await this.#write(record, 0);
    return 0;
  }

  // ── files ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #drop(): Promise<void> {
    const first = this.#waiting.shift();
    if (first === undefined || this.#waiting[0]?.file === first.file) return;
    // Failing to remove it costs only disk, and that its batches are offered to the database again.
    await rm(this.#pathOf(first.file), { force: true });
    this.#files.delete(first.file);
  }

  async #write(record: Buffer, at: number): Promise<void> {
    const path = this.#pathOf(this.#newest);
    const file = await open(path, at === 0 ? 'wx' : 'r+');
    try {
      try {
        for (let written = 0; written < record.length; ) {
          const { bytesWritten } = await file.write(record, written, record.length - written, at + written);
          written += bytesWritten;
        }
        await file.datasync();
      } catch (error) {
        // What follows must not stand behind half a record. If this fails, too, it is damage that is skipped.
        await (at === 0 ? rm(path, { force: true }) : file.truncate(at)).catch(() => {});
        throw error;
      }
    } finally {
      await file.close();
    }
    if (at === 0) await syncFolder(this.#folder);
  }

  async #readRecord({ file, offset, bytes }: Waiting): Promise<Buffer> {
    const handle = await open(this.#pathOf(file), 'r');
    try {
      const record = Buffer.alloc(bytes);
      const { bytesRead } = await handle.read(record, 0, bytes, offset);
      return record.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  async #read(): Promise<void> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (isGone(error)) return [];
      throw error;
    });
    const numbers = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
    numbers.sort((a, b) => a - b);
    for (const name of names.filter((each) => each.endsWith(DAMAGED_SUFFIX))) {
      this.#keptBytes += (await stat(join(this.#folder, name))).size;
    }
    this.#newest = numbers.at(-1) ?? 0;
    for (const number of numbers) await this.#readFile(number);
  }

  async #readFile(number: number): Promise<void> {
    const path = this.#pathOf(number);
    const content = await readFile(path);
    const pieces = piecesOf(content);
    const last = pieces.at(-1);
    let size = content.length;
    const { mtimeMs } = await stat(path);
    const tail = number === this.#newest && last?.kind === 'damage' ? last : undefined;
    // Its batch was never said to be durable.
    if (tail !== undefined && isCutOff(content.subarray(tail.offset))) pieces.pop();
    const before = this.#waiting.length;
    for (const [index, piece] of pieces.entries()) {
      if (piece.kind === 'record') {
        this.#waiting.push({ file: number, ...piece });
        continue;
      }
      const keptAs = await this.#keep(number, piece.offset, content.subarray(piece.offset, piece.offset + piece.bytes));
      const toMs = headAfter(pieces, index)?.atMs ?? piece.head?.atMs ?? mtimeMs;
      this.#noteDamage(piece, this.#waiting.at(-1)?.head.atMs, toMs, keptAs);
    }
    if (tail !== undefined) {
      size = tail.offset;
      await truncate(path, size);
    }
    if (this.#waiting.length > before) this.#files.set(number, size);
    else await rm(path, { force: true });
  }

  /** @returns the file that has them; undefined: there is no room */
  async #keep(file: number, offset: number, bytes: Buffer): Promise<string | undefined> {
    const path = `${this.#pathOf(file)}-${offset}${DAMAGED_SUFFIX}`;
    if (this.#keptBytes + bytes.length > MAX_KEPT_BYTES) return undefined;
    try {
      await writeFile(path, bytes, { mode: 0o600 });
    } catch {
      return undefined;
    }
    this.#keptBytes += bytes.length;
    return path;
  }

  #noteDamage(
    { bytes, head }: { readonly bytes: number; readonly head: RecordHead | undefined },
    fromMs: number | undefined,
    toMs: number | undefined,
    keptAs?: string,
  ): void {
    const [from, to] = [fromMs ?? head?.atMs, toMs ?? head?.atMs];
    this.#damaged++;
    this.#damage.push({ bytes, samples: head?.samples ?? 0, fromMs: from, toMs: to, keptAs });
  }

  #pathOf(file: number): string {
    return join(this.#folder, `${String(file).padStart(8, '0')}${SUFFIX}`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

function headAfter(pieces: readonly Piece[], index: number): RecordHead | undefined {
  return pieces.slice(index + 1).find(({ head }) => head !== undefined)?.head;
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
