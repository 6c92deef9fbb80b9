/** Samples of a slot as objects, the oldest first. */
import { SampleColumns } from '../../src/store/sample-columns.ts';
import type { SlotReader } from '../../src/store/slot-reader.ts';

export function samplesOf(slot: SlotReader, from = slot.firstSample) {
  const columns = new SampleColumns();
  slot.samplesSince(from, columns);
  return Array.from({ length: columns.count }, (_, n) => ({
    receivedUnixMs: columns.receivedUnixMs[n] as number,
    receivedMonotonicMs: columns.receivedMonotonicMs[n] as number,
    cpuUsage: columns.cpuUsage[n] as number,
    memoryUsage: columns.memoryUsage[n] as number,
    storageUsage: columns.storageUsage[n] as number,
    gpuUsage: columns.gpuUsage[n] as number,
    runningTasks: columns.runningTasks[n] as number,
  }));
}
