/** The newest samples of present workers, read from shared memory: no answer is older than the last heartbeat. */

import { SampleFlag } from '../../model/sample-flags.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { SampleColumns, USAGE_KEYS } from '../../store/sample-columns.ts';
import { anomalyColumns, isAnomalyKey } from '../anomaly-columns.ts';
import type { MetricKey } from '../samples.ts';

/** Samples of one worker. Valid until the next reading. */
export interface RingSamples {
  readonly count: number;
  readonly at: Float64Array;
  /** Requested samples that the ring no longer holds. */
  readonly lost: number;
  /** Undefined: the worker has no such metric. */
  column(key: MetricKey): Float64Array | undefined;
}

export class Rings {
  readonly #directory: Directory;
  readonly #columns = new SampleColumns();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  get bootId(): string {
    return this.#directory.board.bootId;
  }

  /**
   * @param keys the metrics that will be looked at
   * @param from number of the first sample wanted; undefined: all that the ring holds
   * @returns undefined if the worker is not there
   */
  read(workerId: string, keys: readonly MetricKey[], from?: number): RingSamples | undefined {
    const scores = keys.some(isAnomalyKey) ? (['anomaly_score'] as const) : [];
    this.#columns.usages = new Set([...USAGE_KEYS.filter((key) => keys.includes(key)), ...scores]);
    const entry = this.#directory.get(workerId);
    if (entry === undefined) return undefined;
    return readWhileThere(this.#directory.board, entry, () => this.#copied(entry, from));
  }

  /** Keys of the worker's metrics besides the base ones; none if it is not there. */
  keysOf(workerId: string): readonly MetricKey[] {
    const entry = this.#directory.get(workerId);
    if (entry === undefined) return [];
    return readWhileThere(this.#directory.board, entry, () => entry.slot.metricKeys) ?? [];
  }

  #copied({ slot, numbersFrom }: WorkerEntry, from: number | undefined): RingSamples {
    const columns = this.#columns;
    // Of an earlier life of the worker: its ring is gone, and the present one is wanted whole.
    const isEarlier = from === undefined || from < numbersFrom;
    slot.samplesSince(isEarlier ? slot.firstSample : (from - numbersFrom) % 2 ** 32, columns);
    const { count, flags, gpuUsage } = columns;
    // What a worker without a GPU sends there is no measurement.
    for (let n = 0; n < count; n++) if (((flags[n] as number) & SampleFlag.hasGpu) === 0) gpuUsage[n] = Number.NaN;
    return {
      count,
      at: columns.receivedUnixMs,
      lost: columns.lost,
      column: (key) => columnOf(columns, key),
    };
  }
}

function columnOf(columns: SampleColumns, key: MetricKey): Float64Array | undefined {
  switch (key) {
    case 'cpu_usage':
      return columns.cpuUsage;
    case 'memory_usage':
      return columns.memoryUsage;
    case 'storage_usage':
      return columns.storageUsage;
    case 'gpu_usage':
      return columns.gpuUsage;
    case 'running_tasks':
      return columns.runningTasks;
    case 'anomaly_score':
      return columns.anomalyScore;
    default: {
      const index = columns.metricKeys.indexOf(key);
      return index < 0 ? anomalyColumns(columns).get(key) : columns.metrics[index];
    }
  }
}
