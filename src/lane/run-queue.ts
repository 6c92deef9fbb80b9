/**
 * Measures how long the thread was runnable but got no CPU, as the kernel reports it (`/proc/thread-self/schedstat`,
 * second number). On an overloaded machine this time must not be charged to a worker. Where the kernel does not report
 * it, it is charged.
 */
import { openSync, readSync } from 'node:fs';

/** Shorter turns are not corrected: reading costs 2 µs. */
const LONG_MS = 20;
/** The reading at the start of a turn is reused for this long. */
const MARK_EVERY_MS = 100;

export class RunQueue {
  readonly #file: number | undefined = open();
  readonly #text = Buffer.alloc(128);
  #markedMs = Number.NEGATIVE_INFINITY;
  #waitedMs = 0;

  /** Called when a turn begins. */
  mark(nowMs: number): void {
    if (nowMs - this.#markedMs < MARK_EVERY_MS) return;
    this.#markedMs = nowMs;
    this.#waitedMs = this.#read();
  }

  /** Returns the part of a turn of `tookMs` in which the thread ran, or waited for something other than the CPU. */
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
      // Foreign code closed the file: the time is not corrected.
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
