/**
 * The tasks of a worker's last record, as bytes. While field 5 of its heartbeats is unchanged, the tasks need not be
 * decoded, validated and converted to JSON again, which is three quarters of the work for a heartbeat of four tasks.
 *
 * It is only a cache: it lives in the lane's heap, is filled by the first heartbeat after a restart, and stays empty if
 * the tasks are too large or not contiguous in the message.
 */
import type { WireReader } from './wire-reader.ts';

const RUNNING_TASKS = 5;
/**
 * Tasks larger than this, about a hundred, are not cached, so that 10,000 workers on a shared lane take at most 40 MB.
 * Most heartbeats have a few hundred bytes of tasks.
 */
const MAX_BYTES = 4096;
/** Rounds sizes up, so that a buffer can be reused when the tasks change slightly. */
const GRANULARITY_BYTES = 64;
const NO_BYTES = Buffer.alloc(0);

export class KnownTasks {
  #count = 0;
  #bytes = NO_BYTES;
  #length = 0;

  get count(): number {
    return this.#count;
  }

  /** Skips the tasks, the first of whose tags is at `start`, if they equal the known ones. */
  pass(message: WireReader, start: number): boolean {
    if (this.#length === 0 || !message.holds(start, this.#bytes, this.#length)) return false;
    message.at = start + this.#length;
    return true;
  }

  forget(): void {
    this.#length = 0;
    this.#count = 0;
  }

  /** Remembers the tasks of a well-formed message, if they qualify. */
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
