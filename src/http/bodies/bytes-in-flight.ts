/** Limits the bytes of answers held in memory until clients have read them. */
import { MAX_BODY_BYTES_IN_FLIGHT } from '../http-limits.ts';

export class BytesInFlight {
  #bytes = 0;
  #bodies = 0;

  /** @returns a function that releases them (idempotent); undefined if too many are in flight. */
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
