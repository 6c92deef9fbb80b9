/** JSON text joined from parts, in a reusable buffer that grows: a response body or a frame. */
import {
  BUFFERS_KEPT,
  KEPT_TEXT_BYTES,
  MAX_BODY_BYTES_IN_FLIGHT,
  MAX_TEXT_BYTES_KEPT,
  TEXT_USES_BEFORE_SHRINKING,
} from '../http-limits.ts';

const FIRST_BYTES = 16 * 1024;
const SPACE = 0x20;

/** Room for text: from `at` up to, but not including, `end`. */
export interface TextRoom {
  readonly buffer: Buffer;
  readonly at: number;
  readonly end: number;
}

/** Writes text into the room: returns its bytes, or minus the bytes needed if it does not fit. */
export type Put = (room: TextRoom) => number;

export class JsonText {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;
  /** The longest text since the buffer size was last checked, and the uses since then. */
  #mostBytes = 0;
  #uses = 0;

  get capacityBytes(): number {
    return this.#buffer.length;
  }

  get length(): number {
    return this.#length;
  }

  /** The text so far. Valid until the next change. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** The memory behind the text, for changing it in place. Valid until the next append. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** A copy that outlives this text. */
  copy(): Buffer<ArrayBuffer> {
    return Buffer.from(this.bytes());
  }

  /** Starts a new text, in a smaller buffer if recent texts were much smaller. */
  clear(): this {
    this.#mostBytes = Math.max(this.#mostBytes, this.#length);
    if (++this.#uses >= TEXT_USES_BEFORE_SHRINKING) this.#shrink();
    return this.cutTo(0);
  }

  /** Drops everything after the first `length` bytes. */
  cutTo(length: number): this {
    this.#length = length;
    return this;
  }

  /** Appends text that the caller knows to be ASCII. */
  ascii(text: string): this {
    this.#makeRoom(text.length);
    this.#length += this.#buffer.write(text, this.#length, 'latin1');
    return this;
  }

  /** Appends any text. */
  utf8(text: string): this {
    // UTF-8 takes at most three bytes per UTF-16 unit.
    this.#makeRoom(3 * text.length);
    this.#length += this.#buffer.write(text, this.#length, 'utf8');
    return this;
  }

  append(bytes: Uint8Array): this {
    this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  spaces(count: number): this {
    this.#makeRoom(count);
    this.#buffer.fill(SPACE, this.#length, this.#length + count);
    this.#length += count;
    return this;
  }

  /** Appends what `put` writes, and calls it again with more room if needed. */
  put(put: Put): this {
    let bytes = put(this.#room());
    while (bytes < 0) {
      this.#makeRoom(-bytes);
      bytes = put(this.#room());
    }
    this.#length += bytes;
    return this;
  }

  #shrink(): void {
    const needed = Math.max(KEPT_TEXT_BYTES, 2 * this.#mostBytes);
    if (this.#buffer.length > 2 * needed) this.#buffer = Buffer.allocUnsafeSlow(needed);
    this.#mostBytes = 0;
    this.#uses = 0;
  }

  #room(): TextRoom {
    return { buffer: this.#buffer, at: this.#length, end: this.#buffer.length };
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Lends texts, so that no request allocates megabytes; bounded by {@link MAX_BODY_BYTES_IN_FLIGHT}. */
export class JsonTextPool {
  readonly #free: JsonText[] = [];
  readonly #lent = new Set<JsonText>();

  /** An empty text; undefined while too many bytes are lent. Return it with `give`. */
  take(): JsonText | undefined {
    let lentBytes = 0;
    for (const text of this.#lent) lentBytes += text.capacityBytes;
    if (lentBytes >= MAX_BODY_BYTES_IN_FLIGHT) return undefined;
    const text = this.#free.pop() ?? new JsonText();
    this.#lent.add(text);
    return text.clear();
  }

  /** Call it once per `take`; further calls do nothing. */
  give(text: JsonText): void {
    if (!this.#lent.delete(text)) return;
    if (this.#free.length < BUFFERS_KEPT && text.capacityBytes <= MAX_TEXT_BYTES_KEPT) this.#free.push(text);
  }

  get lent(): number {
    return this.#lent.size;
  }
}
