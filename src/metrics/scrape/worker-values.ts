/**
 * The values of all workers, by family and board row, as of the last look at shared memory. A look reads only workers whose row or slot
 * has changed since the last one, so it takes as long as there are heartbeats between two scrapes.
 */
import { shortText } from '../../lib/foreign-text.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { ParsedRecord } from '../../reading/parsed-record.ts';
import type { Label } from '../family.ts';
import { CUSTOM_LIFETIME, hasCustomFamily } from '../workers/custom-names.ts';
import { type LabelledDevice, labelledDevices } from '../workers/device-labels.ts';
import {
  type DeviceFamily,
  type InfoFamily,
  type NumberFamily,
  type StateFamily,
  WORKER_FAMILIES,
  type WorkerFamily,
} from '../workers/families.ts';
import { infoLabels, type LabelFilter } from '../workers/info-labels.ts';
import { type DeviceSeries, deviceSeries, isAlive } from '../workers/series.ts';
import { Column } from './column.ts';
import { type CustomMetrics, CustomValues, type LeftOut } from './custom-values.ts';
import type { Version } from './row-values.ts';
import { MAX_CUSTOM_FAMILIES, MAX_CUSTOM_PER_WORKER, NAMED, READ_AT_ONCE, SHOWN_NAME_LENGTH } from './scrape-limits.ts';
import type { SparseColumn } from './sparse-column.ts';

/** The series of one worker in a family of devices. */
export type DeviceValues = readonly DeviceSeries[];

/** A family and its values; a state is its index. */
export type FamilyColumn =
  | { readonly family: NumberFamily | StateFamily; readonly column: Column<number> }
  | { readonly family: InfoFamily; readonly column: Column<readonly Label[]> }
  | { readonly family: DeviceFamily; readonly column: Column<DeviceValues> };

/** By fixed family, then custom metrics. */
interface ReadValues {
  readonly fixed: readonly unknown[];
  readonly custom: CustomMetrics;
  readonly leftOut: LeftOut | undefined;
}

export interface WorkerValuesOptions {
  readonly directory: Directory;
  readonly isAllowed: LabelFilter;
  /** Series of custom metrics, and of GPUs, that are kept in memory. */
  readonly maxSeries: number;
  readonly maxCustomFamilies?: number;
}

const NO_VALUES: ReadValues = { fixed: [], custom: [], leftOut: undefined };
const DEVICES = WORKER_FAMILIES.flatMap((family, index) => (family.shape === 'device' ? [index] : []));

export class WorkerValues {
  readonly columns: readonly FamilyColumn[] = WORKER_FAMILIES.map(columnFor);
  readonly #options: WorkerValuesOptions;
  readonly #custom: CustomValues;
  #version: Version = 0;

  // By row.
  readonly #entries: (WorkerEntry | undefined)[] = [];
  readonly #ids: (string | undefined)[] = [];
  readonly #rowCopies: Int32Array;
  readonly #counted: Int32Array;
  readonly #countedNow: Int32Array;
  readonly #changedRows: Int32Array;
  readonly #leftOut = new Map<number, LeftOut>();
  readonly #unreadable = new Set<number>();
  readonly #info = new WeakMap<WorkerEntry, readonly Label[]>();

  readonly #customBudget: Budget;
  readonly #deviceBudget: Budget;

  constructor(options: WorkerValuesOptions) {
    this.#options = options;
    const { board } = options.directory;
    this.#rowCopies = board.newRowCopies();
    this.#counted = new Int32Array(board.capacity);
    this.#countedNow = new Int32Array(board.capacity);
    this.#changedRows = new Int32Array(board.capacity);
    this.#custom = new CustomValues(options.maxCustomFamilies ?? MAX_CUSTOM_FAMILIES);
    this.#customBudget = new Budget(options.maxSeries);
    this.#deviceBudget = new Budget(options.maxSeries);
  }

  /** Of the last look. */
  get version(): Version {
    return this.#version;
  }

  /** Custom metrics that have a family, by their own names. */
  get custom(): ReadonlyMap<string, SparseColumn> {
    return this.#custom.columns;
  }

  /** Changes when one of `custom` comes or goes. */
  get namesVersion(): Version {
    return this.#custom.namesVersion;
  }

  /** The worker in a row as of the last look. */
  workerIn(row: number): string | undefined {
    return this.#ids[row];
  }

  /** Rows of the workers as of the last look, in order. */
  *rows(): Generator<number> {
    for (let row = 0; row < this.#ids.length; row++) if (this.#ids[row] !== undefined) yield row;
  }

  /** Those that have a family. */
  customNamesIn(row: number): readonly string[] {
    return this.#custom.namesIn(row);
  }

  /** Series that workers have and memory does not: their number is above `maxSeries`. By collection. */
  get overBudget(): { readonly custom: number; readonly gpu: number } {
    const over = (budget: Budget) => (budget.isOver ? budget.total : 0);
    return { custom: over(this.#customBudget), gpu: over(this.#deviceBudget) };
  }

  /** Workers whose record could not be read in the last look. */
  get unreadable(): number {
    return this.#unreadable.size;
  }

  /** Custom metrics of workers that are not exposed: their names are too long, or too many. */
  leftOut(): LeftOut {
    const withoutFamily = this.#custom.leftOut();
    let { count } = withoutFamily;
    const names = [...withoutFamily.names];
    for (const one of this.#leftOut.values()) {
      count += one.count;
      if (names.length < NAMED) names.push(...one.names);
    }
    return { count, names: names.slice(0, NAMED) };
  }

  /** Reads what changed since the last look. @returns the number of workers read */
  look(): number {
    this.#version++;
    let read = this.#lookAt(this.#findChangedRows());
    // Reads all again: they may fit now, and what was over the budget was not kept.
    for (const budget of [this.#customBudget, this.#deviceBudget]) {
      if (!budget.isOver || budget.total > this.#options.maxSeries) continue;
      budget.isOver = false;
      this.#entries.fill(undefined);
      read += this.#lookAt(this.#findChangedRows());
    }
    this.#custom.settle(this.#version);
    return read;
  }

  /**
   * Reads ahead what has changed so far, a few workers at each step; a look in between, or none after the last step, does no harm.
   * Yields the number of workers read.
   */
  *lookAhead(): Generator<number> {
    // A copy: looks in between use the same memory.
    const rows = this.#findChangedRows().slice();
    for (let at = 0; at < rows.length; at += READ_AT_ONCE) {
      // A version for each step: text may be made between two.
      this.#version++;
      yield this.#lookAt(rows.subarray(at, at + READ_AT_ONCE));
    }
  }

  #lookAt(rows: Int32Array): number {
    for (const row of rows) {
      this.#readRow(row);
      // At once: a look may read much more than is kept.
      if (this.#customBudget.isExceeded) this.#dropCustom();
      if (this.#deviceBudget.isExceeded) this.#dropDevices();
    }
    return rows.length;
  }

  /** Valid until the next look. */
  #findChangedRows(): Int32Array {
    const { board, rows } = this.#options.directory;
    const entries = this.#entries;
    while (entries.length < rows.length) {
      entries.push(undefined);
      this.#ids.push(undefined);
    }
    board.publications.copyTo(this.#countedNow);
    const changedRows = this.#changedRows;
    let found = board.changedRows(this.#rowCopies, rows.length, changedRows);
    // Rows come in ascending order.
    const onBoard = found;
    for (let row = 0, next = 0; row < rows.length; row++) {
      if (next < onBoard && changedRows[next] === row) {
        next++;
        continue;
      }
      if (rows[row] !== entries[row] || this.#countedNow[row] !== this.#counted[row]) changedRows[found++] = row;
    }
    return changedRows.subarray(0, found);
  }

  #readRow(row: number): void {
    const { board, rows } = this.#options.directory;
    // Noted before anything is read: a change in between is found by the next look.
    board.copyRow(row, this.#rowCopies);
    this.#counted[row] = board.publications.of(row);
    const entry = rows[row];
    // All lines of another worker differ, also where its values are the same.
    if (this.#ids[row] !== entry?.workerId) this.#setRow(row, NO_VALUES);
    this.#ids[row] = entry?.workerId;
    this.#entries[row] = entry;
    this.#unreadable.delete(row);
    try {
      const values = entry === undefined ? undefined : readWhileThere(board, entry, () => this.#valuesOf(entry));
      this.#setRow(row, values ?? NO_VALUES);
    } catch {
      // Its memory is damaged, or changes all the time: what comes of its record stays as it was, and the next look tries again.
      this.#entries[row] = undefined;
      this.#unreadable.add(row);
      if (entry !== undefined) this.#setWithoutRecord(row, entry);
    }
  }

  #valuesOf(entry: WorkerEntry): ReadValues {
    const reading = new ParsedRecord(entry);
    const fixed = WORKER_FAMILIES.map(this.#familyReader(reading));
    const text = isAlive(CUSTOM_LIFETIME, reading, this.#options.directory) ? reading.metricsText : undefined;
    return { fixed, ...customIn(text) };
  }

  /** Undefined: no series. */
  #familyReader(reading: ParsedRecord): (family: WorkerFamily) => unknown {
    const { directory } = this.#options;
    const { entry } = reading;
    let devices: readonly LabelledDevice[] | undefined;
    return (family) => {
      if (!isAlive(family.lifetime, reading, directory)) return undefined;
      switch (family.shape) {
        case 'number':
          return family.read(reading, directory);
        case 'state':
          return family.states.indexOf(family.read(reading, directory));
        case 'info':
          return this.#infoOf(entry);
        case 'device': {
          devices ??= labelledDevices(entry.workerId, reading.devices());
          if (devices.length === 0) return undefined;
          const series = deviceSeries(family, devices);
          return series.length === 0 ? undefined : series;
        }
        default:
          return family satisfies never;
      }
    };
  }

  /** What the board alone tells, as whether the worker is alive, is shown all the same. */
  #setWithoutRecord(row: number, entry: WorkerEntry): void {
    const read = this.#familyReader(new ParsedRecord(entry));
    for (const { family, column } of this.columns) {
      if (family.shape === 'device') continue;
      try {
        const value = readWhileThere(this.#options.directory.board, entry, () => read(family));
        (column as Column<unknown>).set(row, value, this.#version);
      } catch {
        // Of the record: it keeps its last value.
      }
    }
  }

  /** An entry is replaced when the worker registers anew. */
  #infoOf(entry: WorkerEntry): readonly Label[] {
    const known = this.#info.get(entry);
    if (known !== undefined) return known;
    const labels = infoLabels(entry.workerId, entry.facts, this.#options.isAllowed);
    this.#info.set(entry, labels);
    return labels;
  }

  #setRow(row: number, { fixed, custom, leftOut }: ReadValues): void {
    const version = this.#version;
    this.#deviceBudget.set(
      row,
      DEVICES.reduce((sum, at) => sum + ((fixed[at] as DeviceValues)?.length ?? 0), 0),
    );
    this.columns.forEach(({ family, column }, index) => {
      const isKept = family.shape !== 'device' || !this.#deviceBudget.isOver;
      (column as Column<unknown>).set(row, isKept ? fixed[index] : undefined, version);
    });
    if (leftOut === undefined) this.#leftOut.delete(row);
    else this.#leftOut.set(row, leftOut);
    this.#customBudget.set(row, custom.length);
    if (!this.#customBudget.isOver) this.#custom.set(row, custom, version);
  }

  #dropCustom(): void {
    this.#customBudget.isOver = true;
    this.#custom.clear(this.#version);
  }

  #dropDevices(): void {
    this.#deviceBudget.isOver = true;
    for (const { family, column } of this.columns) {
      if (family.shape !== 'device') continue;
      for (let row = 0; row < column.values.length; row++) column.set(row, undefined, this.#version);
    }
  }
}

/**
 * How many series of a kind all workers have. Above the limit all of the kind are dropped and only counted: dropping some of them
 * would leave families that miss workers.
 */
class Budget {
  isOver = false;
  readonly #max: number;
  readonly #counts: number[] = [];
  #total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get total(): number {
    return this.#total;
  }

  /** They are still kept, and must be dropped. */
  get isExceeded(): boolean {
    return !this.isOver && this.#total > this.#max;
  }

  set(row: number, count: number): void {
    while (this.#counts.length <= row) this.#counts.push(0);
    this.#total += count - (this.#counts[row] as number);
    this.#counts[row] = count;
  }
}

function columnFor(family: WorkerFamily): FamilyColumn {
  switch (family.shape) {
    case 'number':
      return { family, column: new Column<number>(() => 1, Object.is) };
    case 'state':
      return { family, column: new Column<number>(() => family.states.length, Object.is) };
    case 'info':
      return { family, column: new Column(() => 1, areSameLabels) };
    case 'device':
      return { family, column: new Column<DeviceValues>((values) => values.length, areSameDevices) };
    default:
      return family satisfies never;
  }
}

function customIn(text: string | undefined): Pick<ReadValues, 'custom' | 'leftOut'> {
  if (text === undefined) return { custom: [], leftOut: undefined };
  const all = Object.entries(JSON.parse(text) as Record<string, number>);
  if (all.length > MAX_CUSTOM_PER_WORKER) return { custom: [], leftOut: leftOutOf(all.map(([name]) => name)) };
  if (all.every(([name]) => hasCustomFamily(name))) return { custom: all, leftOut: undefined };
  return {
    custom: all.filter(([name]) => hasCustomFamily(name)),
    leftOut: leftOutOf(all.flatMap(([name]) => (hasCustomFamily(name) ? [] : [name]))),
  };
}

function leftOutOf(names: readonly string[]): LeftOut {
  return { count: names.length, names: names.slice(0, NAMED).map((name) => shortText(name, SHOWN_NAME_LENGTH)) };
}

function areSameDevices(one: DeviceValues, other: DeviceValues): boolean {
  if (one.length !== other.length) return false;
  return one.every(({ labels, value }, index) => {
    const that = other[index] as DeviceValues[number];
    return Object.is(value, that.value) && areSameLabels(labels, that.labels);
  });
}

function areSameLabels(one: readonly Label[], other: readonly Label[]): boolean {
  if (one.length !== other.length) return false;
  return one.every(([name, value], index) => name === other[index]?.[0] && value === other[index]?.[1]);
}
