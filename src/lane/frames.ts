/**
 * The format in which heartbeats are sent to a lane. All heartbeats of one turn of main's event loop form one message,
 * since waking a thread costs more than processing a heartbeat. Each frame is a header and the heartbeat's bytes:
 *
 *     0        4         8        12      16              24             32            40
 *     ┌────────┬─────────┬────────┬───────┬───────────────┬──────────────┬─────────────┬───────────────────┐
 *     │ slot   │ ordinal │ length │ flags │ received      │ received     │ interval, s │ bytes, padded to  │
 *     │ number │         │        │       │ monotonic, ms │ Unix, ms     │             │ a multiple of 8   │
 *     └────────┴─────────┴────────┴───────┴───────────────┴──────────────┴─────────────┴───────────────────┘
 */
import { WireReader } from './wire-reader.ts';

const HEADER_BYTES = 40;
const ALIGNMENT_BYTES = 8;
/** Holds one turn's heartbeats of a busy fleet; grows on demand. */
const FIRST_CAPACITY_BYTES = 4096;
/** After a burst, buffers larger than this are released: each lane has one, so a thousand lanes keep at most 64 MB. */
const KEPT_CAPACITY_BYTES = 64 * 1024;

export interface HeartbeatFrame {
  /** The worker's row on the board, which identifies it in the lane. */
  readonly slot: number;
  /** Number of the heartbeat, counted per worker from 1. */
  readonly ordinal: number;
  readonly receivedMonotonicMs: number;
  readonly receivedUnixMs: number;
  /** Bits of SampleFlag that main knows. */
  readonly sampleFlags: number;
  /** See model/anomaly/heartbeat-interval.ts; NaN, or undefined: not to be scored. */
  readonly heartbeatIntervalS?: number;
  readonly bytes: Uint8Array;
}

/** Collects frames for one lane until they are sent. */
export class FrameBatch {
  #bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY_BYTES);
  #used = 0;

  /** Bytes collected. */
  get size(): number {
    return this.#used;
  }

  /** Bytes allocated. */
  get capacityBytes(): number {
    return this.#bytes.length;
  }

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** The collected frames; valid until the next call of add, take or clear. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  add(frame: HeartbeatFrame): void {
    const start = this.#used;
    const end = start + HEADER_BYTES + padded(frame.bytes.length);
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    bytes.writeInt32LE(frame.slot, start);
    bytes.writeInt32LE(frame.ordinal, start + 4);
    bytes.writeInt32LE(frame.bytes.length, start + 8);
    bytes.writeInt32LE(frame.sampleFlags, start + 12);
    bytes.writeDoubleLE(frame.receivedMonotonicMs, start + 16);
    bytes.writeDoubleLE(frame.receivedUnixMs, start + 24);
    bytes.writeDoubleLE(frame.heartbeatIntervalS ?? Number.NaN, start + 32);
    bytes.set(frame.bytes, start + HEADER_BYTES);
    this.#used = end;
  }

  /** Returns the collected frames as a message and empties the batch. */
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

/**
 * Iterates over the frames of a batch without allocating an object per frame: its fields are those of the current
 * frame, and `message` reads the heartbeat.
 */
export class FrameCursor implements HeartbeatFrame {
  slot = 0;
  ordinal = 0;
  receivedMonotonicMs = 0;
  receivedUnixMs = 0;
  sampleFlags = 0;
  heartbeatIntervalS = Number.NaN;
  readonly message: WireReader;
  readonly #batch: Buffer;
  readonly #header: DataView;
  #start = 0;
  #end = 0;
  #next = 0;

  constructor(batch: ArrayBuffer) {
    this.#batch = Buffer.from(batch);
    this.#header = new DataView(batch);
    this.message = new WireReader(this.#batch);
  }

  /** Moves to the next frame. @returns false at the end */
  next(): boolean {
    const at = this.#next;
    if (at >= this.#batch.length) return false;
    const header = this.#header;
    this.slot = header.getInt32(at, true);
    this.ordinal = header.getInt32(at + 4, true);
    const length = header.getInt32(at + 8, true);
    this.sampleFlags = header.getInt32(at + 12, true);
    this.receivedMonotonicMs = header.getFloat64(at + 16, true);
    this.receivedUnixMs = header.getFloat64(at + 24, true);
    this.heartbeatIntervalS = header.getFloat64(at + 32, true);
    this.#start = at + HEADER_BYTES;
    this.#end = this.#start + length;
    this.#next = this.#start + padded(length);
    this.rewind();
    return true;
  }

  /** Resets `message` to the start of the heartbeat. */
  rewind(): void {
    this.message.choose(this.#start, this.#end);
  }

  /** Size of the heartbeat in bytes. */
  get length(): number {
    return this.#end - this.#start;
  }

  get bytes(): Uint8Array {
    return this.#batch.subarray(this.#start, this.#end);
  }
}

function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}
