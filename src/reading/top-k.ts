/** The first k of many in order, without sorting them all. */
export class TopK<T> {
  readonly #count: number;
  readonly #compare: (left: T, right: T) => number;
  /** Candidates, at most twice as many, so that sorting is rare. */
  readonly #kept: T[] = [];
  /** Items after this one are not among the first. */
  #last: T | undefined;

  constructor(count: number, compare: (left: T, right: T) => number) {
    this.#count = count;
    this.#compare = compare;
  }

  add(item: T): void {
    if (this.#last !== undefined && this.#compare(item, this.#last) >= 0) return;
    if (this.#kept.push(item) >= 2 * this.#count) this.#cut();
  }

  /** At most `count`, in order. */
  sorted(): readonly T[] {
    this.#cut();
    return this.#kept;
  }

  #cut(): void {
    this.#kept.sort(this.#compare).splice(this.#count);
    if (this.#kept.length === this.#count) this.#last = this.#kept.at(-1);
  }
}
