/**
 * Attributes the thread's run time to workers: records in the ledger which worker's code runs, so that main can read it
 * even if the thread hangs or dies, and measures the time.
 *
 * A processor runs when a heartbeat arrives, and later in asynchronous work: timers, promises, ticks, I/O callbacks. An
 * AsyncLocalStorage carries the worker along; an async hook reports when such a callback begins and ends. The overhead
 * is zero for a processor without asynchronous work, and 0.2 µs per promise for one that awaits.
 */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import type { LedgerWriter } from '../store/lane-ledger.ts';
import { MemoryGrowth } from './memory-growth.ts';
import { RunQueue } from './run-queue.ts';

export interface Owner {
  readonly row: number;
  readonly occupant: number;
}

/** Captured before a processor is loaded. */
const monotonicMs = performance.now.bind(performance);
/** Nesting limit of callbacks; deeper ones are attributed to the callback at the limit. */
const MAX_DEPTH = 64;

export class Account<O extends Owner> {
  readonly #ledger: LedgerWriter;
  readonly #owner = new AsyncLocalStorage<O>();
  /** Undefined if time is not counted. */
  readonly #runQueue: RunQueue | undefined;
  /** Owners of the interrupted outer turns, innermost last. */
  readonly #outer: (O | undefined)[] = [];
  readonly #growth: MemoryGrowth<O>;
  #depth = 0;
  #current: O | undefined;
  #sinceMs = 0;

  /** @param residentBytes resident memory of the process */
  constructor(ledger: LedgerWriter, residentBytes: () => number) {
    this.#ledger = ledger;
    this.#growth = new MemoryGrowth(ledger, residentBytes);
    if (ledger.countsTime) this.#runQueue = new RunQueue();
    createHook({ before: () => this.#begin(this.#owner.getStore()), after: () => this.#end() }).enable();
  }

  /** The worker whose code calls this; undefined if unknown. */
  get owner(): O | undefined {
    return this.#owner.getStore();
  }

  /** Runs `work` for the worker; asynchronous work that it starts is attributed to the worker too. */
  run<A, R>(owner: O, work: (argument: A) => R, argument: A): R {
    this.#begin(owner);
    try {
      return this.#owner.run(owner, work, argument);
    } finally {
      this.#end();
    }
  }

  #begin(owner: O | undefined): void {
    if (this.#depth < MAX_DEPTH) this.#outer[this.#depth] = this.#current;
    this.#depth++;
    this.#switchTo(owner);
  }

  #end(): void {
    // After a caught error, Node may call `after` without a matching `before`.
    if (this.#depth === 0) return;
    this.#depth--;
    if (this.#depth >= MAX_DEPTH) return;
    this.#switchTo(this.#outer[this.#depth]);
  }

  #switchTo(owner: O | undefined): void {
    this.#growth.turn(this.#current, owner);
    if (this.#runQueue !== undefined) this.#time(this.#runQueue, this.#current, owner);
    this.#current = owner;
    if (this.#depth === 0) this.#ledger.layDown();
    else this.#ledger.takeUp(owner);
  }

  #time(runQueue: RunQueue, before: O | undefined, after: O | undefined): void {
    if (before === undefined && after === undefined) return;
    const nowMs = monotonicMs();
    if (before !== undefined) this.#ledger.add(before, Math.round(runQueue.ranMs(nowMs - this.#sinceMs) * 1000));
    if (after !== undefined) runQueue.mark(nowMs);
    this.#sinceMs = nowMs;
  }
}
