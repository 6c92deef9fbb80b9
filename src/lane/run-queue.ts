/**
 * How long the thread was ready to run and got no processor, by the kernel's account (`/proc/thread-self/schedstat`, its
 * second number): on a machine that is overloaded, that is not the time of the worker for whom it would have run. Where the
 * kernel does not tell, it is.
 */
import { openSync, readSync } from 'node:fs';

/** A turn below this is taken as it is: reading costs 2 µs. */
const LONG_MS = 20;
/** Waiting before a turn counts for it when it is not older than this. */
const MARK_EVERY_MS = 100;

export class RunQueue {
  readonly #file: number | undefined = open();
  readonly #text = Buffer.alloc(128);
  #markedMs = Number.NEGATIVE_INFINITY;
  #waitedMs = 0;

  /** A turn begins. */
  mark(nowMs: number): void {
    if (nowMs - this.#markedMs < MARK_EVERY_MS) return;
    this.#markedMs = nowMs;
    this.#waitedMs = this.#read();
  }

  /** Of a turn that took `tookMs`, how long the thread ran or waited for something else than a processor. */
  ranMs(tookMs: number): number {
    if (tookMs < LONG_MS) return tookMs;
    const waitedMs = this.#read();
    const ranMs = tookMs - (waitedMs - this.#waitedMs);
    this.#waitedMs = waitedMs;
    return Math.max(0, ranMs);
  }

  #read(): number {
    if (this.#file === undefined) return 0;
    try {
      const bytes = readSync(this.#file, this.#text, 0, this.#text.length, 0);
      const [, waitedNs = '0'] = this.#text.toString('latin1', 0, bytes).split(' ');
      return Number(waitedNs) / 1e6;
    } catch {
      // Closed by somebody: the time is taken as it is.
      return this.#waitedMs;
    }
  }
}

function open(): number | undefined {
  try {
    return openSync('/proc/thread-self/schedstat', 'r');
  } catch {
    return undefined;
  }
}
