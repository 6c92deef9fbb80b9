/**
 * The tasks of a worker's last record, as bytes: while field 5 of its heartbeats stays the same, they need not be
 * decoded, checked and made into JSON again, which is three quarters of a lane's work on a heartbeat of four tasks.
 *
 * Only an optimisation: it lives in the lane's heap, is filled again by the first heartbeat after a restart, and is
 * empty whenever the tasks do not lie together in the message or are many.
 */
import type { WireReader } from './wire-reader.ts';

const RUNNING_TASKS = 5;
/**
 * More bytes of tasks than this are not remembered, so that 10,000 workers on a shared lane take 40 MB at most; some
 * hundred tasks. Usually it is a few hundred bytes.
 */
const MAX_BYTES = 4096;
/** Tasks that change seldom change their size. */
const GRANULARITY_BYTES = 64;
const NO_BYTES = Buffer.alloc(0);

export class KnownTasks {
  #count = 0;
  #bytes = NO_BYTES;
  #length = 0;

  get count(): number {
    return this.#count;
  }

  /** Passes over the tasks, the first of whose tags stands at `start`, if they are the known ones. */
  pass(message: WireReader, start: number): boolean {
    if (this.#length === 0 || !message.holds(start, this.#bytes, this.#length)) return false;
    message.at = start + this.#length;
    return true;
  }

  forget(): void {
    this.#length = 0;
    this.#count = 0;
  }

  /** Remembers the tasks of a message that is known to be well-formed, if it can. */
  learn(message: WireReader): void {
    this.forget();
    let from = 0;
    let to = 0;
    let count = 0;
    while (message.at < message.end) {
      const start = message.at;
      const field = message.tag();
      message.skip(field);
      if (field !== RUNNING_TASKS) continue;
      if (count === 0) from = start;
      else if (start !== to) return;
      to = message.at;
      count++;
    }
    const length = to - from;
    if (length > MAX_BYTES) return;
    if (length > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.ceil(length / GRANULARITY_BYTES) * GRANULARITY_BYTES);
    }
    message.copy(this.#bytes, from, to);
    this.#length = length;
    this.#count = count;
  }
}
