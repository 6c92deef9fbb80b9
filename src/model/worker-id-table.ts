/**
 * Worker ids by their bytes. A worker sends the same id with every heartbeat; finding its text again, by comparing
 * characters, takes a tenth of making and checking it anew, and the text that is found has its hash already.
 *
 * Only ids of ASCII characters are kept, since of those the bytes are the character codes. A cell holds the id that was
 * seen last, so the table is bounded whatever is sent: 65,536 ids, of 16 bytes mostly and 256 at most.
 */
import { decodeWorkerId } from './worker-id.ts';

/** A power of two, and three times the workers that a master knows at most by default: few share a cell. */
const CELLS = 2 ** 16;

export class WorkerIdTable {
  readonly #cells: (string | undefined)[] = new Array(CELLS).fill(undefined);

  /**
   * The id that lies between `start` and `end`.
   * @throws PulselaneError `invalid_argument` if it is not a valid one.
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

/** FNV-1a, its upper half folded in. */
function cellOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return (hash ^ (hash >>> 16)) & (CELLS - 1);
}
