import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recordJsonHead } from '../../src/model/record-json.ts';
import { copiedSlot } from '../../src/store/slot-copy.ts';
import type { SlotMemory } from '../../src/store/slot-memory.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { samplesOf } from '../support/samples-of.ts';

const json = (cpuUsage: number) =>
  recordJsonHead({
    workerId: 'w',
    cpuUsage,
    memoryUsage: 0,
    storageUsage: 0,
    gpuUsage: 0,
    runningTasks: [],
    gpus: [],
    metrics: new Map(),
  });

const numbers = (ordinal: number) => ({
  ordinal,
  cpuUsage: ordinal,
  memoryUsage: 0,
  storageUsage: 0,
  gpuUsage: 0,
  runningTasks: 0,
  receivedUnixMs: ordinal,
  receivedMonotonicMs: ordinal,
  publishedMonotonicMs: ordinal,
  sequence: 0,
  sentAtUnixMs: 0,
  hostLoopLagMs: 0,
  lastRoundTripMs: 0,
  taskStoodStillSinceMs: 0,
  sampleFlags: 0,
});

const seen = (memory: SlotMemory) => {
  const reader = new SlotReader(memory);
  const {
    numbers: of,
    samples,
    lastRejection,
    taken,
    finished,
    counts,
    jsonHead,
  } = {
    numbers: reader.numbers(),
    samples: samplesOf(reader),
    lastRejection: reader.lastRejection(),
    taken: reader.taken,
    finished: reader.finished,
    counts: reader.counts(),
    jsonHead: reader.json(''),
  };
  return { of, samples, lastRejection, taken, finished, counts, jsonHead };
};

test('a copy has the content of its slot, and later writes of the old writer do not affect it', () => {
  const steps = fc.array(fc.constantFrom('publish', 'reject'), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(steps, fc.boolean(), (what, isInHand) => {
      const memory = newSlot('w', 8);
      const writer = new SlotWriter(memory);
      let ordinal = 0;
      for (const step of what) {
        writer.take(++ordinal);
        if (step === 'publish') writer.publish(numbers(ordinal), json(ordinal));
        else writer.reject(ordinal, `no ${ordinal}`, ordinal);
      }
      if (isInHand) writer.take(++ordinal);
      const before = seen(memory);
      const copy = copiedSlot(memory);
      new SlotWriter(copy).mend();
      const expected = { ...before, ...(isInHand ? { taken: ordinal - 1 } : {}) };
      expect(seen(copy)).toEqual(expected);
      expect(new SlotReader(copy).unfinished()).toBeUndefined();

      writer.publish(numbers(ordinal + 1), json(ordinal + 1));
      writer.reject(ordinal + 2, 'late', 0);
      expect(seen(copy)).toEqual(expected);

      const next = new SlotWriter(copy);
      next.take(ordinal + 1);
      next.publish(numbers(ordinal + 1), json(500));
      expect(seen(copy)).toMatchObject({
        jsonHead: json(500),
        counts: { applied: before.counts.applied + 1, rejected: before.counts.rejected },
      });
    }),
  );
});
