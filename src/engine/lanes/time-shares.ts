/**
 * How much of a shared lane's time the processor takes for each worker, over the last 5 to 10 s, and who takes too much.
 *
 * Looked at in each sweep; as long as all together took less than one may, that is all there is to do.
 */
import { Hand, type LedgerReader, type Place, type TimesCopy } from '../../store/lane-ledger.ts';

/** A worker's budget is of this long. */
export const BUDGET_WINDOW_MS = 10_000;
const HALF_WINDOW_MS = BUDGET_WINDOW_MS / 2;
/** Two sweeps: after a longer absence of main, in which the whole process may have stood still, the window begins anew. */
const LONGEST_LOOK_MS = 500;

export interface TimeUse<W> {
  readonly worker: W;
  readonly usedMs: number;
}

/** Who took the most, if that is more than one may take; undefined if nobody did. */
export function overBudget<W>(uses: Iterable<TimeUse<W>>, budgetMs: number): TimeUse<W> | undefined {
  let most: TimeUse<W> | undefined;
  for (const use of uses) if (most === undefined || use.usedMs > most.usedMs) most = use;
  return most !== undefined && most.usedMs >= budgetMs ? most : undefined;
}

export class TimeShares {
  readonly #ledger: LedgerReader;
  /** At the beginning of the last half of the window, and of this one. */
  #before: TimesCopy;
  #now: TimesCopy;
  #sinceMs = 0;
  /** The turn that runs, and how long it has been seen to. */
  #turn = 0;
  #turnMs = 0;

  constructor(ledger: LedgerReader) {
    this.#ledger = ledger;
    this.#now = ledger.copyTimes();
    this.#before = this.#now;
  }

  /** At each sweep. */
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

  /** For all workers, the turn that runs included. */
  get totalMs(): number {
    return ((this.#ledger.totalMicros - this.#before.totalMicros) >>> 0) / 1000 + this.#turnMs;
  }

  /**
   * For this worker, and no earlier one of its row, without the turn that runs: how much of it the thread really ran is known
   * at its end.
   */
  endedMs(worker: Place): number {
    // Less than before is counted if its row was given away meanwhile.
    return Math.max(0, (this.#ledger.microsOf(worker) - this.#before.microsOf(worker)) | 0) / 1000;
  }

  /** Who may have taken more than `budgetMs`. */
  suspect<W extends Place>(workers: Iterable<W>, budgetMs: number): W | undefined {
    if (this.totalMs < budgetMs) return undefined;
    const { row, occupant } = this.#ledger.owner;
    const uses = Array.from(workers, (worker) => {
      const isRunning = worker.row === row && worker.occupant === occupant;
      return { worker, usedMs: this.endedMs(worker) + (isRunning ? this.#turnMs : 0) };
    });
    return overBudget(uses, budgetMs)?.worker;
  }

  /** Its time until now is settled. */
  forgive(worker: Place): void {
    const micros = this.#ledger.microsOf(worker);
    for (const copy of [this.#before, this.#now]) copy.setMicros(worker, micros);
  }
}
