import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FailureFacts, verdictOn } from '../../src/engine/lanes/failure-verdict.ts';
import { MAX_FAULTS } from '../../src/engine/lanes/fault-history.ts';

const NOW_MS = 1000;
const worker = { faults: [NOW_MS] };
const often = Array.from({ length: MAX_FAULTS }, () => NOW_MS);
const facts: FailureFacts<typeof worker> = {
  kind: 'shared',
  isDraining: false,
  isAbandoned: false,
  isUntraced: false,
  faults: [NOW_MS],
  culprit: worker,
  isCulpritHere: true,
};

test.each<[what: string, given: Partial<FailureFacts<{ faults: number[] }>>, verdict: object]>([
  ['a draining lane finishes what it has', { isDraining: true, kind: 'dedicated', faults: often }, { next: 'restart' }],
  ['a lane of one worker is tried again', { kind: 'dedicated' }, { next: 'restart', inMs: 100 }],
  ['not for ever', { kind: 'dedicated', faults: often }, { next: 'quarantine lane' }],
  [
    'not when its worker failed elsewhere before',
    { kind: 'dedicated', culprit: { faults: often } },
    { next: 'quarantine lane' },
  ],
  ['not while its thread runs on', { kind: 'dedicated', isAbandoned: true }, { next: 'quarantine lane' }],
  ['on a lane of several, one of them is searched for', { isUntraced: true, culprit: undefined }, { next: 'search' }],
  ['nobody is blamed for what nobody did', { culprit: undefined }, { next: 'restart', inMs: 100 }],
  ['nor for what was begun before it left', { isCulpritHere: false }, { next: 'restart', inMs: 100 }],
  ['who did it leaves the shared lane', {}, { next: 'place apart', worker, inMs: 0 }],
  ['however often it did', { culprit: { faults: often } }, { next: 'place apart', inMs: 0 }],
  ['who did it stays on the penalty lane', { kind: 'penalty' }, { next: 'keep', worker, inMs: 100 }],
  ['not for ever there', { kind: 'penalty', culprit: { faults: often } }, { next: 'quarantine', inMs: 0 }],
  ['not while a thread of its runs on', { isAbandoned: true }, { next: 'quarantine', worker, inMs: 0 }],
])('%s', (_, given, verdict) => {
  expect(verdictOn({ ...facts, ...given }, NOW_MS)).toMatchObject(verdict);
});

test('after any failure the lane is back within 10 s or in quarantine, a shared one within 400 ms', () => {
  const times = fc.array(fc.constant(NOW_MS), { minLength: 1, maxLength: 10 });
  const failure = fc.record({
    kind: fc.constantFrom('dedicated' as const, 'shared' as const, 'penalty' as const),
    isDraining: fc.boolean(),
    isAbandoned: fc.boolean(),
    isUntraced: fc.boolean(),
    faults: times,
    culprit: fc.option(fc.record({ faults: times }), { nil: undefined }),
    isCulpritHere: fc.boolean(),
  });
  fc.assert(
    fc.property(failure, (given) => {
      const verdict = verdictOn(given, NOW_MS);
      // A lane without a thread serves nobody: no lane of several ever becomes one.
      if (verdict.next === 'quarantine lane') expect(given.kind).toBe('dedicated');
      else expect(verdict.inMs).toBeLessThanOrEqual(given.kind === 'dedicated' || given.isDraining ? 10_000 : 400);
      // Nobody but who did it, where it is.
      if ('worker' in verdict) expect([verdict.worker, given.isCulpritHere]).toEqual([given.culprit, true]);
    }),
  );
});
