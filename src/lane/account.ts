/**
 * For whom the thread runs: kept in the ledger, so that main knows it whatever becomes of the thread, and timed.
 *
 * A processor runs when a heartbeat comes, and later in what it put off: timers, promises, ticks, answers of the system. An
 * AsyncLocalStorage carries the worker along; a hook of Node's says when such a callback begins and ends, however it was put
 * off. It costs a processor that puts nothing off nothing, and one that awaits 0.2 µs for each promise.
 */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import type { LedgerWriter } from '../store/lane-ledger.ts';
import { MemoryGrowth } from './memory-growth.ts';
import { RunQueue } from './run-queue.ts';

export interface Owner {
  readonly row: number;
  readonly occupant: number;
}

/** Taken before a processor is loaded. */
const monotonicMs = performance.now.bind(performance);
/** Callbacks within callbacks are few; what goes deeper is not told apart. */
const MAX_DEPTH = 64;

export class Account<O extends Owner> {
  readonly #ledger: LedgerWriter;
  readonly #owner = new AsyncLocalStorage<O>();
  /** Undefined where time is not counted. */
  readonly #runQueue: RunQueue | undefined;
  /** Those whose turns were interrupted by the one that runs, innermost last. */
  readonly #outer: (O | undefined)[] = [];
  readonly #growth: MemoryGrowth<O>;
  #depth = 0;
  #current: O | undefined;
  #sinceMs = 0;

  /** @param residentBytes memory of the process */
  constructor(ledger: LedgerWriter, residentBytes: () => number) {
    this.#ledger = ledger;
    this.#growth = new MemoryGrowth(ledger, residentBytes);
    if (ledger.countsTime) this.#runQueue = new RunQueue();
    createHook({ before: () => this.#begin(this.#owner.getStore()), after: () => this.#end() }).enable();
  }

  /** For whom the code runs that asks; undefined if that cannot be told. */
  get owner(): O | undefined {
    return this.#owner.getStore();
  }

  /** Runs `work` for the worker, and what it puts off later. */
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
    // After an error that was caught, Node ends what it began.
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
