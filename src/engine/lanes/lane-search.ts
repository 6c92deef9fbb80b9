/**
 * Searches for a worker that crashes lanes when nothing identifies it. The workers of the failed lane are split over
 * two lanes; each time one of the two fails, half of its workers move to the other, until one is left. No worker is
 * charged meanwhile. One of n workers is found in ⌈log₂ n⌉ + 1 failures. Only one search runs at a time.
 */
import { FAULT_WINDOW_MS } from './fault-history.ts';

export type HalvingStep<W> =
  /**
   * Workers to move to the other lane. `cleared` workers were on the other lane during a failure, so they are innocent.
   */
  | { readonly move: readonly W[]; readonly cleared: ReadonlySet<W> }
  /** The worker found; undefined: none of them can be it, so something else or several workers end lanes. */
  | { readonly found: W | undefined };

/** @param failed workers of the lane that failed  @param other workers of the other lane */
export function nextHalvingStep<W>(failed: Iterable<W>, other: Iterable<W>, cleared: ReadonlySet<W>): HalvingStep<W> {
  const suspects = [...failed].filter((worker) => !cleared.has(worker));
  if (suspects.length <= 1) return { found: suspects[0] };
  const move = suspects.slice(0, Math.floor(suspects.length / 2));
  return { move, cleared: new Set([...cleared, ...other]) };
}

export type SearchStep<L, W> =
  /** Workers to move to the other lane. */
  | { readonly move: readonly W[]; readonly to: L }
  /** The search is over: the worker found; undefined: none of them can be it. */
  | { readonly found: W | undefined };

export class LaneSearch<L extends { readonly workers: Iterable<W> }, W> {
  /** Undefined while there is no search. */
  #search: { readonly home: L; readonly cleared: ReadonlySet<W>; readonly failedMs: number } | undefined;
  #second: L | undefined;

  /** The second lane, which exists until the search is over and the lane is empty. */
  get second(): L | undefined {
    return this.#second;
  }

  get isUnderWay(): boolean {
    return this.#search !== undefined;
  }

  /**
   * @param newLane creates the second lane if it does not exist yet
   * @returns the next step; undefined: none, since another lane is being searched
   */
  afterFailure(lane: L, newLane: () => L, nowMs: number): SearchStep<L, W> | undefined {
    const search = this.#search;
    if (search !== undefined && lane !== search.home && lane !== this.#second) return undefined;
    const other = search !== undefined && lane === this.#second ? search.home : this.#second;
    const step = nextHalvingStep(lane.workers, other?.workers ?? [], search?.cleared ?? new Set());
    if ('found' in step) return step;
    this.#second ??= newLane();
    this.#search = { home: search?.home ?? lane, cleared: step.cleared, failedMs: nowMs };
    return { move: step.move, to: other ?? this.#second };
  }

  /** Whether both lanes have run for so long that the search is abandoned. */
  isInVain(nowMs: number): boolean {
    return this.#search !== undefined && nowMs - this.#search.failedMs >= FAULT_WINDOW_MS;
  }

  /**
   * @returns the workers to move out of the second lane, and the lane that failed first; undefined: there was no search
   */
  end(): { readonly home: L; readonly stray: readonly W[] } | undefined {
    const search = this.#search;
    this.#search = undefined;
    return search && { home: search.home, stray: [...(this.#second?.workers ?? [])] };
  }

  /** Forgets the second lane. */
  releaseSecond(): void {
    this.#second = undefined;
  }
}
