import { expect, test } from 'vitest';
import { sqlite } from '../../../src/history/sqlite/open.ts';
import { repetitions } from '../../support/repetitions.ts';
import { START_MS } from '../history-data.ts';
import { killedWriters, startWriter, writeAndKill } from '../killed-writers.ts';
import { SqliteScene } from './place.ts';

test('a writer that is killed at any point leaves what was durable, whole and once', async () => {
  const scene = new SqliteScene();
  await killedWriters(sqlite, scene.place, repetitions(3, 50));
});

test('processes that open a new database at the same time all write to it', async () => {
  const scene = new SqliteScene();
  const processes = await Promise.all(['b1', 'b2', 'b3'].map((bootId) => startWriter(scene.place, bootId, START_MS)));
  const durable = await Promise.all(processes.map((writing) => writeAndKill(writing, 3)));
  expect(durable.every((batches) => batches >= 3)).toBe(true);
  expect(scene.sql('SELECT boot_id FROM master_runs ORDER BY boot_id')).toMatchObject([
    { boot_id: 'b1' },
    { boot_id: 'b2' },
    { boot_id: 'b3' },
  ]);
});
