import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueQueue } from '../../src/lib/due-queue.ts';
import { repetitions } from '../support/repetitions.ts';

const name = fc.nat(20).map(String);
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), name, dueMs: fc.nat(50) }),
  fc.record({ do: fc.constant('delete' as const), name }),
  fc.record({ do: fc.constant('take' as const), nowMs: fc.nat(50) }),
);

test('whatever is set, changed and taken away: it holds each name once, and gives the earliest of those that are due', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const queue = new DueQueue();
      const dueMs = new Map<string, number>();
      for (const one of steps) {
        if (one.do === 'set') {
          queue.set(one.name, one.dueMs);
          dueMs.set(one.name, one.dueMs);
        } else if (one.do === 'delete') {
          queue.delete(one.name);
          dueMs.delete(one.name);
        } else {
          const earliest = Math.min(...dueMs.values());
          const taken = queue.take(one.nowMs);
          if (earliest > one.nowMs) expect(taken).toBeUndefined();
          else expect(dueMs.get(taken ?? '')).toBe(earliest);
          if (taken !== undefined) dueMs.delete(taken);
        }
        expect(queue.size).toBe(dueMs.size);
      }
    }),
    { numRuns: repetitions(300, 10_000) },
  );
});
