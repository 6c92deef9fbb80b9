import fc from 'fast-check';
import { expect, test } from 'vitest';
import { partsOf, refusedParts } from '../../src/history/refused-parts.ts';
import { repetitions } from '../support/repetitions.ts';
import { taskRun } from './history-data.ts';

const NOTHING = { samples: [], gaps: [], taskRuns: [], events: [] };
const parts = Array.from({ length: 300 }, (_, n) =>
  partsOf({ ...NOTHING, taskRuns: [taskRun({ taskId: `${n}` })] }),
).flat();
const at = (index: number) => parts[index] as (typeof parts)[number];

test('exactly the refused parts are found, whichever they are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(299), { maxLength: 12 }), async (indexes) => {
      const bad = new Set(indexes.map(at));
      const found = await refusedParts(parts, async (some) => !some.some((part) => bad.has(part)), 1000);
      expect(new Set(found)).toEqual(bad);
      expect(found).toHaveLength(bad.size);
    }),
    { numRuns: repetitions(50, 1000) },
  );
});

test('after the most checks, what is in doubt counts as refused, and nothing twice', async () => {
  let checks = 0;
  const found = await refusedParts(
    parts,
    async () => {
      checks++;
      return false;
    },
    16,
  );
  expect(checks).toBe(16);
  expect(found).toHaveLength(parts.length);
  expect(new Set(found).size).toBe(parts.length);
});
