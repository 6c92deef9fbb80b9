import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { DAY, HOUR, KEEP_ALL, START_MS, sampleRun, settle } from '../history-data.ts';
import { readBuckets, readSamples } from '../history-model.ts';
import { SqliteScene } from './place.ts';

const MIB = 1024 * 1024;
const KEYS = ['cpu_usage', 'metrics.a', 'metrics.b'];
/** Per hour. */
const SAMPLES = 720;
const WORKERS = 5;

/** Values that do not compress. */
function noise(index: number, key: string): number {
  return Math.abs(Math.sin(index * 12.9898 + KEYS.indexOf(key) * 78.233) * 43_758.5453) % 1;
}

/** Some 85 KB of samples an hour. */
async function filled(hours: number, sealed: boolean) {
  const scene = new SqliteScene();
  const writer = await scene.begun();
  for (let hour = 0; hour < hours; hour++) {
    const fromMs = START_MS + hour * HOUR;
    await scene.write(writer, {
      atMs: fromMs + HOUR,
      samples: Array.from({ length: WORKERS }, (_, worker) =>
        sampleRun({
          workerId: `w-${worker}`,
          first: 1 + hour * SAMPLES,
          count: SAMPLES,
          stepMs: 5000,
          fromMs,
          keys: KEYS,
          value: noise,
        }),
      ),
    });
    if (sealed) await settle(writer, fromMs + HOUR + 20 * 60_000);
  }
  return { scene, writer, reader: await scene.reader(), nowMs: START_MS + hours * HOUR + 20 * 60_000 };
}

test('beyond the maximum size the oldest samples of all workers go, said once and counted, and the file shrinks', async () => {
  const { scene, writer, reader, nowMs } = await filled(12, true);
  const before = (await writer.figures()).bytes;
  expect(before).toBeGreaterThan(1.75 * MIB);
  const retention = { rawMs: 10 * DAY, minuteMs: 30 * DAY, hourMs: 700 * DAY, maxBytes: 1.5 * MIB };
  await settle(writer, nowMs, retention);

  const { bytes, deletedEarly, oldestMs } = await writer.figures();
  expect(bytes).toBeLessThanOrEqual(1.5 * MIB);
  expect(statSync(scene.path).size).toBeLessThanOrEqual(1.5 * MIB);
  const counts = [];
  for (let worker = 0; worker < WORKERS; worker++) {
    const workerIds = [`w-${worker}`];
    const request = { workerIds, fromMs: 0, toMs: 1e15, keys: undefined };
    const samples = (await readSamples(reader, request)).items.get(`w-${worker}`) ?? [];
    // The newest stay, without a hole.
    expect(samples.at(-1)?.number).toBe(12 * SAMPLES);
    expect(samples[0]?.number).toBe(12 * SAMPLES - samples.length + 1);
    counts.push(samples.length);
    const hours = (await readBuckets(reader, { ...request, tier: '1h' })).items.get(`w-${worker}`) ?? [];
    expect(hours).toHaveLength(12);
  }
  // All workers lose the same hours, but for those of the last step.
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(SAMPLES);
  expect(deletedEarly).toBe(WORKERS * 12 * SAMPLES - counts.reduce((sum, count) => sum + count, 0));
  expect(deletedEarly).toBeGreaterThan(0);
  expect(oldestMs.raw).toBeGreaterThan(START_MS);
  expect(scene.losses).toEqual([expect.stringMatching(/reached its maximum size of 2 MiB.*are deleted early/)]);
  // It is stable.
  await settle(writer, nowMs, retention);
  expect((await writer.figures()).deletedEarly).toBe(deletedEarly);
  // The total is of all runs.
  await writer.close();
  expect((await (await scene.writer()).figures()).deletedEarly).toBe(deletedEarly);
});

test('samples that are not sealed yet are sealed early when they are too much', async () => {
  const { writer, reader } = await filled(10, false);
  expect((await writer.figures()).bytes).toBeGreaterThan(1.5 * MIB);
  await settle(writer, START_MS, { ...KEEP_ALL, maxBytes: MIB });
  expect((await writer.figures()).bytes).toBeLessThanOrEqual(MIB);
  const hours = await readBuckets(reader, { workerIds: ['w-3'], fromMs: 0, toMs: 1e15, keys: undefined, tier: '1h' });
  expect(hours.items.get('w-3')?.reduce((sum, { values }) => sum + (values.cpu_usage?.count ?? 0), 0)).toBe(
    10 * SAMPLES,
  );
});

test('when no samples are left, the oldest 1-minute buckets go, no more than needed, and 1-hour buckets stay', async () => {
  const days = 4;
  const scene = new SqliteScene();
  const writer = await scene.begun();
  for (const workerId of ['w-0', 'w-1']) {
    const samples = sampleRun({ workerId, count: days * 1440, stepMs: 60_000, keys: KEYS, value: noise });
    await scene.write(writer, { samples: [samples] });
  }
  const nowMs = START_MS + (days + 1) * DAY;
  const retention = { ...KEEP_ALL, rawMs: HOUR };
  await settle(writer, nowMs, retention);
  const [{ bytes = 0 } = {}] = scene.sql('SELECT sum(length(buckets)) AS bytes FROM minute_days');
  const reader = await scene.reader();
  const bucketsOf = async (tier: '1m' | '1h') => {
    const request = { workerIds: ['w-1'], fromMs: 0, toMs: 1e15, keys: undefined, tier };
    return (await readBuckets(reader, request)).items.get('w-1') ?? [];
  };
  expect(await bucketsOf('1m')).toHaveLength(days * 1440);
  // Without a third of them.
  const maxBytes = (statSync(scene.path).size - (bytes as number) / 3) / (7 / 8);
  await settle(writer, nowMs, { ...retention, maxBytes });
  const left = (await bucketsOf('1m')).length / 1440;
  expect(left).toBeGreaterThanOrEqual(2);
  expect(left).toBeLessThan(days);
  expect((await bucketsOf('1m')).at(-1)?.start).toBe(START_MS + days * DAY - 60_000);
  expect(await bucketsOf('1h')).toHaveLength(days * 24);
});

test('a maximum that nothing fits in leaves an empty history, and writing goes on', async () => {
  const { scene, writer, reader, nowMs } = await filled(3, true);
  await settle(writer, nowMs, { ...KEEP_ALL, maxBytes: 1000 });
  expect((await writer.figures()).oldestMs).toEqual({});
  await scene.write(writer, { samples: [sampleRun({ workerId: 'w-0', first: 1 + 3 * SAMPLES, fromMs: nowMs })] });
  const { items } = await readSamples(reader, { workerIds: ['w-0'], fromMs: 0, toMs: 1e15, keys: undefined });
  expect(items.get('w-0')).toHaveLength(1);
});

test('what retention deletes goes back to the file system', async () => {
  const { scene, writer, nowMs } = await filled(12, true);
  const files = () => statSync(scene.path).size + statSync(`${scene.path}-wal`).size;
  const before = files();
  await settle(writer, nowMs + 100 * DAY, { rawMs: DAY, minuteMs: DAY, hourMs: DAY, maxBytes: undefined });
  expect(files()).toBeLessThan(before / 2);
  expect(statSync(scene.path).size).toBeLessThan(MIB);
  const { bytes, deletedEarly } = await writer.figures();
  expect(bytes).toBe(files());
  expect(deletedEarly).toBe(0);
});

test('readers that hold the log up let it be emptied once they end', async () => {
  const { scene, writer, nowMs } = await filled(2, true);
  const holder = new DatabaseSync(scene.path, { readOnly: true });
  holder.exec('BEGIN');
  holder.prepare('SELECT count(*) FROM workers').get();
  for (let batch = 0; batch < 20; batch++) {
    await scene.write(writer, {
      samples: Array.from({ length: WORKERS }, (_, worker) =>
        sampleRun({
          workerId: `x-${worker}`,
          first: 1 + batch * 1500,
          count: 1500,
          fromMs: nowMs,
          keys: KEYS,
          value: noise,
        }),
      ),
    });
  }
  const log = `${scene.path}-wal`;
  expect(statSync(log).size).toBeGreaterThan(4 * MIB);
  holder.exec('COMMIT');
  holder.close();
  await scene.write(writer, { samples: [sampleRun({ workerId: 'last', fromMs: nowMs })] });
  await scene.write(writer, { samples: [sampleRun({ workerId: 'last', first: 2, fromMs: nowMs })] });
  expect(statSync(log).size).toBeLessThanOrEqual(16 * MIB);
});
