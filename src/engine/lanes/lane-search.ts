/**
 * The search for a worker that ends lanes while nothing tells which one does: the workers of the lane that failed are spread over
 * two, and of the lane that fails again, half go to the other one, until one is left. Nobody is charged on the way. Of n
 * workers one is found in ⌈log₂ n⌉ + 1 failures. One search at a time: another lane's turn comes when this one's worker is
 * found.
 */
import { FAULT_WINDOW_MS } from './fault-history.ts';

export type HalvingStep<W> =
  /** These go to the other lane. Cleared are those that cannot be it: they were elsewhere when a lane failed. */
  | { readonly move: readonly W[]; readonly cleared: ReadonlySet<W> }
  /** It is this one; undefined: it can be none, something else ends lanes, or more than one worker does. */
  | { readonly found: W | undefined };

/** @param failed the workers of the lane that failed  @param other those of the other one */
export function nextHalvingStep<W>(failed: Iterable<W>, other: Iterable<W>, cleared: ReadonlySet<W>): HalvingStep<W> {
  const suspects = [...failed].filter((worker) => !cleared.has(worker));
  if (suspects.length <= 1) return { found: suspects[0] };
  const move = suspects.slice(0, Math.floor(suspects.length / 2));
  return { move, cleared: new Set([...cleared, ...other]) };
}

export type SearchStep<L, W> =
  /** These go to the other lane. */
  | { readonly move: readonly W[]; readonly to: L }
  /** It is over. It is this one; undefined: it can be none of them. */
  | { readonly found: W | undefined };

export class LaneSearch<L extends { readonly workers: Iterable<W> }, W> {
  /** Undefined while nobody is searched for. */
  #search: { readonly home: L; readonly cleared: ReadonlySet<W>; readonly failedMs: number } | undefined;
  #second: L | undefined;

  /** One more lane of several workers: until the search is over and it is empty. */
  get second(): L | undefined {
    return this.#second;
  }

  get isUnderWay(): boolean {
    return this.#search !== undefined;
  }

  /**
   * @param newLane makes the second lane, if there is none yet
   * @returns what to do next; undefined: nothing, since another lane is being searched
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

  /** Whether neither lane has failed for so long that nobody will be found. */
  isInVain(nowMs: number): boolean {
    return this.#search !== undefined && nowMs - this.#search.failedMs >= FAULT_WINDOW_MS;
  }

  /** @returns who has to leave the second lane, and the lane that failed first; undefined: nobody was searched for */
  end(): { readonly home: L; readonly stray: readonly W[] } | undefined {
    const search = this.#search;
    this.#search = undefined;
    return search && { home: search.home, stray: [...(this.#second?.workers ?? [])] };
  }

  /** The second lane is not needed any more. */
  releaseSecond(): void {
    this.#second = undefined;
  }
}
