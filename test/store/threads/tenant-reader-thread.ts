/**
 * Attaches to one slot again and again, and reads it until the memory is another worker's. Counts what a reader got that was
 * not of the worker it had read of first. As readers do, it gives up if the row is not that worker's any more once it has
 * attached: see slot-shelf.ts. Tells in its place of `row` how far it has come.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { SlotGone, SlotReader } from '../../../src/store/slot-reader.ts';
import { samplesOf } from '../../support/samples-of.ts';

const { memory, row, place } = workerData as { memory: SharedArrayBuffer; row: Int32Array; place: number };
const port = parentPort as NonNullable<typeof parentPort>;
const counts = { readers: 0, reads: 0, mixed: 0 };

let running = true;
port.on('message', () => {
  running = false;
});

function tenantOf(slot: SlotReader): number {
  return Number((JSON.parse(`${slot.json('')}}`) as { worker_id: string }).worker_id.slice(1));
}

function readOne(): void {
  const occupant = Atomics.load(row, 0);
  const slot = new SlotReader(memory);
  if (occupant === 0 || Atomics.load(row, 0) !== occupant) return;
  counts.readers++;
  const tenant = tenantOf(slot);
  for (;;) {
    const numbers = slot.numbers();
    const { applied } = slot.counts();
    const samples = samplesOf(slot);
    const isMine =
      tenantOf(slot) === tenant &&
      (numbers === undefined || numbers.cpuUsage === tenant) &&
      applied <= 3 &&
      // Stored as f32, exact up to 2^24.
      samples.every(({ cpuUsage }) => cpuUsage === tenant);
    counts.reads++;
    if (!isMine) counts.mixed++;
  }
}

function turn(): void {
  for (let readers = 0; readers < 20; readers++) {
    try {
      readOne();
    } catch (error) {
      if (!(error instanceof SlotGone)) throw error;
    }
  }
  Atomics.store(row, place, Math.min(counts.readers, counts.reads));
  if (running) setImmediate(turn);
  else {
    port.postMessage(counts);
    port.close();
  }
}
port.postMessage('ready');
turn();
