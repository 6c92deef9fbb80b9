/** A wall clock that goes back and forth neither loses, doubles nor reorders what SQLite keeps. */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/history/open-database.ts';
import { repetitions } from '../support/repetitions.ts';
import { storedSamples } from '../support/stored-samples.ts';
import { Master, newFolder } from './master.ts';

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ beats: fc.integer({ min: 1, max: 3 }), worker: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ passMs: fc.constantFrom(500, 2000, 60_000) }) },
  { weight: 2, arbitrary: fc.record({ stepMs: fc.integer({ min: -7_200_000, max: 7_200_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ restart: true }) },
);

test('a wall clock that goes back and forth: every sample once, in order of receipt, at its own time of receipt', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const folder = newFolder();
      const place = { kind: 'sqlite', path: join(folder, '..', 'history.db') } as const;
      const lost = (message: string) => {
        throw new Error(message);
      };
      const master = new Master({ open: () => openDatabase(place, lost), isHanging: false }, { folder });
      await master.startThread();
      const receivedAt = new Map<string, number[]>();
      for (const one of steps) {
        if ('beats' in one) {
          const workerId = `w${one.worker}`;
          const times = receivedAt.get(workerId) ?? [];
          receivedAt.set(workerId, times);
          for (let beat = 0; beat < one.beats; beat++) times.push(master.clock.wallMs());
          master.beat(workerId, one.beats);
          // The rings of this test are tiny.
          await master.pass(500);
        } else if ('passMs' in one) await master.pass(one.passMs);
        else if ('stepMs' in one) master.clock.stepWall(one.stepMs);
        else await master.startThread();
      }
      await master.pass(2000);
      await master.recorder.stop();
      const stored = await storedSamples(join(folder, '..'), [...master.beats.keys()], 'cpu_usage');
      for (const [workerId, beats] of master.beats) {
        const runs = stored.get(workerId) ?? [];
        expect(runs.flatMap(({ values }) => values)).toEqual(Array.from({ length: beats }, (_, n) => n));
        expect(runs.flatMap(({ at }) => at)).toEqual(receivedAt.get(workerId));
      }
    }),
    { numRuns: repetitions(8, 200) },
  );
});
