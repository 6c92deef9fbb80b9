import { expect, test } from 'vitest';
import { makeDataDirectory } from '../../src/app/make-data-directory.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('a file system that does not answer is an error within seconds, naming the setting', async () => {
  const clock = new FakeClock();
  const failed = expect(makeDataDirectory('/far/away', clock, () => new Promise<void>(() => {}))).rejects.toMatchObject(
    {
      code: 'environment',
      message: 'DATA_DIR=/far/away: its file system does not answer within 5 s',
    },
  );
  clock.advance(5000);
  await failed;
});
