import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { TaskEvent } from '../../src/model/task-change.ts';
import { ENDED_TASK_OUTCOMES } from '../../src/model/telemetry.ts';
import { type RecordAllowance, UNLIMITED } from '../../src/store/record-allowance.ts';
import { copiedSlot } from '../../src/store/slot-copy.ts';
import { type SlotMemory, successorProblem } from '../../src/store/slot-memory.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { SlotShelf } from '../../src/store/slot-shelf.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { encodedEntry, entryBytes, MAX_ENTRY_BYTES, readEntry } from '../../src/store/task-entry.ts';
import { LOG_BEGIN } from '../../src/store/task-log.ts';
import {
  LEAST_TASK_LOG_BYTES,
  MOST_TASK_LOG_BYTES,
  TASK_LOG_SPAN_MS,
  taskLogAfter,
} from '../../src/store/task-log-room.ts';
import { diesAt } from './killed-writer.ts';
import { checkableRecord } from './threads/checkable-record.ts';

const text = (maxLength: number) => fc.string({ unit: 'grapheme', maxLength });
const maybeNumber = fc.option(fc.double({ noNaN: true }), { nil: null });
const anyEvent: fc.Arbitrary<TaskEvent> = fc.oneof(
  fc.record({
    type: fc.constant('listed' as const),
    taskId: text(40),
    status: text(10),
    cpuAllocated: fc.double({ noNaN: true }),
    memoryAllocated: fc.double({ noNaN: true }),
    gpuAllocated: fc.double({ noNaN: true }),
    startedMs: maybeNumber,
  }),
  fc.record({ type: fc.constant('left' as const), taskId: text(40), lastSeenMs: fc.double({ noNaN: true }) }),
  fc.record({
    type: fc.constant('ended' as const),
    taskId: text(40),
    startedMs: maybeNumber,
    endedMs: maybeNumber,
    outcome: fc.constantFrom(...ENDED_TASK_OUTCOMES, null),
    exitCode: maybeNumber,
    cpuSeconds: maybeNumber,
    maxRssBytes: maybeNumber,
  }),
);
const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });

test('an entry is read as it was written', () => {
  fc.assert(
    fc.property(anyEvent, word, word, fc.double({ noNaN: true }), (event, ordinal, sample, atMs) => {
      const bytes = Buffer.from(encodedEntry({ event, ordinal, sample, atMs, monotonicMs: 1 }));
      expect(bytes.length).toBe(entryBytes(event));
      expect(bytes.length % 8).toBe(0);
      expect(bytes.length).toBeLessThanOrEqual(MAX_ENTRY_BYTES);
      expect(readEntry(bytes, 0, bytes.length)).toEqual({ event, ordinal, sample, atMs });
    }),
  );
});

test('any bytes are read as some entry or as none, within their bounds', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const entry = readEntry(Buffer.from(bytes), 0, bytes.length);
      if (entry !== undefined) expect(entry.event.taskId.length).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 2000 },
  );
});

/** A worker whose heartbeats have numbered events, a lane that is killed now and then, and one reader. */
class LoggedWorker {
  #memory: SlotMemory = newSlot('w', 8);
  #writer = new SlotWriter(this.#memory);
  #ordinal = 0;
  #nowMs = 1000;
  #named = 0;
  #cursor = LOG_BEGIN;
  /** Ids of all events of applied heartbeats. */
  readonly logged: string[] = [];
  /** The same, by sample. */
  readonly samples: number[] = [];
  readonly read: (string | number)[] = [];
  lost = 0;
  /** By how much the wall clock was set. */
  clockSetMs = 0;

  readonly allowance: RecordAllowance;

  constructor(allowance: RecordAllowance = UNLIMITED) {
    this.allowance = allowance;
  }

  get bytes(): number {
    return this.#memory.byteLength;
  }

  get reader(): SlotReader {
    return new SlotReader(this.#memory);
  }

  beat({ events, idLength = 8, killedAt, afterMs = 1, jsonBytes = 10 }: Beat): void {
    const ordinal = ++this.#ordinal;
    this.#nowMs += afterMs;
    const ids = Array.from({ length: events }, () => `${this.#named++}`.padEnd(idLength, '-'));
    const before = this.reader.counts().applied;
    const died = diesAt(killedAt ?? Number.POSITIVE_INFINITY, () => {
      this.#writer.take(ordinal);
      const json = 'x'.repeat(jsonBytes);
      const all = ids.map((taskId): TaskEvent => ({ type: 'left', taskId, lastSeenMs: ordinal }));
      const received = { receivedMonotonicMs: this.#nowMs, receivedUnixMs: this.#nowMs + this.clockSetMs };
      expect(this.#writer.makeRoom(json, this.allowance, received, undefined, all)).toBeUndefined();
      const grown = this.#writer.publish(
        { ...checkableRecord(ordinal).numbers, ...received },
        json,
        [],
        undefined,
        all,
      );
      if (grown !== undefined) expect(successorProblem(grown, this.#memory, 2 ** 30)).toBeUndefined();
      if (grown !== undefined) this.#memory = grown;
    });
    if (died) this.#restart();
    const isApplied = this.reader.counts().applied > before;
    expect(isApplied || died).toBe(true);
    if (!isApplied) return;
    this.logged.push(...ids);
    this.samples.push(...ids.map(() => before));
  }

  #restart(): void {
    this.#writer = new SlotWriter(this.#memory);
    this.#writer.mend();
  }

  copy(): void {
    this.#memory = copiedSlot(this.#memory);
    this.#restart();
  }

  /**
   * The log is copied in two parts.
   * @param meanwhile what happens after that part, before the reader's second look
   */
  drain(meanwhile: () => void = () => {}, afterPart = 1): void {
    const { reader } = this;
    const copy = Buffer.prototype.copy;
    let parts = 0;
    vi.spyOn(Buffer.prototype, 'copy').mockImplementation(function (this: Buffer, ...given) {
      const bytes = copy.apply(this, given);
      if (++parts < afterPart) return bytes;
      vi.restoreAllMocks();
      meanwhile();
      return bytes;
    });
    const { entries, end, lost } = reader.taskEntriesSince(this.#cursor);
    vi.restoreAllMocks();
    for (let n = 0; n < lost; n++) this.read.push(n);
    for (const { event, sample } of entries) {
      expect(event.taskId).toBe(this.logged[this.read.length]);
      expect(sample).toBe(this.samples[this.read.length]);
      this.read.push(event.taskId);
    }
    this.lost += lost;
    this.#cursor = end;
  }
}

interface Beat {
  readonly events: number;
  readonly idLength?: number;
  readonly killedAt?: number | undefined;
  readonly afterMs?: number;
  readonly jsonBytes?: number;
}

const beat = fc.record({
  type: fc.constant('beat' as const),
  events: fc.oneof(fc.nat(3), fc.nat(40)),
  idLength: fc.constantFrom(8, 8, 100, 512),
  killedAt: fc.option(fc.nat(12), { freq: 2, nil: undefined }),
  afterMs: fc.constantFrom(1, 5000, TASK_LOG_SPAN_MS, 20 * TASK_LOG_SPAN_MS),
  jsonBytes: fc.constantFrom(10, 10, 5000),
});
const step = fc.oneof(
  { weight: 6, arbitrary: beat },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('drain' as const),
      meanwhile: fc.array(beat, { maxLength: 2 }),
      afterPart: fc.constantFrom(1, 2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('copy' as const) }) },
);

test('a reader gets each event of each applied heartbeat once and in order, or counts it as lost', () => {
  let read = 0;
  let lost = 0;
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom(UNLIMITED, { ...UNLIMITED, ringRoomBytes: 5000 }),
      (steps, allowance) => {
        const worker = new LoggedWorker(allowance);
        for (const { type, ...rest } of steps) {
          if (type === 'beat') worker.beat(rest as Beat);
          else if (type === 'copy') worker.copy();
          else {
            const { meanwhile, afterPart } = rest as { meanwhile: Beat[]; afterPart: number };
            worker.drain(() => {
              for (const next of meanwhile) worker.beat(next);
            }, afterPart);
          }
        }
        worker.drain();
        worker.drain();
        expect(worker.read.length).toBe(worker.logged.length);
        read += worker.read.length - worker.lost;
        lost += worker.lost;
      },
    ),
    { numRuns: 400 },
  );
  // It tests both.
  expect(read).toBeGreaterThan(4000);
  expect(lost).toBeGreaterThan(1000);
});

test('a worker whose tasks never change has no log; one that needs it gets as much as its changes take', () => {
  const worker = new LoggedWorker();
  worker.beat({ events: 0 });
  const before = worker.bytes;
  worker.beat({ events: 0 });
  expect(worker.bytes).toBe(before);
  worker.beat({ events: 1 });
  expect(worker.bytes).toBe(before + LEAST_TASK_LOG_BYTES);
  worker.beat({ events: 10_000, idLength: 20 });
  expect(worker.bytes).toBe(before + MOST_TASK_LOG_BYTES);
  worker.drain();
  expect(worker.lost).toBe(0);
});

test('events of one heartbeat that the largest log cannot hold are lost, oldest first', () => {
  const worker = new LoggedWorker();
  worker.beat({ events: 2 });
  worker.beat({ events: 20_000, idLength: 100 });
  worker.drain();
  const held = Math.floor(MOST_TASK_LOG_BYTES / 144);
  expect(worker.lost).toBe(20_002 - held);
});

test.each([-86_400_000, 86_400_000])(
  'a wall clock that is set by %d ms neither grows a log nor empties it',
  (clockSetMs) => {
    const worker = new LoggedWorker();
    worker.beat({ events: 1 });
    const { bytes } = worker;
    for (let n = 0; n < 100; n++) {
      if (n === 50) worker.clockSetMs = clockSetMs;
      worker.beat({ events: 1, afterMs: TASK_LOG_SPAN_MS });
      worker.drain();
    }
    expect(worker.bytes).toBe(bytes);
    const busy = new LoggedWorker();
    busy.beat({ events: 200 });
    busy.clockSetMs = clockSetMs;
    busy.beat({ events: 200 });
    busy.drain();
    expect(busy.lost).toBe(0);
  },
);

const SPAN = TASK_LOG_SPAN_MS;
test.each([
  ['is off', { capacity: 0, used: 0, added: 0, heldMs: 0 }, 0],
  ['begins', { capacity: 0, used: 0, added: 80, heldMs: 0 }, 1024],
  ['has room', { capacity: 1024, used: 900, added: 124, heldMs: 1 }, 1024],
  ['is full of recent entries', { capacity: 1024, used: 900, added: 200, heldMs: SPAN - 1 }, 2048],
  ['is full of older ones', { capacity: 1024, used: 900, added: 200, heldMs: SPAN }, 1024],
  ['is much too long', { capacity: 16_384, used: 16_000, added: 500, heldMs: 9 * SPAN }, 8192],
  ['is much too long for all but this', { capacity: 16_384, used: 16_000, added: 9000, heldMs: 9 * SPAN }, 16_384],
  ['would be too large', { capacity: 1024 ** 2, used: 1024 ** 2, added: 5e6, heldMs: 1 }, 1024 ** 2],
])('a log that %s has the right size afterwards', (_, facts, capacity) => {
  expect(taskLogAfter(facts)).toBe(capacity);
});

test('a worker that gets the memory of a removed one finds none of its events', () => {
  const shelf = new SlotShelf(8, 0);
  const memory = newSlot('before', 8);
  const writer = new SlotWriter(memory);
  const events: TaskEvent[] = [{ type: 'left', taskId: 'a', lastSeenMs: 1 }];
  writer.take(1);
  const grown = writer.publish(checkableRecord(1).numbers, '{"running_tasks":[]', [], undefined, events) as SlotMemory;
  const before = new SlotReader(grown);
  expect(before.taskEntriesSince(LOG_BEGIN).entries).toHaveLength(1);
  expect(shelf.keep(grown, 0)).toBe(true);
  const next = shelf.take('after', 1) as SlotMemory;
  expect(() => before.taskEntriesSince(LOG_BEGIN)).toThrow('belongs to another worker');
  expect(new SlotReader(next).taskEntriesSince(LOG_BEGIN)).toMatchObject({ entries: [], lost: 0 });
  expect(new SlotReader(next).tasksNow()).toBeUndefined();
});
