/**
 * Samples of one worker, copied out of its slot column by column, for a reader that drains many workers into the same
 * arrays. Element n of each column belongs to the same sample; only the first `count` are valid, until the next drain.
 */

const FIRST_ROOM = 64;

/** Those of Float64 that every sample has. */
const PLAIN_COLUMNS = [
  'receivedUnixMs',
  'receivedMonotonicMs',
  'cpuUsage',
  'memoryUsage',
  'storageUsage',
  'gpuUsage',
  'runningTasks',
  'anomalyScore',
  'usual',
] as const;

/** As history names them. Reading one takes longer than all the rest of a sample: see shortest-decimal.ts. */
export const USAGE_KEYS = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage', 'anomaly_score'] as const;
export type UsageKey = (typeof USAGE_KEYS)[number];

export class SampleColumns {
  /** Keys of the usages that are copied, besides everything else; undefined: all. The others hold anything. */
  usages: ReadonlySet<UsageKey> | undefined = undefined;
  /** Number of the first sample, counted since the worker was known, modulo 2^32. */
  from = 0;
  /** … and of the one after the last: where to start the next drain. */
  to = 0;
  /** Requested samples that no longer exist. */
  lost = 0;
  /** When the master received the heartbeat. The wall clock can go back … */
  receivedUnixMs = new Float64Array(FIRST_ROOM);
  /** … the monotonic clock cannot. In whole ms. */
  receivedMonotonicMs = new Float64Array(FIRST_ROOM);
  /** Bits of SampleFlag. */
  flags = new Uint8Array(FIRST_ROOM);
  /** Percentages: the shortest decimals that have the stored 32-bit floats. */
  cpuUsage = new Float64Array(FIRST_ROOM);
  memoryUsage = new Float64Array(FIRST_ROOM);
  storageUsage = new Float64Array(FIRST_ROOM);
  gpuUsage = new Float64Array(FIRST_ROOM);
  runningTasks = new Float64Array(FIRST_ROOM);
  /** NaN: there is none. */
  anomalyScore = new Float64Array(FIRST_ROOM);
  /** The same with the cause, see score-word.ts: for `namedCauseIn`, with `metricKeys`. */
  scoreWords = new Int32Array(FIRST_ROOM);
  /** What was usual for the metric of the cause; undefined without a cause. */
  usual = new Float64Array(FIRST_ROOM);
  /**
   * Keys of the worker's other metrics (`metrics.<name>`, `gpus.<index>.<field>`), with a column for each; NaN: the sample lacks the
   * metric. There may be more columns than keys: they are of other workers.
   */
  metricKeys: readonly string[] = [];
  readonly metrics: Float64Array[] = [];

  get count(): number {
    return (this.to - this.from) >>> 0;
  }

  /** Makes room for so many samples with these metrics; the previous content is lost. */
  reserve(count: number, metricKeys: readonly string[]): void {
    this.metricKeys = metricKeys;
    const room = 2 ** Math.ceil(Math.log2(Math.max(count, FIRST_ROOM)));
    for (let column = 0; column < metricKeys.length; column++) {
      if ((this.metrics[column]?.length ?? 0) < room) this.metrics[column] = new Float64Array(room);
    }
    if (count <= this.flags.length) return;
    for (const name of PLAIN_COLUMNS) this[name] = new Float64Array(room);
    this.flags = new Uint8Array(room);
    this.scoreWords = new Int32Array(room);
  }

  /** Room that its arrays take, in bytes. */
  get bytes(): number {
    return this.#columns().reduce((sum, column) => sum + column.byteLength, 0);
  }

  /** Copies the others from number `from` on, as `SlotReader.samplesSince` copies a ring. */
  copyFrom(others: SampleColumns, from: number): void {
    const { count } = others;
    this.reserve(count, others.metricKeys);
    const theirs = others.#columns();
    for (const [index, column] of this.#columns().entries()) {
      column.set((theirs[index] as typeof column).subarray(0, count));
    }
    this.from = others.from;
    this.to = others.to;
    const ahead = (from - others.from) | 0;
    this.lost = Math.max(0, -ahead);
    this.drop(Math.min(Math.max(0, ahead), count));
  }

  /** Forgets all samples, and releases their memory. */
  loseAll(): void {
    this.from = this.to;
    for (const name of PLAIN_COLUMNS) this[name] = new Float64Array(0);
    this.flags = new Uint8Array(0);
    this.scoreWords = new Int32Array(0);
    this.metrics.length = 0;
    this.metricKeys = [];
  }

  /** Removes the first ones. */
  drop(count: number): void {
    if (count === 0) return;
    for (const column of this.#columns()) column.copyWithin(0, count, this.count);
    this.from = (this.from + count) >>> 0;
  }

  #columns(): readonly (Float64Array | Uint8Array | Int32Array)[] {
    const plain = PLAIN_COLUMNS.map((name) => this[name]);
    return [this.flags, this.scoreWords, ...plain, ...this.metrics.slice(0, this.metricKeys.length)];
  }
}
