import { expect, test } from 'vitest';
import { MAX_METRICS, WORKERS_PER_TURN } from '../../../src/alerts/anomaly/anomaly-limits.ts';
import { type ExpectedValues, Seasons } from '../../../src/alerts/anomaly/seasons.ts';
import type { Past } from '../../../src/alerts/past.ts';
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
  expect(seasons.metrics).toBe(5 * ids.size);
  expect(MAX_METRICS).toBeGreaterThan(seasons.metrics);
});

test('what cannot be read now is learned later, and no hour twice', async () => {
  const { directory } = fleetOf(1);
  const { past } = pastOf(office);
  let isAway = true;
  const froms: number[] = [];
  const seasons = new Seasons(
    directory,
    {
      async read(request, take) {
        if (isAway) throw new Error('the database is away');
        froms.push(request.fromMs);
        await past.read(request, take);
      },
    },
    'UTC',
  );
  await expect(seasons.turn(NOW)).rejects.toThrow('away');
  isAway = false;
  expect((await all(seasons, NOW)).length).toBe(1);
  await all(seasons, NOW + HOUR);
  expect(new Set(froms.slice(5))).toEqual(new Set([NOW]));
});
