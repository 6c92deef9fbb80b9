import { chmodSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { backup } from '../../../src/history/sqlite/backup.ts';
import { sqlite } from '../../../src/history/sqlite/open.ts';
import { HOUR, MINUTE, START_MS, sampleRun, settle } from '../history-data.ts';
import { readSamples } from '../history-model.ts';
import { SqliteScene } from './place.ts';

const REQUEST = { workerIds: ['worker-1'], fromMs: 0, toMs: 1e15, keys: undefined };

test('a copy has everything as of its beginning, while the original goes on', async () => {
  const scene = new SqliteScene();
  const writer = await scene.begun();
  for (let hour = 0; hour < 4; hour++) {
    await scene.write(writer, {
      samples: [sampleRun({ first: 1 + hour * 60, count: 60, stepMs: MINUTE, fromMs: START_MS + hour * HOUR })],
    });
  }
  await settle(writer, START_MS + 3 * HOUR);
  chmodSync(scene.path, 0o640);
  const file = join(scene.folder, 'copy.db');
  const shares: number[] = [];
  const writing = (async () => {
    for (let count = 0; count < 20; count++) {
      await scene.write(writer, { samples: [sampleRun({ first: 241 + count, fromMs: START_MS + 4 * HOUR })] });
      await new Promise(setImmediate);
    }
  })();
  const bytes = await backup(scene.path, file, (share) => shares.push(share));
  await writing;
  expect(bytes).toBe(statSync(file).size);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(readdirSync(scene.folder).filter((name) => name.startsWith('copy.db'))).toEqual(['copy.db']);
  expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);

  const copy = await sqlite.openReader({ kind: 'sqlite', path: file }, () => undefined);
  const copied = (await readSamples(copy, REQUEST)).items.get('worker-1') ?? [];
  await copy.close();
  expect(copied.length).toBeGreaterThanOrEqual(240);
  expect(copied.map(({ number }) => number)).toEqual(copied.map((_, index) => index + 1));
  const original = (await readSamples(await scene.reader(), REQUEST)).items.get('worker-1');
  expect(original).toHaveLength(260);
  // It can be written, as a restored one is.
  const restored = await sqlite.openWriter({ kind: 'sqlite', path: file }, (loss) => expect.unreachable(loss));
  expect(await restored.begin({ bootId: 'b2', startedMs: START_MS + 5 * HOUR })).toMatchObject({ run: 2 });
  await restored.close();
});

test('a copy overwrites nothing, and leaves nothing behind when it fails', async () => {
  const scene = new SqliteScene();
  const file = join(scene.folder, 'copy.db');
  await expect(backup(scene.path, file)).rejects.toMatchObject({
    kind: 'refused',
    message: `there is no history at ${scene.path}`,
  });
  await (await scene.begun()).close();
  writeFileSync(file, 'mine');
  await expect(backup(scene.path, file)).rejects.toMatchObject({
    kind: 'refused',
    message: `${file} exists already, and is not overwritten`,
  });
  await expect(backup(scene.path, join(scene.folder, 'nowhere', 'copy.db'))).rejects.toMatchObject({
    kind: 'refused',
    message: expect.stringContaining('unable to open database file'),
  });
  scene.sql('PRAGMA user_version = 1000');
  await expect(backup(scene.path, join(scene.folder, 'newer.db'))).rejects.toMatchObject({ kind: 'newer' });
  expect(existsSync(join(scene.folder, 'newer.db'))).toBe(false);
  expect(readdirSync(scene.folder).filter((name) => name.includes('partial'))).toEqual([]);
});
