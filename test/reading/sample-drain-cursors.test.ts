/** Cursors of a drain: what is handed over, committed, handed over again, and continued by another drain. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Announcement } from '../../src/reading/directory.ts';
import { type CommittedSamples, type DrainScope, SampleDrain } from '../../src/reading/sample-drain.ts';
import { BoardReader } from '../../src/store/board.ts';
import { SampleColumns } from '../../src/store/sample-columns.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Fleet } from '../support/fleet.ts';

/** That of a fleet's rings. */
const CAPACITY = 3;

/** What was handed over of a worker. */
interface Handed {
  readonly workerId: string;
  readonly from: number;
  readonly values: number[];
  readonly lost: number;
}

/** Workers whose heartbeats count up, and a thread that drains them and stores what it commits. */
class Drained {
  readonly clock = new FakeClock();
  readonly fleet = new Fleet(this.clock);
  readonly board = new BoardReader(this.fleet.memory);
  readonly maxClosedBytes: number | undefined;
  /** By worker: the value of each sample, by its number. */
  readonly sent = new Map<string, Map<number, number>>();
  readonly stored = new Map<string, Map<number, number>>();
  readonly cursors = new Map<string, CommittedSamples>();
  /** Each worker's first sample number of the present life, and how many it sent. */
  readonly lives = new Map<string, { readonly first: number; sent: number }>();
  drain: SampleDrain;
  lost = 0;
  pending: Handed[] = [];
  #value = 0;
  /** Workers that left a few seconds ago. */
  readonly #left: Announcement[] = [];

  constructor(maxClosedBytes?: number) {
    this.maxClosedBytes = maxClosedBytes;
    this.drain = this.#newDrain();
    this.fleet.onAnnounce = (items) => {
      for (const item of items) this.drain.apply(item);
    };
  }

  beat(workerId: string): void {
    let life = this.lives.get(workerId);
    if (life === undefined) {
      this.fleet.register(workerId);
      life = { first: this.#added(workerId).numbersFrom, sent: 0 };
      this.lives.set(workerId, life);
    }
    const value = ++this.#value;
    this.fleet.beat(workerId, { storageUsage: value });
    this.#mapOf(this.sent, workerId).set(life.first + life.sent++, value);
  }

  leave(workerId: string): void {
    const life = this.lives.get(workerId);
    if (life === undefined) return;
    const added = this.#added(workerId);
    this.lives.delete(workerId);
    this.#left.push({ ...added, type: 'slotClosed', tenancy: 0 });
    this.fleet.forget(workerId);
    this.drain.apply({ ...added, type: 'slotClosed', tenancy: 0 });
  }

  /** @param most of samples that are taken */
  drainUpTo(most: number, scope?: DrainScope): void {
    let taken = 0;
    const isDone = this.drain.drain((workerId, columns, numbersFrom, previousUnixMs) => {
      if (taken + columns.count > most && taken > 0) return false;
      taken += columns.count;
      const values = Array.from(columns.storageUsage.subarray(0, columns.count));
      this.pending.push({ workerId, from: numbersFrom + columns.from, values, lost: columns.lost });
      // All heartbeats come at the same time.
      if (previousUnixMs !== undefined) expect(previousUnixMs).toBe(this.clock.wallMs());
      return undefined;
    }, scope);
    if (most === Number.POSITIVE_INFINITY) expect(isDone).toBe(true);
  }

  commit(): void {
    this.drain.commit();
    for (const { workerId, from, values, lost } of this.pending.splice(0)) {
      this.lost += lost;
      const stored = this.#mapOf(this.stored, workerId);
      for (const [n, value] of values.entries()) {
        expect(stored.has(from + n)).toBe(false);
        stored.set(from + n, value);
      }
      this.cursors.set(workerId, { bootId: this.board.bootId, next: from + values.length });
    }
    expect(this.drain.lost).toBeLessThanOrEqual(this.lost);
  }

  rollback(): void {
    this.drain.rollback();
    this.pending = [];
  }

  /** The thread dies, and another continues with what was committed, of which it learns before or after the workers. */
  restart(isToldLate = false): void {
    this.pending = [];
    this.drain = this.#newDrain();
    const cursors = new Map(this.cursors);
    if (!isToldLate) this.drain.resume(cursors);
    for (const item of [...this.fleet.roster(), ...this.#left]) this.drain.apply(item);
    if (isToldLate) this.drain.resume(cursors);
  }

  get sentCount(): number {
    return Array.from(this.sent.values()).reduce((sum, { size }) => sum + size, 0);
  }

  get storedCount(): number {
    return Array.from(this.stored.values()).reduce((sum, { size }) => sum + size, 0);
  }

  #newDrain(): SampleDrain {
    const { maxClosedBytes } = this;
    return new SampleDrain(this.board, maxClosedBytes === undefined ? {} : { maxClosedBytes });
  }

  #added(workerId: string): Extract<Announcement, { type: 'slotAdded' }> {
    const added = this.fleet.roster().find((item) => item.type === 'slotAdded' && item.workerId === workerId);
    if (added?.type !== 'slotAdded') throw new Error(`${workerId} is not announced`);
    return added;
  }

  #mapOf(maps: Map<string, Map<number, number>>, workerId: string): Map<number, number> {
    const map = maps.get(workerId) ?? new Map<number, number>();
    maps.set(workerId, map);
    return map;
  }
}

const worker = fc.constantFrom('a', 'b', 'c');
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('beat' as const), worker, times: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), worker }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('drain' as const),
      most: fc.constantFrom(1, 4, Number.POSITIVE_INFINITY),
      fullerThan: fc.constantFrom(0, 0.5, 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rollback' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), isToldLate: fc.boolean() }) },
);

test('each sample is committed once, with its number, or counted as lost, whatever fails in between', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(undefined, 20_000),
      fc.boolean(),
      fc.array(step, { maxLength: 60 }),
      (maxClosedBytes, mayRestart, steps) => {
        const drained = new Drained(maxClosedBytes);
        for (const next of steps) {
          if (next.do === 'beat') for (let n = 0; n < next.times; n++) drained.beat(next.worker);
          else if (next.do === 'leave') drained.leave(next.worker);
          else if (next.do === 'drain') drained.drainUpTo(next.most, { fullerThan: next.fullerThan });
          else if (next.do === 'commit') drained.commit();
          else if (next.do === 'rollback') drained.rollback();
          else if (mayRestart) drained.restart(next.isToldLate);
          if (maxClosedBytes !== undefined && drained.pending.length === 0) {
            expect(drained.drain.closedBytes).toBeLessThanOrEqual(maxClosedBytes);
          }
        }
        drained.drainUpTo(Number.POSITIVE_INFINITY);
        drained.commit();
        for (const [workerId, stored] of drained.stored) {
          for (const [number, value] of stored) expect(drained.sent.get(workerId)?.get(number)).toBe(value);
        }
        expect(drained.storedCount + drained.lost).toBe(drained.sentCount);
        expect(drained.drain.closedBytes).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});

test('a thread that is restarted continues where the former one had committed', () => {
  const drained = new Drained();
  for (let beat = 0; beat < 2; beat++) for (const id of ['a', 'b']) drained.beat(id);
  drained.drainUpTo(Number.POSITIVE_INFINITY);
  drained.commit();
  drained.beat('a');
  drained.drainUpTo(Number.POSITIVE_INFINITY);
  drained.restart();
  drained.beat('a');
  drained.drainUpTo(Number.POSITIVE_INFINITY);
  expect(drained.pending).toEqual([{ workerId: 'a', from: 2, values: [5, 6], lost: 0 }]);
  // A cursor of another run of the master says nothing about this one.
  drained.cursors.set('a', { bootId: 'another', next: 3 });
  drained.restart();
  drained.drainUpTo(Number.POSITIVE_INFINITY);
  expect(drained.pending).toEqual([{ workerId: 'a', from: 1, values: [3, 5, 6], lost: 1 }]);
});

test('a worker that comes back under its name continues with higher numbers', () => {
  const drained = new Drained();
  for (let beat = 0; beat < 2; beat++) drained.beat('a');
  drained.leave('a');
  drained.beat('a');
  drained.drainUpTo(Number.POSITIVE_INFINITY);
  expect(drained.pending.map(({ from, values, lost }) => [from, values, lost])).toEqual([
    [0, [1, 2], 0],
    [2, [3], 0],
  ]);
  drained.commit();
  drained.restart();
  drained.drainUpTo(Number.POSITIVE_INFINITY);
  expect(drained.pending).toEqual([]);
});

test('the part of each ring that is not committed is told, and only those that fill up can be drained', () => {
  const drained = new Drained();
  for (let beat = 0; beat < 3; beat++) drained.beat('full');
  drained.beat('nearly empty');
  const waiting = () => {
    const found: (readonly [string, number, number])[] = [];
    drained.drain.waiting((workerId, uncommitted, capacity) => found.push([workerId, uncommitted, capacity]));
    return found;
  };
  expect(waiting()).toEqual([
    ['full', 3, CAPACITY],
    ['nearly empty', 1, CAPACITY],
  ]);
  drained.drainUpTo(Number.POSITIVE_INFINITY, { fullerThan: 0.5 });
  expect(drained.pending.map(({ workerId }) => workerId)).toEqual(['full']);
  // Handed over is not committed.
  expect(waiting()).toEqual([
    ['full', 3, CAPACITY],
    ['nearly empty', 1, CAPACITY],
  ]);
  drained.commit();
  expect(waiting()).toEqual([
    ['full', 0, CAPACITY],
    ['nearly empty', 1, CAPACITY],
  ]);
});

test('samples of removed workers beyond the limit are counted as lost, the oldest first', () => {
  const drained = new Drained(1.5 * new SampleColumns().bytes);
  drained.beat('a');
  drained.beat('b');
  drained.leave('a');
  drained.leave('b');
  drained.drainUpTo(Number.POSITIVE_INFINITY);
  expect(drained.pending).toEqual([
    { workerId: 'a', from: 1, values: [], lost: 1 },
    { workerId: 'b', from: 1, values: [2], lost: 0 },
  ]);
});
