/** The values of one custom metric: few workers may have it, and there may be thousands of such metrics. */
import type { RowValues, Version } from './row-values.ts';

export class SparseColumn implements RowValues<number> {
  readonly rows: number[] = [];
  readonly values: number[] = [];
  readonly changed: Version[] = [];
  #version: Version = 0;

  get version(): Version {
    return this.#version;
  }

  get series(): number {
    return this.rows.length;
  }

  at(row: number): number | undefined {
    const place = this.#placeOf(row);
    return this.rows[place] === row ? this.values[place] : undefined;
  }

  /** @param value undefined: the worker has no such metric */
  set(row: number, value: number | undefined, version: Version): void {
    const place = this.#placeOf(row);
    const isThere = this.rows[place] === row;
    if (value === undefined) {
      if (!isThere) return;
      for (const list of [this.rows, this.values, this.changed]) list.splice(place, 1);
    } else if (isThere) {
      if (this.values[place] === value) return;
      this.values[place] = value;
      this.changed[place] = version;
    } else if (place === this.rows.length) {
      this.rows.push(row);
      this.values.push(value);
      this.changed.push(version);
    } else {
      this.rows.splice(place, 0, row);
      this.values.splice(place, 0, value);
      this.changed.splice(place, 0, version);
    }
    this.#version = version;
  }

  /** Where the row is, or would be. */
  #placeOf(row: number): number {
    const { rows } = this;
    // While every worker has the metric.
    if (rows[row] === row) return row;
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((rows[middle] as number) < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
