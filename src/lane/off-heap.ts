/**
 * The thread's memory outside the heap, which V8's limits do not count, against its limit: looked at after each heartbeat,
 * and within each allocation of shared memory. Of that, V8 does not feel when to collect what nobody uses any more: a full
 * collection comes before the verdict, unless twice the limit is reached, at which a thread may never come so far.
 */
import { collectGarbage } from '../lib/collect-garbage.ts';
import { ForeignMemory } from '../store/foreign-memory.ts';
import type { Owner } from './account.ts';
import type { Fault } from './processor.ts';

/** What is known of the thread's memory, and done about it. */
export interface ThreadMemory {
  /** Outside the heap, as V8 counts it. */
  externalBytes(): number;
  /** Has `note` called with all memory that foreign code takes, and `noteExports` with what modules export. */
  watchAllocations(note: (made: object) => void, noteExports: (exports: object) => void): void;
  /** Calls it in a later turn of the event loop. */
  later(turn: () => void): void;
}

export class OffHeap<O extends Owner> {
  readonly #thread: ThreadMemory;
  readonly #mostBytes: number;
  readonly #ownerNow: () => O | undefined;
  readonly #onFault: (fault: Fault<O>) => never;
  readonly #shared: ForeignMemory<O>;
  #isCollecting = false;

  /** To be made before a processor is loaded. */
  constructor(
    thread: ThreadMemory,
    mostBytes: number,
    ownerNow: () => O | undefined,
    onFault: (fault: Fault<O>) => never,
  ) {
    this.#thread = thread;
    this.#mostBytes = mostBytes;
    this.#ownerNow = ownerNow;
    this.#onFault = onFault;
    this.#shared = new ForeignMemory(ownerNow, () => this.check());
    thread.watchAllocations(
      (made) => this.#shared.note(made),
      (exports) => this.#shared.noteExports(exports),
    );
  }

  /**
   * Of what V8 counts, the worker whose heartbeat crosses the limit is as near to the one that leaks as can be told; of what
   * is counted here, it is the one that holds the most.
   */
  check(isCollected = false): void {
    const externalBytes = this.#thread.externalBytes();
    const { bytes: sharedBytes } = this.#shared;
    const bytes = externalBytes + sharedBytes;
    if (bytes <= this.#mostBytes) return;
    if (externalBytes <= this.#mostBytes && bytes <= 2 * this.#mostBytes && !isCollected) {
      this.#collect();
      return;
    }
    const owner = sharedBytes > externalBytes ? (this.#shared.heaviest ?? this.#ownerNow()) : this.#ownerNow();
    const reason = `memory outside the heap reached ${mib(bytes)} MiB, of ${mib(this.#mostBytes)} MiB allowed`;
    this.#onFault({ cause: 'memory', reason, owner });
  }

  #collect(): void {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    const { later } = this.#thread;
    later(() => {
      collectGarbage();
      // What was collected is told between turns.
      later(() =>
        later(() => {
          this.#isCollecting = false;
          this.check(true);
        }),
      );
    });
  }
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
