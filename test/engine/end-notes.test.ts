import { expect, test } from 'vitest';
import { EndNotes } from '../../src/engine/lanes/end-notes.ts';
import { MAX_FOREIGN_TEXT } from '../../src/lib/foreign-text.ts';
import type { ThreadDeath } from '../../src/lib/supervised-thread.ts';

const threw: ThreadDeath = {
  reason: 'x is not a function',
  how: 'threw',
  abandoned: false,
  isDisbelieved: false,
  inARow: 1,
  backOffMs: 100,
};
const report = { type: 'failed', cause: 'memory', reason: 'too much', slot: 1, occupant: 2 } as const;

test('without a report, the cause is how the thread ended', () => {
  const causeOf = (death: Partial<ThreadDeath>) => new EndNotes().take({ ...threw, ...death }, 64);
  expect(causeOf({})).toEqual({ cause: 'crash', reason: 'x is not a function', named: undefined });
  expect(causeOf({ how: 'exited' })).toMatchObject({ cause: 'exit' });
  expect(causeOf({ how: 'killed', abandoned: true })).toMatchObject({
    cause: 'crash',
    reason: 'x is not a function; its thread does not terminate and is abandoned',
  });
  expect(causeOf({ how: 'out of memory' })).toMatchObject({
    cause: 'memory',
    reason: 'its heap reached the limit of 64 MiB',
  });
});

test('main’s reason overrides the thread’s report, which overrides how the thread ended', () => {
  const notes = new EndNotes();
  expect(notes.report(report)).toBe('too much');
  expect(notes.isEnding).toBe(false);
  expect(notes.take({ ...threw, how: 'out of memory' }, 64)).toMatchObject({ cause: 'memory', reason: threw.reason });
  notes.report(report);
  notes.endFor('stall', undefined);
  expect(notes.isEnding).toBe(true);
  expect(notes.take(threw, 64)).toMatchObject({ cause: 'stall' });
});

test('the worker named by the thread overrides the one named by main, and neither applies to the next thread', () => {
  const notes = new EndNotes();
  notes.endFor('memory', { row: 3, occupant: 4 });
  expect(notes.take(threw, 64).named).toEqual({ row: 3, occupant: 4 });
  notes.endFor('memory', { row: 3, occupant: 4 });
  notes.report(report);
  expect(notes.take(threw, 64).named).toEqual({ row: 1, occupant: 2 });
  notes.endFor('memory', { row: 3, occupant: 4 });
  notes.report({ ...report, slot: undefined });
  expect(notes.take(threw, 64).named).toEqual({ row: 3, occupant: 4 });
  expect([notes.isEnding, notes.take(threw, 64)]).toEqual([
    false,
    { cause: 'crash', reason: threw.reason, named: undefined },
  ]);
});

test('a thread’s report is cut to the maximum length', () => {
  const reason = new EndNotes().report({ ...report, reason: 'a'.repeat(10 * MAX_FOREIGN_TEXT) });
  expect(reason.length).toBeLessThanOrEqual(2 * MAX_FOREIGN_TEXT);
});
