/**
 * The workers of one lane: those that it serves, and those that its thread was told to leave and has not left yet. A
 * thread leaves workers in the order in which it was told to. A worker of the lane is in exactly one of the two sets.
 */

interface Leaving<W> {
  readonly worker: W;
  /** Resolves to whether no thread writes its slot any more. */
  readonly hasLeft: Promise<boolean>;
  readonly left: (isUnwritten: boolean) => void;
}

export class LaneWorkers<W extends { readonly row: number; readonly occupant: number }> {
  readonly #served = new Map<number, W>();
  readonly #leaving: Leaving<W>[] = [];

  /** Workers that the lane serves. */
  get served(): Iterable<W> {
    return this.#served.values();
  }

  get servedCount(): number {
    return this.#served.size;
  }

  /** Whether the lane has no workers, including those that are leaving. */
  get isEmpty(): boolean {
    return this.#served.size === 0 && this.#leaving.length === 0;
  }

  /** Whether it serves the worker at the row. */
  servesRow(row: number): boolean {
    return this.#served.has(row);
  }

  serve(worker: W): void {
    this.#served.set(worker.row, worker);
  }

  /** Stops serving the worker. @returns whether it was served until now */
  stopServing(worker: W): boolean {
    return this.#served.get(worker.row) === worker && this.#served.delete(worker.row);
  }

  /**
   * Notes that the thread was told to leave the worker. @returns resolves as {@link leftNext} or {@link takeLeaving}
   * decides
   */
  leave(worker: W): Promise<boolean> {
    const { promise: hasLeft, resolve: left } = Promise.withResolvers<boolean>();
    this.#leaving.push({ worker, hasLeft, left });
    return hasLeft;
  }

  /** For a worker that is no longer served: resolves when the thread has left it; undefined if it need not. */
  departureOf(worker: W): Promise<boolean> | undefined {
    return this.#leaving.find((leaving) => leaving.worker === worker)?.hasLeft;
  }

  /** The worker that the thread must leave next; undefined if none. */
  get nextToLeave(): W | undefined {
    return this.#leaving[0]?.worker;
  }

  /** The thread has left the next worker. */
  leftNext(): void {
    this.#leaving.shift()?.left(true);
  }

  /** Called when there is no thread any more. `left` tells the waiting callers whether no thread writes the slot. */
  takeLeaving(): readonly Pick<Leaving<W>, 'worker' | 'left'>[] {
    return this.#leaving.splice(0);
  }

  /** The worker at the row that the thread was given and has not left. */
  givenAt(row: number, occupant: number): W | undefined {
    const served = this.#served.get(row);
    if (served?.occupant === occupant) return served;
    return this.#leaving.find(({ worker }) => worker.row === row && worker.occupant === occupant)?.worker;
  }
}
