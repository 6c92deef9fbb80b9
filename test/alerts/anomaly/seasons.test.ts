import { expect, test } from 'vitest';
import { MAX_METRICS, ROUND_EVERY_MS, WORKERS_PER_TURN } from '../../../src/alerts/anomaly/anomaly-limits.ts';
import { type ExpectedValues, Seasons } from '../../../src/alerts/anomaly/seasons.ts';
import { NO_PAST, type Past } from '../../../src/alerts/past.ts';
import { Directory } from '../../../src/reading/directory.ts';
import { BoardReader } from '../../../src/store/board.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Fleet } from '../../support/fleet.ts';

const HOUR = 3_600_000;
/** A Monday, 10:00 in UTC. */
const NOW = Date.UTC(2026, 10, 23, 10);

function fleetOf(workers: number) {
  const clock = new FakeClock(NOW);
  const fleet = new Fleet(clock, Math.max(64, workers));
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  for (let n = 0; n < workers; n++) fleet.register(`w${n}`);
  return { fleet, directory };
}

/** Hourly values: by the time at which the hour begins. */
function pastOf(valueAt: (workerId: string, key: string, atMs: number) => number) {
  const asked: string[] = [];
  const past: Past = {
    async read({ workerIds, key, fromMs, toMs }, take) {
      asked.push(key);
      for (const workerId of workerIds) {
        const first = Math.ceil(fromMs / HOUR) * HOUR;
        const at = Float64Array.from({ length: Math.max(0, (toMs - first) / HOUR) }, (_, n) => first + n * HOUR);
        const mean = at.map((atMs) => valueAt(workerId, key, atMs));
        const count = at.map(() => 720);
        take(workerId, { at, bucketMs: HOUR, count, min: mean, max: mean, mean, last: mean });
      }
    },
  };
  return { past, asked };
}

const isBusy = (atMs: number) => new Date(atMs).getUTCHours() >= 9 && new Date(atMs).getUTCHours() < 18;
const office = (_: string, key: string, atMs: number) => (key === 'cpu_usage' ? (isBusy(atMs) ? 80 : 5) : 30);

/** Without any period. */
const noise = (atMs: number) => Math.abs((Math.sin((atMs / HOUR) * 12.9898) * 43_758.5453) % 1) * 100;

async function all(seasons: Seasons, nowMs: number): Promise<ExpectedValues[]> {
  const told: ExpectedValues[] = [];
  for (let turn = 0; turn < 20; turn++) told.push(...(await seasons.turn(nowMs)));
  return told;
}

test('a lane is told once an hour what is expected, of metrics that follow the hour', async () => {
  const { directory } = fleetOf(1);
  const { past } = pastOf(office);
  const seasons = new Seasons(directory, past, 'UTC');
  const [first, ...more] = await all(seasons, NOW);
  expect(more).toEqual([]);
  expect(first?.workerId).toBe('w0');
  expect(first?.values.map(([key]) => key)).toEqual(['cpu_usage']);
  expect(first?.values[0]?.[1]).toBeCloseTo(80, 0);
  expect(await all(seasons, NOW + HOUR - 1)).toEqual([]);
  const [evening] = await all(seasons, NOW + 9 * HOUR);
  expect(evening?.values[0]?.[1]).toBeCloseTo(5, 0);
});

test('hours are those of the time zone', async () => {
  const { directory } = fleetOf(1);
  // Busy from 9 to 18 where it is 5:45 later than in UTC.
  const { past } = pastOf((_, key, atMs) => (key === 'cpu_usage' ? (isBusy(atMs + 5.75 * HOUR) ? 80 : 5) : 30));
  const seasons = new Seasons(directory, past, 'Asia/Kathmandu');
  const [told] = await all(seasons, NOW);
  expect(told?.values[0]?.[1]).toBeCloseTo(80, 0);
  const [later] = await all(seasons, NOW + 6 * HOUR);
  expect(later?.values[0]?.[1]).toBeCloseTo(5, 0);
});

test('what no hour explains is not expected, and a lane that expected it is told so', async () => {
  const { directory } = fleetOf(1);
  let isOffice = true;
  const { past } = pastOf((id, key, atMs) => (isOffice ? office(id, key, atMs) : noise(atMs)));
  const seasons = new Seasons(directory, past, 'UTC');
  expect((await all(seasons, NOW)).length).toBe(1);
  isOffice = false;
  const later = await all(seasons, NOW + 40 * 7 * 24 * HOUR);
  expect(later[0]?.values.find(([key]) => key === 'cpu_usage')?.[1]).toBeNaN();
});

test('turns are bounded, and every worker has its turn', async () => {
  const { directory } = fleetOf(3 * WORKERS_PER_TURN + 1);
  const { past } = pastOf(office);
  const seasons = new Seasons(directory, past, 'UTC');
  const sizes: number[] = [];
  const ids = new Set<string>();
  for (let turn = 0; turn < 6; turn++) {
    const told = await seasons.turn(NOW);
    sizes.push(told.length);
    for (const { workerId } of told) ids.add(workerId);
  }
  expect(Math.max(...sizes)).toBe(WORKERS_PER_TURN);
  expect(ids.size).toBe(3 * WORKERS_PER_TURN + 1);
  expect(seasons.figures).toEqual({ kept: 5 * ids.size, leftOut: 0 });
});

test('what cannot be read now is learned later, and no hour twice', async () => {
  const { directory } = fleetOf(1);
  const { past } = pastOf(office);
  // One week: too little to expect anything, unless it counts twice.
  const week = 7 * 24 * HOUR;
  let failures = 5;
  const asked: { key: string; fromMs: number }[] = [];
  const seasons = new Seasons(
    directory,
    {
      async read(request, take) {
        if (request.key === 'gpu_usage' && failures-- > 0) throw new Error('the database is away');
        asked.push({ key: request.key, fromMs: request.fromMs });
        await past.read({ ...request, fromMs: Math.max(request.fromMs, NOW - week) }, take);
      },
    },
    'UTC',
  );
  for (let time = 0; time < 5; time++) await expect(seasons.turn(NOW)).rejects.toThrow('away');
  expect(await all(seasons, NOW)).toEqual([]);
  expect(asked.map(({ key }) => key)).toEqual([
    'cpu_usage',
    'memory_usage',
    'storage_usage',
    'gpu_usage',
    'running_tasks',
  ]);
  asked.length = 0;
  expect(await all(seasons, NOW + HOUR)).toEqual([]);
  expect(asked.map(({ fromMs }) => fromMs)).toEqual([NOW, NOW, NOW, NOW, NOW]);
  expect((await all(seasons, NOW + week))[0]?.values.map(([key]) => key)).toEqual(['cpu_usage']);
});

/** Workers with custom metrics, which come one by one. */
function withMetrics(counts: readonly number[]) {
  const metricKeys = counts.map((count) => Array.from({ length: count }, (_, n) => `metrics.m${n}`));
  const entries = counts.map((_, row) => ({
    workerId: `w${row}`,
    row,
    occupant: 1,
    slot: { metricKeys: metricKeys[row] },
  }));
  const byId = new Map(entries.map((entry) => [entry.workerId, entry]));
  const directory = {
    all: () => byId.values(),
    get: (id: string) => byId.get(id),
    board: { isOccupiedBy: () => true },
  };
  return { directory: directory as unknown as Directory, metricKeys, byId };
}

/** Turns until all workers had theirs. */
async function round(seasons: Seasons, nowMs: number): Promise<ExpectedValues[]> {
  const told: ExpectedValues[] = [];
  for (let turn = 0; turn < 400; turn++) told.push(...(await seasons.turn(nowMs)));
  return told;
}

test('a metric that a worker sends later has a baseline soon', async () => {
  const { directory, metricKeys } = withMetrics([0, 0]);
  const { past } = pastOf((_, key, atMs) => (key === 'metrics.rate' && isBusy(atMs) ? 900 : 10));
  const seasons = new Seasons(directory, past, 'UTC');
  expect(await all(seasons, NOW)).toEqual([]);
  metricKeys[0]?.push('metrics.rate');
  const [told, ...more] = await all(seasons, NOW + ROUND_EVERY_MS);
  expect([told?.workerId, told?.values, more]).toEqual(['w0', [['metrics.rate', expect.closeTo(900)]], []]);
});

test('all workers have their usages before some have custom metrics, of which each has as many as others', async () => {
  const many = MAX_METRICS / 8;
  const { directory, byId } = withMetrics(Array.from({ length: many }, (_, n) => (n % 2 === 0 ? 20 : 1)));
  const read = new Map<string, Set<string>>();
  const past: Past = {
    async read({ workerIds, key }) {
      for (const id of workerIds) read.set(id, (read.get(id) ?? new Set()).add(key));
    },
  };
  const seasons = new Seasons(directory, past, 'UTC');
  await round(seasons, NOW);
  // 6 for one half; the other half has 25, and there is room for 10.
  expect([read.get('w0')?.size, read.get('w1')?.size]).toEqual([10, 6]);
  expect(new Set([...read.values()].map(({ size }) => size))).toEqual(new Set([10, 6]));
  expect(seasons.figures).toEqual({ kept: MAX_METRICS, leftOut: (many / 2) * 15 });
  // Others come: they have their usages, and nobody more than another one that wants it.
  for (let n = many; n < 2 * many; n++) {
    byId.set(`w${n}`, { workerId: `w${n}`, row: n, occupant: 1, slot: { metricKeys: [] } });
  }
  await round(seasons, NOW + ROUND_EVERY_MS);
  expect([read.get(`w${many}`), read.get(`w${2 * many - 1}`)].map((keys) => keys?.size)).toEqual([4, 4]);
  expect(seasons.figures).toEqual({ kept: MAX_METRICS, leftOut: (many / 2) * (21 + 2) + many });
});

test('a lane is told that nothing is expected of a metric whose baseline another worker needs', async () => {
  const { directory, byId } = withMetrics([1]);
  const { past } = pastOf((id, key, atMs) => (id === 'w0' && key.startsWith('metrics.') && isBusy(atMs) ? 900 : 10));
  const seasons = new Seasons(directory, past, 'UTC');
  expect((await all(seasons, NOW))[0]?.values).toEqual([['metrics.m0', expect.closeTo(900)]]);
  for (let n = 1; n < MAX_METRICS / 4; n++) {
    byId.set(`w${n}`, { workerId: `w${n}`, row: n, occupant: 1, slot: { metricKeys: [] } });
  }
  Object.assign(past, NO_PAST);
  expect(await round(seasons, NOW + ROUND_EVERY_MS)).toContainEqual({
    workerId: 'w0',
    values: [['metrics.m0', Number.NaN]],
  });
  expect(seasons.figures).toEqual({ kept: MAX_METRICS, leftOut: MAX_METRICS / 4 + 1 });
});
