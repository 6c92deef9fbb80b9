import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseStat } from '../../src/lib/proc-stat.ts';
import { arePeers, identityOfSelf, stillRuns } from '../../src/lib/process-identity.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';

test('the file of a process is read past whatever it is called', () => {
  const numbers = fc.array(fc.nat(1e9), { minLength: 49, maxLength: 49 });
  const name = fc.oneof(fc.string({ unit: ANY_CHARACTER }), fc.constantFrom('', ') S 1 2', ') R 7)', '\n'));
  fc.assert(
    fc.property(name, numbers, (called, fields) => {
      const at = (index: number) => fields[index] as number;
      expect(parseStat(`7 (${called}) S ${fields.join(' ')}\n`)).toEqual({
        state: 'S',
        parentPid: at(0),
        groupId: at(1),
        terminal: at(3),
        foregroundGroup: at(4),
        cpuSeconds: (at(10) + at(11)) / 100,
        childCpuSeconds: (at(12) + at(13)) / 100,
        startedAt: at(18),
      });
    }),
    { numRuns: 30 },
  );
  for (const text of ['', '7', '42 (node)', '42 (node) S 1 2', 'nonsense', 'nonsense) S x y'])
    expect(parseStat(text)).toBeUndefined();
});

test('this process runs; one of its number that started at another time does not', () => {
  const self = identityOfSelf();
  expect(arePeers(self, identityOfSelf())).toBe(true);
  expect(stillRuns(self)).toBe(true);
  expect(stillRuns({ ...self, startedAt: undefined })).toBe(true);
  expect(stillRuns({ ...self, startedAt: 1 })).toBe(false);
  expect(stillRuns({ ...self, pid: 2 ** 22 + 1 })).toBe(false);
});
