import fc from 'fast-check';
import { expect, test } from 'vitest';
import { grower, ResidentWatch, shortness } from '../../src/engine/resident-watch.ts';
import { LedgerReader, LedgerWriter, newLedger } from '../../src/store/lane-ledger.ts';

const MIB = 1024 ** 2;

test('memory is in danger below a tenth of any limit and at the bound, and watched well before', () => {
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

test('the lane that made memory grow the most is found, and none that did not', () => {
  const owner = { row: 0, occupant: 0 };
  const growths = fc.array(fc.record({ grownKib: fc.nat(100_000), inTurnKib: fc.nat(100_000) }), { maxLength: 20 });
  fc.assert(
    fc.property(growths, (given) => {
      const lanes = given.map((growth, lane) => ({ ...growth, lane, owner, turnOwner: owner }));
      const of = given.map(({ grownKib, inTurnKib }) => Math.max(grownKib, inTurnKib));
      const most = Math.max(...of);
      const found = grower(lanes);
      if (most >= 16 * 1024) expect(found?.grownKib).toBe(most);
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

test('a turn that does not end, while memory grows, is found with its worker', () => {
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

test('when others take the memory of the machine, nobody is ended', () => {
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
