/** From a ring's columns to what travels on: one worker's samples, in columns by metric key. */

import { SampleFlag } from '../model/sample-flags.ts';
import type { SampleColumns } from '../store/sample-columns.ts';
import { anomalyColumns } from './anomaly-columns.ts';
import type { MetricKey, SampleRun } from './samples.ts';

/**
 * @param columns valid only during the call: everything is copied
 * @param numbersFrom number of the worker's first sample, see directory.ts
 */
export function sampleRunOf(workerId: string, columns: SampleColumns, numbersFrom: number): SampleRun {
  const { count } = columns;
  const flags = columns.flags.slice(0, count);
  const gpuUsage = columns.gpuUsage.slice(0, count);
  // What a worker without a GPU sends there is no measurement.
  for (let n = 0; n < count; n++) if (((flags[n] as number) & SampleFlag.hasGpu) === 0) gpuUsage[n] = Number.NaN;
  const byKey = new Map<MetricKey, Float64Array>([
    ['cpu_usage', columns.cpuUsage.slice(0, count)],
    ['memory_usage', columns.memoryUsage.slice(0, count)],
    ['storage_usage', columns.storageUsage.slice(0, count)],
    ['running_tasks', columns.runningTasks.slice(0, count)],
  ]);
  const others: readonly (readonly [MetricKey, Float64Array])[] = [
    ['gpu_usage', gpuUsage],
    ['anomaly_score', columns.anomalyScore.slice(0, count)],
    ...anomalyColumns(columns),
    ...columns.metricKeys.map((key, index) => [key, (columns.metrics[index] as Float64Array).slice(0, count)] as const),
  ];
  for (const [key, values] of others) if (hasValues(values)) byKey.set(key, values);
  return {
    workerId,
    run: 0,
    first: numbersFrom + columns.from,
    at: columns.receivedUnixMs.slice(0, count),
    flags,
    columns: byKey,
  };
}

function hasValues(values: Float64Array): boolean {
  return values.some((value) => !Number.isNaN(value));
}
