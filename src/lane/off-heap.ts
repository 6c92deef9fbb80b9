/**
 * Enforces the limit on the thread's memory outside the heap, which V8's heap limits do not include. It is checked
 * after each heartbeat and at each allocation of shared memory. V8 does not notice when unused shared memory should be
 * collected, so a full collection comes before the verdict, except beyond twice the limit: the thread may never get
 * that far.
 */
import { collectGarbage } from '../lib/collect-garbage.ts';
import { ForeignMemory } from '../store/foreign-memory.ts';
import type { Owner } from './account.ts';
import type { Fault } from './processor.ts';

/** Functions to measure and control the thread's memory. */
export interface ThreadMemory {
  /** Memory outside the heap, as counted by V8. */
  externalBytes(): number;
  /**
   * Calls `note` with all shared memory that foreign code allocates, and `noteExports` with what WebAssembly modules
   * export.
   */
  watchAllocations(note: (made: object) => void, noteExports: (exports: object) => void): void;
  /** Calls `turn` in a later turn of the event loop. */
  later(turn: () => void): void;
}

export class OffHeap<O extends Owner> {
  readonly #thread: ThreadMemory;
  readonly #mostBytes: number;
  readonly #ownerNow: () => O | undefined;
  readonly #onFault: (fault: Fault<O>) => never;
  readonly #shared: ForeignMemory<O>;
  #isCollecting = false;

  /** Must be created before a processor is loaded. */
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
   * For memory that V8 counts, the best guess of the leaking worker is the one whose heartbeat crosses the limit. For
   * shared memory, counted here, it is the worker that holds the most.
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
    const reason = `memory outside the heap reached ${mib(bytes)} MiB; the limit is ${mib(this.#mostBytes)} MiB`;
    this.#onFault({ cause: 'memory', reason, owner });
  }

  #collect(): void {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    const { later } = this.#thread;
    later(() => {
      collectGarbage();
      // V8 reports what was collected only between turns.
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
