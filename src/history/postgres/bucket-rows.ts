/** Rows of a rollup table, in order, as runs of buckets. */
import type { BucketColumns, BucketRun, MetricKey, RollupTier } from '../samples.ts';
import type { Row } from './connection.ts';
import { BUCKET_VALUES, membersOf, type ReadColumns } from './read-columns.ts';

/** Buckets of one part: what its reader keeps at a time. */
const MAX_BUCKETS = 2_000;
/** worker, start */
const HEAD = 2;

type Members = Readonly<Record<(typeof BUCKET_VALUES)[number], number | string>>;

export class BucketRows {
  readonly #tier: RollupTier;
  readonly #columns: ReadColumns;
  readonly #visit: (run: BucketRun) => void;
  #worker = '';
  readonly #start: number[] = [];
  readonly #values = new Map<MetricKey, BucketColumns>();

  constructor(tier: RollupTier, columns: ReadColumns, visit: (run: BucketRun) => void) {
    this.#tier = tier;
    this.#columns = columns;
    this.#visit = visit;
  }

  add(row: Row): void {
    const worker = row[0] as string;
    if (worker !== this.#worker || this.#start.length === MAX_BUCKETS) {
      this.end();
      this.#worker = worker;
    }
    const index = this.#start.push(Number(row[1])) - 1;
    const { keys, objects } = this.#columns;
    for (const [place, key] of keys.entries()) {
      const from = HEAD + place * BUCKET_VALUES.length;
      const [min, max, sum, last, count] = row.slice(from, from + BUCKET_VALUES.length);
      this.#set(key, index, min, max, sum, last, count);
    }
    const from = HEAD + keys.length * BUCKET_VALUES.length;
    for (const [place, object] of objects.entries()) {
      for (const [key, { min, max, sum, last, count }] of membersOf<Members>(object, row[from + place])) {
        this.#set(key, index, min, max, sum, last, count);
      }
    }
  }

  /** Hands on what was added. */
  end(): void {
    const length = this.#start.length;
    if (length === 0) return;
    const columns = new Map([...this.#values].map(([key, values]) => [key, cut(values, length)]));
    this.#visit({ workerId: this.#worker, tier: this.#tier, start: Float64Array.from(this.#start), columns });
    this.#start.length = 0;
    this.#values.clear();
  }

  #set(key: MetricKey, index: number, ...[min, max, sum, last, count]: (string | number | null | undefined)[]): void {
    const samples = Number(count ?? 0);
    if (samples === 0) return;
    let values = this.#values.get(key);
    if (values === undefined) {
      const empty = () => new Float64Array(MAX_BUCKETS).fill(Number.NaN);
      values = { min: empty(), max: empty(), sum: empty(), last: empty(), count: new Float64Array(MAX_BUCKETS) };
      this.#values.set(key, values);
    }
    values.min[index] = Number(min);
    values.max[index] = Number(max);
    values.sum[index] = Number(sum);
    values.last[index] = Number(last);
    values.count[index] = samples;
  }
}

function cut({ min, max, sum, last, count }: BucketColumns, length: number): BucketColumns {
  return {
    min: min.slice(0, length),
    max: max.slice(0, length),
    sum: sum.slice(0, length),
    last: last.slice(0, length),
    count: count.slice(0, length),
  };
}
