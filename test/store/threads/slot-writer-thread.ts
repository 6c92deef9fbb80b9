/** Publishes records as fast as it can, each of which can be checked by itself, until it is killed. */
import { workerData } from 'node:worker_threads';
import { SlotWriter } from '../../../src/store/slot-writer.ts';
import { checkableRecord } from './checkable-record.ts';

const { memory, first } = workerData as { memory: SharedArrayBuffer; first: number };
const slot = new SlotWriter(memory);
slot.mend();
for (let ordinal = first; ; ordinal++) {
  const { numbers, json } = checkableRecord(ordinal);
  slot.take(ordinal);
  slot.publish(numbers, json);
  if (ordinal % 7 === 0) {
    slot.take(ordinal);
    slot.reject(ordinal, String.fromCharCode(97 + (ordinal % 26)).repeat(1 + (ordinal % 200)), ordinal);
  }
}
