/**
 * A priority queue of names by due time: a binary heap with an index, so that each name occurs once and updates take
 * O(log n).
 */
export class DueQueue {
  readonly #heap: { readonly name: string; dueMs: number }[] = [];
  readonly #at = new Map<string, number>();

  get size(): number {
    return this.#heap.length;
  }

  /** Sets when the name is due. */
  set(name: string, dueMs: number): void {
    const at = this.#at.get(name);
    if (at === undefined) {
      this.#heap.push({ name, dueMs });
      this.#at.set(name, this.#heap.length - 1);
      this.#up(this.#heap.length - 1);
      return;
    }
    (this.#heap[at] as { dueMs: number }).dueMs = dueMs;
    this.#down(this.#up(at));
  }

  delete(name: string): void {
    const at = this.#at.get(name);
    if (at === undefined) return;
    const last = this.#heap.length - 1;
    this.#swap(at, last);
    this.#heap.pop();
    this.#at.delete(name);
    if (at < last) this.#down(this.#up(at));
  }

  /** Removes and returns the first name that is due by now. */
  take(nowMs: number): string | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.delete(first.name);
    return first.name;
  }

  #up(from: number): number {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#dueMs(parent) <= this.#dueMs(at)) break;
      this.#swap(at, parent);
      at = parent;
    }
    return at;
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < this.#heap.length && this.#dueMs(left) < this.#dueMs(least)) least = left;
      if (right < this.#heap.length && this.#dueMs(right) < this.#dueMs(least)) least = right;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #dueMs(at: number): number {
    return this.#heap[at]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
    this.#at.set(other.name, a);
    this.#at.set(one.name, b);
  }
}
