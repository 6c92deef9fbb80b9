/** The memory of frames that are being sent. Frames are shared: each counts once, for as long as anybody holds it. */

export class SharedFrame {
  readonly bytes: Buffer;
  holders = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

export class FrameBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes not kept by itself: whoever sends asks for the {@link share} */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Of the bytes that there may be; 1 and more: too many. */
  get share(): number {
    return this.#bytes / this.#maxBytes;
  }

  /** Of all frames that somebody holds. */
  get bytes(): number {
    return this.#bytes;
  }

  hold(frame: SharedFrame): void {
    if (frame.holders++ === 0) this.#bytes += frame.bytes.length;
  }

  /** Once for each `hold`. */
  release(frame: SharedFrame): void {
    if (--frame.holders === 0) this.#bytes -= frame.bytes.length;
  }
}
