/**
 * How heartbeats travel to a lane: those of one turn of the main thread's event loop, joined into one message, since
 * waking a thread costs more than its work. Each is a header and the bytes as they were received:
 *
 *     0        4         8        12      16              24             32
 *     ┌────────┬─────────┬────────┬───────┬───────────────┬──────────────┬───────────────────┐
 *     │ slot   │ ordinal │ length │ –     │ received      │ received     │ bytes, padded to  │
 *     │ number │         │        │       │ monotonic, ms │ Unix, ms     │ a multiple of 8   │
 *     └────────┴─────────┴────────┴───────┴───────────────┴──────────────┴───────────────────┘
 */

const HEADER_BYTES = 32;
const ALIGNMENT_BYTES = 8;
/** Holds a turn's heartbeats of a busy fleet; grows when it does not. */
const FIRST_CAPACITY_BYTES = 4096;
/** A scratch grown beyond this by one burst is given back. */
const KEPT_CAPACITY_BYTES = 1024 ** 2;

export interface Frame {
  /** The lane's name for the worker: its row on the board. */
  readonly slot: number;
  /** Counts the worker's heartbeats on their way to lanes, from 1. */
  readonly ordinal: number;
  readonly receivedMonotonicMs: number;
  readonly receivedUnixMs: number;
  readonly bytes: Uint8Array;
}

/** Collects frames for one lane until they are sent. */
export class FrameBatch {
  #bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY_BYTES);
  #used = 0;

  /** Bytes collected so far. */
  get size(): number {
    return this.#used;
  }

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  add(frame: Frame): void {
    const start = this.#used;
    const end = start + HEADER_BYTES + padded(frame.bytes.length);
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    bytes.writeInt32LE(frame.slot, start);
    bytes.writeInt32LE(frame.ordinal, start + 4);
    bytes.writeInt32LE(frame.bytes.length, start + 8);
    bytes.writeDoubleLE(frame.receivedMonotonicMs, start + 16);
    bytes.writeDoubleLE(frame.receivedUnixMs, start + 24);
    bytes.set(frame.bytes, start + HEADER_BYTES);
    this.#used = end;
  }

  /** What was collected, for a message; the batch is empty afterwards. */
  take(): ArrayBuffer {
    const taken = this.#bytes.buffer.slice(0, this.#used);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#used = 0;
    if (this.#bytes.length > KEPT_CAPACITY_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY_BYTES);
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
  }
}

export function* framesOf(batch: ArrayBuffer): Generator<Frame> {
  const bytes = Buffer.from(batch);
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readInt32LE(at + 8);
    const start = at + HEADER_BYTES;
    yield {
      slot: bytes.readInt32LE(at),
      ordinal: bytes.readInt32LE(at + 4),
      receivedMonotonicMs: bytes.readDoubleLE(at + 16),
      receivedUnixMs: bytes.readDoubleLE(at + 24),
      bytes: bytes.subarray(start, start + length),
    };
    at = start + padded(length);
  }
}

function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}
