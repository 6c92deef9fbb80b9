import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { checkableRecord } from './threads/checkable-record.ts';

const READERS = 3;
const KILLS = 25;
/** Each writer gets to write at least this many records before it is killed, somewhere. */
const RECORDS_PER_WRITER = 4000;

interface Counts {
  reads: number;
  torn: number;
  unread: number;
}

test('no reader ever sees a torn record, with the writer killed at random moments', async () => {
  const memory = newSlot('w', 16);
  // Room for the longest record, so that the slot never grows: growth is another test's.
  const roomy = new SlotWriter(memory).publish(checkableRecord(1).numbers, 'a'.repeat(1300)) ?? memory;
  const observer = new SlotReader(roomy);
  const readers = Array.from(
    { length: READERS },
    () => new Worker(new URL('./threads/slot-reader-thread.ts', import.meta.url), { workerData: { memory: roomy } }),
  );
  let first = 2;
  for (let kill = 0; kill < KILLS; kill++) {
    const writer = new Worker(new URL('./threads/slot-writer-thread.ts', import.meta.url), {
      workerData: { memory: roomy, first },
    });
    await waitUntil(() => (observer.taken - first) | 0, RECORDS_PER_WRITER + Math.floor(Math.random() * 500));
    await writer.terminate();
    first = observer.taken + 1;
  }
  const counts = await Promise.all(readers.map(countsOf));
  await Promise.all(readers.map((reader) => reader.terminate()));

  for (const { reads, torn } of counts) {
    expect(torn).toBe(0);
    expect(reads).toBeGreaterThan(1000);
  }
  // Readers got through: giving up after many tries is the exception.
  const unread = counts.reduce((sum, count) => sum + count.unread, 0);
  const reads = counts.reduce((sum, count) => sum + count.reads, 0);
  expect(unread / reads).toBeLessThan(0.01);
});

async function waitUntil(progress: () => number, goal: number): Promise<void> {
  while (progress() < goal) await new Promise((resolve) => setImmediate(resolve));
}

function countsOf(reader: Worker): Promise<Counts> {
  return new Promise((resolve, reject) => {
    reader.once('message', resolve);
    reader.once('error', reject);
    reader.postMessage('counts');
  });
}
