/** An export without its transport: which steps it takes, what they hold, and that every row is in it once. */
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, test } from 'vitest';
import type { HistoryReader, KnownWorker } from '../../src/history/backend.ts';
import { EXPORT_COLUMNS, type ExportFormat, type ExportRequest } from '../../src/history/export/export-request.ts';
import { exportRunOfSamples } from '../../src/history/export/export-rows.ts';
import { exportEnd, exportPiece, exportPlan, exportStart, ROWS_WANTED } from '../../src/history/export/export-tasks.ts';
import type { RowGroupNote } from '../../src/history/export/parquet-rows.ts';
import { isDivisible, SliceWalk } from '../../src/history/export/slice-walk.ts';
import { csvOf } from '../../src/history/export/text-rows.ts';
import { tierParts } from '../../src/history/export/tier-parts.ts';
import { HistoryError } from '../../src/history/history-error.ts';
import { sampleRunOf } from '../../src/history/ring-samples.ts';
import { type BucketRun, type SampleRun, TIER_MS, type Tier } from '../../src/history/samples.ts';
import { SampleFlag } from '../../src/model/sample-flags.ts';
import { SampleColumns } from '../../src/store/sample-columns.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 10, 24, 12, 34, 56, 789);

describe('the tiers of a range', () => {
  test('are the finest that reach back to each part of it', () => {
    const day = 24 * HOUR_MS;
    const oldestMs = { raw: NOW_MS - day, '1m': NOW_MS - 30 * day, '1h': NOW_MS - 400 * day };
    const parts = tierParts({ fromMs: NOW_MS - 60 * day, toMs: NOW_MS, tier: undefined }, oldestMs);
    const minute = Math.ceil(oldestMs.raw / 60_000) * 60_000;
    const hour = Math.ceil(oldestMs['1m'] / HOUR_MS) * HOUR_MS;
    expect(parts).toEqual([
      { tier: '1h', fromMs: NOW_MS - 60 * day, toMs: hour },
      { tier: '1m', fromMs: hour, toMs: minute },
      { tier: 'raw', fromMs: minute, toMs: NOW_MS },
    ]);
    expect(tierParts({ fromMs: NOW_MS - 1000, toMs: NOW_MS, tier: undefined }, oldestMs)).toEqual([
      { tier: 'raw', fromMs: NOW_MS - 1000, toMs: NOW_MS },
    ]);
    // Not from the beginning of time: that would be hundreds of thousands of steps.
    const begin = (tier: Tier) => Math.floor(oldestMs[tier] / HOUR_MS - 24) * HOUR_MS;
    expect(tierParts({ fromMs: 0, toMs: NOW_MS, tier: '1h' }, oldestMs)).toEqual([
      { tier: '1h', fromMs: begin('1h'), toMs: NOW_MS },
    ]);
    expect(tierParts({ fromMs: 0, toMs: NOW_MS, tier: 'raw' }, oldestMs)).toEqual([
      { tier: 'raw', fromMs: begin('raw'), toMs: NOW_MS },
    ]);
    expect(tierParts({ fromMs: 0, toMs: NOW_MS, tier: undefined }, {})).toEqual([]);
    expect(tierParts({ fromMs: 0, toMs: NOW_MS, tier: 'raw' }, { '1h': oldestMs['1h'] })).toEqual([]);
  });

  test('cover the range once, whatever there is', () => {
    const time = fc.integer({ min: 0, max: 1_000_000_000 });
    const oldest = fc.record({ raw: time, '1m': time, '1h': time }, { requiredKeys: [] });
    fc.assert(
      fc.property(time, time, oldest, (fromMs, lengthMs, oldestMs) => {
        const toMs = fromMs + lengthMs;
        const parts = tierParts({ fromMs, toMs, tier: undefined }, oldestMs);
        const beginMs = Math.floor(Math.min(...Object.values(oldestMs)) / HOUR_MS - 24) * HOUR_MS;
        const startMs = Math.max(fromMs, beginMs);
        if (Object.keys(oldestMs).length === 0 || startMs >= toMs) {
          expect(parts).toEqual([]);
          return;
        }
        expect([parts[0]?.fromMs, parts.at(-1)?.toMs]).toEqual([startMs, toMs]);
        for (const [index, part] of parts.entries()) {
          expect(part.fromMs).toBeLessThan(part.toMs);
          if (index > 0) expect(part.fromMs).toBe(parts[index - 1]?.toMs);
        }
      }),
    );
  });
});

test('slices hold every time of every worker once, however they are divided', () => {
  const part = fc.record({
    tier: fc.constantFrom<Tier>('raw', '1m', '1h'),
    fromMs: fc.integer({ min: 0, max: 5 * HOUR_MS }),
    lengthMs: fc.integer({ min: 1, max: 30 * HOUR_MS }),
  });
  fc.assert(
    fc.property(
      part,
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.nat(40_000), { minLength: 1 }),
      (given, count, rows) => {
        const workerIds = Array.from({ length: count }, (_, index) => `worker-${index}`);
        const { tier, fromMs } = given;
        const toMs = fromMs + given.lengthMs;
        const workers = workerIds.map((workerId) => ({ workerId, fromMs: 0, toMs }));
        const walk = new SliceWalk({ parts: [{ tier, fromMs, toMs }], workers, keys: undefined, rowsWanted: 1000 });
        const reached = new Map(workerIds.map((id) => [id, fromMs]));
        let step = 0;
        for (let slice = walk.next(); slice !== undefined; slice = walk.next()) {
          const had = rows[step++ % rows.length] as number;
          if (had > 20_000 && isDivisible(slice) && step < 1000) {
            walk.divide(slice);
            continue;
          }
          walk.had(had);
          expect(slice.workerIds.length).toBeGreaterThan(0);
          for (const id of slice.workerIds) {
            expect(slice.fromMs).toBe(reached.get(id));
            reached.set(id, slice.toMs);
          }
        }
        expect(new Set(reached.values())).toEqual(new Set([toMs]));
      },
    ),
    { numRuns: 50 },
  );
});

test('slices are only of workers and times that may have something', () => {
  const years = 2 * 365 * 24;
  const workers = [
    { workerId: 'a', fromMs: 0, toMs: HOUR_MS + 1 },
    { workerId: 'b', fromMs: years * HOUR_MS, toMs: (years + 2) * HOUR_MS },
    { workerId: 'c', fromMs: (years + 1) * HOUR_MS, toMs: (years + 2) * HOUR_MS },
  ];
  const parts = [
    { tier: 'raw', fromMs: 0, toMs: 10 * HOUR_MS },
    { tier: 'raw', fromMs: 10 * HOUR_MS, toMs: (years + 10) * HOUR_MS },
  ] as const;
  const walk = new SliceWalk({ parts, workers, keys: undefined, rowsWanted: 1000 });
  const slices: string[] = [];
  for (let slice = walk.next(); slice !== undefined; slice = walk.next()) {
    slices.push(`${slice.workerIds.join('')} ${slice.fromMs / HOUR_MS} ${slice.toMs / HOUR_MS}`);
    walk.had(0);
  }
  expect(slices).toEqual(['a 0 1', 'a 1 2', `b ${years} ${years + 1}`, `bc ${years + 1} ${years + 2}`]);
});

interface Sample {
  readonly workerId: string;
  readonly atMs: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What a database gives of these samples, an hour to a run. */
function readerOf(samples: readonly Sample[], oldestMs: Partial<Record<Tier, number>>): HistoryReader {
  const unused = () => Promise.reject(new Error('not in this test'));
  const ids = [...new Set(samples.map(({ workerId }) => workerId))];
  const inRange = (workerId: string, fromMs: number, toMs: number) =>
    samples.filter((sample) => sample.workerId === workerId && sample.atMs >= fromMs && sample.atMs < toMs);
  const durable = { bootId: '', next: 0 };
  return {
    heard: unused,
    workers: (only) =>
      Promise.resolve(
        ids
          .filter((id) => only === undefined || only.includes(id))
          .map((workerId): KnownWorker => {
            const times = samples.filter((sample) => sample.workerId === workerId).map(({ atMs }) => atMs);
            return {
              workerId,
              firstMs: Math.min(...times),
              lastMs: Math.max(...times),
              keys: ['metrics.frames'],
              durable,
            };
          }),
      ),
    figures: () => Promise.resolve({ bytes: 0, oldestMs, deletedEarly: 0, damaged: 0 }),
    async samples({ workerIds, fromMs, toMs, keys }, visit, isCancelled) {
      for (const workerId of workerIds) {
        if (isCancelled()) throw new HistoryError('failed', 'cancelled');
        const found = inRange(workerId, fromMs, toMs);
        if (found.length > 0) visit.part(runOf(workerId, found, keys), durable);
      }
    },
    async buckets({ workerIds, fromMs, toMs, tier }, visit) {
      for (const workerId of workerIds) {
        const starts = Map.groupBy(inRange(workerId, 0, Number.POSITIVE_INFINITY), ({ atMs }) =>
          Math.floor(atMs / TIER_MS[tier]),
        );
        const buckets = [...starts].filter(
          ([start]) => start * TIER_MS[tier] >= fromMs && start * TIER_MS[tier] < toMs,
        );
        if (buckets.length > 0) visit.part(bucketsOf(workerId, tier, buckets), durable);
      }
    },
    gaps: unused,
    taskRuns: unused,
    events: unused,
    close: unused,
  };
}

function runOf(workerId: string, samples: readonly Sample[], keys: readonly string[] | undefined): SampleRun {
  const names = [...new Set(samples.flatMap(({ metrics }) => Object.keys(metrics)))];
  const column = (name: string) => Float64Array.from(samples, ({ metrics }) => metrics[name] ?? Number.NaN);
  return {
    workerId,
    run: 1,
    first: 1,
    at: Float64Array.from(samples, ({ atMs }) => atMs),
    flags: new Uint8Array(samples.length),
    columns: new Map(names.filter((name) => keys?.includes(name) ?? true).map((name) => [name, column(name)])),
  };
}

function bucketsOf(workerId: string, tier: '1m' | '1h', buckets: readonly [number, readonly Sample[]][]): BucketRun {
  const values = buckets.map(([, samples]) => samples.map(({ metrics }) => metrics.cpu_usage as number));
  return {
    workerId,
    tier,
    start: Float64Array.from(buckets, ([start]) => start * TIER_MS[tier]),
    columns: new Map([
      [
        'cpu_usage',
        {
          min: Float64Array.from(values, (each) => Math.min(...each)),
          max: Float64Array.from(values, (each) => Math.max(...each)),
          sum: Float64Array.from(values, (each) => each.reduce((sum, value) => sum + value, 0)),
          last: Float64Array.from(values, (each) => each.at(-1) as number),
          count: Float64Array.from(values, (each) => each.length),
        },
      ],
    ]),
  };
}

/** The whole file, and how large its largest piece is. */
async function exported(reader: HistoryReader, format: ExportFormat, request: Partial<ExportRequest> = {}) {
  const whole = {
    workerIds: undefined,
    prefix: '',
    metrics: undefined,
    tier: undefined,
    fromMs: 0,
    toMs: NOW_MS,
    ...request,
  };
  const plan = await exportPlan(reader, whole);
  const walk = new SliceWalk({ ...plan, rowsWanted: ROWS_WANTED[format] });
  const pieces = [exportStart(format)];
  const groups: RowGroupNote[] = [];
  const offset = () => pieces.reduce((sum, { length }) => sum + length, 0);
  for (let slice = walk.next(); slice !== undefined; slice = walk.next()) {
    // As between threads.
    const piece = structuredClone(await exportPiece(reader, { slice, format, offset: offset() }, () => false));
    if (piece === undefined) {
      walk.divide(slice);
      continue;
    }
    walk.had(piece.rows);
    pieces.push(piece.bytes);
    if (piece.group !== undefined) groups.push(piece.group);
  }
  pieces.push(exportEnd(format, groups, offset()));
  return { bytes: Buffer.concat(pieces), mostBytes: Math.max(...pieces.map(({ length }) => length)), groups };
}

const HOUR_START_MS = NOW_MS - (NOW_MS % HOUR_MS);
const TWO_WORKERS: readonly Sample[] = [
  { workerId: '=a,"b"', atMs: HOUR_START_MS - 90_000, metrics: { cpu_usage: 10 } },
  { workerId: '=a,"b"', atMs: HOUR_START_MS - 70_000, metrics: { cpu_usage: 20 } },
  {
    workerId: '=a,"b"',
    atMs: HOUR_START_MS + 1,
    metrics: { cpu_usage: 14.9, 'metrics.frames': 9_007_199_254_740_991 },
  },
  { workerId: 'b', atMs: HOUR_START_MS + 5001, metrics: { cpu_usage: 0 } },
];
const REACH = { raw: HOUR_START_MS, '1m': HOUR_START_MS - 80 * 60_000, '1h': HOUR_START_MS - 48 * HOUR_MS };
const ROWS = [
  {
    worker_id: '=a,"b"',
    at: HOUR_START_MS - 120_000,
    tier: '1m',
    metric: 'cpu_usage',
    min: 10,
    max: 20,
    mean: 15,
    last: 20,
    count: 2,
  },
  {
    worker_id: '=a,"b"',
    at: HOUR_START_MS + 1,
    tier: 'raw',
    metric: 'cpu_usage',
    min: 14.9,
    max: 14.9,
    mean: 14.9,
    last: 14.9,
    count: 1,
  },
  {
    worker_id: '=a,"b"',
    at: HOUR_START_MS + 1,
    tier: 'raw',
    metric: 'metrics.frames',
    ...{
      min: 9_007_199_254_740_991,
      max: 9_007_199_254_740_991,
      mean: 9_007_199_254_740_991,
      last: 9_007_199_254_740_991,
    },
    count: 1,
  },
  {
    worker_id: 'b',
    at: HOUR_START_MS + 5001,
    tier: 'raw',
    metric: 'cpu_usage',
    min: 0,
    max: 0,
    mean: 0,
    last: 0,
    count: 1,
  },
];

describe('an export', () => {
  test('as CSV', async () => {
    const { bytes } = await exported(readerOf(TWO_WORKERS, REACH), 'csv');
    const lines = bytes.toString().split('\n');
    expect(lines).toEqual([
      EXPORT_COLUMNS.join(','),
      `"'=a,""b""",2026-11-24T11:58:00.000Z,1m,cpu_usage,10,20,15,20,2`,
      `"'=a,""b""",2026-11-24T12:00:00.001Z,raw,cpu_usage,14.9,14.9,14.9,14.9,1`,
      `"'=a,""b""",2026-11-24T12:00:00.001Z,raw,metrics.frames,${`${Number.MAX_SAFE_INTEGER},`.repeat(4)}1`,
      'b,2026-11-24T12:00:05.001Z,raw,cpu_usage,0,0,0,0,1',
      '',
    ]);
  });

  test('as JSON lines', async () => {
    const { bytes } = await exported(readerOf(TWO_WORKERS, REACH), 'jsonl');
    const rows = bytes.toString().trim().split('\n');
    expect(rows.map((row) => JSON.parse(row) as object)).toEqual(
      ROWS.map((row) => ({ ...row, at: new Date(row.at).toISOString() })),
    );
  });

  test('as Parquet, which another program reads', async () => {
    const { bytes } = await exported(readerOf(TWO_WORKERS, REACH), 'parquet');
    expect(await readParquet(bytes)).toEqual(ROWS.map((row) => ({ ...row, at: new Date(row.at) })));
  });

  test.each(['csv', 'jsonl', 'parquet'] as const)('of nothing is a file of %s without rows', async (format) => {
    const { bytes } = await exported(readerOf([], {}), format);
    if (format === 'parquet') expect(await readParquet(bytes)).toEqual([]);
    else expect(bytes.toString()).toBe(format === 'csv' ? `${EXPORT_COLUMNS.join(',')}\n` : '');
  });

  test('has means of large integers that are not below the least', async () => {
    const large = 9_007_199_254_740_991;
    const samples = [1, 2, 3].map((index) => ({
      workerId: 'a',
      atMs: HOUR_START_MS + index,
      metrics: { cpu_usage: large },
    }));
    const { bytes } = await exported(readerOf(samples, REACH), 'csv', { tier: '1m' });
    expect(bytes.toString().split('\n')[1]).toBe(
      `a,2026-11-24T12:00:00.000Z,1m,cpu_usage,${large},${large},${large},${large},3`,
    );
  });

  test('has no GPU usage of a machine without a GPU', () => {
    const columns = new SampleColumns();
    columns.to = 2;
    columns.flags.set([0, SampleFlag.hasGpu]);
    const run = exportRunOfSamples(sampleRunOf('a', columns, 1));
    const lines = csvOf([run]).split('\n');
    expect(lines.filter((line) => line.includes('gpu_usage'))).toEqual([
      'a,1970-01-01T00:00:00.000Z,raw,gpu_usage,0,0,0,0,1',
    ]);
    expect(lines.filter((line) => line.includes('cpu_usage'))).toHaveLength(2);
  });

  test('of some workers, metrics and one tier has nothing else', async () => {
    const reader = readerOf(TWO_WORKERS, REACH);
    const rowsOf = async (request: Partial<ExportRequest>) =>
      (await exported(reader, 'jsonl', request)).bytes
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { worker_id: string; metric: string; tier: string });
    expect((await rowsOf({ prefix: 'b' })).map(({ worker_id }) => worker_id)).toEqual(['b']);
    expect((await rowsOf({ workerIds: ['b', 'nobody'] })).map(({ worker_id }) => worker_id)).toEqual(['b']);
    expect((await rowsOf({ metrics: ['frames'], tier: 'raw' })).map(({ metric }) => metric)).toEqual([
      'metrics.frames',
    ]);
    expect(new Set((await rowsOf({ tier: '1h' })).map(({ tier }) => tier))).toEqual(new Set(['1h']));
  });

  test.each(['csv', 'parquet'] as const)(
    'of much comes in pieces of bounded size, each row once: %s',
    async (format) => {
      // An hour of one worker alone is more than a piece may have.
      const samples = Array.from({ length: 120_000 }, (_, index) => ({
        workerId: `w${index % 3}`,
        atMs: HOUR_START_MS - 2 * HOUR_MS + index * 60,
        metrics: { cpu_usage: index % 100, 'metrics.index': index, 'metrics.other': index % 7, 'metrics.more': index },
      }));
      const { bytes, mostBytes, groups } = await exported(readerOf(samples, { raw: samples[0]?.atMs ?? 0 }), format);
      if (format === 'csv') {
        const lines = bytes.toString().split('\n');
        expect(lines).toHaveLength(4 * samples.length + 2);
        expect(mostBytes).toBeLessThan(8_000_000);
        const indices = lines.filter((line) => line.includes(',metrics.index,')).map((line) => line.split(',')[4]);
        expect(new Set(indices).size).toBe(samples.length);
      } else {
        expect(groups.length).toBeGreaterThan(1);
        const rows = await readParquet(bytes);
        expect(rows).toHaveLength(4 * samples.length);
        const indices = rows.filter(({ metric }) => metric === 'metrics.index').map(({ last }) => last);
        expect(new Set(indices).size).toBe(samples.length);
      }
    },
  );
});

async function readParquet(bytes: Buffer) {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  return await parquetReadObjects({ file, compressors: { ZSTD: (input) => zstdDecompressSync(input) } });
}
