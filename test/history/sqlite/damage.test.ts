import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, START_MS, sampleRun, settle } from '../history-data.ts';
import { readBuckets, readSamples } from '../history-model.ts';
import { SqliteScene } from './place.ts';

const REQUEST = { workerIds: ['worker-1'], fromMs: 0, toMs: 1e15, keys: undefined };

/** Three hours of a worker, a sample a minute. */
async function threeHours() {
  const scene = new SqliteScene();
  const writer = await scene.begun();
  await scene.write(writer, { samples: [sampleRun({ count: 180, stepMs: MINUTE })] });
  return { scene, writer, reader: await scene.reader() };
}

const secondHour = {
  workerId: 'worker-1',
  fromMs: START_MS + HOUR,
  toMs: START_MS + 2 * HOUR,
  reason: 'damaged',
};

test('a damaged hour of samples costs that hour, and is told and counted once', async () => {
  const { scene, writer, reader } = await threeHours();
  await settle(writer, START_MS + 5 * HOUR);
  const [{ id } = {}] = scene.sql('SELECT id FROM raw_hours ORDER BY id LIMIT 1 OFFSET 1');
  scene.damage('raw_hours', 'samples', `id = ${id}`);
  for (let time = 0; time < 2; time++) {
    const { items, gaps } = await readSamples(reader, REQUEST);
    expect(items.get('worker-1')?.map(({ number }) => number)).toEqual(
      [...Array(60).keys(), ...Array.from({ length: 60 }, (_, index) => 120 + index)].map((index) => index + 1),
    );
    expect(gaps).toEqual([{ ...secondHour, lost: 60 }]);
  }
  expect(scene.losses).toEqual([
    expect.stringMatching(/worker-1 sent from 2026-03-01T01:00:00.000Z to 2026-03-01T02:00:00.000Z cannot be read/),
  ]);
  expect((await reader.figures()).damaged).toBe(1);
  // The rollups have it still.
  const { items, gaps } = await readBuckets(reader, { ...REQUEST, tier: '1m' });
  expect(items.get('worker-1')).toHaveLength(180);
  expect(gaps).toEqual([]);
});

test.each([
  ['minute_hours', 'buckets', 5 * HOUR, '1m', HOUR],
  ['minute_days', 'buckets', 2 * DAY, '1m', DAY],
  ['hour_months', 'buckets', 2 * DAY, '1h', 30 * DAY],
] as const)('damaged rollups in %s cost their own time', async (table, column, laterMs, tier, costMs) => {
  const { scene, writer, reader } = await threeHours();
  await settle(writer, START_MS + laterMs);
  const [{ id } = {}] = scene.sql(`SELECT min(id) AS id FROM ${table}`);
  scene.damage(table, column, `id = ${id}`);
  const { items, gaps } = await readBuckets(reader, { ...REQUEST, tier });
  const fromMs = Math.floor(START_MS / costMs) * costMs;
  expect(gaps).toEqual([{ workerId: 'worker-1', fromMs, toMs: fromMs + costMs, reason: 'damaged', lost: 0 }]);
  expect(items.get('worker-1') ?? []).toHaveLength(costMs === HOUR ? 120 : 0);
  expect((await readSamples(reader, REQUEST)).items.get('worker-1')).toHaveLength(180);
  expect(scene.losses).toHaveLength(1);
});

test('damaged rows of the journal and of open hours cost their own samples, before and after sealing', async () => {
  for (const [table, laterMs] of [
    ['journal', 0],
    ['open_hours', 3 * HOUR + 6 * MINUTE],
  ] as const) {
    const { scene, writer, reader } = await threeHours();
    await scene.write(writer, {
      samples: [sampleRun({ first: 181, count: 10, fromMs: START_MS + 3 * HOUR })],
      atMs: START_MS + 3 * HOUR,
    });
    await settle(writer, START_MS + laterMs);
    const rows = scene.sql(`SELECT id FROM ${table} ORDER BY id`);
    expect(rows.length).toBeGreaterThan(0);
    scene.damage(table, 'samples', `id = ${rows.at(-1)?.id}`);
    const before = await readSamples(reader, REQUEST);
    expect(before.items.get('worker-1')?.map(({ number }) => number)).toEqual(
      Array.from({ length: 180 }, (_, index) => index + 1),
    );
    expect(before.gaps).toMatchObject([{ reason: 'damaged' }]);

    // Maintenance goes on, and records the gap in the place of the samples.
    await settle(writer, START_MS + DAY);
    const after = await readSamples(reader, REQUEST);
    expect(after.items.get('worker-1')).toHaveLength(180);
    expect(after.gaps).toEqual([]);
    const recorded = await reader.gaps(['worker-1'], 0, 1e15);
    expect(recorded).toMatchObject([{ reason: 'damaged' }]);
    expect((await writer.figures()).damaged).toBe(1);
  }
});

test('a file that is no database is set aside, and history begins anew', async () => {
  const scene = new SqliteScene();
  const text = 'not a database '.repeat(1000);
  writeFileSync(scene.path, text);
  const reader = await scene.reader();
  await expect(reader.workers(undefined)).rejects.toMatchObject({ kind: 'damaged' });
  const writer = await scene.begun();
  await scene.write(writer, { samples: [sampleRun({ count: 3 })] });
  expect((await readSamples(reader, REQUEST)).items.get('worker-1')).toHaveLength(3);
  const aside = readdirSync(scene.folder).filter((name) => name.includes('.damaged-'));
  expect(aside).toEqual([expect.stringMatching(/^history\.db\.damaged-/)]);
  expect(readFileSync(`${scene.folder}/${aside[0]}`, 'utf8')).toBe(text);
  expect(scene.losses).toEqual([expect.stringContaining(`it is kept as ${scene.folder}/${aside[0]}`)]);
});

test('a malformed page that a batch needs: the batch is written to a new database, of the same run', async () => {
  const scene = new SqliteScene();
  const first = await scene.begun('b1');
  await scene.write(first, { samples: [sampleRun({ count: 3 })] });
  await first.close();
  const [{ rootpage } = {}] = scene.sql(`SELECT rootpage FROM sqlite_schema WHERE name = 'journal'`);
  const file = readFileSync(scene.path);
  file.fill(0x5a, ((rootpage as number) - 1) * 16_384, (rootpage as number) * 16_384);
  writeFileSync(scene.path, file);

  const reader = await scene.reader();
  expect(await reader.workers(undefined)).toHaveLength(1);
  const writer = await scene.begun('b2');
  await scene.write(writer, { samples: [sampleRun({ count: 2, fromMs: START_MS + HOUR })] });
  await scene.write(writer, { samples: [sampleRun({ first: 3, count: 2, fromMs: START_MS + HOUR + 10_000 })] });
  expect(scene.losses).toEqual([expect.stringMatching(/malformed.*history begins anew/)]);
  // The reader notices that the file is another one.
  const { items, durable } = await readSamples(reader, REQUEST);
  expect(items.get('worker-1')?.map(({ run, number }) => [run, number])).toEqual([
    [2, 1],
    [2, 2],
    [2, 3],
    [2, 4],
  ]);
  expect(durable.get('worker-1')).toEqual({ bootId: 'b2', next: 5 });
  expect(await writer.begin({ bootId: 'b2', startedMs: START_MS })).toMatchObject({ run: 2, lastBatch: 2 });
});

test('at most five damaged databases are kept', async () => {
  const scene = new SqliteScene();
  for (let time = 0; time < 7; time++) {
    writeFileSync(scene.path, 'not a database '.repeat(1000));
    await (await scene.writer()).close();
  }
  expect(readdirSync(scene.folder).filter((name) => name.startsWith('history.db.damaged-'))).toHaveLength(5);
});

test('a database of another program is refused and stays as it is', async () => {
  const scene = new SqliteScene();
  scene.sql('CREATE TABLE theirs (x)');
  const before = readFileSync(scene.path);
  await expect(scene.writer()).rejects.toMatchObject({
    kind: 'refused',
    message: `${scene.path} is a database of another program`,
  });
  await expect((await scene.reader()).workers(undefined)).rejects.toMatchObject({ kind: 'refused' });
  expect(scene.sql('SELECT name FROM sqlite_schema')).toMatchObject([{ name: 'theirs' }]);
  expect(before.length).toBeGreaterThan(0);
});

test('a database that is removed while it is written is noticed, and history goes on', async () => {
  const scene = new SqliteScene();
  await (await scene.begun('b1')).close();
  const writer = await scene.begun('b2');
  await scene.write(writer, { samples: [sampleRun({ count: 2 })] });
  const reader = await scene.reader();
  expect(await reader.workers(undefined)).toHaveLength(1);
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${scene.path}${suffix}`);
  expect(await reader.workers(undefined)).toEqual([]);
  await scene.write(writer, { samples: [sampleRun({ first: 3, count: 2 })] });
  const { items } = await readSamples(reader, REQUEST);
  expect(items.get('worker-1')?.map(({ run, number }) => [run, number])).toEqual([
    [2, 3],
    [2, 4],
  ]);
  expect(scene.losses).toEqual([expect.stringContaining('was removed or replaced while the master ran')]);
});
