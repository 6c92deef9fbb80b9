import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { collectGarbage } from '../../src/lib/collect-garbage.ts';
import { recordJsonHead } from '../../src/model/record-json.ts';
import { SlotGone, SlotReader } from '../../src/store/slot-reader.ts';
import { COOL_MS, MAX_KEPT_BYTES, SlotShelf } from '../../src/store/slot-shelf.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { eventually } from '../support/eventually.ts';
import { repetitions } from '../support/repetitions.ts';
import { samplesOf } from '../support/samples-of.ts';
import { checkableRecord } from './threads/checkable-record.ts';

const RING = 8;

const jsonOf = (workerId: string, taskId: string) =>
  recordJsonHead({
    workerId,
    cpuUsage: 0,
    memoryUsage: 0,
    storageUsage: 0,
    gpuUsage: 0,
    runningTasks: [{ taskId, cpuAllocated: 0, memoryAllocated: 0, gpuAllocated: 0, status: 'running' }],
    gpus: [],
    metrics: new Map(),
  });

test('the memory of a removed worker is reused empty for the next one, and readers of the old one get SlotGone', () => {
  const shelf = new SlotShelf(RING);
  const memory = newSlot('old', RING);
  const writer = new SlotWriter(memory);
  writer.take(1);
  writer.publish(checkableRecord(1).numbers, jsonOf('old', 't'), [{ taskHash: 1, progress: 0.5, sinceMs: 1 }]);
  writer.take(2);
  writer.reject(2, 'bad', 5);
  const old = new SlotReader(memory);
  expect(shelf.keep(memory, 1000)).toBe(true);
  // Not at once: readers may be about to read.
  expect(shelf.take('new', 1000 + COOL_MS - 1)).toBeUndefined();
  expect(JSON.parse(`${old.json('')}}`)).toMatchObject({ worker_id: 'old' });
  expect(shelf.take('new', 1000 + COOL_MS)).toBe(memory);
  expect(shelf.take('newer', 1e9)).toBeUndefined();

  for (const read of [
    () => old.json(''),
    () => old.numbers(),
    () => old.counts(),
    () => samplesOf(old),
    () => old.lastRejection(),
    () => old.runningTasks,
  ]) {
    expect(read).toThrow(SlotGone);
  }
  const reader = new SlotReader(memory);
  expect(JSON.parse(`${reader.json('')}}`)).toMatchObject({ worker_id: 'new', running_tasks: [] });
  expect(reader.numbers()).toBeUndefined();
  expect(reader.hasRecord).toBe(false);
  expect(reader.counts()).toEqual({ applied: 0, rejected: 0 });
  expect(samplesOf(reader)).toEqual([]);
  expect(reader.lastRejection()).toBeUndefined();
  expect([reader.taken, reader.finished, reader.isInHand]).toEqual([0, 0, false]);
  const next = new SlotWriter(memory);
  next.mend();
  expect(next.progress()).toEqual([]);
  next.take(1);
  next.publish(checkableRecord(7).numbers, jsonOf('new', 't'));
  expect(samplesOf(reader).map(({ cpuUsage }) => cpuUsage)).toEqual([7]);
});

test('slots of another size, or beyond the limit, are not kept', () => {
  const shelf = new SlotShelf(RING);
  const writer = new SlotWriter(newSlot('w', RING));
  const larger = writer.publish(checkableRecord(1).numbers, 'x'.repeat(5000)) as SharedArrayBuffer;
  expect(shelf.keep(larger, 0)).toBe(false);
  const memory = newSlot('w', RING);
  let kept = 0;
  while (shelf.keep(memory, 0)) kept++;
  expect(kept).toBe(4096);
  for (let worker = 0; worker < 10_000; worker++) {
    shelf.take('w', COOL_MS);
    shelf.keep(memory, 0);
  }
  expect(shelf.size).toBe(4096);
});

test('large slots are kept up to so many bytes', () => {
  const capacity = 4096;
  const shelf = new SlotShelf(capacity);
  const memory = newSlot('w', capacity);
  let kept = 0;
  while (shelf.keep(memory, 0)) kept++;
  expect(kept).toBe(Math.floor(MAX_KEPT_BYTES / memory.byteLength));
  shelf.take('w', COOL_MS);
  expect([shelf.keep(memory, 0), shelf.keep(memory, 0)]).toEqual([true, false]);
});

test('reused memory is no longer referenced by the shelf', async () => {
  const shelf = new SlotShelf(RING);
  const takenAndDropped = () => {
    for (let worker = 0; worker < 20; worker++) shelf.keep(newSlot('old', RING), 0);
    return Array.from({ length: 20 }, () => new WeakRef(shelf.take('new', COOL_MS) as object));
  };
  const refs = takenAndDropped();
  await eventually(() => {
    collectGarbage();
    // One or two may still lie on the stack.
    return refs.filter((ref) => ref.deref() !== undefined).length < 5;
  });
});

test('no reader ever takes another worker’s record, counts or samples for its own', async () => {
  const shelf = new SlotShelf(RING);
  const memory = newSlot('w0', RING);
  // Stands for the word of the board that says whose the row is, 0: nobody's; behind it, how far each thread has come.
  const row = new Int32Array(new SharedArrayBuffer(12));
  const threads = Array.from(
    { length: 2 },
    (_, i) =>
      new Worker(new URL('./threads/tenant-reader-thread.ts', import.meta.url), {
        workerData: { memory, row, place: i + 1 },
      }),
  );
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const tenants = repetitions(4000, 100_000);
  // However little of the machine they get.
  const haveRead = () => [1, 2].every((place) => Atomics.load(row, place) > 50);
  for (let tenant = 1; tenant <= tenants || !haveRead(); tenant++) {
    const workerId = `w${tenant}`;
    Atomics.store(row, 0, 0);
    shelf.keep(memory, 0);
    shelf.take(workerId, COOL_MS);
    Atomics.store(row, 0, tenant);
    const writer = new SlotWriter(memory);
    writer.mend();
    for (let ordinal = 1; ordinal <= 3; ordinal++) {
      writer.take(ordinal);
      const { numbers } = checkableRecord(ordinal);
      writer.publish({ ...numbers, cpuUsage: tenant }, jsonOf(workerId, 'x'.repeat((tenant * ordinal) % 300)));
    }
    if (tenant % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const counts = threads.map((thread) => once(thread, 'message'));
  for (const thread of threads) thread.postMessage('stop');
  // Readers end when the memory is another's; the row is released before, or they might attach while it is handed over.
  Atomics.store(row, 0, 0);
  const ending = setInterval(() => {
    shelf.keep(memory, 0);
    shelf.take('w1', COOL_MS);
  }, 1);
  for (const [{ readers, reads, mixed }] of await Promise.all(counts)) {
    expect(mixed).toBe(0);
    expect(readers).toBeGreaterThan(50);
    expect(reads).toBeGreaterThan(50);
  }
  clearInterval(ending);
});
