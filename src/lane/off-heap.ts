/**
 * The thread's memory outside the heap, which V8's limits do not count, against its limit: looked at after each heartbeat,
 * and within each allocation of shared memory. Of that, V8 does not feel when to collect what nobody uses any more: a full
 * collection comes before the verdict, unless twice the limit is reached, at which a thread may never come so far.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ForeignMemory } from '../store/foreign-memory.ts';
import type { ProcessorFault } from './processor.ts';

/** Taken before a processor is loaded. */
const later = setImmediate;

export class OffHeap<O extends object> {
  readonly #mostBytes: number;
  readonly #ownerNow: () => O | undefined;
  readonly #onFault: (fault: ProcessorFault<O>) => never;
  readonly #shared: ForeignMemory<O>;
  #isCollecting = false;

  /** To be made before a processor is loaded. */
  constructor(mostBytes: number, ownerNow: () => O | undefined, onFault: (fault: ProcessorFault<O>) => never) {
    this.#mostBytes = mostBytes;
    this.#ownerNow = ownerNow;
    this.#onFault = onFault;
    this.#shared = new ForeignMemory(ownerNow, () => this.check());
    this.#shared.install();
  }

  /**
   * Of what V8 counts, the worker whose heartbeat crosses the limit is as near to the one that leaks as can be told; of what
   * is counted here, it is the one that holds the most.
   */
  check(isCollected = false): void {
    const { external_memory: externalBytes } = getHeapStatistics();
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

let collector: (() => void) | undefined;

/** Node has it behind a flag, which can be set late. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  collector ??= runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collector();
}
