/**
 * Iterates over a map repeatedly, a limited number of entries at a time, so that no turn visits the whole fleet.
 * Entries may be added and deleted meanwhile; one that stays is visited once per round.
 */
export class MapRound<K, V> {
  readonly #map: ReadonlyMap<K, V>;
  #entries: MapIterator<[K, V]> | undefined;

  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map;
  }

  /** The next `most` entries, or the remaining ones of this round. */
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
