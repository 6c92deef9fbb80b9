import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BENCHES } from '../../../bench/benches.ts';
import { benchesIn } from './runs.ts';

test('each bench is in a folder whose benches are run, and in one only', async () => {
  const files = readdirSync(import.meta.dirname).flatMap((name) => /^(.*)\.test\.ts$/.exec(name)?.[1] ?? []);
  const folders = files.filter((name) => name !== 'all');
  const run = (await Promise.all(folders.map(benchesIn))).flat();
  const names = (benches: typeof BENCHES) => benches.map(({ name }) => name).toSorted();
  expect(names(run)).toEqual(names(BENCHES));
});
