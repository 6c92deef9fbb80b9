/**
 * Samples of one worker, copied out of its slot column by column: for a reader that drains one worker after the other into
 * the same arrays. Element n of each column is of the same sample; only the first `count` are valid, until the next drain.
 */

const FIRST_ROOM = 64;

export class SampleColumns {
  /** Number of the first sample, counted since the worker was known, modulo 2^32. */
  from = 0;
  /** … and of the one behind the last: what to drain from next time. */
  to = 0;
  /** Samples that were asked for and are not there any more. */
  lost = 0;
  /** When the master received the heartbeat. The wall clock can go back … */
  receivedUnixMs = new Float64Array(FIRST_ROOM);
  /** … the monotonic one cannot. */
  receivedMonotonicMs = new Float64Array(FIRST_ROOM);
  /** Percentages. */
  cpuUsage = new Float32Array(FIRST_ROOM);
  memoryUsage = new Float32Array(FIRST_ROOM);
  storageUsage = new Float32Array(FIRST_ROOM);
  gpuUsage = new Float32Array(FIRST_ROOM);
  runningTasks = new Uint32Array(FIRST_ROOM);
  /** Custom metrics that the worker's samples have, and a column for each; NaN: that sample has none. */
  metricNames: readonly string[] = [];
  readonly metrics: Float64Array[] = [];

  get count(): number {
    return (this.to - this.from) >>> 0;
  }

  /** Makes room for so many samples with these metrics; what was there is gone. */
  reserve(count: number, metricNames: readonly string[]): void {
    this.metricNames = metricNames;
    const room = 2 ** Math.ceil(Math.log2(Math.max(count, FIRST_ROOM)));
    for (let column = 0; column < metricNames.length; column++) {
      if ((this.metrics[column]?.length ?? 0) < room) this.metrics[column] = new Float64Array(room);
    }
    if (count <= this.receivedUnixMs.length) return;
    this.receivedUnixMs = new Float64Array(room);
    this.receivedMonotonicMs = new Float64Array(room);
    this.cpuUsage = new Float32Array(room);
    this.memoryUsage = new Float32Array(room);
    this.storageUsage = new Float32Array(room);
    this.gpuUsage = new Float32Array(room);
    this.runningTasks = new Uint32Array(room);
  }

  /** Takes away the first ones. */
  drop(count: number): void {
    if (count === 0) return;
    for (const column of this.#columns()) column.copyWithin(0, count, this.count);
    this.from = (this.from + count) >>> 0;
  }

  #columns(): readonly (Float64Array | Float32Array | Uint32Array)[] {
    const { receivedUnixMs, receivedMonotonicMs, cpuUsage, memoryUsage, storageUsage, gpuUsage, runningTasks } = this;
    const plain = [receivedUnixMs, receivedMonotonicMs, cpuUsage, memoryUsage, storageUsage, gpuUsage, runningTasks];
    return [...plain, ...this.metrics.slice(0, this.metricNames.length)];
  }
}
