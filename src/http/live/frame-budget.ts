/** The memory of frames being sent. Shared frames count once, as long as anyone holds them. */

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

  /** @param maxBytes not enforced here: senders check the {@link share} */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The used share of the limit; 1 or more means too much. */
  get share(): number {
    return this.#bytes / this.#maxBytes;
  }

  /** The bytes of all held frames. */
  get bytes(): number {
    return this.#bytes;
  }

  hold(frame: SharedFrame): void {
    if (frame.holders++ === 0) this.#bytes += frame.bytes.length;
  }

  /** Call it once per `hold`. */
  release(frame: SharedFrame): void {
    if (--frame.holders === 0) this.#bytes -= frame.bytes.length;
  }
}
