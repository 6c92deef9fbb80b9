/**
 * A cache of worker ids by their bytes. A worker sends the same id with every heartbeat; finding the existing string by
 * comparing characters takes a tenth of decoding and validating it again, and the string has its hash already.
 *
 * Only ASCII ids are cached, since their bytes are the character codes. A cell holds the last id, so the table is
 * bounded: 65,536 ids, usually of 16 bytes and at most of 256.
 */
import { decodeWorkerId } from './worker-id.ts';

/** A power of two, and three times the default of MAX_WORKERS, so that few ids share a cell. */
const CELLS = 2 ** 16;

export class WorkerIdTable {
  readonly #cells: (string | undefined)[] = new Array(CELLS).fill(undefined);

  /**
   * The id between `start` and `end`.
   * @throws PulselaneError `invalid_argument` if it is invalid
   */
  read(bytes: Buffer, start: number, end: number): string {
    const cell = cellOf(bytes, start, end);
    const known = this.#cells[cell];
    if (known !== undefined && isWrittenAt(bytes, start, end, known)) return known;
    const id = decodeWorkerId(bytes.subarray(start, end));
    if (id.length === end - start) this.#cells[cell] = id;
    return id;
  }
}

function isWrittenAt(bytes: Buffer, start: number, end: number, id: string): boolean {
  if (id.length !== end - start) return false;
  for (let i = 0; i < id.length; i++) if (bytes[start + i] !== id.charCodeAt(i)) return false;
  return true;
}

/** FNV-1a with its upper half folded in. */
function cellOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return (hash ^ (hash >>> 16)) & (CELLS - 1);
}
