import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JoinedMapPool } from '../../src/http/bodies/bodies.ts';
import { JoinedMap } from '../../src/http/bodies/joined-map.ts';
import { JsonText } from '../../src/http/bodies/json-text.ts';
import { appendMap, type PutValue, putSummary, putTelemetry } from '../../src/http/bodies/worker-json.ts';
import { JOINED_BODIES, MAX_BLANK_SHARE } from '../../src/http/http-limits.ts';
import type { TelemetryJson } from '../../src/model/record-json.ts';
import { Directory } from '../../src/reading/directory.ts';
import { BoardReader } from '../../src/store/board.ts';
import { type Fleet, task } from '../support/fleet.ts';
import { newFleet } from './support.ts';
import type { RecordWriterData } from './threads/record-writer.ts';
import { isWhole, MOST_TASKS } from './threads/records.ts';

/** A fleet and what one reading thread knows of it. */
function newWatchedFleet(rows?: number) {
  const { clock, fleet } = newFleet(rows);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  return { clock, fleet, directory };
}

/** Leaves behind, in all the room it was given, what torn copies may leave: anything. */
function untidy(put: PutValue): PutValue {
  return (room, entry, standing) => {
    room.buffer.fill('"', room.at, room.end);
    return put(room, entry, standing);
  };
}

function joinedAnew(directory: Directory, putValue: PutValue): string {
  const text = new JsonText();
  appendMap(text, directory, directory.all(), putValue);
  return text.bytes().toString();
}

/** Without the spaces between tokens. */
function tight(json: string): string {
  return json.replaceAll(/("(?:[^"\\]|\\.)*")| /g, '$1');
}

/** The joined body says what joining anew says: the same values, and each key once. */
function expectSame(body: string, anew: string): void {
  expect(JSON.parse(body)).toEqual(JSON.parse(anew));
  expect(tight(body)).toHaveLength(anew.length);
}

const IDS = ['a', 'node-b', '"quoted" \\ {}, :', '__proto__', '🐙'.repeat(20), 'f'];
const ROWS = IDS.length + 2;

type Step = (fleet: Fleet, known: Set<string>) => void;

const id = fc.constantFrom(...IDS);
const usage = fc.oneof(fc.constantFrom(0, 100), fc.double({ min: 0, max: 100, noNaN: true }));
const steps = fc.record({
  register: id,
  beat: fc.tuple(id, usage, fc.nat(3)),
  /** Beyond any slot's first room. */
  grow: fc.tuple(id, fc.integer({ min: 10, max: 60 })),
  accept: id,
  publish: fc.tuple(id, usage),
  fallSilent: id,
  forget: fc.tuple(id, fc.boolean()),
});

function oneStep<K extends keyof StepValues>(kind: K, run: (value: StepValues[K], ...to: Parameters<Step>) => void) {
  return fc.record({ kind: fc.constant(kind), value: steps.map((all) => all[kind]) }).map(({ value }) => ({
    toString: () => `${kind} ${JSON.stringify(value)}`,
    run: ((fleet, known) => run(value as StepValues[K], fleet, known)) as Step,
  }));
}
type StepValues = {
  register: string;
  beat: [string, number, number];
  grow: [string, number];
  accept: string;
  publish: [string, number];
  fallSilent: string;
  forget: [string, boolean];
};

const tasks = (count: number) => Array.from({ length: count }, (_, i) => task(`task ${i}`));

const change = fc.oneof(
  oneStep('register', (workerId, fleet, known) => {
    if (known.has(workerId)) return;
    fleet.register(workerId);
    known.add(workerId);
  }),
  oneStep('beat', ([workerId, cpuUsage, count], fleet, known) => {
    if (known.has(workerId)) fleet.beat(workerId, { cpuUsage, runningTasks: tasks(count) });
  }),
  oneStep('grow', ([workerId, count], fleet, known) => {
    if (known.has(workerId)) fleet.beat(workerId, { runningTasks: tasks(count) });
  }),
  oneStep('accept', (workerId, fleet, known) => {
    if (known.has(workerId)) fleet.accept(workerId);
  }),
  oneStep('publish', ([workerId, cpuUsage], fleet, known) => {
    if (known.has(workerId)) fleet.publish(workerId, { cpuUsage });
  }),
  oneStep('fallSilent', (workerId, fleet, known) => {
    if (known.has(workerId)) fleet.fallSilent(workerId);
  }),
  oneStep('forget', ([workerId, announced], fleet, known) => {
    if (known.delete(workerId)) fleet.forget(workerId, { announced });
  }),
);

/** A change to the fleet, and then: a reader that comes and goes, one that comes and stays, or one that leaves. */
const scenario = fc.array(
  fc.record({
    changes: fc.array(change, { maxLength: 4 }),
    passS: fc.constantFrom(0, 0, 1, 31),
    reader: fc.constantFrom('goes', 'goes', 'stays', 'leaves'),
  }),
  { minLength: 1, maxLength: 30 },
);

it.each([
  ['telemetry', putTelemetry],
  ['workers', putSummary],
])('%s: a joined body says what joining anew says, and does not change while it is lent', (_, putValue) => {
  fc.assert(
    fc.property(scenario, (moments) => {
      const { clock, fleet, directory } = newWatchedFleet(ROWS);
      const pool = new JoinedMapPool(directory, untidy(putValue));
      const known = new Set<string>();
      const lent: { map: JoinedMap; bytes: Buffer; copy: Buffer }[] = [];
      for (const { changes, passS, reader } of moments) {
        clock.advance(passS * 1000);
        for (const { run } of changes) run(fleet, known);
        const map = pool.take();
        expect(map === undefined).toBe(lent.length === JOINED_BODIES);
        if (map !== undefined) {
          const bytes = map.bytes();
          expectSame(bytes.toString(), joinedAnew(directory, putValue));
          if (reader === 'stays') lent.push({ map, bytes, copy: Buffer.from(bytes) });
          else pool.give(map);
        }
        for (const { bytes, copy } of lent) expect(bytes.equals(copy)).toBe(true);
        if (reader === 'leaves') pool.give(lent.shift()?.map as JoinedMap);
      }
      for (const { map } of lent) pool.give(map);
      expect(pool.lent).toBe(0);
    }),
    { numRuns: 400 },
  );
});

it('comes back whole after an error in the middle of a change', () => {
  const { fleet, directory } = newWatchedFleet();
  let broken = false;
  const map = new JoinedMap(directory, (room, entry, standing) => {
    const bytes = putTelemetry(room, entry, standing);
    if (broken && entry.workerId === 'node-b') throw new Error('this slot cannot be read');
    return bytes;
  });
  for (const workerId of ['node-a', 'node-b', 'node-c']) fleet.register(workerId);
  map.bytes();
  broken = true;
  for (const workerId of ['node-a', 'node-b', 'node-c']) fleet.beat(workerId, { cpuUsage: 1 });
  expect(() => map.bytes()).toThrow('this slot cannot be read');
  broken = false;
  expectSame(map.bytes().toString(), joinedAnew(directory, putTelemetry));
});

it('copies only what changed', () => {
  const { fleet, directory } = newWatchedFleet();
  const copied: string[] = [];
  const map = new JoinedMap(directory, (room, entry, standing) => {
    copied.push(entry.workerId);
    return putTelemetry(room, entry, standing);
  });
  for (const workerId of ['node-a', 'node-b', 'node-c']) fleet.register(workerId);
  map.bytes();
  expect(copied.splice(0)).toEqual(['node-a', 'node-b', 'node-c']);
  fleet.beat('node-b', { cpuUsage: 7 });
  map.bytes();
  expect(copied.splice(0)).toEqual(['node-b']);
  fleet.fallSilent('node-b');
  map.bytes();
  expect(copied.splice(0)).toEqual(['node-b']);
  map.bytes();
  expect(copied).toEqual([]);
});

it('keeps little that is blank, however its workers grow, shrink and go', () => {
  const { fleet, directory } = newWatchedFleet(200);
  const map = new JoinedMap(directory, putTelemetry);
  const ids = Array.from({ length: 100 }, (_, i) => `node-${i}`);
  for (const workerId of ids) fleet.register(workerId);
  const blankShare = () => 1 - joinedAnew(directory, putTelemetry).length / map.bytes().length;
  for (let round = 0; round < 60; round++) {
    ids.forEach((workerId, i) => {
      fleet.beat(workerId, {
        cpuUsage: round % 2 === 0 ? 0 : 14.999999999997726,
        runningTasks: tasks((i + round) % 9),
      });
    });
    expect(blankShare()).toBeLessThanOrEqual(MAX_BLANK_SHARE);
  }
  for (const workerId of ids) {
    fleet.forget(workerId);
    expect(blankShare()).toBeLessThanOrEqual(MAX_BLANK_SHARE);
  }
  expect(map.bytes().toString()).toBe('{}');
});

/** Different ones, looked at while others were written. */
const RECORDS_SEEN = 3000;

it('has each record whole while a thread writes as fast as it can', async () => {
  const { fleet, directory } = newWatchedFleet();
  const ids = ['node-a', 'node-b', 'node-c'];
  for (const workerId of ids) {
    fleet.register(workerId);
    fleet.beat(workerId, { cpuUsage: 100_000_000, runningTasks: tasks(MOST_TASKS + 1) });
  }
  const slots = Array.from(directory.all(), ({ workerId, row, slot }) => ({ workerId, row, memory: slot.memory }));
  const { publications } = fleet.memory;
  const workerData: RecordWriterData = { slots, publications };
  const writer = new Worker(new URL('./threads/record-writer.ts', import.meta.url), { workerData });
  const maps = [new JoinedMap(directory, putTelemetry), new JoinedMap(directory, putTelemetry)];
  const started = () => Array.from(directory.all()).every(({ slot }) => slot.taken > 1);
  while (!started()) await new Promise((resolve) => setImmediate(resolve));
  const seen = new Set<number>();
  for (let look = 0; seen.size < RECORDS_SEEN; look++) {
    // So that a map that sees nothing new fails by its time-out.
    if (look % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    const body = (maps[look % 2] as JoinedMap).bytes().toString();
    const records = Object.entries(JSON.parse(body) as Record<string, TelemetryJson>);
    expect(records.map(([workerId]) => workerId).sort()).toEqual(ids);
    for (const [, record] of records) {
      if (!isWhole(record)) expect.fail(`torn: ${JSON.stringify(record)}`);
      seen.add(record.cpu_usage);
    }
  }
  await writer.terminate();
});

it('gives memory back when a record that was large has become small', () => {
  const { fleet, directory } = newWatchedFleet();
  for (const workerId of ['a', 'b']) fleet.register(workerId);
  const map = new JoinedMap(directory, putTelemetry);
  const many = Array.from({ length: 20_000 }, (_, n) => task(`task ${n}`));
  fleet.beat('a', { runningTasks: many });
  expect(map.bytes().length).toBeGreaterThan(1024 ** 2);
  fleet.beat('a', { runningTasks: [] });
  expect(map.bytes().length).toBeLessThan(8192);
  expect(map.capacityBytes).toBeLessThan(64 * 1024);
});
