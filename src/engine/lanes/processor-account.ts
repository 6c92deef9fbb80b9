/**
 * What the processor of one lane does, and for whom, by the ledger of the lane's thread of now (store/lane-ledger.ts). Where
 * there is one worker alone, whatever the processor does is done for that one: its time is not shared out.
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
  /** Turns of the thread when it was last seen to make progress. */
  #turnsBefore = 0;

  /**
   * @param rows workers that there can be; 0: one worker alone
   * @param budgetMs of the lane's time, for one worker, see time-shares.ts
   */
  constructor(rows: number, budgetMs: number) {
    this.#rows = rows;
    this.#budgetMs = budgetMs;
  }

  /** For a new thread. A ledger has one writer: one that an abandoned thread still writes is not the next one's. */
  open(): LedgerMemory {
    const memory = newLedger(this.#rows);
    this.#ledger = new LedgerReader(memory);
    this.#shares = this.#rows === 0 ? undefined : new TimeShares(this.#ledger);
    return memory;
  }

  /** Undefined before there was a thread. */
  get ledger(): LedgerReader | undefined {
    return this.#ledger;
  }

  /** Whether the thread leaves the worker's heartbeats where they are, from the next one on. */
  hold(worker: Place, isHeld: boolean): void {
    this.#ledger?.hold(worker.row, isHeld);
  }

  /** At each sweep. */
  look(elapsedMs: number): void {
    this.#shares?.look(elapsedMs);
  }

  /** At each sweep in which the thread does not stand still. */
  noteProgress(): void {
    this.#turnsBefore = this.#ledger?.turns ?? 0;
  }

  /** A worker that seems to take too much of the lane's time, the one that takes the most; undefined if none does. */
  suspect<W extends Place>(workers: Iterable<W>): W | undefined {
    return this.#shares?.suspect(workers, this.#budgetMs);
  }

  /** How the worker took more of the lane's time than it may, for people; undefined if it did not. Asked once. */
  excess(worker: Place): string | undefined {
    const usedMs = this.#shares?.endedMs(worker) ?? 0;
    if (usedMs < this.#budgetMs) return undefined;
    this.#shares?.forgive(worker);
    return (
      `its processor took ${(usedMs / 1000).toFixed(1)} s of ${BUDGET_WINDOW_MS / 1000} s on a lane that it shares, ` +
      `of ${this.#budgetMs / 1000} s allowed`
    );
  }

  /** For which of several workers it ran in the thread that is dead, or given up. */
  ranFor(cause: FaultCause): Place | 'nobody known' {
    if (this.#ledger === undefined) return 'nobody known';
    const { hand, isResting, owner, turns } = this.#ledger;
    return ranFor({ hand, isResting, owner, hasMoved: turns !== this.#turnsBefore }, cause) ?? 'nobody known';
  }
}
