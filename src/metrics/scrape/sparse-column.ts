/** The values of one custom metric, by board row: few workers may have it, and there may be thousands of such metrics. */
import type { Version } from './column.ts';

export class SparseColumn {
  readonly #values = new Map<number, number>();
  #rows: readonly number[] | undefined;
  #version: Version = 0;

  /** Of the last change in any row. */
  get version(): Version {
    return this.#version;
  }

  get series(): number {
    return this.#values.size;
  }

  /** In ascending order. */
  rows(): readonly number[] {
    this.#rows ??= [...this.#values.keys()].sort((one, other) => one - other);
    return this.#rows;
  }

  at(row: number): number | undefined {
    return this.#values.get(row);
  }

  /** @param value undefined: the worker has no such metric */
  set(row: number, value: number | undefined, version: Version): void {
    const before = this.#values.get(row);
    if (before === value) return;
    if (before === undefined || value === undefined) this.#rows = undefined;
    if (value === undefined) this.#values.delete(row);
    else this.#values.set(row, value);
    this.#version = version;
  }
}
