import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arePeers, identityOfSelf, parseStat, stillRuns } from '../../src/lib/process-identity.ts';

const AFTER_NAME = 'S 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 8675309 1000 200';

test('state and start are read past whatever a process is called', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 16 }), (name) => {
      expect(parseStat(`42 (${name}) ${AFTER_NAME}\n`)).toEqual({ state: 'S', startedAt: 8_675_309 });
    }),
  );
  expect(parseStat(`42 () 1) R 7) ${AFTER_NAME}`)).toEqual({ state: 'S', startedAt: 8_675_309 });
  for (const text of ['', '42 (node)', '42 (node) S 1 2', 'nonsense']) expect(parseStat(text)).toBeUndefined();
});

test('this process runs; one of its number that started at another time does not', async () => {
  const self = await identityOfSelf();
  expect(arePeers(self, await identityOfSelf())).toBe(true);
  expect(await stillRuns(self)).toBe(true);
  expect(await stillRuns({ ...self, startedAt: undefined })).toBe(true);
  expect(await stillRuns({ ...self, startedAt: 1 })).toBe(false);
  expect(await stillRuns({ ...self, pid: 2 ** 22 + 1 })).toBe(false);
});
