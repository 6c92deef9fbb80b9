/**
 * The workers of one lane: those that it serves, and those that its thread was told to leave and has not yet left. A thread
 * leaves them in the order in which it was told to. Each stands in one of the two, or is not this lane's.
 */

interface Leaving<W> {
  readonly worker: W;
  /** Resolves to whether nobody writes its slot any more. */
  readonly hasLeft: Promise<boolean>;
  readonly left: (isUnwritten: boolean) => void;
}

export class LaneWorkers<W extends { readonly row: number; readonly occupant: number }> {
  readonly #served = new Map<number, W>();
  readonly #leaving: Leaving<W>[] = [];

  /** Those that it serves. */
  get served(): Iterable<W> {
    return this.#served.values();
  }

  get servedCount(): number {
    return this.#served.size;
  }

  /** Whether no worker is on it, nor on its way from it. */
  get isEmpty(): boolean {
    return this.#served.size === 0 && this.#leaving.length === 0;
  }

  /** Whether it serves somebody there. */
  servesRow(row: number): boolean {
    return this.#served.has(row);
  }

  serve(worker: W): void {
    this.#served.set(worker.row, worker);
  }

  /** Serves it no longer. @returns whether it was served until now */
  stopServing(worker: W): boolean {
    return this.#served.get(worker.row) === worker && this.#served.delete(worker.row);
  }

  /** The thread has been told to leave it. @returns what {@link leftNext} or {@link takeLeaving} says of it */
  leave(worker: W): Promise<boolean> {
    const { promise: hasLeft, resolve: left } = Promise.withResolvers<boolean>();
    this.#leaving.push({ worker, hasLeft, left });
    return hasLeft;
  }

  /** Of one that is no longer served: when the thread has left it; undefined if it need not leave it. */
  departureOf(worker: W): Promise<boolean> | undefined {
    return this.#leaving.find((leaving) => leaving.worker === worker)?.hasLeft;
  }

  /** Whom the thread must leave next; undefined if nobody. */
  get nextToLeave(): W | undefined {
    return this.#leaving[0]?.worker;
  }

  /** The thread has left the next one. */
  leftNext(): void {
    this.#leaving.shift()?.left(true);
  }

  /** There is no thread any more that would leave them. `left` tells who waits whether nobody writes their slots now. */
  takeLeaving(): readonly Pick<Leaving<W>, 'worker' | 'left'>[] {
    return this.#leaving.splice(0);
  }

  /** Whom the thread was given there, and has not left. */
  givenAt(row: number, occupant: number): W | undefined {
    const served = this.#served.get(row);
    if (served?.occupant === occupant) return served;
    return this.#leaving.find(({ worker }) => worker.row === row && worker.occupant === occupant)?.worker;
  }
}
