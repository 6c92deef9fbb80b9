/**
 * How much of a shared lane's time the processor used for each worker over the last 5 to 10 s, and which worker exceeds
 * its budget. Checked at each sweep; as long as all workers together used less than one budget, nothing else is done.
 */
import { Hand, type LedgerReader, type Place, type TimesCopy } from '../../store/lane-ledger.ts';

/** Period of a worker's budget. */
export const BUDGET_WINDOW_MS = 10_000;
const HALF_WINDOW_MS = BUDGET_WINDOW_MS / 2;
/** Two sweeps: after a longer pause of main, in which the whole process may have stopped, the window restarts. */
const LONGEST_LOOK_MS = 500;

export interface TimeUse<W> {
  readonly worker: W;
  readonly usedMs: number;
}

/** The worker with the greatest use, if it exceeds the budget; undefined if none does. */
export function overBudget<W>(uses: Iterable<TimeUse<W>>, budgetMs: number): TimeUse<W> | undefined {
  let most: TimeUse<W> | undefined;
  for (const use of uses) if (most === undefined || use.usedMs > most.usedMs) most = use;
  return most !== undefined && most.usedMs >= budgetMs ? most : undefined;
}

export class TimeShares {
  readonly #ledger: LedgerReader;
  /** Times at the start of the previous half of the window, and of the current one. */
  #before: TimesCopy;
  #now: TimesCopy;
  #sinceMs = 0;
  /** The current turn, and how long it has been observed. */
  #turn = 0;
  #turnMs = 0;

  constructor(ledger: LedgerReader) {
    this.#ledger = ledger;
    this.#now = ledger.copyTimes();
    this.#before = this.#now;
  }

  /** Called at each sweep. */
  look(elapsedMs: number): void {
    if (elapsedMs > LONGEST_LOOK_MS) {
      this.#now = this.#ledger.copyTimes();
      this.#before = this.#now;
      this.#sinceMs = 0;
      this.#turnMs = 0;
      return;
    }
    this.#sinceMs += elapsedMs;
    if (this.#sinceMs >= HALF_WINDOW_MS) {
      this.#before = this.#now;
      this.#now = this.#ledger.copyTimes();
      this.#sinceMs = 0;
    }
    const { hand, turns, isResting } = this.#ledger;
    this.#turnMs = hand === Hand.worker && !isResting && turns === this.#turn ? this.#turnMs + elapsedMs : 0;
    this.#turn = turns;
  }

  /** Time of all workers, including the current turn. */
  get totalMs(): number {
    return ((this.#ledger.totalMicros - this.#before.totalMicros) >>> 0) / 1000 + this.#turnMs;
  }

  /**
   * Time of this worker, not of earlier ones of its row, without the current turn: how much of a turn the thread really
   * ran is known only at its end.
   */
  endedMs(worker: Place): number {
    // Negative if the row was reassigned meanwhile.
    return Math.max(0, (this.#ledger.microsOf(worker) - this.#before.microsOf(worker)) | 0) / 1000;
  }

  /** The worker that may have used more than `budgetMs`. */
  suspect<W extends Place>(workers: Iterable<W>, budgetMs: number): W | undefined {
    if (this.totalMs < budgetMs) return undefined;
    const { row, occupant } = this.#ledger.owner;
    const uses = Array.from(workers, (worker) => {
      const isRunning = worker.row === row && worker.occupant === occupant;
      return { worker, usedMs: this.endedMs(worker) + (isRunning ? this.#turnMs : 0) };
    });
    return overBudget(uses, budgetMs)?.worker;
  }

  /** Resets the worker's time to zero. */
  forgive(worker: Place): void {
    const micros = this.#ledger.microsOf(worker);
    for (const copy of [this.#before, this.#now]) copy.setMicros(worker, micros);
  }
}
