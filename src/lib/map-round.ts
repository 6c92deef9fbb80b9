/**
 * Goes over a map again and again, a bounded piece at a time, so that no turn pays for all of a fleet. Entries may come and
 * go meanwhile: one that stays is met once in each round.
 */
export class MapRound<K, V> {
  readonly #map: ReadonlyMap<K, V>;
  #entries: MapIterator<[K, V]> | undefined;

  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map;
  }

  /** The next entries, `most` of them or those that are left of this round. */
  *next(most: number): Generator<[K, V]> {
    this.#entries ??= this.#map.entries();
    for (let met = 0; met < most; met++) {
      const { value, done } = this.#entries.next();
      if (done) {
        this.#entries = undefined;
        return;
      }
      yield value;
    }
  }
}
