import fc from 'fast-check';
import { expect, test } from 'vitest';
import { grower, ResidentWatch, shortness } from '../../src/engine/lanes/resident-watch.ts';
import { MemoryGrowth } from '../../src/lane/memory-growth.ts';
import { collectGarbage } from '../../src/lib/collect-garbage.ts';
import { LedgerReader, LedgerWriter, newLedger } from '../../src/store/lane-ledger.ts';
import { eventually } from '../support/eventually.ts';

const MIB = 1024 ** 2;

test('memory is in danger below a tenth of any limit or at the bound, and watched well before', () => {
  const limits = fc.array(
    fc.record({ most: fc.integer({ min: 1, max: 1e12 }), share: fc.double({ min: 0, max: 1.5, noNaN: true }) }),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(limits, fc.nat(1e10), fc.option(fc.integer({ min: 1, max: 1e10 })), (given, bytes, bound) => {
      const known = given.map(({ most, share }) => ({ setting: '', most, taken: most * share }));
      const state = shortness(known, bytes, bound ?? undefined);
      const isTight = (below: number) => known.some(({ most, taken }) => (most - taken) / most < below);
      const ofBound = bound === null ? 0 : bytes / bound;
      if (isTight(0.1) || ofBound >= 1) expect(state).toBe('danger');
      else if (isTight(0.2) || ofBound >= 0.75) expect(state).toBe('watch');
      else expect(state).toBe('calm');
    }),
  );
});

test('the lane that grew the most is found, and none that did not grow', () => {
  const owner = { row: 0, occupant: 0 };
  const growths = fc.array(fc.record({ grownKib: fc.nat(100_000), inTurnKib: fc.nat(100_000) }), { maxLength: 20 });
  fc.assert(
    fc.property(growths, fc.nat(100_000), (given, riseKib) => {
      const lanes = given.map((growth, lane) => ({ ...growth, lane, owner, turnOwner: owner }));
      const of = given.flatMap(({ grownKib, inTurnKib }) => [grownKib, inTurnKib]);
      // More than twice of what the process has grown by is not what a lane has taken.
      const most = Math.max(...of.filter((kib) => kib <= 2 * riseKib));
      const found = grower(lanes, riseKib);
      if (most >= 16 * 1024 && riseKib >= 16 * 1024) expect(found?.grownKib).toBe(most);
      else expect(found).toBeUndefined();
    }),
  );
});

function newWatch() {
  const memory = newLedger(0);
  const writer = new LedgerWriter(memory);
  const lane = { ledger: new LedgerReader(memory) };
  const idle = { ledger: new LedgerReader(newLedger(0)) };
  const machine = { bytes: 100 * MIB, limits: [{ setting: 'RAM', most: 1000 * MIB, taken: 0 }] };
  const watch = new ResidentWatch<typeof lane>({
    limits: () => machine.limits,
    residentBytes: () => machine.bytes,
    boundBytes: 400 * MIB,
  });
  return { writer, lane, machine, look: () => watch.look(250, [idle, lane]) };
}

test('an endless turn during which memory grows is found with its worker', () => {
  const { writer, lane, machine, look } = newWatch();
  expect(look()).toBeUndefined();
  expect(writer.isWatched).toBe(false);
  machine.bytes = 320 * MIB;
  for (let looks = 0; looks < 4; looks++) expect(look()).toBeUndefined();
  expect(writer.isWatched).toBe(true);
  writer.takeUp({ row: 3, occupant: 7 });
  expect(look()).toBeUndefined();
  machine.bytes = 500 * MIB;
  expect(look()).toEqual({ lane, owner: { row: 3, occupant: 7 }, grownKib: 180 * 1024 });
  // It is given the time to end.
  expect(look()).toBeUndefined();
});

/** A turn of the worker at each row takes some memory, and between two turns the same is given back, or not. */
function playTurns(turns: readonly { readonly row: number; readonly takesMib: number; readonly isKept: boolean }[]) {
  const { writer, machine, look } = newWatch();
  const growth = new MemoryGrowth(writer, () => machine.bytes);
  const owners = [0, 1, 2, 3].map((row) => ({ row, occupant: 7 }));
  machine.bytes = 320 * MIB;
  look();
  for (const { row, takesMib, isKept } of turns) {
    const owner = owners[row];
    growth.turn(undefined, owner);
    machine.bytes += takesMib * MIB;
    growth.turn(owner, undefined);
    if (!isKept) machine.bytes -= takesMib * MIB;
  }
  // Now another process takes the rest.
  machine.limits = [{ setting: 'RAM', most: 1000 * MIB, taken: 990 * MIB }];
  return look();
}

test('when other processes use the memory, no lane is terminated for memory that came and went in its turns', () => {
  const comesAndGoes = fc.record({ row: fc.nat(3), takesMib: fc.nat(40), isKept: fc.constant(false) });
  fc.assert(
    fc.property(fc.array(comesAndGoes, { maxLength: 100 }), (turns) => {
      expect(playTurns(turns)).toBeUndefined();
    }),
  );
});

test('a worker whose turns keep memory is found among others that free it', () => {
  const others = fc.array(fc.record({ row: fc.nat(2), by: fc.integer({ min: 1, max: 5 }) }), { maxLength: 20 });
  fc.assert(
    fc.property(others, (all) => {
      const row = 3;
      const turns = [0, 1, 2, 3, 4, 5, 6, 7].flatMap(() => [
        { row, takesMib: 5, isKept: true },
        ...all.flatMap((other) => [
          { row: other.row, takesMib: other.by, isKept: true },
          { row: other.row, takesMib: -other.by, isKept: true },
        ]),
      ]);
      expect(playTurns(turns)).toMatchObject({ owner: { row, occupant: 7 }, grownKib: 40 * 1024 });
    }),
  );
});

test('removed workers are not referenced because of their memory', async () => {
  const { writer, lane } = newWatch();
  lane.ledger.watchMemory(true);
  let bytes = 0;
  const growth = new MemoryGrowth(writer, () => bytes);
  const workers = Array.from({ length: 100 }, (_, occupant) => {
    const worker = { row: 0, occupant };
    growth.turn(undefined, worker);
    bytes += 4096;
    growth.turn(worker, undefined);
    return new WeakRef(worker);
  });
  await eventually(() => {
    collectGarbage();
    return workers.every((worker) => worker.deref() === undefined);
  });
});

test('when other processes use the memory, no lane is terminated', () => {
  const { writer, machine, look } = newWatch();
  machine.limits = [{ setting: 'RAM', most: 1000 * MIB, taken: 990 * MIB }];
  for (let looks = 0; looks < 20; looks++) {
    writer.takeUp({ row: 3, occupant: 7 });
    writer.layDown();
    writer.setGrown(looks * 100, { row: 3, occupant: 7 });
    expect(look()).toBeUndefined();
  }
  expect(writer.isWatched).toBe(true);
});
