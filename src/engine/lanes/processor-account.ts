/**
 * Attributes the work of one lane's processor to workers, from the ledger of the lane's current thread
 * (store/lane-ledger.ts). On a dedicated lane all work is done for its only worker, so its time is not divided.
 */
import type { FaultCause } from '../../model/lanes.ts';
import { type LedgerMemory, LedgerReader, newLedger, type Place } from '../../store/lane-ledger.ts';
import { ranFor } from './blame.ts';
import { BUDGET_WINDOW_MS, TimeShares } from './time-shares.ts';

export class ProcessorAccount {
  readonly #rows: number;
  readonly #budgetMs: number;
  #ledger: LedgerReader | undefined;
  #shares: TimeShares | undefined;
  /** Turns of the thread at its last observed progress. */
  #turnsBefore = 0;

  /**
   * @param rows number of rows for workers; 0: a dedicated lane
   * @param budgetMs time budget of one worker, see time-shares.ts
   */
  constructor(rows: number, budgetMs: number) {
    this.#rows = rows;
    this.#budgetMs = budgetMs;
  }

  /** Creates the ledger of a new thread. Each ledger has one writer; an abandoned thread may still write its own. */
  open(): LedgerMemory {
    const memory = newLedger(this.#rows);
    this.#ledger = new LedgerReader(memory);
    this.#shares = this.#rows === 0 ? undefined : new TimeShares(this.#ledger);
    return memory;
  }

  /** Undefined before the first thread. */
  get ledger(): LedgerReader | undefined {
    return this.#ledger;
  }

  /** Sets whether the thread skips the worker's heartbeats, from the next one on. */
  hold(worker: Place, isHeld: boolean): void {
    this.#ledger?.hold(worker.row, isHeld);
  }

  /** Called at each sweep. */
  look(elapsedMs: number): void {
    this.#shares?.look(elapsedMs);
  }

  /** Called at each sweep in which the thread is not stalled. */
  noteProgress(): void {
    this.#turnsBefore = this.#ledger?.turns ?? 0;
  }

  /** The worker that seems to exceed its time budget by the most; undefined if none does. */
  suspect<W extends Place>(workers: Iterable<W>): W | undefined {
    return this.#shares?.suspect(workers, this.#budgetMs);
  }

  /** Describes how the worker exceeded its time budget; undefined if it did not. Resets the worker's time. */
  excess(worker: Place): string | undefined {
    const usedMs = this.#shares?.endedMs(worker) ?? 0;
    if (usedMs < this.#budgetMs) return undefined;
    this.#shares?.forgive(worker);
    return (
      `its processor took ${(usedMs / 1000).toFixed(1)} s of ${BUDGET_WINDOW_MS / 1000} s on a shared lane; ` +
      `the limit is ${this.#budgetMs / 1000} s`
    );
  }

  /** The worker for which the dead or abandoned thread ran, among several. */
  ranFor(cause: FaultCause): Place | 'nobody known' {
    if (this.#ledger === undefined) return 'nobody known';
    const { hand, isResting, owner, turns } = this.#ledger;
    return ranFor({ hand, isResting, owner, hasMoved: turns !== this.#turnsBefore }, cause) ?? 'nobody known';
  }
}
