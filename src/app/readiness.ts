/** Publishes main's readiness: to the HTTP thread by announcements, to gRPC's health service by a call. */
import { type ReadinessFacts, STARTING } from '../model/readiness.ts';
import type { Announcement } from '../reading/directory.ts';

export class ReadinessTeller {
  #facts = STARTING;
  readonly #listeners = new Set<(facts: ReadinessFacts) => void>();

  /** For a new reader. */
  get announcement(): Announcement {
    return { type: 'readiness', readiness: this.#facts };
  }

  /** Calls the listener now and on each change. @returns a function that stops it */
  follow(listener: (facts: ReadinessFacts) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#facts);
    return () => this.#listeners.delete(listener);
  }

  update(change: Partial<ReadinessFacts>): void {
    this.#facts = { ...this.#facts, ...change };
    for (const listener of this.#listeners) listener(this.#facts);
  }
}
