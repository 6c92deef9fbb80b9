import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SlotWord } from '../../src/store/layout.ts';
import { type RecordAllowance, UNLIMITED } from '../../src/store/record-allowance.ts';
import { SampleColumns } from '../../src/store/sample-columns.ts';
import { copiedSlot } from '../../src/store/slot-copy.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { LEAST_RING_SAMPLES, MOST_RING_SAMPLES, ringAfter, ringCapacityFor } from '../../src/store/slot-ring.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { samplesOf } from '../support/samples-of.ts';
import { checkableRecord } from './threads/checkable-record.ts';

afterEach(() => vi.restoreAllMocks());

const killed = new Error('killed');

/** Runs `work`, which dies at its `nth` change of a word. @returns whether it did */
function diesAt(nth: number, work: () => void): boolean {
  let changes = 0;
  for (const method of ['add', 'store'] as const) {
    const real = Atomics[method].bind(Atomics) as (...args: unknown[]) => number;
    vi.spyOn(Atomics, method).mockImplementation(((...args: unknown[]) => {
      if (changes++ === nth) throw killed;
      return real(...args);
    }) as never);
  }
  try {
    work();
    return false;
  } catch (error) {
    if (error !== killed) throw error;
    return true;
  } finally {
    vi.restoreAllMocks();
  }
}

/** One worker with its lane, and a reader that drains; each heartbeat's values tell which heartbeat it is. */
class Drained {
  readonly allowance: RecordAllowance;
  readonly #columns = new SampleColumns();
  #memory = newSlot('w', 0);
  #writer = new SlotWriter(this.#memory);
  #ordinal = 0;
  #nowMs = 1000;
  #cursor = 0;
  /** What each applied heartbeat was, in order: the number of its sample is its place here. */
  readonly applied: number[] = [];
  /** Numbers of samples that were copied. */
  copied = 0;
  lost = 0;

  constructor(sampleSpanMs: number) {
    this.allowance = { ...UNLIMITED, sampleSpanMs };
  }

  get reader(): SlotReader {
    return new SlotReader(this.#memory);
  }

  get nextSample(): number {
    return this.#cursor;
  }

  /** @param killedAt a change of a word; undefined: the lane lives */
  beat(
    afterMs: number,
    { jsonBytes = 10, killedAt }: { jsonBytes?: number; killedAt?: number | undefined } = {},
  ): void {
    const ordinal = ++this.#ordinal;
    this.#nowMs += afterMs;
    const died = diesAt(killedAt ?? Number.POSITIVE_INFINITY, () => {
      this.#writer.take(ordinal);
      const json = 'x'.repeat(jsonBytes);
      expect(this.#writer.makeRoom(json, this.allowance, { receivedMonotonicMs: this.#nowMs })).toBeUndefined();
      const { numbers } = checkableRecord(ordinal);
      const grown = this.#writer.publish({ ...numbers, receivedMonotonicMs: this.#nowMs }, json);
      if (grown !== undefined) this.#memory = grown;
    });
    if (died) {
      this.#writer = new SlotWriter(this.#memory);
      this.#writer.mend();
    }
    const { applied } = this.reader.counts();
    expect(applied - this.applied.length).toBeOneOf(died ? [0, 1] : [1]);
    if (applied > this.applied.length) this.applied.push(ordinal);
  }

  /** The lane's thread does not end: the worker goes on in a copy. */
  copy(): void {
    this.#memory = copiedSlot(this.#memory);
    this.#writer = new SlotWriter(this.#memory);
    this.#writer.mend();
  }

  /** @param meanwhile heartbeats that come between the look at what is there and the copying */
  drain(meanwhile = 0): void {
    const columns = this.#columns;
    const { reader } = this;
    vi.spyOn(columns, 'reserve').mockImplementationOnce((count) => {
      SampleColumns.prototype.reserve.call(columns, count);
      for (let n = 0; n < meanwhile; n++) this.beat(1);
    });
    reader.samplesSince(this.#cursor, columns);
    vi.restoreAllMocks();
    expect(columns.from).toBe(this.#cursor + columns.lost);
    expect(columns.to).toBeGreaterThanOrEqual(columns.from);
    for (let n = 0; n < columns.count; n++) {
      const ordinal = this.applied[columns.from + n] as number;
      for (const column of [columns.receivedUnixMs, columns.cpuUsage, columns.memoryUsage, columns.storageUsage]) {
        expect(column[n]).toBe(ordinal);
      }
      expect([columns.gpuUsage[n], columns.runningTasks[n]]).toEqual([ordinal, ordinal]);
      expect(columns.receivedMonotonicMs[n]).toBeGreaterThan(
        n === 0 ? 0 : (columns.receivedMonotonicMs[n - 1] as number) - 1,
      );
    }
    this.copied += columns.count;
    this.lost += columns.lost;
    this.#cursor = columns.to;
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('beat' as const),
      afterMs: fc.constantFrom(0, 1, 100, 5000),
      times: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('large' as const), jsonBytes: fc.integer({ min: 1, max: 20_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('die' as const),
      killedAt: fc.nat(10),
      jsonBytes: fc.constantFrom(10, 9000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('copy' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('drain' as const),
      meanwhile: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
    }),
  },
);

test('whatever a worker, its lane and a reader do, each sample is copied once, in order, or counted as lost', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 1000, 60_000), fc.array(step, { maxLength: 30 }), (spanMs, steps) => {
      const drained = new Drained(spanMs);
      for (const next of steps) {
        if (next.do === 'beat') for (let n = 0; n < next.times; n++) drained.beat(next.afterMs);
        else if (next.do === 'large') drained.beat(10, { jsonBytes: next.jsonBytes });
        else if (next.do === 'die') drained.beat(10, next);
        else if (next.do === 'copy') drained.copy();
        else drained.drain(next.meanwhile);
      }
      drained.drain();
      expect(drained.copied + drained.lost).toBe(drained.applied.length);
      if (spanMs === 0) expect(drained.copied).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test.each([100, 1000, 5000, 60_000])(
  'a reader that is away for less than the span loses none, one heartbeat in %d ms',
  (everyMs) => {
    const drained = new Drained(300_000);
    // Until the ring has settled, and the reader is there.
    for (let ms = 0; ms < 900_000; ms += everyMs) drained.beat(everyMs);
    drained.drain();
    const { lost, copied } = drained;
    for (let away = 0; away < 3; away++) {
      for (let ms = 0; ms < 290_000; ms += everyMs) drained.beat(everyMs);
      drained.drain();
    }
    expect(drained.lost).toBe(lost);
    expect(drained.copied - copied).toBe(3 * Math.ceil(290_000 / everyMs));
  },
);

test('a worker that slows down gives memory back, and loses no sample by that which the span covers', () => {
  const drained = new Drained(60_000);
  for (let n = 0; n < 2000; n++) drained.beat(50);
  const bytes = drained.reader.memory.byteLength;
  drained.drain();
  for (let n = 0; n < 2000; n++) {
    drained.beat(5000);
    if (n % 10 === 9) drained.drain();
  }
  expect(drained.reader.memory.byteLength).toBeLessThan(bytes / 10);
  expect(drained.copied).toBeGreaterThanOrEqual(2000 + 1200);
});

test('while memory is short the ring stays as it is, and what it cannot hold is counted', () => {
  const drained = new Drained(60_000);
  drained.beat(10);
  const { memory } = drained.reader;
  Object.assign(drained.allowance, { maxCapacityBytes: 0 });
  for (let n = 0; n < 500; n++) drained.beat(10);
  // Twice: so much a slot of the least room may have.
  expect(drained.reader.memory.byteLength).toBeLessThan(memory.byteLength + 8192);
  drained.drain();
  expect(drained.copied + drained.lost).toBe(501);
  expect(drained.lost).toBeGreaterThan(400);
});

test('numbers of samples may wrap', () => {
  const memory = newSlot('w', 8);
  const control = new Int32Array(memory);
  control[SlotWord.applied] = -3;
  control[SlotWord.ringFrom] = -3;
  const writer = new SlotWriter(memory);
  const reader = new SlotReader(memory);
  const columns = new SampleColumns();
  let next = -3 >>> 0;
  for (let ordinal = 1; ordinal <= 20; ordinal++) {
    writer.take(ordinal);
    writer.publish(checkableRecord(ordinal).numbers, '{');
    if (ordinal % 5 !== 0) continue;
    reader.samplesSince(next, columns);
    expect(columns.lost).toBe(0);
    const values = Array.from(columns.cpuUsage.subarray(0, columns.count));
    expect(values).toEqual([4, 3, 2, 1, 0].map((before) => ordinal - before));
    next = columns.to;
  }
  expect(next).toBe(17);
});

test('a new reader begins with what is there; one that is ahead gets nothing, and loses nothing', () => {
  const writer = new SlotWriter(newSlot('w', 8));
  for (let ordinal = 1; ordinal <= 20; ordinal++) writer.publish(checkableRecord(ordinal).numbers, '{');
  const reader = new SlotReader(writer.memory);
  expect(reader.firstSample).toBe(13);
  expect(samplesOf(reader).map(({ cpuUsage }) => cpuUsage)).toEqual([14, 15, 16, 17, 18, 19, 20]);
  const columns = new SampleColumns();
  reader.samplesSince(23, columns);
  expect([columns.from, columns.to, columns.lost, columns.count]).toEqual([23, 23, 0, 0]);
});

describe('the size of a ring', () => {
  test('is a power of two within its bounds, and holds what its worker sends in the span', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 86_400_000 }),
        fc.integer({ min: 1, max: 3_600_000 }),
        (spanMs, everyMs) => {
          const capacity = ringCapacityFor(spanMs, everyMs);
          expect(Number.isInteger(Math.log2(capacity))).toBe(true);
          expect(capacity).toBeGreaterThanOrEqual(LEAST_RING_SAMPLES);
          expect(capacity).toBeLessThanOrEqual(MOST_RING_SAMPLES);
          if (capacity < MOST_RING_SAMPLES) expect((capacity - 1) * everyMs).toBeGreaterThanOrEqual(spanMs);
          // It is where a ring that follows the pace may stay.
          const heldMs = (capacity - 1) * everyMs;
          if (capacity > LEAST_RING_SAMPLES && capacity < MOST_RING_SAMPLES) {
            expect(ringAfter({ capacity, isFull: true, heldMs }, spanMs)).toBe(capacity);
          }
        },
      ),
    );
  });

  test('settles for every pace: it neither grows for ever nor goes back and forth', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 86_400_000 }),
        fc.integer({ min: 1, max: 3_600_000 }),
        (spanMs, everyMs) => {
          let capacity = 0;
          let changes = 0;
          for (let look = 0; look < 50; look++) {
            const next = ringAfter({ capacity, isFull: true, heldMs: (capacity - 1) * everyMs }, spanMs);
            if (next !== capacity) changes++;
            capacity = next;
          }
          expect(changes).toBeLessThanOrEqual(Math.log2(MOST_RING_SAMPLES / LEAST_RING_SAMPLES) + 1);
          expect(ringAfter({ capacity, isFull: true, heldMs: (capacity - 1) * everyMs }, spanMs)).toBe(capacity);
        },
      ),
    );
  });

  test('is nothing while nobody reads', () => {
    expect(ringCapacityFor(0, 5000)).toBe(0);
    expect(ringAfter({ capacity: 0, isFull: false, heldMs: 0 }, 0)).toBe(0);
  });
});
