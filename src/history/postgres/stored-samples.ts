/** Rows of `samples`, in order, as runs of consecutive samples. */
import type { MetricKey, SampleRun } from '../samples.ts';
import type { Row } from './connection.ts';
import { membersOf, type ReadColumns } from './read-columns.ts';

/** Samples of one part: what its reader keeps at a time. */
const MAX_SAMPLES = 2_000;
/** worker, run, number, at, flags */
const HEAD = 5;

export class StoredSamples {
  readonly #columns: ReadColumns;
  readonly #visit: (run: SampleRun) => void;
  #worker = '';
  #run = 0;
  #first = 0;
  #count = 0;
  readonly #at = new Float64Array(MAX_SAMPLES);
  readonly #flags = new Uint8Array(MAX_SAMPLES);
  readonly #values = new Map<MetricKey, Float64Array>();

  constructor(columns: ReadColumns, visit: (run: SampleRun) => void) {
    this.#columns = columns;
    this.#visit = visit;
  }

  add(row: Row): void {
    const worker = row[0] as string;
    const run = Number(row[1]);
    const number = Number(row[2]);
    const isNext = worker === this.#worker && run === this.#run && number === this.#first + this.#count;
    if (!isNext || this.#count === MAX_SAMPLES) {
      this.end();
      this.#worker = worker;
      this.#run = run;
      this.#first = number;
    }
    const index = this.#count++;
    this.#at[index] = Number(row[3]);
    this.#flags[index] = Number(row[4]);
    const { keys, objects } = this.#columns;
    for (const [column, key] of keys.entries()) this.#set(key, index, row[HEAD + column]);
    for (const [column, object] of objects.entries()) {
      const members = membersOf<number | string>(object, row[HEAD + keys.length + column]);
      for (const [key, value] of members) this.#set(key, index, value);
    }
  }

  /** Hands on what was added. */
  end(): void {
    if (this.#count === 0) return;
    const columns = new Map([...this.#values].map(([key, values]) => [key, values.slice(0, this.#count)]));
    this.#visit({
      workerId: this.#worker,
      run: this.#run,
      first: this.#first,
      at: this.#at.slice(0, this.#count),
      flags: this.#flags.slice(0, this.#count),
      columns,
    });
    this.#count = 0;
    this.#values.clear();
  }

  #set(key: MetricKey, index: number, value: string | number | null | undefined): void {
    if (value === null || value === undefined) return;
    let values = this.#values.get(key);
    if (values === undefined) {
      values = new Float64Array(MAX_SAMPLES).fill(Number.NaN);
      this.#values.set(key, values);
    }
    values[index] = Number(value);
  }
}
