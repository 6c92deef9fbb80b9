import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { GpuUsage } from '../../src/model/telemetry.ts';
import { SlotWord } from '../../src/store/layout.ts';
import { type RecordAllowance, UNLIMITED } from '../../src/store/record-allowance.ts';
import { SampleColumns } from '../../src/store/sample-columns.ts';
import type { Measured } from '../../src/store/sample-writer.ts';
import { copiedSlot } from '../../src/store/slot-copy.ts';
import { successorProblem, viewSlot } from '../../src/store/slot-memory.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import {
  LEAST_RING_SAMPLES,
  MOST_RING_SAMPLES,
  ringAfter,
  ringCapacityFor,
  SHRINK_EVERY_MS,
  settledRing,
  shortenedRing,
} from '../../src/store/slot-ring.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { samplesOf } from '../support/samples-of.ts';
import { diesAt } from './killed-writer.ts';
import { checkableRecord } from './threads/checkable-record.ts';

afterEach(() => vi.restoreAllMocks());

/** By key. */
type Metrics = ReadonlyMap<string, number>;

interface Beat {
  readonly jsonBytes?: number;
  /** A change of a word; undefined: the lane lives. */
  readonly killedAt?: number | undefined;
  /** Custom metrics. */
  readonly metrics?: Metrics;
  readonly gpus?: readonly GpuUsage[];
}

/** One worker with its lane, and a reader that drains; each heartbeat's values tell which heartbeat it is. */
class Drained {
  readonly allowance: RecordAllowance;
  readonly #columns = new SampleColumns();
  #memory = newSlot('w', 0);
  #writer = new SlotWriter(this.#memory);
  #ordinal = 0;
  #begun: { readonly ordinal: number; readonly metrics: Metrics } = { ordinal: 0, metrics: new Map() };
  #nowMs = 1000;
  #cursor = 0;
  /** What each applied heartbeat was, in order: the number of its sample is its place here. */
  readonly applied: { readonly ordinal: number; readonly metrics: Metrics }[] = [];
  /** Values of metrics in samples that were copied: without a column, or without a value in it. */
  missingValues = 0;
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

  beat(afterMs: number, { jsonBytes = 10, killedAt, metrics = new Map(), gpus = [] }: Beat = {}): void {
    const ordinal = ++this.#ordinal;
    this.#nowMs += afterMs;
    const died = diesAt(killedAt ?? Number.POSITIVE_INFINITY, () =>
      this.#publish(ordinal, jsonBytes, { metrics, gpus }),
    );
    if (died) {
      this.#writer = new SlotWriter(this.#memory);
      this.#writer.mend();
    }
    const { applied } = this.reader.counts();
    expect(applied - this.applied.length).toBeOneOf(died ? [0, 1] : [1]);
    if (applied > this.applied.length) this.applied.push({ ordinal, metrics: byKey({ metrics, gpus }) });
  }

  /** Up to the change of a word that publishes the sample, if the slot stays as large. */
  #beginSample(): void {
    const ordinal = ++this.#ordinal;
    this.#nowMs += 1;
    const measured = { metrics: new Map([['metric 0', -ordinal]]), gpus: [] };
    expect(diesAt(3, () => this.#publish(ordinal, 10, measured))).toBe(true);
    this.#begun = { ordinal, metrics: byKey(measured) };
  }

  #endSample(): void {
    this.#writer = new SlotWriter(this.#memory);
    this.#writer.mend();
    if (this.reader.counts().applied > this.applied.length) this.applied.push(this.#begun);
  }

  #publish(ordinal: number, jsonBytes: number, measured: Measured): void {
    this.#writer.take(ordinal);
    const json = 'x'.repeat(jsonBytes);
    expect(this.#writer.makeRoom(json, this.allowance, { receivedMonotonicMs: this.#nowMs }, measured)).toBeUndefined();
    const { numbers } = checkableRecord(ordinal);
    const grown = this.#writer.publish({ ...numbers, receivedMonotonicMs: this.#nowMs }, json, [], measured);
    // As main sees it, which believes no lane.
    if (grown !== undefined) expect(successorProblem(grown, this.#memory, 2 ** 30)).toBeUndefined();
    if (grown !== undefined) this.#memory = grown;
  }

  #checkMetrics(n: number): void {
    const { from, metricKeys, metrics: columns } = this.#columns;
    const metrics = this.applied[from + n]?.metrics as Metrics;
    expect(new Set(metricKeys).size).toBe(metricKeys.length);
    let found = 0;
    for (const [column, name] of metricKeys.entries()) {
      const value = columns[column]?.[n] as number;
      if (Number.isNaN(value)) continue;
      expect(value).toBe(metrics.get(name));
      found++;
    }
    this.missingValues += metrics.size - found;
  }

  /** The lane's thread does not end: the worker goes on in a copy. */
  copy(): void {
    this.#memory = copiedSlot(this.#memory);
    this.#writer = new SlotWriter(this.#memory);
    this.#writer.mend();
  }

  /**
   * @param meanwhile heartbeats that come between the look at what is there and the copying
   * @param isUnderWay whether the lane is in the middle of the next sample then
   */
  drain(meanwhile = 0, isUnderWay = false): void {
    const columns = this.#columns;
    const { reader } = this;
    vi.spyOn(columns, 'reserve').mockImplementationOnce((...given) => {
      SampleColumns.prototype.reserve.apply(columns, given);
      for (let n = 0; n < meanwhile; n++) this.beat(1);
      if (isUnderWay) this.#beginSample();
    });
    reader.samplesSince(this.#cursor, columns);
    vi.restoreAllMocks();
    if (isUnderWay) this.#endSample();
    expect(columns.from).toBe(this.#cursor + columns.lost);
    expect(columns.to).toBeGreaterThanOrEqual(columns.from);
    for (let n = 0; n < columns.count; n++) {
      const ordinal = this.applied[columns.from + n]?.ordinal as number;
      for (const column of [columns.receivedUnixMs, columns.cpuUsage, columns.memoryUsage, columns.storageUsage]) {
        expect(column[n]).toBe(ordinal);
      }
      expect([columns.gpuUsage[n], columns.runningTasks[n], columns.flags[n]]).toEqual([
        ordinal,
        ordinal,
        ordinal & 255,
      ]);
      expect(columns.anomalyScore[n]).toBeNaN();
      expect(columns.receivedMonotonicMs[n]).toBeGreaterThan(
        n === 0 ? 0 : (columns.receivedMonotonicMs[n - 1] as number) - 1,
      );
    }
    for (let n = 0; n < columns.count; n++) this.#checkMetrics(n);
    this.copied += columns.count;
    this.lost += columns.lost;
    this.#cursor = columns.to;
  }
}

/** What readers must find, by the keys that they see. */
function byKey({ metrics, gpus }: Measured): Metrics {
  const values = new Map<string, number>();
  for (const [name, value] of metrics) values.set(`metrics.${name}`, value);
  for (const { index, ...gpu } of gpus.toReversed()) {
    const fields = {
      utilization_percent: gpu.utilizationPercent,
      memory_used_bytes: gpu.memoryUsedBytes,
      temperature_celsius: gpu.temperatureCelsius,
      power_watts: gpu.powerWatts,
    };
    for (const [field, value] of Object.entries(fields)) {
      if (value !== undefined) values.set(`gpus.${index}.${field}`, value);
    }
  }
  return values;
}

/** Some are too long for a column. */
const metricName = fc.oneof(
  fc.integer({ min: 0, max: 99 }).map((n) => `metric ${n}`),
  fc.constantFrom('ä'.repeat(62), 'ä'.repeat(63), 'x'.repeat(125), '', '__proto__', 'gpus.0.power_watts', 'metrics.x'),
);
const someMetrics = fc
  .array(fc.tuple(metricName, fc.double({ noNaN: true })), { maxLength: 40 })
  .map((entries) => new Map(entries));

const amount = fc.option(fc.double({ noNaN: true }), { nil: undefined });
const someGpus = fc.array(
  fc
    .record({
      index: fc.constantFrom(0, 1, 7, 4_294_967_295),
      utilizationPercent: amount,
      memoryUsedBytes: amount,
      temperatureCelsius: amount,
      powerWatts: amount,
    })
    .map((gpu) => ({ ...gpu, uuid: 'u', name: 'n' }) as GpuUsage),
  { maxLength: 4 },
);

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
      metrics: someMetrics,
      gpus: someGpus,
      jsonBytes: fc.constantFrom(10, 9000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('copy' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('allow' as const),
      areRingsShort: fc.boolean(),
      spanMs: fc.constantFrom(100, 1000, 60_000),
      ringRoomBytes: fc.constantFrom(0, 2000, Number.POSITIVE_INFINITY),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('metrics' as const),
      beats: fc.array(fc.record({ metrics: someMetrics, gpus: someGpus }), { minLength: 1, maxLength: 20 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('drain' as const),
      isUnderWay: fc.boolean(),
      meanwhile: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
    }),
  },
);

test('each sample is copied once, in order, or counted as lost, whatever worker, lane and reader do', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 1000, 60_000), fc.array(step, { maxLength: 30 }), (spanMs, steps) => {
      const drained = new Drained(spanMs);
      for (const next of steps) {
        if (next.do === 'beat') for (let n = 0; n < next.times; n++) drained.beat(next.afterMs);
        else if (next.do === 'large') drained.beat(10, { jsonBytes: next.jsonBytes });
        else if (next.do === 'die') drained.beat(10, next);
        else if (next.do === 'metrics') for (const beat of next.beats) drained.beat(10, beat);
        else if (next.do === 'copy') drained.copy();
        else if (next.do === 'allow') {
          const { areRingsShort, ringRoomBytes } = next;
          const sampleSpanMs = spanMs === 0 ? 0 : next.spanMs;
          Object.assign(drained.allowance, { areRingsShort, ringRoomBytes, sampleSpanMs });
        } else drained.drain(next.meanwhile, next.isUnderWay);
      }
      drained.drain();
      expect(drained.copied + drained.lost).toBe(drained.applied.length);
      if (spanMs === 0) expect(drained.copied).toBe(0);
      // What a sample lacks is counted; a lane that was killed may have counted it twice.
      expect(drained.missingValues).toBeLessThanOrEqual(drained.reader.metricsLeftOut);
    }),
    { numRuns: 150 },
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

test('the ring of a worker that slows down shrinks without losing samples of the span', () => {
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

test('while memory is short the ring does not grow, and lost samples are counted', () => {
  const drained = new Drained(60_000);
  drained.beat(10);
  const { memory } = drained.reader;
  Object.assign(drained.allowance, { ringRoomBytes: 0 });
  const metrics = new Map(Array.from({ length: 60 }, (_, n) => [`m${n}`, n]));
  for (let n = 0; n < 500; n++) drained.beat(10, { metrics });
  expect(drained.reader.memory.byteLength).toBe(memory.byteLength);
  drained.drain();
  expect(drained.copied + drained.lost).toBe(501);
  expect(drained.lost).toBe(501 - (LEAST_RING_SAMPLES - 1));
});

/** Of its ring, as the history thread does: what it can not write to the database it then spools. */
const STORES_AT = 0.4;

test.each([
  ['is short of memory', { areRingsShort: true, sampleSpanMs: 10_000 }, 1000, 5000],
  ['is short of memory and not full', { areRingsShort: true, sampleSpanMs: 300_000 }, 300, 5000],
  ['holds far more than wanted', { areRingsShort: false, sampleSpanMs: 10_000 }, 1000, 50],
])(
  'a ring that %s loses nothing unstored: it is halved at most every 10 s, at last to what the span needs',
  (_, allowed, beats, everyMs) => {
    const drained = new Drained(3_600_000);
    for (let n = 0; n < beats; n++) drained.beat(5000);
    const store = () => {
      const { memory, firstSample } = drained.reader;
      const unstored = drained.applied.length - Math.max(firstSample, drained.nextSample);
      if (unstored >= STORES_AT * viewSlot(memory).size.ringCapacity) drained.drain();
    };
    drained.drain();
    let capacity = viewSlot(drained.reader.memory).size.ringCapacity;
    const { lost } = drained;
    while (drained.applied.length - drained.nextSample < STORES_AT * capacity - 1) drained.beat(5000);
    Object.assign(drained.allowance, allowed);
    let sinceMs = Number.POSITIVE_INFINITY;
    for (let n = 0; n < 600; n++) {
      drained.beat(everyMs);
      sinceMs += everyMs;
      const next = viewSlot(drained.reader.memory).size.ringCapacity;
      if (next < capacity) {
        expect(next).toBe(capacity / 2);
        expect(sinceMs).toBeGreaterThanOrEqual(SHRINK_EVERY_MS);
        sinceMs = 0;
      }
      capacity = next;
      store();
    }
    drained.drain();
    expect(drained.lost).toBe(lost);
    expect(capacity).toBe(settledRing(capacity, everyMs, allowed.sampleSpanMs, allowed.areRingsShort));
    expect(capacity).toBeLessThan(1024);
  },
);

test('columns for which there is no memory are asked for, and come when there is', () => {
  const drained = new Drained(60_000);
  drained.beat(5000);
  Object.assign(drained.allowance, { ringRoomBytes: 0 });
  const metrics = new Map([['a', 1]]);
  drained.beat(5000, { metrics });
  expect([drained.reader.size.metricColumns, drained.reader.columnsWanted, drained.reader.metricsLeftOut]).toEqual([
    0, 4, 1,
  ]);
  Object.assign(drained.allowance, { ringRoomBytes: 10_000 });
  drained.beat(5000, { metrics });
  expect([drained.reader.size.metricColumns, drained.reader.columnsWanted, drained.reader.metricsLeftOut]).toEqual([
    4, 4, 1,
  ]);
});

test('the place of a sample being written is never read', () => {
  const drained = new Drained(60_000);
  // Once round, so that the ring stays as it is.
  for (let n = 1; n <= 40; n++) drained.beat(5000, { metrics: new Map([['metric 0', n]]) });
  drained.drain(1, true);
  expect(drained.copied + drained.lost).toBe(40);
  drained.drain();
  expect(drained.copied + drained.lost).toBe(42);
});

test('a copy of a slot knows which samples its ring never held', () => {
  const drained = new Drained(60_000);
  for (let n = 0; n < 40; n++) drained.beat(5000);
  // A quicker pace: the ring has room for more than it was ever given.
  const { memory } = drained.reader;
  while (drained.reader.memory === memory) drained.beat(1);
  drained.copy();
  drained.drain();
  expect(drained.copied + drained.lost).toBe(drained.applied.length);
  expect(drained.lost).toBeGreaterThan(20);
});

test('sample numbers may wrap', () => {
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

test('a new reader begins with the existing samples; one that is ahead gets nothing and loses nothing', () => {
  const writer = new SlotWriter(newSlot('w', 8));
  for (let ordinal = 1; ordinal <= 20; ordinal++) writer.publish(checkableRecord(ordinal).numbers, '{');
  const reader = new SlotReader(writer.memory);
  expect(reader.firstSample).toBe(13);
  expect(samplesOf(reader).map(({ cpuUsage }) => cpuUsage)).toEqual([14, 15, 16, 17, 18, 19, 20]);
  const columns = new SampleColumns();
  reader.samplesSince(23, columns);
  expect([columns.from, columns.to, columns.lost, columns.count]).toEqual([23, 23, 0, 0]);
});

describe('custom metrics', () => {
  const named = (from: number, count: number) =>
    new Map(Array.from({ length: count }, (_, n) => [`m${from + n}`, from + n]));

  test('get a column when first seen; earlier samples have no value in it', () => {
    const drained = new Drained(60_000);
    drained.beat(100);
    drained.beat(100, { metrics: named(0, 1) });
    drained.beat(100, { metrics: named(0, 6) });
    drained.beat(100, { metrics: named(5, 1) });
    const columns = new SampleColumns();
    drained.reader.samplesSince(0, columns);
    expect(columns.metricKeys).toEqual([0, 1, 2, 3, 4, 5].map((n) => `metrics.m${n}`));
    const valuesOf = (column: number) => Array.from(columns.metrics[column]?.subarray(0, columns.count) ?? []);
    expect([0, 1, 5].map(valuesOf)).toEqual([
      [Number.NaN, 0, 0, Number.NaN],
      [Number.NaN, Number.NaN, 1, Number.NaN],
      [Number.NaN, Number.NaN, 5, 5],
    ]);
    expect(drained.reader.metricsLeftOut).toBe(0);
  });

  test('take no memory while samples have no reader', () => {
    const drained = new Drained(0);
    const bytes = drained.reader.memory.byteLength;
    drained.beat(100, { metrics: named(0, 50) });
    expect(drained.reader.memory.byteLength).toBe(bytes);
    expect(drained.reader.metricsLeftOut).toBe(0);
  });

  test('beyond the maximum are left out and counted, and get a column when others are freed', () => {
    const drained = new Drained(1000);
    for (let beat = 0; beat < 20; beat++) drained.beat(100, { metrics: named(0, UNLIMITED.metricColumns + 3) });
    expect(drained.reader.metricsLeftOut).toBe(20 * 3);
    const before = drained.reader.memory.byteLength;
    // As many again, of other names: until the ring holds nothing of the first ones.
    for (let beat = 0; beat < 60; beat++) drained.beat(100, { metrics: named(1000, 10) });
    const columns = new SampleColumns();
    drained.reader.samplesSince(drained.reader.firstSample, columns);
    expect(columns.metricKeys).toEqual(Array.from(named(1000, 10).keys(), (name) => `metrics.${name}`));
    expect(drained.reader.memory.byteLength).toBeLessThan(before);
  });

  test('with new names in each heartbeat do not cost a new slot each', () => {
    const drained = new Drained(1000);
    const memories = new Set<SharedArrayBuffer>();
    for (let beat = 0; beat < 1000; beat++) {
      drained.beat(100, { metrics: named(10 * beat, 10) });
      memories.add(drained.reader.memory);
    }
    expect(memories.size).toBeLessThan(250);
  });
});

describe('the size of a ring', () => {
  test('is a power of two within its limits, and holds what its worker sends in the span', () => {
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

  test('settles where main expects it, and once shortened it does not grow again at that pace', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 15 }),
        fc.integer({ min: 1, max: 3_600_000 }),
        fc.integer({ min: 10_000, max: 86_400_000 }),
        fc.boolean(),
        (log2, periodMs, spanMs, areShort) => {
          const capacity = 2 ** log2;
          const settled = settledRing(capacity, periodMs, spanMs, areShort);
          expect(settledRing(settled, periodMs, spanMs, areShort)).toBe(settled);
          const heldMs = (settled - 1) * periodMs;
          const next = ringAfter({ capacity: settled, isFull: true, heldMs }, spanMs);
          expect(next).toBe(areShort && next < settled ? next : settled);
          if (!areShort) return;
          // It still holds the span, if it may be so large, and half of it would hold little more.
          expect(shortenedRing(settled, periodMs, spanMs)).toBe(settled);
          if (settled < MOST_RING_SAMPLES) expect(heldMs).toBeGreaterThanOrEqual(spanMs);
          if (settled > LEAST_RING_SAMPLES) expect((settled / 2 - 1) * periodMs).toBeLessThan(1.25 * spanMs);
        },
      ),
    );
  });

  test('settles at every pace: it neither grows for ever nor oscillates', () => {
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

  test('is zero without a reader', () => {
    expect(ringCapacityFor(0, 5000)).toBe(0);
    expect(ringAfter({ capacity: 0, isFull: false, heldMs: 0 }, 0)).toBe(0);
  });
});
