/**
 * The custom metrics of all workers, and the columns of those that have a family. Names beyond MAX_CUSTOM_FAMILIES have none: those of
 * the fewest workers. Of two with equally many, the one that has a column keeps it, so that families do not come and go.
 */
import { shortText } from '../../lib/foreign-text.ts';
import type { Version } from './row-values.ts';
import { NAMED, SHOWN_NAME_LENGTH } from './scrape-limits.ts';
import { SparseColumn } from './sparse-column.ts';

export type CustomMetrics = readonly (readonly [name: string, value: number])[];

/** Custom metrics that are not exposed. */
export interface LeftOut {
  readonly count: number;
  /** The first few. */
  readonly names: readonly string[];
}

/** Of one worker. */
interface RowMetrics {
  readonly names: readonly string[];
  readonly values: readonly number[];
}

const NOTHING: RowMetrics = { names: [], values: [] };

export class CustomValues {
  /** By the metric's own name. */
  readonly columns = new Map<string, SparseColumn>();
  readonly #maxFamilies: number;
  readonly #rows: RowMetrics[] = [];
  /** How many workers have each name. */
  readonly #workers = new Map<string, number>();
  #series = 0;
  #namesVersion: Version = 0;
  /** Which names have the most workers may have changed. */
  #isUnsettled = false;

  constructor(maxFamilies: number) {
    this.#maxFamilies = maxFamilies;
  }

  /** Of the last change in the columns that there are. */
  get namesVersion(): Version {
    return this.#namesVersion;
  }

  /** Metrics of the worker that have a column. */
  namesIn(row: number): readonly string[] {
    const { names } = this.#rows[row] ?? NOTHING;
    return this.#hasAll ? names : names.filter((name) => this.columns.has(name));
  }

  /** Metrics without a column. */
  leftOut(): LeftOut {
    if (this.#hasAll) return { count: 0, names: [] };
    let count = this.#series;
    for (const { series } of this.columns.values()) count -= series;
    const names: string[] = [];
    for (const name of this.#workers.keys()) {
      if (names.length === NAMED) break;
      if (!this.columns.has(name)) names.push(shortText(name, SHOWN_NAME_LENGTH));
    }
    return { count, names };
  }

  /** Call `settle` after the last row. */
  set(row: number, metrics: CustomMetrics, version: Version): void {
    const rows = this.#rows;
    const before = rows[row] ?? NOTHING;
    const isAsBefore =
      metrics.length === before.names.length && metrics.every(([name], index) => name === before.names[index]);
    const names = isAsBefore ? before.names : metrics.map(([name]) => name);
    if (!isAsBefore) {
      const [then, now] = [new Set(before.names), new Set(names)];
      for (const name of then) if (!now.has(name)) this.#remove(row, name, version);
      for (const name of now) if (!then.has(name)) this.#add(name, version);
    }
    for (const [name, value] of metrics) this.columns.get(name)?.set(row, value, version);
    while (rows.length <= row) rows.push(NOTHING);
    rows[row] = names.length === 0 ? NOTHING : { names, values: metrics.map(([, value]) => value) };
  }

  /** Gives the columns to the names of most workers. */
  settle(version: Version): void {
    const isDue = this.#isUnsettled && !this.#hasAll;
    this.#isUnsettled = false;
    if (!isDue) return;
    const chosen = this.#namesOfMostWorkers();
    for (const name of this.columns.keys()) if (!chosen.has(name)) this.#drop(name, version);
    const added = new Map<string, SparseColumn>();
    for (const name of chosen) if (!this.columns.has(name)) added.set(name, new SparseColumn());
    if (added.size === 0) return;
    this.#rows.forEach(({ names, values }, row) => {
      names.forEach((name, index) => {
        added.get(name)?.set(row, values[index], version);
      });
    });
    for (const [name, column] of added) this.columns.set(name, column);
    this.#namesVersion = version;
  }

  clear(version: Version): void {
    this.columns.clear();
    this.#workers.clear();
    this.#rows.length = 0;
    this.#series = 0;
    this.#namesVersion = version;
  }

  get #hasAll(): boolean {
    return this.columns.size === this.#workers.size;
  }

  #add(name: string, version: Version): void {
    const others = this.#workers.get(name) ?? 0;
    this.#workers.set(name, others + 1);
    this.#series++;
    this.#isUnsettled = true;
    // With others, it either has a column or would need their values.
    if (others > 0 || this.columns.size >= this.#maxFamilies) return;
    this.columns.set(name, new SparseColumn());
    this.#namesVersion = version;
  }

  #remove(row: number, name: string, version: Version): void {
    const others = (this.#workers.get(name) ?? 1) - 1;
    this.#series--;
    this.#isUnsettled = true;
    this.columns.get(name)?.set(row, undefined, version);
    if (others > 0) {
      this.#workers.set(name, others);
      return;
    }
    this.#workers.delete(name);
    this.#drop(name, version);
  }

  #drop(name: string, version: Version): void {
    if (this.columns.delete(name)) this.#namesVersion = version;
  }

  #namesOfMostWorkers(): ReadonlySet<string> {
    const namesByWorkers = new Map<number, number>();
    for (const workers of this.#workers.values()) namesByWorkers.set(workers, (namesByWorkers.get(workers) ?? 0) + 1);
    let room = this.#maxFamilies;
    /** Of names with this many workers, only some fit. */
    let fewest = 0;
    for (const [workers, names] of [...namesByWorkers].sort(([one], [other]) => other - one)) {
      if (names > room) {
        fewest = workers;
        break;
      }
      room -= names;
    }
    const chosen = new Set<string>();
    for (const [name, workers] of this.#workers) if (workers > fewest) chosen.add(name);
    for (const names of [this.columns, this.#workers]) {
      for (const name of names.keys()) {
        if (room === 0) return chosen;
        if (this.#workers.get(name) !== fewest || chosen.has(name)) continue;
        chosen.add(name);
        room--;
      }
    }
    return chosen;
  }
}
