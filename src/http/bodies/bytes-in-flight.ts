/** Bounds the bytes of answers that are in memory until their readers have taken them. */
import { MAX_BODY_BYTES_IN_FLIGHT } from '../http-limits.ts';

export class BytesInFlight {
  #bytes = 0;
  #bodies = 0;

  /** @returns what gives them back, however often it is called; undefined if too many are in flight already. */
  take(bytes: number): (() => void) | undefined {
    if (this.#bytes >= MAX_BODY_BYTES_IN_FLIGHT) return undefined;
    this.#bytes += bytes;
    this.#bodies++;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#bytes -= bytes;
      this.#bodies--;
    };
  }

  get bodies(): number {
    return this.#bodies;
  }
}
