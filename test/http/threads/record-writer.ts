/** Publishes records as fast as it can to a few slots, of every size up to their room, each telling which it is. */
import { workerData } from 'node:worker_threads';
import { recordJsonHead } from '../../../src/model/record-json.ts';
import { Publications, type PublicationsMemory } from '../../../src/store/publications.ts';
import type { SlotMemory } from '../../../src/store/slot-memory.ts';
import { SlotWriter } from '../../../src/store/slot-writer.ts';
import { task } from '../../support/fleet.ts';
import { MOST_TASKS } from './records.ts';

export interface RecordWriterData {
  readonly slots: readonly { readonly workerId: string; readonly row: number; readonly memory: SlotMemory }[];
  readonly publications: PublicationsMemory;
}

const { slots, publications: memory } = workerData as RecordWriterData;
const publications = new Publications(memory);
const writers = slots.map(({ workerId, row, memory }) => {
  return { workerId, slot: new SlotWriter(memory, { publications, row }) };
});
const numbers = {
  storageUsage: 0,
  gpuUsage: 0,
  receivedUnixMs: 0,
  receivedMonotonicMs: 0,
  publishedMonotonicMs: 0,
  sequence: 0,
  sentAtUnixMs: 0,
  hostLoopLagMs: 0,
  lastRoundTripMs: 0,
  taskStoodStillSinceMs: 0,
  sampleFlags: 0,
};
for (let ordinal = 1; ; ordinal++) {
  for (const { workerId, slot } of writers) {
    const runningTasks = Array.from({ length: ordinal % (MOST_TASKS + 1) }, () => task(String(ordinal)));
    const head = { workerId, cpuUsage: ordinal, memoryUsage: ordinal, storageUsage: 0, gpuUsage: 0, runningTasks };
    slot.take(ordinal);
    slot.publish(
      { ...numbers, ordinal, cpuUsage: ordinal, memoryUsage: ordinal, runningTasks: runningTasks.length },
      recordJsonHead({ ...head, gpus: [], metrics: new Map() }),
    );
  }
}
