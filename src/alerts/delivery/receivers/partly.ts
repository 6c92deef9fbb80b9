/** Which recipients of a mail have it, until all have. In memory: after a restart it is sent to all again. */
import { MAX_PARTLY_DELIVERED } from './receiver-limits.ts';

export class Partly {
  readonly #done = new Map<string, Set<string>>();

  /** Of a notification; the caller adds to it. */
  of(dedupKey: string): Set<string> {
    let done = this.#done.get(dedupKey);
    if (done === undefined) {
      done = new Set();
      this.#done.set(dedupKey, done);
      const [oldest] = this.#done.keys();
      if (this.#done.size > MAX_PARTLY_DELIVERED && oldest !== undefined) this.#done.delete(oldest);
    }
    return done;
  }

  forget(dedupKey: string): void {
    this.#done.delete(dedupKey);
  }
}
