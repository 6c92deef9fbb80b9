import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ReasonCode } from '../../src/model/anomaly/reason.ts';
import { ANOMALY_SCORE } from '../../src/model/anomaly/scorer.ts';
import { STATE_BYTES } from '../../src/model/anomaly/state.ts';
import { SampleFlag } from '../../src/model/sample-flags.ts';
import { SlotWord, slotBytes } from '../../src/store/layout.ts';
import { UNLIMITED } from '../../src/store/record-allowance.ts';
import { SampleColumns } from '../../src/store/sample-columns.ts';
import {
  causeIn,
  MOST_RATIO,
  movedScoreWord,
  NO_SCORE,
  namedCauseIn,
  scoreIn,
  scoreWord,
} from '../../src/store/score-word.ts';
import { copiedSlot } from '../../src/store/slot-copy.ts';
import { type SlotMemory, viewSlot } from '../../src/store/slot-memory.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { SlotShelf } from '../../src/store/slot-shelf.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { diesAt } from './killed-writer.ts';
import { checkableRecord } from './threads/checkable-record.ts';

afterEach(() => vi.restoreAllMocks());

interface Beat {
  readonly cpuUsage?: number;
  readonly memoryUsage?: number;
  readonly gpuUsage?: number;
  readonly hasGpu?: boolean;
  readonly runningTasks?: number;
  readonly heartbeatIntervalS?: number;
  readonly metrics?: ReadonlyMap<string, number>;
}

/** A worker that sends every 5 s. */
class Scored {
  memory: SlotMemory;
  #writer: SlotWriter;
  #ordinal = 0;
  readonly #columns = new SampleColumns();

  constructor(ringCapacity = 16, memory = newSlot('w', ringCapacity, undefined, true)) {
    this.memory = memory;
    this.#writer = new SlotWriter(memory);
  }

  get reader(): SlotReader {
    return new SlotReader(this.memory);
  }

  get writer(): SlotWriter {
    return this.#writer;
  }

  /** The bytes of every state. */
  get states(): Buffer {
    const { bytes, offsets } = viewSlot(this.memory);
    return Buffer.from(bytes.subarray(offsets.states));
  }

  beat({ metrics = new Map(), ...beat }: Beat = {}): void {
    const { cpuUsage = 20, memoryUsage = 40, gpuUsage = 0, hasGpu = false } = beat;
    const { runningTasks = 3, heartbeatIntervalS = Number.NaN } = beat;
    const ordinal = ++this.#ordinal;
    const { numbers } = checkableRecord(ordinal);
    const values = {
      ...numbers,
      cpuUsage,
      memoryUsage,
      storageUsage: 10,
      gpuUsage,
      runningTasks,
      heartbeatIntervalS,
      receivedMonotonicMs: ordinal * 5000,
      sampleFlags: hasGpu ? SampleFlag.hasGpu : 0,
    };
    const measured = { metrics, gpus: [] };
    this.#writer.take(ordinal);
    const allowance = { ...UNLIMITED, sampleSpanMs: 60_000, metricColumns: 8 };
    expect(this.#writer.makeRoom('{', allowance, values, measured)).toBeUndefined();
    this.memory = this.#writer.publish(values, '{', [], measured) ?? this.memory;
  }

  /** A little noise, so that spreads are learned; long enough for scores. */
  learn(metrics?: (n: number) => ReadonlyMap<string, number>, hasGpu = false): void {
    for (let n = 0; n < 500; n++) {
      const noise = Math.sin(n * 1.7) + Math.cos(n * 0.9);
      const beat = { cpuUsage: 20 + noise, memoryUsage: 40 + noise / 2, gpuUsage: hasGpu ? 50 + noise : 0, hasGpu };
      this.beat(metrics === undefined ? beat : { ...beat, metrics: metrics(n) });
    }
  }

  succeed(): void {
    this.#writer = new SlotWriter(this.memory);
    this.#writer.mend();
  }

  samples() {
    const { reader } = this;
    reader.samplesSince(reader.firstSample, this.#columns);
    const { count, anomalyScore, scoreWords, usual, metricKeys } = this.#columns;
    return Array.from({ length: count }, (_, n) => ({
      score: anomalyScore[n] as number,
      cause: namedCauseIn(scoreWords[n] as number, metricKeys),
      usual: usual[n] as number,
    }));
  }
}

test('a sample gets its largest score, and from 0.5 on the metric and the reason', () => {
  const worker = new Scored();
  expect(worker.reader.score).toBeUndefined();
  worker.learn();
  expect(worker.reader.score?.score).toBeLessThan(ANOMALY_SCORE);
  expect(worker.reader.score?.cause).toBeUndefined();
  for (let n = 0; n < 12; n++) worker.beat({ cpuUsage: 95 });
  const { score, cause } = worker.reader.score ?? {};
  expect(score).toBeGreaterThanOrEqual(ANOMALY_SCORE);
  expect(cause).toMatchObject({ metric: 'cpu_usage', code: ReasonCode.above, value: 95 });
  expect(cause?.usual).toBeCloseTo(20, 0);
  const last = worker.samples().at(-1);
  expect(last?.score).toBe(score);
  expect(last?.cause).toMatchObject({ metric: 'cpu_usage', code: ReasonCode.above });
  expect(last?.cause?.ratio).toBeCloseTo(cause?.ratio as number, 1);
  expect(last?.usual).toBeCloseTo(cause?.usual as number, 4);
});

test('without a ring, as with HISTORY=off, usages are scored', () => {
  const worker = new Scored(0, newSlot('w', 0, undefined, true));
  const { writer } = worker;
  let ordinal = 0;
  const beat = (cpuUsage: number) => {
    const values = { ...checkableRecord(++ordinal).numbers, cpuUsage, receivedMonotonicMs: ordinal * 5000 };
    writer.take(ordinal);
    writer.publish({ ...values, memoryUsage: 1, storageUsage: 1 }, '{', [], { metrics: new Map([['m', 1]]), gpus: [] });
  };
  for (let n = 0; n < 500; n++) beat(20 + Math.sin(n * 1.7));
  for (let n = 0; n < 12; n++) beat(95);
  expect(worker.reader.score?.cause?.metric).toBe('cpu_usage');
});

test('a GPU is scored while the worker has one: what others send there is no measurement', () => {
  const [equipped, without] = [new Scored(), new Scored()];
  equipped.learn(undefined, true);
  without.learn();
  for (let n = 0; n < 12; n++) equipped.beat({ gpuUsage: 5, hasGpu: true });
  for (let n = 0; n < 12; n++) without.beat({ gpuUsage: 5 });
  expect(equipped.reader.score?.cause?.metric).toBe('gpu_usage');
  expect(without.reader.score?.cause).toBeUndefined();
});

test('tasks and the interval between heartbeats are scored, those that are not told are not', () => {
  const [busy, late, untold] = [new Scored(), new Scored(), new Scored()];
  for (let n = 0; n < 500; n++) {
    busy.beat({ runningTasks: 3 + (n % 2) });
    late.beat({ heartbeatIntervalS: 5 });
    untold.beat();
  }
  // Tasks come and go.
  for (let n = 0; n < 12; n++) busy.beat({ runningTasks: 5 });
  expect(busy.reader.score?.cause).toBeUndefined();
  for (let n = 0; n < 12; n++) busy.beat({ runningTasks: 60 });
  expect(busy.reader.score?.cause).toMatchObject({ metric: 'running_tasks', code: ReasonCode.above, value: 60 });
  // A single one is late.
  late.beat({ heartbeatIntervalS: 600 });
  for (let n = 0; n < 3; n++) late.beat({ heartbeatIntervalS: 5 });
  expect(late.reader.score?.cause).toBeUndefined();
  for (let n = 0; n < 12; n++) late.beat({ heartbeatIntervalS: n % 3 === 0 ? 5 : 30 });
  expect(late.reader.score?.cause).toMatchObject({ metric: 'heartbeat_interval' });
  expect(late.reader.score?.score).toBeGreaterThanOrEqual(ANOMALY_SCORE);
  for (let n = 0; n < 12; n++) untold.beat();
  expect(untold.states.subarray(5 * STATE_BYTES, 6 * STATE_BYTES).every((byte) => byte === 0)).toBe(true);
});

test('a cause keeps its metric when columns are renumbered', () => {
  const worker = new Scored();
  const noisy = (n: number) => new Map([...'abcdefgh'].map((name) => [name, 100 + Math.sin(n * 1.7)]));
  worker.learn(noisy);
  for (let n = 0; n < 12; n++) worker.beat({ metrics: new Map(noisy(n)).set('h', 900) });
  expect(worker.reader.score?.cause?.metric).toBe('metrics.h');
  // Until the other metrics have no value left in the ring, so that their columns are freed.
  for (let n = 0; n < 80 && !worker.reader.metricKeys.includes('metrics.new'); n++) {
    const noise = Math.sin(n * 1.7);
    const metrics = new Map([
      ['h', 900 + noise],
      ['new', noise],
    ]);
    worker.beat({ cpuUsage: 20 + noise, memoryUsage: 40 + noise, metrics });
    for (const { cause } of worker.samples()) expect(cause?.metric ?? 'metrics.h').toBe('metrics.h');
  }
  expect(worker.reader.metricKeys).toEqual(['metrics.h', 'metrics.new']);
  expect(worker.reader.score?.cause?.metric).toBe('metrics.h');
  expect(worker.samples().filter(({ cause }) => cause?.metric === 'metrics.h').length).toBeGreaterThan(5);
});

describe('a lane that is killed', () => {
  test('anywhere within a heartbeat leaves every state as before or after it, and no score of its own making', () => {
    const taught = new Scored();
    taught.learn((n) => new Map([['m', Math.sin(n * 1.7)]]));
    const image = Buffer.from(viewSlot(taught.memory).bytes);
    const restored = () => {
      const memory = new SharedArrayBuffer(image.length);
      new Uint8Array(memory).set(image);
      return new Scored(16, memory);
    };
    const unusual = { cpuUsage: 99, metrics: new Map([['m', 77]]) };
    const whole = restored();
    const before = whole.states;
    whole.beat(unusual);
    const after = whole.states;
    let died = true;
    let mixed = 0;
    for (let nth = 0; died; nth++) {
      const worker = restored();
      const samplesBefore = worker.samples();
      died = diesAt(nth, () => worker.beat(unusual));
      if (died) worker.succeed();
      const { states } = worker;
      for (let at = 0; at < states.length; at += STATE_BYTES) {
        const state = states.subarray(at, at + STATE_BYTES);
        const isBefore = state.equals(before.subarray(at, at + STATE_BYTES));
        expect(isBefore || state.equals(after.subarray(at, at + STATE_BYTES))).toBe(true);
      }
      if (!states.equals(before) && !states.equals(after)) mixed++;
      const samples = worker.samples();
      if (samples.length > samplesBefore.length) {
        expect(samples.at(-1)?.score).toBeOneOf([Number.NaN, whole.samples().at(-1)?.score]);
      }
      expect(Atomics.load(viewSlot(worker.memory).control, SlotWord.stateGeneration) & 1).toBe(0);
    }
    expect(mixed).toBeGreaterThan(0);
  });

  test('within the model leaves a torn state, which its successor replaces by what it was', () => {
    const worker = new Scored();
    worker.learn();
    const { control, floats, bytes, offsets } = viewSlot(worker.memory);
    const before = worker.states;
    bytes.copy(bytes, offsets.keptState, offsets.states + STATE_BYTES, offsets.states + 2 * STATE_BYTES);
    Atomics.store(control, SlotWord.changedState, 1);
    Atomics.add(control, SlotWord.stateGeneration, 1);
    floats.fill(Number.NaN, (offsets.states + STATE_BYTES) / 4, (offsets.states + 2 * STATE_BYTES) / 4);
    // Its memory is copied if its thread does not end: then that copy begins to learn anew.
    expect(new Scored(16, copiedSlot(worker.memory)).states.every((byte) => byte === 0)).toBe(true);
    worker.succeed();
    expect(worker.states.equals(before)).toBe(true);
  });

  test.each([-1, 6, 2 ** 31 - 1])(
    'and had written %d as the changed state cannot lead its successor out of the states',
    (place) => {
      const worker = new Scored();
      worker.learn();
      const { control } = viewSlot(worker.memory);
      const before = worker.states;
      Atomics.store(control, SlotWord.changedState, place);
      Atomics.add(control, SlotWord.stateGeneration, 1);
      worker.succeed();
      expect(worker.states.equals(before)).toBe(true);
    },
  );
});

test('a copy of a slot knows what its slot has learned', () => {
  const worker = new Scored();
  worker.learn();
  for (let n = 0; n < 12; n++) worker.beat({ cpuUsage: 95 });
  const copy = new Scored(16, copiedSlot(worker.memory));
  expect(copy.states.equals(worker.states)).toBe(true);
  expect(copy.reader.score).toEqual(worker.reader.score);
  expect(copy.samples()).toEqual(worker.samples());
});

test('the next worker of a memory knows nothing of the one before', () => {
  const worker = new Scored();
  worker.learn();
  for (let n = 0; n < 12; n++) worker.beat({ cpuUsage: 95 });
  const before = worker.reader;
  const shelf = new SlotShelf(16, 0);
  expect(shelf.keep(worker.memory, 0)).toBe(true);
  const next = new Scored(16, shelf.take('next', 1) as SlotMemory);
  expect(next.reader.score).toBeUndefined();
  expect(next.states.every((byte) => byte === 0)).toBe(true);
  expect(() => before.score).toThrow('removed');
});

test('whatever a metric is, no score leaves 0 to 1, and the other metrics learn as without it', () => {
  const hostile = fc.oneof(
    fc.double(),
    fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -Number.MAX_VALUE, Number.MAX_VALUE, Number.MIN_VALUE, -0),
  );
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 60 }), (values) => {
      const [attacked, spared] = [new Scored(), new Scored()];
      for (const [n, value] of values.entries()) {
        attacked.beat({ cpuUsage: 20 + Math.sin(n), metrics: new Map([['m', value]]) });
        spared.beat({ cpuUsage: 20 + Math.sin(n), metrics: new Map([['m', 1]]) });
        const score = attacked.reader.score?.score ?? 0;
        expect(score >= 0 && score <= 1).toBe(true);
      }
      const usages = 6 * STATE_BYTES;
      expect(attacked.states.subarray(0, usages).equals(spared.states.subarray(0, usages))).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test('what is not scored takes no memory, and has no score', () => {
  const size = { jsonCapacity: 1024, ringCapacity: 64, metricColumns: 4, taskLogCapacity: 0 };
  const unscored = slotBytes({ ...size, isScored: false });
  // States of 4 usages, of tasks, of the interval and of 4 columns, the kept one, two copies of the newest score, and two words a sample.
  expect(slotBytes({ ...size, isScored: true }) - unscored).toBe((10 + 1) * STATE_BYTES + 2 * 64 + 64 * 8);
  const memory = newSlot('w', 16);
  const writer = new SlotWriter(memory);
  writer.take(1);
  writer.publish(checkableRecord(1).numbers, '{');
  expect(new SlotReader(memory).score).toBeUndefined();
});

test('a score and its cause are one word', () => {
  const cause = fc.record({
    place: fc.integer({ min: 0, max: 300 }),
    code: fc.constantFrom(...Object.values(ReasonCode)),
    ratio: fc.double({ min: 0, max: 1e9, noNaN: true }),
  });
  const score = fc.integer({ min: 0, max: 100 }).map((hundredths) => hundredths / 100);
  fc.assert(
    fc.property(score, cause, fc.integer({ min: 0, max: 300 }), (given, of, to) => {
      const word = scoreWord(given, of);
      expect(scoreIn(word)).toBe(given);
      expect(causeIn(word)).toMatchObject({ place: of.place, code: of.code });
      expect(causeIn(word)?.ratio).toBeCloseTo(Math.min(of.ratio, MOST_RATIO), 1);
      expect(causeIn(movedScoreWord(word, to))).toEqual({ ...causeIn(word), place: to });
      const gone = movedScoreWord(word, undefined);
      expect([scoreIn(gone), causeIn(gone)]).toEqual([given, undefined]);
      expect(causeIn(scoreWord(given, undefined))).toBeUndefined();
    }),
  );
  expect(scoreIn(NO_SCORE)).toBeNaN();
  // Whatever the memory contains.
  fc.assert(fc.property(fc.integer(), (word) => !(scoreIn(word) < 0 || scoreIn(word) > 1)));
});
