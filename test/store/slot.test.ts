import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { STATE_BYTES } from '../../src/model/anomaly/state.ts';
import { recordJsonHead } from '../../src/model/record-json.ts';
import { jsonCapacityFor, NoteNumber, RecordNumber, slotOffsets } from '../../src/store/layout.ts';
import { copiedSlot } from '../../src/store/slot-copy.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { SHRINK_AFTER } from '../../src/store/slot-room.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { samplesOf } from '../support/samples-of.ts';
import { diesAt } from './killed-writer.ts';
import { checkableRecord } from './threads/checkable-record.ts';

afterEach(() => vi.restoreAllMocks());

test('a new slot holds the record of a worker that has sent nothing', () => {
  const slot = new SlotReader(newSlot('näme "x"', 4));
  expect(JSON.parse(`${slot.json('')}}`)).toEqual({
    worker_id: 'näme "x"',
    cpu_usage: 0,
    memory_usage: 0,
    gpu_usage: 0,
    running_tasks: [],
    storage_usage: 0,
  });
  expect(slot.numbers()).toBeUndefined();
  expect(slot.lastRejection()).toBeUndefined();
  expect(samplesOf(slot)).toEqual([]);
});

test('a published record is read back, numbers and JSON', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: ANY_CHARACTER, maxLength: 3000 }), { minLength: 1, maxLength: 6 }),
      (texts) => {
        let memory = newSlot('w', 4);
        const writer = new SlotWriter(memory);
        for (const [index, text] of texts.entries()) {
          const { numbers } = checkableRecord(index + 1);
          writer.take(index + 1);
          memory = writer.publish(numbers, text.toWellFormed()) ?? memory;
          const reader = new SlotReader(memory);
          expect(reader.json('')).toBe(text.toWellFormed());
          expect(reader.numbers()).toEqual(numbers);
          expect(reader.counts().applied).toBe(index + 1);
        }
      },
    ),
  );
});

test('a slot that grows keeps samples, counts and the last rejection; the old memory stays whole', () => {
  const memory = newSlot('w', 4);
  const writer = new SlotWriter(memory);
  writer.take(1);
  writer.publish(checkableRecord(1).numbers, 'small');
  writer.take(2);
  writer.reject(2, 'cpu_usage is NaN', 123);
  writer.take(3);
  const grown = writer.publish(checkableRecord(3).numbers, 'x'.repeat(100_000));
  expect(grown).toBeDefined();
  const reader = new SlotReader(grown as SharedArrayBuffer);
  expect(reader.json('')).toHaveLength(100_000);
  expect(reader.counts()).toEqual({ applied: 2, rejected: 1 });
  expect(samplesOf(reader).map(({ cpuUsage }) => cpuUsage)).toEqual([1, 3]);
  expect(reader.lastRejection()).toEqual({
    cause: 'content',
    reason: 'cpu_usage is NaN',
    atUnixMs: 123,
    ordinal: 2,
    sequence: 0,
    index: 1,
  });
  expect(new SlotReader(memory).json('')).toBe('small');
  writer.take(4);
  expect(writer.publish(checkableRecord(4).numbers, 'again small')).toBeUndefined();
  expect(reader.json('')).toBe('again small');
});

test('a slot shrinks as soon, and as far, as the bytes of its records say', () => {
  const writer = new SlotWriter(newSlot('w', 4));
  writer.publish(checkableRecord(1).numbers, 'x'.repeat(100_000));
  // Less than a quarter; three bytes per unit would be more.
  const json = '🐙'.repeat(5000);
  const sizes = Array.from({ length: SHRINK_AFTER }, (_, n) => {
    const shrunk = writer.publish(checkableRecord(2 + n).numbers, json);
    return shrunk && new SlotReader(shrunk).capacityBytes;
  });
  expect(sizes.pop()).toBe(jsonCapacityFor(20_000));
  expect(sizes.every((size) => size === undefined)).toBe(true);
});

test('the ring returns the newest samples in order, except one that may be in progress', () => {
  fc.assert(
    fc.property(fc.constantFrom(2, 4, 8, 16), fc.integer({ min: 0, max: 40 }), (capacity, count) => {
      const memory = newSlot('w', capacity);
      const writer = new SlotWriter(memory);
      for (let ordinal = 1; ordinal <= count; ordinal++) writer.publish(checkableRecord(ordinal).numbers, '{');
      const samples = samplesOf(new SlotReader(memory)).map(({ receivedUnixMs }) => receivedUnixMs);
      const kept = Math.min(count, capacity - 1);
      expect(samples).toEqual(Array.from({ length: kept }, (_, index) => count - kept + 1 + index));
    }),
  );
});

test.each([-1, 2 ** 31, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('a length of %d leads nowhere', (length) => {
  const slot = new SlotWriter(newSlot('w', 4));
  slot.take(1);
  slot.reject(1, 'a reason', 5);
  const numbers = new Float64Array(slot.memory);
  const { note, record } = slotOffsets({
    jsonCapacity: new Int32Array(slot.memory)[2] as number,
    ringCapacity: 4,
    metricColumns: 0,
    taskLogCapacity: 0,
    isScored: false,
  });
  for (const at of note) numbers[at / 8 + NoteNumber.textBytes] = length;
  for (const at of record) numbers[at / 8 + RecordNumber.jsonBytes] = length;
  const reader = new SlotReader(slot.memory);
  expect(reader.lastRejection()?.reason).toBe('');
  expect(reader.json('}')).toBe('}');
});

test('a reason that is too long for the note is cut between characters', () => {
  const memory = newSlot('w', 2);
  const writer = new SlotWriter(memory);
  writer.take(1);
  writer.reject(1, `a${'é'.repeat(400)}`, 1);
  const reason = new SlotReader(memory).lastRejection()?.reason ?? '';
  expect(reason).toMatch(/^aé+$/);
});

test.each(['publish', 'reject'] as const)(
  'a lane killed anywhere within %s leaves a slot that its successor mends',
  (act) => {
    let died = true;
    for (let nth = 0; died; nth++) {
      const memory = newSlot('w', 8);
      const before = new SlotWriter(memory);
      before.take(1);
      before.publish(checkableRecord(1).numbers, 'first');
      died = diesAt(nth, () => {
        before.take(2);
        if (act === 'publish') before.publish(checkableRecord(2).numbers, 'second');
        else before.reject(2, 'bad', 2);
      });
      const reader = new SlotReader(memory);
      const mustBeGivenAgain = reader.taken === 1 || reader.unfinished() === 2;

      const successor = new SlotWriter(memory);
      successor.mend();
      expect(reader.unfinished()).toBeUndefined();
      if (mustBeGivenAgain) {
        expect(reader.json('')).toBe('first');
        successor.take(2);
        if (act === 'publish') successor.publish(checkableRecord(2).numbers, 'second');
        else successor.reject(2, 'bad', 2);
      }
      // Once, whatever happened: applied or rejected, and sampled.
      expect(reader.json('')).toBe(act === 'publish' ? 'second' : 'first');
      expect(reader.counts()).toEqual(act === 'publish' ? { applied: 2, rejected: 0 } : { applied: 1, rejected: 1 });
      expect(samplesOf(reader).map(({ cpuUsage }) => cpuUsage)).toEqual(act === 'publish' ? [1, 2] : [1]);
      expect(reader.finished).toBe(2);
    }
  },
);

test('no two parts of a slot overlap, whatever its size', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 0, max: 12 }),
      fc.constantFrom(0, 4, 64),
      fc.constantFrom(0, 1024, 65_536),
      fc.boolean(),
      (lines, rings, metricColumns, taskLogCapacity, isScored) => {
        const ringCapacity = rings === 0 ? 0 : 2 ** rings;
        const jsonCapacity = lines * 64;
        const offsets = slotOffsets({ jsonCapacity, ringCapacity, metricColumns, taskLogCapacity, isScored });
        const parts: [number, number][] = [
          [0, 256],
          ...offsets.note.map((at): [number, number] => [at, 256]),
          [offsets.record[0], offsets.json[0] - offsets.record[0] + jsonCapacity],
          [offsets.record[1], offsets.json[1] - offsets.record[1] + jsonCapacity],
          [offsets.ringTimes, ringCapacity * 8],
          [offsets.ringMonotonic, ringCapacity * 4],
          ...offsets.ringUsages.map((at): [number, number] => [at, ringCapacity * 4]),
          [offsets.ringTasks, ringCapacity * 4],
          ...offsets.ringMetrics.map((at): [number, number] => [at, ringCapacity * 8]),
          [offsets.metricKeys, metricColumns * 136],
          [offsets.taskLog, taskLogCapacity],
        ];
        if (isScored) {
          parts.push(
            [offsets.ringScore, ringCapacity * 4],
            [offsets.ringUsual, ringCapacity * 4],
            ...offsets.score.map((at): [number, number] => [at, 64]),
            [offsets.keptState, STATE_BYTES],
            [offsets.states, (4 + metricColumns) * STATE_BYTES],
          );
        }
        let end = 0;
        for (const [at, bytes] of parts.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
          expect(at).toBeGreaterThanOrEqual(end);
          end = at + bytes;
        }
        expect(offsets.totalBytes).toBeGreaterThanOrEqual(end);
      },
    ),
  );
});

const restoredJson = (tasks: number) =>
  recordJsonHead({
    workerId: 'w',
    cpuUsage: 12.5,
    memoryUsage: 25,
    storageUsage: 50,
    gpuUsage: 75,
    runningTasks: Array.from({ length: tasks }, (_, index) => {
      return { taskId: `task-${index}`, cpuAllocated: 1, memoryAllocated: 2, gpuAllocated: 0, status: 'running' };
    }),
    gpus: [],
    metrics: new Map([['frames', 7]]),
  });

test.each([0, 500])('a restored record with %d tasks is shown until a heartbeat replaces it', (tasks) => {
  const json = restoredJson(tasks);
  const memory = newSlot('w', 4, { json, receivedUnixMs: 1_795_456_495_000 });
  const reader = new SlotReader(memory);
  expect(reader.json('')).toBe(json);
  expect(reader.numbers()).toMatchObject({
    cpuUsage: 12.5,
    memoryUsage: 25,
    storageUsage: 50,
    gpuUsage: 75,
    runningTasks: tasks,
    receivedUnixMs: 1_795_456_495_000,
  });
  // No heartbeat of this master's: neither applied nor in hand.
  expect(reader.counts()).toEqual({ applied: 0, rejected: 0 });
  expect(samplesOf(reader)).toEqual([]);
  expect(reader.isInHand).toBe(false);
  expect(reader.unfinished()).toBeUndefined();

  const writer = new SlotWriter(memory);
  writer.mend();
  writer.take(1);
  writer.reject(1, 'cpu_usage is NaN', 5);
  expect(reader.json('')).toBe(json);
  writer.take(2);
  const after = new SlotReader(writer.publish(checkableRecord(2).numbers, 'x'.repeat(9000)) ?? memory);
  expect(after.json('')).toBe('x'.repeat(9000));
  expect(after.numbers()).toEqual(checkableRecord(2).numbers);
  expect(after.counts()).toEqual({ applied: 1, rejected: 1 });
  expect(samplesOf(after)).toHaveLength(1);
});

test.each(['publish', 'reject'] as const)(
  'a lane killed anywhere within the first %s on a restored record leaves a slot that its successor mends',
  (act) => {
    const json = restoredJson(1);
    let died = true;
    for (let nth = 0; died; nth++) {
      const memory = newSlot('w', 8, { json, receivedUnixMs: 1 });
      const before = new SlotWriter(memory);
      died = diesAt(nth, () => {
        before.take(1);
        if (act === 'publish') before.publish(checkableRecord(1).numbers, 'first');
        else before.reject(1, 'bad', 1);
      });
      const copy = copiedSlot(memory);
      const reader = new SlotReader(copy);
      const mustBeGivenAgain = reader.taken === 0 || reader.unfinished() === 1;
      const successor = new SlotWriter(copy);
      successor.mend();
      if (mustBeGivenAgain) {
        expect(reader.json('')).toBe(json);
        expect(reader.counts()).toEqual({ applied: 0, rejected: 0 });
        successor.take(1);
        if (act === 'publish') successor.publish(checkableRecord(1).numbers, 'first');
        else successor.reject(1, 'bad', 1);
      }
      expect(reader.json('')).toBe(act === 'publish' ? 'first' : json);
      expect(reader.counts()).toEqual(act === 'publish' ? { applied: 1, rejected: 0 } : { applied: 0, rejected: 1 });
    }
  },
);
