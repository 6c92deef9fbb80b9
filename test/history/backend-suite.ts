/** What every database of history must do. Each backend's test file calls `backendSuite` with real servers or files. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { Batch, EventFilter, HistoryReader, HistoryWriter, TaskRunFilter } from '../../src/history/backend.ts';
import type { Backend, DatabasePlace } from '../../src/history/database.ts';
import { HistoryError } from '../../src/history/history-error.ts';
import { type Gap, type MetricKey, type SampleRun, TIER_MS } from '../../src/history/samples.ts';
import type { TaskRun } from '../../src/history/task-run.ts';
import type { WorkerEvent } from '../../src/model/events.ts';
import { repetitions } from '../support/repetitions.ts';
import { batchOf, DAY, HOUR, KEEP_ALL, MINUTE, START_MS, sampleRun, settle, taskRun } from './history-data.ts';
import { HistoryModel, readBuckets, readSamples } from './history-model.ts';

export interface TestPlace<Place extends DatabasePlace> {
  readonly place: Place;
  /** Makes it look as if a later version of Pulselane had written it. */
  makeNewer(): Promise<void>;
  /** After all connections to it are closed. */
  remove(): Promise<void>;
}

const EVERYTHING = { fromMs: 0, toMs: 1e15 };

/**
 * @param makePlace a new place without tables
 * @param scenes how many random histories are compared with the model
 */
export function backendSuite<Place extends DatabasePlace>(
  name: string,
  backend: Backend<Place>,
  makePlace: () => Promise<TestPlace<Place>>,
  scenes = repetitions(20, 500),
): void {
  const toClose: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of toClose.splice(0).reverse()) await close();
  });

  async function newPlace(): Promise<TestPlace<Place>> {
    const made = await makePlace();
    toClose.push(() => made.remove());
    return made;
  }
  const losses: string[] = [];
  async function openWriter(place: Place): Promise<HistoryWriter> {
    const writer = await backend.openWriter(place, (loss) => losses.push(loss));
    toClose.push(() => writer.close());
    return writer;
  }
  async function openReader(place: Place): Promise<HistoryReader> {
    const reader = await backend.openReader(place, (loss) => losses.push(loss));
    toClose.push(() => reader.close());
    return reader;
  }
  /** A writer that has begun a run of the master, and a reader beside it. */
  async function begun(bootId = 'b007') {
    const { place, makeNewer } = await newPlace();
    const writer = await openWriter(place);
    const { run } = await writer.begin({ bootId, startedMs: START_MS });
    let number = 0;
    return {
      place,
      makeNewer,
      writer,
      reader: await openReader(place),
      run,
      bootId,
      write: (content: Partial<Batch>) => writer.write(batchOf(bootId, ++number, content)),
    };
  }

  async function numbersOf(reader: HistoryReader, workerId = 'worker-1'): Promise<number[]> {
    const { items } = await readSamples(reader, { workerIds: [workerId], ...EVERYTHING, keys: undefined });
    return (items.get(workerId) ?? []).map((sample) => sample.number);
  }

  describe(name, () => {
    test('a reader of a place that no writer has opened answers that nothing is there', async () => {
      const { place } = await newPlace();
      const reader = await openReader(place);
      expect(await reader.workers(undefined)).toEqual([]);
      expect(await reader.events({ limit: 10, prefer: 'newest' })).toEqual([]);
      expect(await reader.taskRuns({ ...EVERYTHING, limit: 10 })).toEqual([]);
      expect(await reader.gaps(['worker-1'], 0, 1e15)).toEqual([]);
      expect(await numbersOf(reader)).toEqual([]);
      expect((await reader.figures()).oldestMs).toEqual({});

      const writer = await openWriter(place);
      await writer.begin({ bootId: 'b007', startedMs: START_MS });
      await writer.write(batchOf('b007', 1, { samples: [sampleRun({ count: 3 })] }));
      expect(await numbersOf(reader)).toEqual([1, 2, 3]);
    });

    test('writers that open one place at the same time make its tables once', async () => {
      const { place } = await newPlace();
      const writers = await Promise.all([openWriter(place), openWriter(place), openWriter(place)]);
      const runs = await Promise.all(
        writers.map((writer, index) => writer.begin({ bootId: `b${index}`, startedMs: START_MS })),
      );
      expect(runs.map(({ run }) => run).sort()).toEqual([1, 2, 3]);
    });

    test('a database of a newer version is refused by writers and readers, and stays as it is', async () => {
      const { place, writer, makeNewer, write } = await begun();
      await write({ samples: [sampleRun()] });
      await writer.close();
      await makeNewer();
      for (const open of [openWriter, async (it: Place) => (await openReader(it)).workers(undefined)]) {
        const error = await open(place).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(HistoryError);
        expect(error).toMatchObject({ kind: 'newer', message: expect.stringMatching(/^[^\n]*newer[^\n]*$/) });
      }
    });

    test('begin says the number of the run and what is there, however often it is asked', async () => {
      const { writer, write, place } = await begun('b1');
      const running = taskRun({ taskId: 'running' });
      const recent = taskRun({ taskId: 'recent', lastSeenMs: START_MS + MINUTE, outcome: 'ended' });
      const old = taskRun({
        taskId: 'old',
        firstSeenMs: START_MS - DAY,
        lastSeenMs: START_MS - HOUR,
        outcome: 'ended',
      });
      await write({ taskRuns: [running, recent, old], events: [eventOf(7), eventOf(9)] });
      await write({ samples: [sampleRun()] });
      const first = await writer.begin({ bootId: 'b1', startedMs: START_MS });
      expect(first).toMatchObject({ run: 1, lastBatch: 2, lastEventId: 9, newestEventId: 9 });
      expect(await writer.begin({ bootId: 'b1', startedMs: START_MS })).toEqual(first);

      const next = await (await openWriter(place)).begin({ bootId: 'b2', startedMs: START_MS + 2 * MINUTE });
      expect(next).toMatchObject({ run: 2, lastBatch: 0, lastEventId: 0, newestEventId: 9 });
      expect(next.taskRuns.map(({ taskId }) => taskId).sort()).toEqual(['recent', 'running']);
      expect(next.taskRuns).toContainEqual(running);
    });

    test('each run has a newest event of its own, also one with lower ids, from a clock that is behind', async () => {
      const { writer, write, reader } = await begun('b1');
      await write({ events: [eventOf(100)] });
      await writer.begin({ bootId: 'b2', startedMs: START_MS });
      await writer.write(batchOf('b2', 1, { events: [eventOf(50), eventOf(51)] }));
      await writer.write(batchOf('b2', 2, { samples: [sampleRun()] }));
      const second = await writer.begin({ bootId: 'b2', startedMs: START_MS });
      expect(second).toMatchObject({ lastEventId: 51, newestEventId: 100 });
      const first = await writer.begin({ bootId: 'b1', startedMs: START_MS });
      expect(first).toMatchObject({ lastEventId: 100, newestEventId: 100 });
      expect((await reader.events({ limit: 10, prefer: 'oldest' })).map(({ id }) => id)).toEqual([50, 51, 100]);
    });

    test('a batch that is written again changes nothing, also on another connection', async () => {
      const { place, writer, reader } = await begun('b1');
      const batch = batchOf('b1', 1, {
        samples: [sampleRun({ count: 5 })],
        gaps: [{ workerId: 'worker-1', fromMs: START_MS, toMs: START_MS + 1, reason: 'samples_lost', lost: 3 }],
        events: [eventOf(1)],
        taskRuns: [taskRun()],
      });
      await writer.write(batch);
      await writer.write(batch);
      const other = await openWriter(place);
      await other.begin({ bootId: 'b1', startedMs: START_MS });
      await other.write(batch);
      await other.write(batchOf('b1', 2, { samples: [sampleRun({ first: 6, count: 2, fromMs: START_MS + 25_000 })] }));
      await other.write(batch);
      expect(await numbersOf(reader)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(await reader.gaps(['worker-1'], 0, 1e15)).toHaveLength(1);
      expect(await reader.events({ limit: 10, prefer: 'newest' })).toHaveLength(1);
      expect(await reader.taskRuns({ ...EVERYTHING, limit: 10 })).toHaveLength(1);
    });

    test('a check of a batch says what writing it would say, and writes nothing', async () => {
      const { writer, reader, bootId } = await begun();
      const batch = batchOf(bootId, 1, { samples: [sampleRun({ first: 0, count: 3 })], taskRuns: [taskRun({})] });
      await writer.check(batch);
      expect(await numbersOf(reader)).toEqual([]);
      expect(await writer.begin({ bootId, startedMs: START_MS })).toMatchObject({ lastBatch: 0, taskRuns: [] });
      await expect(writer.check({ ...batch, bootId: 'beef' })).rejects.toThrow('not announced');
      await writer.write(batch);
      expect(await numbersOf(reader)).toEqual([0, 1, 2]);
    });

    test('a batch of a run that was not announced is refused', async () => {
      const { writer, reader } = await begun('b1');
      await expect(writer.write(batchOf('b2', 1, { samples: [sampleRun()] }))).rejects.toMatchObject({
        kind: 'failed',
      });
      expect(await reader.workers(undefined)).toEqual([]);
    });

    test('the batches of an earlier run may come after a later run was announced', async () => {
      const { writer, reader } = await begun('b1');
      await writer.begin({ bootId: 'b2', startedMs: START_MS + HOUR });
      // A spool of the former process is written first.
      await writer.write(batchOf('b1', 1, { samples: [sampleRun({ count: 2 })] }));
      await writer.write(batchOf('b2', 1, { samples: [sampleRun({ count: 2, fromMs: START_MS + HOUR })] }));
      const { items } = await readSamples(reader, { workerIds: ['worker-1'], ...EVERYTHING, keys: [] });
      expect(items.get('worker-1')?.map(({ run, number }) => [run, number])).toEqual([
        [1, 1],
        [1, 2],
        [2, 1],
        [2, 2],
      ]);
    });

    test('workers are known with what was received of them; unknown ones are absent', async () => {
      const { reader, write } = await begun();
      await write({
        samples: [
          sampleRun({ workerId: 'a', count: 3, keys: ['cpu_usage', 'metrics.depth'] }),
          sampleRun({ workerId: 'a', first: 4, fromMs: START_MS - 5000, keys: ['cpu_usage', 'gpus.0.power_watts'] }),
          sampleRun({ workerId: 'b', first: 10 }),
        ],
      });
      const [a] = await reader.workers(['a', 'nobody']);
      expect(await reader.workers(['a', 'nobody'])).toHaveLength(1);
      expect(a).toEqual({
        workerId: 'a',
        firstMs: START_MS - 5000,
        lastMs: START_MS + 10_000,
        keys: expect.arrayContaining(['cpu_usage', 'metrics.depth', 'gpus.0.power_watts']),
        durable: { bootId: 'b007', next: 5 },
      });
      expect((await reader.workers(undefined)).map(({ workerId }) => workerId).sort()).toEqual(['a', 'b']);
    });

    test('a run of the master that goes on is told of its own workers, the newest, and of others it asks for', async () => {
      const { writer, write, reader } = await begun('b1');
      await write({ samples: ['old', 'gone', 'moved'].map((workerId) => sampleRun({ workerId, count: 2 })) });
      await writer.begin({ bootId: 'b2', startedMs: START_MS });
      const samples = ['a', 'b', 'moved'].map((workerId, index) =>
        sampleRun({ workerId, count: 3 + index, fromMs: START_MS + index * HOUR }),
      );
      await writer.write(batchOf('b2', 1, { samples }));
      const heard = async (most: number, others: readonly string[]) =>
        new Map((await reader.heard('b2', most, others)).map(({ workerId, ...rest }) => [workerId, rest]));
      const moved = { next: 6, lastMs: START_MS + 2 * HOUR + 20_000 };
      const b = { next: 5, lastMs: START_MS + HOUR + 15_000 };
      const a = { next: 4, lastMs: START_MS + 10_000 };
      expect(await heard(10, [])).toEqual(new Map(Object.entries({ a, b, moved })));
      const old = { next: undefined, lastMs: START_MS + 5000 };
      expect(await heard(2, ['old', 'moved', 'nobody'])).toEqual(new Map(Object.entries({ b, moved, old })));
      expect(await reader.heard('b3', 10, [])).toEqual([]);
    });

    test.each([
      ['as rows', 0],
      ['sealed', 2 * DAY],
    ])('samples come back as they were received, in the order of receipt, %s', async (_, laterMs) => {
      const { writer, reader, write, run, bootId } = await begun();
      const values: Record<MetricKey, number[]> = {
        cpu_usage: [14.9, 0, 100, Number.NaN],
        running_tasks: [0, 1, 2, 3],
        'metrics.big': [2 ** 53, -(2 ** 53), 1, Number.NaN],
        'metrics.noise': [Math.PI, 1e-300, -1.7976931348623157e308, 0.1 + 0.2],
        'metrics.Ünï → code "quoted" \\': [1, Number.NaN, Number.NaN, 4],
        'gpus.1.memory_used_bytes': [85_899_345_920, 1, 2, 3],
        anomaly_score: [0, 0.01, 0.5, 1],
        'anomaly.above.memory_usage': [Number.NaN, Number.NaN, 3.9, 409.5],
        'anomaly.usual.metrics.depth of "queue"': [Number.NaN, Number.NaN, 41.2, Number.NaN],
      };
      const samples = sampleRun({
        count: 4,
        keys: Object.keys(values),
        value: (index, key) => (values[key] as number[])[index - 1] as number,
      });
      await write({ samples: [samples] });
      // The clock goes back by two hours, then forth again.
      await write({ samples: [sampleRun({ first: 5, count: 2, fromMs: START_MS - 2 * HOUR })] });
      await write({ samples: [sampleRun({ first: 7, count: 2, fromMs: START_MS + 10 * MINUTE })] });
      await settle(writer, START_MS + laterMs);

      const answer = await readSamples(reader, { workerIds: ['worker-1'], ...EVERYTHING, keys: undefined });
      const model = new HistoryModel();
      model.write(batchOf(bootId, 1, { samples: [samples] }), run);
      expect(answer.items.get('worker-1')?.slice(0, 4)).toEqual(model.samples('worker-1', 0, 1e15, undefined));
      expect(answer.items.get('worker-1')?.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(answer.durable.get('worker-1')).toEqual({ bootId, next: 9 });
      expect(answer.gaps).toEqual([]);
    });

    test('a range includes its start and excludes its end', async () => {
      const { writer, reader, write } = await begun();
      await write({ samples: [sampleRun({ count: 5, stepMs: 1000 })] });
      for (const nowMs of [START_MS, START_MS + DAY]) {
        await settle(writer, nowMs);
        const range = { workerIds: ['worker-1'], fromMs: START_MS + 1000, toMs: START_MS + 3000, keys: undefined };
        const { items } = await readSamples(reader, range);
        expect(items.get('worker-1')?.map(({ number }) => number)).toEqual([2, 3]);
      }
    });

    test('only the metrics that are asked for are read', async () => {
      const { writer, reader, write } = await begun();
      await write({ samples: [sampleRun({ count: 2, keys: ['cpu_usage', 'memory_usage', 'metrics.a'] })] });
      for (const nowMs of [START_MS, START_MS + 2 * DAY]) {
        await settle(writer, nowMs);
        const request = { workerIds: ['worker-1'], ...EVERYTHING, keys: ['metrics.a', 'metrics.never'] };
        const samples = await readSamples(reader, request);
        expect(samples.items.get('worker-1')?.map(({ values }) => Object.keys(values))).toEqual([
          ['metrics.a'],
          ['metrics.a'],
        ]);
        const buckets = await readBuckets(reader, { ...request, tier: '1m' });
        expect(buckets.items.get('worker-1')?.map(({ values }) => Object.keys(values))).toEqual([['metrics.a']]);
      }
    });

    test('ids are any text that a worker may have', async () => {
      const ids = ['x'.repeat(256), 'wörker ✓', '😀', `a"b'c%_\\`, '-1', 'NULL', '.hidden', 'ß', 'A', 'a'];
      const { writer, reader, write } = await begun();
      await write({
        samples: ids.map((workerId, index) => sampleRun({ workerId, count: index + 1 })),
        taskRuns: ids.map((workerId) => taskRun({ workerId, taskId: `task of ${workerId}` })),
        events: ids.map((workerId, index) => ({ ...eventOf(index + 1), workerId })),
      });
      await settle(writer, START_MS + 2 * DAY);
      for (const [index, workerId] of ids.entries()) {
        expect(await numbersOf(reader, workerId)).toHaveLength(index + 1);
        expect(await reader.events({ workerId, limit: 10, prefer: 'oldest' })).toHaveLength(1);
        expect(await reader.taskRuns({ workerIds: [workerId], ...EVERYTHING, limit: 10 })).toHaveLength(1);
      }
      expect((await reader.workers(undefined)).map(({ workerId }) => workerId).sort()).toEqual([...ids].sort());
    });

    test('buckets count every sample once, whether it is rolled up or not, or came late', async () => {
      const { writer, reader, write } = await begun();
      const model = new HistoryModel();
      let first = 1;
      const add = async (fromMs: number, count: number) => {
        const samples = sampleRun({
          first,
          count,
          fromMs,
          stepMs: 7000,
          keys: ['cpu_usage', 'metrics.a', 'anomaly_score', 'anomaly.above.cpu_usage'],
          value: (index, key) =>
            (key === 'metrics.a' || key === 'anomaly.above.cpu_usage') && index % 3 === 0
              ? Number.NaN
              : (index * 37) % 1000,
        });
        first += count;
        await write({ samples: [samples] });
        model.write(batchOf('b007', 0, { samples: [samples] }), 1);
      };
      const expectSame = async () => {
        for (const tier of ['1m', '1h'] as const) {
          const range = { fromMs: START_MS - DAY, toMs: START_MS + 3 * DAY };
          const { items } = await readBuckets(reader, { workerIds: ['worker-1'], ...range, keys: undefined, tier });
          expect(items.get('worker-1')).toEqual(model.buckets('worker-1', tier, range.fromMs, range.toMs, undefined));
        }
      };
      await add(START_MS, 1000);
      await expectSame();
      await settle(writer, START_MS + 3 * HOUR);
      await expectSame();
      // Into an hour that is sealed, and into one that is not.
      await add(START_MS + 30 * MINUTE, 600);
      await expectSame();
      await settle(writer, START_MS + 5 * HOUR);
      await expectSame();
      await settle(writer, START_MS + 2 * DAY);
      await expectSame();
      // Into a day that is merged.
      await add(START_MS + 10 * MINUTE, 300);
      await expectSame();
      await settle(writer, START_MS + 2 * DAY + HOUR);
      await expectSame();
    });

    test('sums of any numbers are what their sign and size say', async () => {
      const { writer, write, reader } = await begun();
      const sums: Record<MetricKey, readonly [values: readonly number[], sum: number]> = {
        'metrics.low': [[-1e300, -1e300], -2e300],
        'metrics.lowest': [[-1.7976931348623157e308, -1.7976931348623157e308], Number.NEGATIVE_INFINITY],
        'metrics.highest': [[1.7976931348623157e308, 1.7976931348623157e308], Number.POSITIVE_INFINITY],
        'metrics.minus_infinity': [[Number.NEGATIVE_INFINITY, 5], Number.NEGATIVE_INFINITY],
        'metrics.infinity': [[5, Number.POSITIVE_INFINITY], Number.POSITIVE_INFINITY],
        'metrics.tiny': [[5e-324, -0], 5e-324],
      };
      const expectSums = async (fromMs: number) => {
        for (const tier of ['1m', '1h'] as const) {
          const request = { workerIds: ['worker-1'], fromMs, toMs: fromMs + HOUR, keys: undefined, tier };
          const { items } = await readBuckets(reader, request);
          const found = Object.entries(items.get('worker-1')?.[0]?.values ?? {}).map(([key, { sum }]) => [key, sum]);
          expect(Object.fromEntries(found)).toEqual(
            Object.fromEntries(Object.entries(sums).map(([key, [, sum]]) => [key, sum])),
          );
        }
      };
      const value = (index: number, key: MetricKey) => (sums[key] as [number[], number])[0][(index + 1) % 2] as number;
      const two = { count: 2, stepMs: 1000, keys: Object.keys(sums), value };
      await write({ samples: [sampleRun(two)] });
      await expectSums(START_MS);
      await settle(writer, START_MS + 2 * DAY);
      await expectSums(START_MS);
      // One after the other, the second into an hour whose first is not computed again.
      const retention = { rawMs: DAY, minuteMs: 30 * DAY, hourMs: 730 * DAY, maxBytes: undefined };
      const one = { ...two, count: 1, fromMs: START_MS + 2 * HOUR };
      await write({ samples: [sampleRun({ ...one, first: 3 })] });
      await settle(writer, START_MS + 3 * DAY, retention);
      await write({ samples: [sampleRun({ ...one, first: 4 })] });
      await expectSums(START_MS + 2 * HOUR);
    });

    test('a bucket belongs to the range in which it starts', async () => {
      const { writer, reader, write } = await begun();
      await write({ samples: [sampleRun({ count: 60, stepMs: 10_000 })] });
      for (const nowMs of [START_MS, START_MS + 2 * DAY]) {
        await settle(writer, nowMs);
        const range = { fromMs: START_MS + 1, toMs: START_MS + 3 * MINUTE + 1 };
        const { items } = await readBuckets(reader, { workerIds: ['worker-1'], ...range, keys: undefined, tier: '1m' });
        expect(items.get('worker-1')?.map(({ start }) => (start - START_MS) / MINUTE)).toEqual([1, 2, 3]);
      }
    });

    test('each tier is kept for its time, and what is newer stays', async () => {
      const { writer, reader, write } = await begun();
      for (let day = 0; day < 100; day++) {
        const fromMs = START_MS + day * DAY;
        await write({ atMs: fromMs, samples: [sampleRun({ first: 1 + day * 24, count: 24, stepMs: HOUR, fromMs })] });
      }
      const nowMs = START_MS + 100 * DAY;
      const retention = { rawMs: 2 * DAY, minuteMs: 10 * DAY, hourMs: 40 * DAY, maxBytes: undefined };
      await settle(writer, nowMs, retention);
      const request = { workerIds: ['worker-1'], fromMs: 0, toMs: nowMs, keys: undefined };
      const oldest = async (tier: '1m' | '1h') =>
        (await readBuckets(reader, { ...request, tier })).items.get('worker-1')?.[0]?.start as number;
      const raw = (await readSamples(reader, request)).items.get('worker-1')?.[0]?.at as number;
      for (const [oldestMs, keptMs, slackMs] of [
        [raw, retention.rawMs, DAY],
        [await oldest('1m'), retention.minuteMs, DAY],
        [await oldest('1h'), retention.hourMs, 31 * DAY],
      ] as const) {
        expect(oldestMs).toBeLessThanOrEqual(nowMs - keptMs);
        expect(oldestMs).toBeGreaterThanOrEqual(nowMs - keptMs - slackMs);
      }
      // Nothing is missing after the oldest.
      expect((await readSamples(reader, request)).items.get('worker-1')).toHaveLength((nowMs - raw) / HOUR);
      const hours = (await readBuckets(reader, { ...request, tier: '1h' })).items.get('worker-1');
      expect(hours).toHaveLength((nowMs - (await oldest('1h'))) / HOUR);
      const { oldestMs } = await reader.figures();
      expect(oldestMs.raw).toBeLessThanOrEqual(raw);
      expect(oldestMs.raw).toBeGreaterThan(oldestMs['1m'] as number);
      expect(oldestMs['1m']).toBeGreaterThan(oldestMs['1h'] as number);
    });

    test('maintenance deletes by the time it is told, and tells a new run by which it did', async () => {
      const { writer, write, reader } = await begun('b1');
      const retention = { rawMs: DAY, minuteMs: 30 * DAY, hourMs: 730 * DAY, maxBytes: undefined };
      await write({ samples: [sampleRun({ count: 10 })], events: [eventOf(1)] });
      await settle(writer, START_MS + 5 * 365 * DAY, retention, START_MS + HOUR);
      expect(await numbersOf(reader)).toHaveLength(10);
      expect(await reader.events({ limit: 10, prefer: 'oldest' })).toHaveLength(1);
      const { lastExpiryMs } = await writer.begin({ bootId: 'b2', startedMs: START_MS + DAY });
      expect(lastExpiryMs).toBe(START_MS + HOUR);
    });

    test('before anything was deleted, a new run is told when earlier ones last wrote', async () => {
      const { writer, write } = await begun('b1');
      expect((await writer.begin({ bootId: 'b1', startedMs: START_MS })).lastExpiryMs).toBeUndefined();
      await write({ atMs: START_MS + MINUTE });
      const { lastExpiryMs } = await writer.begin({ bootId: 'b2', startedMs: START_MS + DAY });
      expect(lastExpiryMs).toBe(START_MS + MINUTE);
    });

    test.each([
      ['years forth, and back again', 5 * 365 * DAY],
      ['three days back', -3 * DAY],
    ])('a clock that went %s: what comes then is kept in every tier', async (_, byMs) => {
      const { writer, write, reader } = await begun();
      const retention = { rawMs: DAY, minuteMs: 30 * DAY, hourMs: 730 * DAY, maxBytes: undefined };
      const startMs = START_MS + 10 * DAY;
      let first = 1;
      const add = async (fromMs: number) => {
        await write({ atMs: fromMs, samples: [sampleRun({ first, count: 60, fromMs })] });
        first += 60;
        await settle(writer, fromMs + 5 * MINUTE, retention);
      };
      for (let hour = 0; hour < 80; hour += 20) await add(startMs + hour * HOUR);
      const times: number[] = [];
      const addNow = async (fromMs: number) => {
        times.push(fromMs);
        await add(fromMs);
      };
      const setMs = startMs + 80 * HOUR + byMs;
      await addNow(setMs);
      const afterMs = byMs > 0 ? startMs + 81 * HOUR : setMs + HOUR;
      for (let hour = 0; hour < 3; hour++) await addNow(afterMs + hour * HOUR);
      await settle(writer, afterMs + 5 * HOUR, retention);
      for (const fromMs of times) {
        const range = { workerIds: ['worker-1'], fromMs, toMs: fromMs + 300_000, keys: undefined };
        const { items } = await readSamples(reader, range);
        expect(items.get('worker-1')).toHaveLength(60);
        for (const tier of ['1m', '1h'] as const) {
          const whole = { ...range, fromMs: fromMs - HOUR + 1, toMs: fromMs + HOUR, tier };
          const buckets = (await readBuckets(reader, whole)).items.get('worker-1') ?? [];
          expect(buckets.reduce((sum, { values }) => sum + (values.cpu_usage?.count ?? 0), 0)).toBeGreaterThanOrEqual(
            60,
          );
        }
      }
    });

    test('events, task runs and gaps are kept as long as 1-hour buckets; a task that runs stays', async () => {
      const { writer, reader, write } = await begun();
      const gap = { workerId: 'worker-1', reason: 'samples_lost', lost: 1 } as const;
      await write({
        events: [eventOf(1, START_MS), eventOf(2, START_MS + 90 * DAY)],
        gaps: [
          { ...gap, fromMs: START_MS, toMs: START_MS + 1000 },
          { ...gap, fromMs: START_MS + 90 * DAY, toMs: START_MS + 90 * DAY + 1000 },
        ],
        taskRuns: [
          taskRun({ taskId: 'old', lastSeenMs: START_MS + HOUR, outcome: 'ended' }),
          taskRun({ taskId: 'running' }),
          taskRun({
            taskId: 'new',
            firstSeenMs: START_MS + 90 * DAY,
            lastSeenMs: START_MS + 90 * DAY,
            outcome: 'ended',
          }),
        ],
      });
      await settle(writer, START_MS + 100 * DAY, { rawMs: DAY, minuteMs: DAY, hourMs: 30 * DAY, maxBytes: undefined });
      expect((await reader.events({ limit: 10, prefer: 'oldest' })).map(({ id }) => id)).toEqual([2]);
      expect(await reader.gaps(['worker-1'], 0, 1e15)).toHaveLength(1);
      expect((await reader.taskRuns({ ...EVERYTHING, limit: 10 })).map(({ taskId }) => taskId)).toEqual([
        'new',
        'running',
      ]);
    });

    test('times without a master are gaps of every worker, beside those that were recorded', async () => {
      const { writer, reader, write } = await begun('b1');
      const recorded: Gap[] = [
        { workerId: 'a', fromMs: START_MS + 1000, toMs: START_MS + 2000, reason: 'samples_lost', lost: 12 },
        { workerId: undefined, fromMs: START_MS + 3000, toMs: START_MS + 3000, reason: 'clock_set', lost: 0 },
        { workerId: 'b', fromMs: START_MS + 1000, toMs: START_MS + 2000, reason: 'worker_inactive', lost: 0 },
      ];
      await write({ atMs: START_MS + MINUTE, gaps: recorded });
      await writer.begin({ bootId: 'b2', startedMs: START_MS + 5 * MINUTE });
      await writer.write(batchOf('b2', 1, { atMs: START_MS + 6 * MINUTE }));
      // The clock was set back before the next start: no time without a master.
      await writer.begin({ bootId: 'b3', startedMs: START_MS + 2 * MINUTE });
      const down: Gap = {
        workerId: undefined,
        fromMs: START_MS + MINUTE,
        toMs: START_MS + 5 * MINUTE,
        reason: 'master_down',
        lost: 0,
      };
      const gaps = async (fromMs: number, toMs: number) => sorted(await reader.gaps(['a'], fromMs, toMs));
      expect(await gaps(0, 1e15)).toEqual(sorted([down, recorded[0] as Gap, recorded[1] as Gap]));
      expect(await gaps(START_MS + 2000, START_MS + 3000)).toEqual([]);
      expect(await gaps(START_MS + 1999, START_MS + 3001)).toEqual(sorted([recorded[0] as Gap, recorded[1] as Gap]));
      expect(await gaps(START_MS + 2 * MINUTE, START_MS + 3 * MINUTE)).toEqual([down]);
      expect(await gaps(START_MS + 5 * MINUTE, START_MS + 6 * MINUTE)).toEqual([]);
    });

    test('no master was down while any of several runs wrote', async () => {
      const { reader, writer } = await begun('b1');
      await writer.write(batchOf('b1', 1, { atMs: START_MS + MINUTE }));
      await writer.begin({ bootId: 'b2', startedMs: START_MS + 2 * MINUTE });
      await writer.begin({ bootId: 'b3', startedMs: START_MS + 4 * MINUTE });
      await writer.write(batchOf('b3', 1, { atMs: START_MS + 5 * MINUTE }));
      await writer.write(batchOf('b2', 1, { atMs: START_MS + 8 * MINUTE }));
      await writer.begin({ bootId: 'b4', startedMs: START_MS + 9 * MINUTE });
      const down = (await reader.gaps(['a'], 0, 1e15)).map(({ fromMs, toMs, reason }) => [
        (fromMs - START_MS) / MINUTE,
        (toMs - START_MS) / MINUTE,
        reason,
      ]);
      expect(down).toEqual([
        [1, 2, 'master_down'],
        [8, 9, 'master_down'],
      ]);
    });

    test('a run of a task is one row, which its later states replace', async () => {
      const { reader, write } = await begun();
      await write({ taskRuns: [taskRun({ status: 'running' })] });
      await write({ taskRuns: [taskRun({ status: 'paused' })] });
      const ended = taskRun({
        status: 'paused',
        lastSeenMs: START_MS + 1000,
        startedMs: START_MS - 5.5,
        endedMs: START_MS + 990,
        outcome: 'killed',
        exitCode: 137,
        cpuSeconds: 12.25,
        maxRssBytes: 2 ** 40,
        gpuAllocated: 0.5,
      });
      await write({ taskRuns: [ended] });
      expect(await reader.taskRuns({ ...EVERYTHING, limit: 10 })).toEqual([ended]);
    });

    test('a long request is cancelled between its parts', async () => {
      const { writer, reader, write } = await begun();
      for (let hour = 0; hour < 6; hour++) {
        await write({
          samples: ['a', 'b', 'c'].map((workerId) =>
            sampleRun({ workerId, first: 1 + hour * 10, count: 10, fromMs: START_MS + hour * HOUR }),
          ),
        });
      }
      await settle(writer, START_MS + DAY);
      let parts = 0;
      const visit = { part: () => parts++, gap: () => undefined };
      const request = { workerIds: ['a', 'b', 'c'], ...EVERYTHING, keys: undefined };
      const cancelled = { kind: 'failed', message: 'cancelled' };
      await expect(reader.samples(request, visit, () => parts > 0)).rejects.toMatchObject(cancelled);
      expect(parts).toBeLessThan(6);
      parts = 0;
      await expect(reader.buckets({ ...request, tier: '1m' }, visit, () => parts > 0)).rejects.toMatchObject(cancelled);
      expect(parts).toBeLessThan(3);
      // The reader goes on.
      expect(await numbersOf(reader, 'b')).toHaveLength(60);
    });

    test('a reader sees whole batches only, while a writer writes and maintains', async () => {
      const { writer, reader, write } = await begun();
      const writing = (async () => {
        for (let batch = 0; batch < 30; batch++) {
          await write({
            samples: ['a', 'b'].map((workerId) =>
              sampleRun({ workerId, first: 1 + batch * 10, count: 10, fromMs: START_MS + batch * 10 * MINUTE }),
            ),
          });
          await settle(writer, START_MS + batch * 10 * MINUTE);
        }
      })();
      let isWriting = true;
      void writing.finally(() => {
        isWriting = false;
      });
      const request = { ...EVERYTHING, keys: ['cpu_usage'] };
      let last = 0;
      do {
        const { items, durable } = await readSamples(reader, { workerIds: ['a'], ...request });
        const samples = items.get('a') ?? [];
        expect(samples.map(({ number }) => number)).toEqual(samples.map((_, index) => index + 1));
        expect(samples.length % 10).toBe(0);
        expect(samples.length).toBeGreaterThanOrEqual(last);
        if (samples.length > 0) expect(durable.get('a')?.next).toBe(samples.length + 1);
        last = samples.length;
        const buckets = await readBuckets(reader, { workerIds: ['a'], ...request, tier: '1h' });
        const counted = (buckets.items.get('a') ?? []).reduce(
          (sum, { values }) => sum + (values.cpu_usage?.count ?? 0),
          0,
        );
        expect(counted).toBeGreaterThanOrEqual(last);
      } while (isWriting);
      await writing;
      expect(await numbersOf(reader, 'a')).toHaveLength(300);
    });

    test('whatever was written and maintained, answers are those of a naive model', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(arbitraryOperation, { minLength: 1, maxLength: 25 }), async (operations) => {
          const { place, remove } = await makePlace();
          const scene = new Scene(backend, place);
          try {
            for (const operation of operations) await scene.do(operation);
            await scene.check();
          } finally {
            await scene.close();
            await remove();
          }
        }),
        { numRuns: scenes },
      );
    });

    test('events and task runs are found by any filter', async () => {
      const { reader, write } = await begun();
      const model = new HistoryModel();
      await fc.assert(
        fc.asyncProperty(
          fc.array(arbitraryEvent, { maxLength: 20 }),
          fc.array(arbitraryTaskRun, { maxLength: 20 }),
          fc.array(arbitraryEventFilter, { minLength: 5, maxLength: 5 }),
          fc.array(arbitraryTaskRunFilter, { minLength: 5, maxLength: 5 }),
          async (events, taskRuns, eventFilters, taskRunFilters) => {
            // A run occurs once in a batch.
            const content = { events, taskRuns: [...new Map(taskRuns.map((run) => [idOf(run), run])).values()] };
            await write(content);
            model.write(batchOf('b007', 0, content), 1);
            for (const filter of eventFilters) expect(await reader.events(filter)).toEqual(model.events(filter));
            for (const filter of taskRunFilters) {
              expect(await reader.taskRuns(filter)).toEqual(model.taskRuns(filter));
            }
          },
        ),
        // What is written stays, so that a smaller example would prove nothing.
        { numRuns: repetitions(20, 300), endOnFailure: true },
      );
      const all = model.taskRuns({ ...EVERYTHING, limit: 1e6 });
      const pages: TaskRun[] = [];
      for (;;) {
        const after = pages.at(-1);
        const page = await reader.taskRuns({ ...EVERYTHING, limit: 7, ...(after === undefined ? {} : { after }) });
        if (page.length === 0) break;
        pages.push(...page);
      }
      expect(pages).toEqual(all);
    });

    test('a closed writer or reader refuses calls', async () => {
      const { writer, reader } = await begun();
      await writer.close();
      await reader.close();
      await expect(writer.write(batchOf('b007', 1))).rejects.toBeInstanceOf(HistoryError);
      await expect(reader.workers(undefined)).rejects.toBeInstanceOf(HistoryError);
      await writer.close();
      await reader.close();
    });

    test('nothing was lost meanwhile', () => {
      expect(losses).toEqual([]);
    });
  });
}

function sorted(gaps: readonly Gap[]): Gap[] {
  return [...gaps].sort((a, b) => a.fromMs - b.fromMs || a.reason.localeCompare(b.reason));
}

function eventOf(id: number, atUnixMs = START_MS): WorkerEvent {
  return { id, atUnixMs, type: 'fault', detail: `event ${id}` };
}

function idOf({ firstSeenMs, workerId, taskId }: TaskRun): string {
  return `${firstSeenMs} ${workerId} ${taskId}`;
}

// ── operations on a database and the model ──────────────────────────────────────────────────────────────────────

const WORKERS = ['a', 'b', 'wörker 😀'];
const KEYS: readonly MetricKey[] = ['cpu_usage', 'metrics.a', 'metrics.b'];

type Operation =
  | { readonly kind: 'write'; readonly parts: readonly Part[]; readonly again: boolean }
  | { readonly kind: 'clock'; readonly byMs: number }
  | { readonly kind: 'restart' | 'reopen' }
  | { readonly kind: 'maintain'; readonly steps: number };

interface Part {
  readonly worker: string;
  readonly count: number;
  readonly stepMs: number;
  readonly keys: readonly MetricKey[];
  readonly seed: number;
}

const arbitraryOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      parts: fc.array(
        fc.record({
          worker: fc.constantFrom(...WORKERS),
          count: fc.integer({ min: 1, max: 40 }),
          stepMs: fc.constantFrom(0, 1000, 5000, 137_000),
          keys: fc.subarray([...KEYS]),
          seed: fc.nat(1000),
        }),
        { maxLength: 4 },
      ),
      again: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('clock' as const),
      byMs: fc.constantFrom(
        1000,
        6 * MINUTE,
        20 * MINUTE,
        70 * MINUTE,
        7 * HOUR,
        26 * HOUR,
        40 * DAY,
        -MINUTE,
        -3 * HOUR,
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('maintain' as const), steps: fc.constantFrom(1, 2, 5, 1000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'reopen' as const) }) },
);

class Scene<Place extends DatabasePlace> {
  readonly #backend: Backend<Place>;
  readonly #place: Place;
  readonly #model = new HistoryModel();
  #writer: HistoryWriter | undefined;
  #boots = 0;
  #run = 0;
  #batch = 0;
  #nowMs = START_MS;
  /** Per worker, within the current run. */
  readonly #next = new Map<string, number>();

  constructor(backend: Backend<Place>, place: Place) {
    this.#backend = backend;
    this.#place = place;
  }

  async do(operation: Operation): Promise<void> {
    const writer = await this.#open();
    if (operation.kind === 'clock') this.#nowMs += operation.byMs;
    else if (operation.kind === 'maintain') {
      for (let step = 0; step < operation.steps; step++) {
        if (!(await writer.maintain(this.#nowMs, KEEP_ALL))) break;
      }
    } else if (operation.kind === 'write') await this.#write(writer, operation.parts, operation.again);
    else {
      await this.close();
      if (operation.kind === 'restart') {
        this.#boots++;
        this.#batch = 0;
        this.#next.clear();
      }
    }
  }

  async #open(): Promise<HistoryWriter> {
    if (this.#writer !== undefined) return this.#writer;
    this.#writer = await this.#backend.openWriter(this.#place, (loss) => expect.unreachable(loss));
    const begun = await this.#writer.begin({ bootId: `b${this.#boots}`, startedMs: this.#nowMs });
    expect(begun.lastBatch).toBe(this.#batch);
    expect(begun.run).toBe(this.#boots + 1);
    this.#run = begun.run;
    return this.#writer;
  }

  async #write(writer: HistoryWriter, parts: readonly Part[], again: boolean): Promise<void> {
    const samples: SampleRun[] = [];
    let endMs = this.#nowMs;
    for (const { worker, count, stepMs, keys, seed } of parts) {
      const first = this.#next.get(worker) ?? 1;
      this.#next.set(worker, first + count);
      samples.push(
        sampleRun({
          workerId: worker,
          first,
          count,
          stepMs,
          fromMs: this.#nowMs,
          keys,
          value: (index, key) =>
            (index * 31 + seed + key.length) % 7 === 0 ? Number.NaN : ((index * seed) % 1000) / 4,
        }),
      );
      endMs = Math.max(endMs, this.#nowMs + (count - 1) * stepMs);
    }
    const gaps: Gap[] = parts.slice(0, 1).map(({ worker, seed }) => ({
      workerId: worker,
      fromMs: this.#nowMs,
      toMs: this.#nowMs + seed,
      reason: 'samples_lost',
      lost: seed,
    }));
    const batch = batchOf(`b${this.#boots}`, ++this.#batch, { atMs: this.#nowMs, samples, gaps });
    await writer.write(batch);
    if (again) await writer.write(batch);
    this.#model.write(batch, this.#run);
    this.#nowMs = endMs;
  }

  async check(): Promise<void> {
    const reader = await this.#backend.openReader(this.#place, (loss) => expect.unreachable(loss));
    try {
      for (const workerId of this.#model.workerIds) await this.#checkWorker(reader, workerId);
      const workerIds = this.#model.workerIds;
      expect((await reader.workers(undefined)).map((worker) => worker.workerId).sort()).toEqual([...workerIds].sort());
      const together = await readSamples(reader, { workerIds, ...EVERYTHING, keys: undefined });
      for (const workerId of workerIds) {
        expect(together.items.get(workerId)).toEqual(this.#model.samples(workerId, 0, 1e15, undefined));
      }
    } finally {
      await reader.close();
    }
  }

  async #checkWorker(reader: HistoryReader, workerId: string): Promise<void> {
    const [known] = await reader.workers([workerId]);
    expect({ ...known, keys: [...(known?.keys ?? [])].sort() }).toEqual(this.#model.worker(workerId));
    const times = this.#model.samples(workerId, 0, 1e15, undefined).map(({ at }) => at);
    const middleMs = times[Math.floor(times.length / 2)] as number;
    for (const [fromMs, toMs] of [
      [0, 1e15],
      [middleMs, middleMs + HOUR],
      [middleMs - 5 * HOUR - 1, middleMs],
    ] as const) {
      for (const keys of [undefined, ['metrics.a']]) {
        const range = { workerIds: [workerId], fromMs, toMs, keys };
        const samples = await readSamples(reader, range);
        expect(samples.items.get(workerId) ?? []).toEqual(this.#model.samples(workerId, fromMs, toMs, keys));
        expect(samples.gaps).toEqual([]);
        for (const tier of Object.keys(TIER_MS) as (keyof typeof TIER_MS)[]) {
          const { items } = await readBuckets(reader, { ...range, tier });
          // Buckets without a value of the metric may be absent.
          const present = (buckets: readonly { values: object }[]) =>
            buckets.filter(({ values }) => Object.keys(values).length > 0);
          expect(present(items.get(workerId) ?? [])).toEqual(
            present(this.#model.buckets(workerId, tier, fromMs, toMs, keys)),
          );
        }
      }
      const recorded = (await reader.gaps([workerId], fromMs, toMs)).filter(({ reason }) => reason !== 'master_down');
      expect(new Set(recorded)).toEqual(new Set(this.#model.gaps([workerId], fromMs, toMs)));
    }
  }

  async close(): Promise<void> {
    await this.#writer?.close();
    this.#writer = undefined;
  }
}

// ── events and task runs ─────────────────────────────────────────────────────────────────────────────────────────

const arbitraryTime = fc.nat(50).map((minutes) => START_MS + minutes * MINUTE);
const arbitraryWorker = fc.constantFrom('a', 'B', 'b', 'ä', '😀', '_');

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

/** Without the members that are undefined. */
function compact<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

const arbitraryEvent: fc.Arbitrary<WorkerEvent> = fc
  .record({
    workerId: optional(arbitraryWorker),
    group: optional(fc.constantFrom('', 'gruppe "1"')),
    from: optional(fc.constantFrom('active' as const)),
    alertId: optional(fc.constantFrom('00ff', 'ff00')),
    rule: optional(fc.constantFrom('Hot "1"')),
    severity: optional(fc.constantFrom('page')),
    closedBecause: optional(fc.constantFrom('no_data' as const)),
    detail: optional(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''))),
    id: fc.integer({ min: 1, max: 500 }),
    atUnixMs: arbitraryTime,
    type: fc.constantFrom('state' as const, 'fault' as const),
  })
  .map(({ id, atUnixMs, type, ...rest }) => ({ id, atUnixMs, type, ...compact(rest) }) as WorkerEvent);

const arbitraryEventFilter: fc.Arbitrary<EventFilter> = fc
  .record({
    workerIds: optional(fc.array(arbitraryWorker, { maxLength: 3 })),
    types: optional(fc.subarray(['state' as const, 'fault' as const])),
    workerId: optional(arbitraryWorker),
    afterId: optional(fc.nat(500)),
    beforeId: optional(fc.nat(500)),
    fromMs: optional(arbitraryTime),
    toMs: optional(arbitraryTime),
    limit: fc.constantFrom(1, 5, 1000),
    prefer: fc.constantFrom('oldest' as const, 'newest' as const),
  })
  .map(({ limit, prefer, ...rest }) => ({ limit, prefer, ...compact(rest) }));

const arbitraryTaskRun: fc.Arbitrary<TaskRun> = fc
  .record({
    workerId: arbitraryWorker,
    taskId: fc.constantFrom('task-1', 'task 2', 'Ä'),
    firstSeenMs: arbitraryTime,
    durationMs: fc.option(fc.nat(60 * MINUTE)),
    status: fc.constantFrom('running', 'paused'),
    outcome: fc.constantFrom('ended' as const, 'finished' as const, 'killed' as const),
  })
  .map(({ durationMs, outcome, ...run }) =>
    taskRun({
      ...run,
      ...(durationMs === null ? {} : { lastSeenMs: run.firstSeenMs + durationMs, outcome }),
    }),
  );

const arbitraryTaskRunFilter: fc.Arbitrary<TaskRunFilter> = fc
  .record({
    workerIds: optional(fc.uniqueArray(arbitraryWorker, { maxLength: 3 })),
    taskId: optional(fc.constantFrom('task-1', 'Ä')),
    outcomes: optional(fc.subarray(['running' as const, 'ended' as const, 'killed' as const])),
    status: optional(fc.constantFrom('running', 'paused')),
    after: optional(
      fc.record({ firstSeenMs: arbitraryTime, workerId: arbitraryWorker, taskId: fc.constantFrom('task-1', 'Ä') }),
    ),
    fromMs: arbitraryTime,
    toMs: arbitraryTime,
    limit: fc.constantFrom(1, 5, 1000),
  })
  .map(({ fromMs, toMs, limit, ...rest }) => ({ fromMs, toMs, limit, ...compact(rest) }));
