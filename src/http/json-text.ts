/** JSON text joined from parts in a buffer that grows and is used again: the body of a response, or a frame. */
import type { SlotReader } from '../store/slot-reader.ts';
import { BUFFERS_KEPT, MAX_BODY_BYTES_IN_FLIGHT } from './limits.ts';

const FIRST_BYTES = 16 * 1024;

export class JsonText {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;

  get capacityBytes(): number {
    return this.#buffer.length;
  }

  /** The text so far. Valid until the next change. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy that outlives this text. */
  copy(): Buffer<ArrayBuffer> {
    return Buffer.from(this.bytes());
  }

  clear(): this {
    this.#length = 0;
    return this;
  }

  /** Appends text of which the caller knows that it is ASCII. */
  ascii(text: string): this {
    this.#makeRoom(text.length);
    this.#length += this.#buffer.write(text, this.#length, 'latin1');
    return this;
  }

  append(bytes: Uint8Array): this {
    this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Appends the JSON head of a slot's record. */
  head(slot: SlotReader): this {
    let bytes = slot.copyJsonHead(this.#buffer, this.#length);
    while (bytes < 0) {
      // Once more from the start, since the record may have changed meanwhile.
      this.#makeRoom(-bytes);
      bytes = slot.copyJsonHead(this.#buffer, this.#length);
    }
    this.#length += bytes;
    return this;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Lends texts out, so that no request allocates megabytes; bounded by {@link MAX_BODY_BYTES_IN_FLIGHT}. */
export class JsonTextPool {
  readonly #free: JsonText[] = [];
  readonly #lent = new Set<JsonText>();

  /** An empty text, or undefined while too many bytes are lent out. Give it back. */
  take(): JsonText | undefined {
    let lentBytes = 0;
    for (const text of this.#lent) lentBytes += text.capacityBytes;
    if (lentBytes >= MAX_BODY_BYTES_IN_FLIGHT) return undefined;
    const text = this.#free.pop() ?? new JsonText();
    this.#lent.add(text);
    return text.clear();
  }

  /** Once for each `take`; more often does nothing. */
  give(text: JsonText): void {
    if (this.#lent.delete(text) && this.#free.length < BUFFERS_KEPT) this.#free.push(text);
  }

  get lent(): number {
    return this.#lent.size;
  }
}
