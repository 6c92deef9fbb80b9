import { expect, test } from 'vitest';
import type { WorkerLiveness } from '../../src/engine/liveness/worker-liveness.ts';
import type { Mailbox } from '../../src/engine/workers/mailbox.ts';
import { Roster, RosterEntry } from '../../src/engine/workers/roster.ts';
import { allocateBoard, BoardReader } from '../../src/store/board.ts';
import { SAMPLES_COOL_MS } from '../../src/store/slot-shelf.ts';
import { newSlot } from '../../src/store/slot-writer.ts';

/** A roster whose workers have left their slots. */
function rosterOf(workers: number, keepsClosed: boolean) {
  const roster = new Roster(new BoardReader(allocateBoard(4, 0)));
  roster.keepsClosed = keepsClosed;
  const released: number[] = [];
  const slot = newSlot('w', 4);
  for (let row = 0; row < workers; row++) {
    const entry = new RosterEntry({
      workerId: `w${row}`,
      row,
      occupant: 1,
      numbersFrom: 0,
      slot,
      mailbox: undefined as unknown as Mailbox,
      liveness: undefined as unknown as WorkerLiveness,
    });
    roster.add(entry);
    roster.remove(entry);
    if (row === 0) expect(rolesOf(roster)).toEqual(['slotLeaving']);
    roster.left(entry);
    roster.close(entry, 0, () => released.push(row));
  }
  return { roster, released };
}

const rolesOf = (roster: Roster) =>
  roster.announcements().flatMap(({ type }) => (type.startsWith('slot') ? [type] : []));

test('while nothing stores samples, a closed slot is released at once, and told to new readers for a few seconds', () => {
  const { roster, released } = rosterOf(1, false);
  expect([released, rolesOf(roster)]).toEqual([[0], ['slotClosed']]);
  roster.forgetClosed(SAMPLES_COOL_MS);
  expect([rolesOf(roster), roster.closedGivenUp]).toEqual([[], 0]);
});

test('while history is on, a closed slot is kept until its last samples are settled', () => {
  const { roster, released } = rosterOf(2, true);
  roster.forgetClosed(3_600_000);
  expect([released, rolesOf(roster)]).toEqual([[], ['slotClosed', 'slotClosed']]);
  roster.settled([{ row: 1, occupant: 1 }]);
  expect([released, rolesOf(roster), roster.closedGivenUp]).toEqual([[1], ['slotClosed'], 0]);
});

test('too many closed slots are given up, oldest first, and counted until they turn out to be settled', () => {
  const { roster, released } = rosterOf(4100, true);
  roster.forgetClosed(SAMPLES_COOL_MS - 1);
  expect(released).toEqual([]);
  roster.forgetClosed(SAMPLES_COOL_MS);
  expect([released, roster.closedGivenUp]).toEqual([[0, 1, 2, 3], 4]);
  roster.settled([{ row: 3, occupant: 1 }]);
  expect(roster.closedGivenUp).toBe(3);
});
