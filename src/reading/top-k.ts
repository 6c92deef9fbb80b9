/** The first few of many, in order, without sorting them all. */
export class TopK<T> {
  readonly #count: number;
  readonly #compare: (left: T, right: T) => number;
  /** What may be among the first; twice as many at most, so that sorting is seldom. */
  readonly #kept: T[] = [];
  /** Whoever comes behind it is none of the first. */
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
