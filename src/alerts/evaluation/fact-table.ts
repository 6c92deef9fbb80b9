/**
 * Facts of many subjects as columns, one row for each. What is stored is set by whoever knows it (worker-facts.ts from shared memory,
 * a replay from history); what follows from other facts or from the time is computed once per evaluation, and only if a rule reads it.
 */
import type { FactColumns, FactRef } from '../expression/facts.ts';
import { keyOf } from '../expression/facts.ts';

const FIRST_ROOM = 64;
/** Of a flag that the subject lacks. */
export const MISSING_FLAG = 2;

/** Computes a column of numbers for all rows. */
export type Compute = (out: Float64Array, rows: number) => void;

export class FactTable implements FactColumns {
  rows = 0;
  readonly #names: (string | undefined)[] = [];
  readonly #rowOf = new Map<string, number>();
  #room = FIRST_ROOM;
  readonly #numbers = new Map<string, Float64Array>();
  readonly #flags = new Map<string, Uint8Array>();
  readonly #texts = new Map<string, (string | undefined)[]>();
  readonly #computed = new Map<string, { readonly compute: Compute; round: number }>();
  #round = 1;

  /** Begins an evaluation: computed columns are computed anew. */
  begin(): void {
    this.#round++;
  }

  /** The subject of a row; undefined: it has none. */
  nameOf(row: number): string | undefined {
    return this.#names[row];
  }

  rowOf(name: string): number | undefined {
    return this.#rowOf.get(name);
  }

  /** Number of subjects. */
  get size(): number {
    return this.#rowOf.size;
  }

  /** Gives the row to a subject, without any fact. */
  place(row: number, name: string): void {
    this.remove(row);
    while (this.#names.length <= row) this.#names.push(undefined);
    this.#names[row] = name;
    this.#rowOf.set(name, row);
    this.rows = Math.max(this.rows, row + 1);
    if (this.rows > this.#room) this.#grow();
  }

  remove(row: number): void {
    const name = this.#names[row];
    if (name === undefined) return;
    this.#names[row] = undefined;
    if (this.#rowOf.get(name) === row) this.#rowOf.delete(name);
    for (const column of this.#numbers.values()) column[row] = Number.NaN;
    for (const column of this.#flags.values()) column[row] = MISSING_FLAG;
    for (const column of this.#texts.values()) column[row] = undefined;
  }

  /** How many rows fit into the columns. */
  get room(): number {
    return this.#room;
  }

  numbers(ref: FactRef): Float64Array {
    const key = keyOf(ref);
    const column = this.numberColumn(key);
    const computed = this.#computed.get(key);
    if (computed !== undefined && computed.round !== this.#round) {
      computed.round = this.#round;
      computed.compute(column, this.rows);
    }
    return column;
  }

  flags(ref: FactRef): Uint8Array {
    return this.flagColumn(keyOf(ref));
  }

  texts(ref: FactRef): (string | undefined)[] {
    return this.textColumn(keyOf(ref));
  }

  /** For writing. Another array after the table has grown. */
  numberColumn(key: string): Float64Array {
    let column = this.#numbers.get(key);
    if (column === undefined) {
      column = new Float64Array(this.#room).fill(Number.NaN);
      this.#numbers.set(key, column);
    }
    return column;
  }

  flagColumn(key: string): Uint8Array {
    let column = this.#flags.get(key);
    if (column === undefined) {
      column = new Uint8Array(this.#room).fill(MISSING_FLAG);
      this.#flags.set(key, column);
    }
    return column;
  }

  textColumn(key: string): (string | undefined)[] {
    let column = this.#texts.get(key);
    if (column === undefined) {
      column = new Array<string | undefined>(this.#room).fill(undefined);
      this.#texts.set(key, column);
    }
    return column;
  }

  /** The column of this key is computed when it is first read in an evaluation. */
  compute(key: string, compute: Compute): void {
    if (!this.#computed.has(key)) this.#computed.set(key, { compute, round: 0 });
  }

  /** Forgets computed and stored columns that no rule reads any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const map of [this.#numbers, this.#flags, this.#texts, this.#computed] as readonly Map<string, unknown>[]) {
      for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    }
  }

  #grow(): void {
    this.#room = 2 ** Math.ceil(Math.log2(this.rows));
    for (const [key, column] of this.#numbers) {
      const larger = new Float64Array(this.#room).fill(Number.NaN);
      larger.set(column);
      this.#numbers.set(key, larger);
    }
    for (const [key, column] of this.#flags) {
      const larger = new Uint8Array(this.#room).fill(MISSING_FLAG);
      larger.set(column);
      this.#flags.set(key, larger);
    }
    for (const column of this.#texts.values()) while (column.length < this.#room) column.push(undefined);
  }
}
