/**
 * Samples of one worker, copied out of its slot column by column, for a reader that drains many workers into the same
 * arrays. Element n of each column belongs to the same sample; only the first `count` are valid, until the next drain.
 */

const FIRST_ROOM = 64;

export class SampleColumns {
  /** Number of the first sample, counted since the worker was known, modulo 2^32. */
  from = 0;
  /** … and of the one after the last: where to start the next drain. */
  to = 0;
  /** Requested samples that no longer exist. */
  lost = 0;
  /** When the master received the heartbeat. The wall clock can go back … */
  receivedUnixMs = new Float64Array(FIRST_ROOM);
  /** … the monotonic clock cannot. */
  receivedMonotonicMs = new Float64Array(FIRST_ROOM);
  /** Percentages. */
  cpuUsage = new Float32Array(FIRST_ROOM);
  memoryUsage = new Float32Array(FIRST_ROOM);
  storageUsage = new Float32Array(FIRST_ROOM);
  gpuUsage = new Float32Array(FIRST_ROOM);
  runningTasks = new Uint32Array(FIRST_ROOM);
  /** Names of the worker's custom metrics, with a column for each; NaN: the sample lacks the metric. */
  metricNames: readonly string[] = [];
  readonly metrics: Float64Array[] = [];

  get count(): number {
    return (this.to - this.from) >>> 0;
  }

  /** Makes room for so many samples with these metrics; the previous content is lost. */
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

  /** Removes the first ones. */
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
