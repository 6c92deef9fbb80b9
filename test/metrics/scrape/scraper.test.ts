import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../../src/lib/collect-garbage.ts';
import {
  type Escaping,
  type Format,
  formatOf,
  MEDIA_TYPES,
  type MediaTypeName,
} from '../../../src/metrics/exposition/format.ts';
import { COLLECTIONS } from '../../../src/metrics/scrape/collections.ts';
import { type ScrapeRequest, Scraper } from '../../../src/metrics/scrape/scraper.ts';
import { Directory } from '../../../src/reading/directory.ts';
import { takeIn } from '../../../src/reading/reader-thread.ts';
import { BoardReader } from '../../../src/store/board.ts';
import { type ChangeStep, changeOf, make } from '../../http/fleet-changes.ts';
import { newFleet } from '../../http/support.ts';
import type { Beat, Fleet } from '../../support/fleet.ts';
import { repetitions } from '../../support/repetitions.ts';
import { naiveScrape } from './naive.ts';

const ALL = () => true;
const OF_WORKERS = COLLECTIONS.filter((name) => name !== 'master');

function newScraper({ maxSeries = 1_000_000, maxCustomFamilies = 10_000, rows = 64 } = {}) {
  const { fleet, clock } = newFleet(rows);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => takeIn(directory, items);
  const options = { directory, clock, isAllowed: ALL, maxSeries, maxCustomFamilies, minGzipBytes: 0 };
  const scraper = new Scraper(options);
  const scrape = (request: Partial<ScrapeRequest> = {}) => {
    const { bytes, figures } = scraper.scrape({
      format: formatOf('text004'),
      collections: OF_WORKERS,
      gzip: false,
      ...request,
    });
    return { text: Buffer.from(bytes).toString(), figures };
  };
  return { fleet, clock, directory, scraper, scrape };
}

const GPU = { index: 0, uuid: 'GPU-1', name: 'H100', utilizationPercent: 12.5, memoryUsedBytes: 1024 } as const;
const beats: fc.Arbitrary<Beat> = fc.record({
  cpuUsage: fc.constantFrom(0, 0.7, 14.9, 100),
  gpuUsage: fc.constantFrom(0, 50),
  metrics: fc.constantFrom(
    new Map(),
    new Map([['queue.depth', 1]]),
    new Map([
      ['queue.depth', 2],
      ['queue_depth', 3.5],
      ['queue-depth', 1e21],
    ]),
    new Map([['µ "quoted"\\\n', -0.1]]),
    new Map([
      ['__proto__', 1],
      ['7', 2],
      ['x'.repeat(10_240), 3],
    ]),
  ),
  gpus: fc.constantFrom(
    [],
    [GPU],
    [GPU, { ...GPU, index: 1, parentUuid: 'GPU-0', powerWatts: 250 }],
    [GPU, GPU],
    [GPU, { ...GPU, powerWatts: 250 }],
  ),
});

const IDS = ['plain', 'quote"', 'back\\slash', 'µ/{}\u2028', '__proto__'];

type Step =
  | ChangeStep
  | { readonly kind: 'beat'; readonly id: string; readonly beat: Beat }
  | { readonly kind: 'scrape'; readonly format: Format }
  /** Begins to make text ahead; and does some of what has begun, be it long ago. */
  | { readonly kind: 'ahead'; readonly format: Format }
  | { readonly kind: 'steps'; readonly steps: number };

const formats = fc.constantFrom(
  ...(Object.keys(MEDIA_TYPES) as MediaTypeName[]).flatMap((name) =>
    (['underscores', 'dots', 'values', 'allow-utf-8'] satisfies Escaping[]).map((escaping) => formatOf(name, escaping)),
  ),
);
/** In few formats, so that text of the same one is made again and again. */
const schedulesIn = (formats: fc.Arbitrary<Format>): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: changeOf(IDS) },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('beat' as const), id: fc.constantFrom(...IDS), beat: beats }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('scrape' as const), format: formats }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('ahead' as const), format: formats }) },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('steps' as const), steps: fc.integer({ min: 1, max: 40 }) }),
      },
    ),
    { maxLength: 40, size: 'max' },
  );

const schedules = fc.tuple(formats, formats).chain((few) => schedulesIn(fc.constantFrom(...few)));

/** Carries out all steps but scrapes. */
function carryingOut(fleet: Fleet, scraper: Scraper): (step: Exclude<Step, { kind: 'scrape' }>) => void {
  const known = new Set<string>();
  let ahead: Iterator<void> | undefined;
  return (step) => {
    switch (step.kind) {
      case 'ahead':
        ahead = scraper.ahead({ format: step.format, collections: OF_WORKERS });
        return;
      case 'steps':
        for (let n = 0; n < step.steps; n++) ahead?.next();
        return;
      case 'beat':
        if (known.has(step.id)) fleet.beat(step.id, step.beat);
        return;
      default:
        make(step, fleet, known);
    }
  };
}

describe('the text of scrapes', () => {
  it('is that of a scrape from scratch after any schedule of changes, in any format, whatever was made ahead', () => {
    fc.assert(
      fc.property(schedules, formats, (steps, last) => {
        const { fleet, directory, scraper } = newScraper();
        const carryOut = carryingOut(fleet, scraper);
        const check = (format: Format) => {
          const { bytes } = scraper.scrape({ format, collections: OF_WORKERS, gzip: false });
          expect(Buffer.from(bytes).toString('latin1')).toBe(naiveScrape(directory, format, ALL).toString('latin1'));
        };
        for (const step of steps) {
          if (step.kind === 'scrape') check(step.format);
          else carryOut(step);
        }
        for (const step of steps) if (step.kind === 'scrape') check(step.format);
        check(last);
      }),
      { numRuns: repetitions(150, 20_000) },
    );
  });

  it('has the same text for some workers as for them alone, and compressed as plain', () => {
    fc.assert(
      fc.property(schedules, formats, fc.subarray(IDS), (steps, format, workers) => {
        const { fleet, directory, scraper } = newScraper();
        const carryOut = carryingOut(fleet, scraper);
        for (const step of steps) {
          if (step.kind === 'scrape') scraper.scrape({ format: step.format, collections: OF_WORKERS, gzip: true });
          else carryOut(step);
        }
        const { bytes } = scraper.scrape({ format, collections: OF_WORKERS, gzip: true, workers });
        const wanted = naiveScrape(directory, format, ALL, ({ workerId }) => workers.includes(workerId));
        expect(gunzipSync(bytes).toString('latin1')).toBe(wanted.toString('latin1'));
      }),
      { numRuns: repetitions(75, 10_000) },
    );
  });
});

describe('what is kept for the next scrape', () => {
  it('does not grow with workers that come and go', async () => {
    const { fleet, scrape } = newScraper();
    const empty = scrape().text;
    let n = 0;
    const comeAndGo = (workers: number) => {
      for (const end = n + workers; n < end; n++) {
        const id = `worker-${n}`;
        fleet.register(id);
        fleet.beat(id, { metrics: new Map([[`only ${id}`, n]]), gpus: [GPU] });
        if (n % 3 === 0) scrape();
        fleet.forget(id);
      }
      expect(scrape().text).toBe(empty);
      collectGarbage();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const workers = repetitions(1000, 100_000);
    const mostBytes = Math.max(1024 * 1024, 200 * workers);
    let before = comeAndGo(500);
    let grownBytes = Number.POSITIVE_INFINITY;
    // A worker that stayed in memory would take more than 1 kB, in each round. Code is compiled in one of them.
    for (let round = 0; round < 3 && grownBytes >= mostBytes; round++) {
      const after = comeAndGo(workers);
      grownBytes = after - before;
      before = after;
    }
    expect(grownBytes).toBeLessThan(mostBytes);
  });

  it('leaves out whole families beyond the most series, custom ones of the fewest workers first', () => {
    // Two workers with 25 series that every worker has, and room for two of four custom metrics.
    const { fleet, scrape } = newScraper({ maxSeries: 2 * 25 + 4 });
    for (const id of ['a', 'b']) {
      fleet.register(id);
      fleet.beat(id, {
        metrics: new Map([
          ['a', 1],
          ['b', 2],
          [`${id} alone`, 3],
        ]),
      });
    }
    const { text, figures } = scrape();
    const names = Array.from(text.matchAll(/^# TYPE (pulselane_custom\S+)/gm), ([, name]) => name);
    expect({ names, cut: figures.cutSeries, families: figures.cutFamilies }).toEqual({
      names: ['pulselane_custom_a', 'pulselane_custom_b'],
      cut: 2,
      families: ['pulselane_custom_a_alone', 'pulselane_custom_b_alone'],
    });
    expect(figures.series).toBe(text.match(/^pulselane\S*[ {]/gm)?.length);
  });

  it('leaves out all custom metrics while there are more than may be kept, and none of them afterwards', () => {
    const { fleet, scrape } = newScraper({ maxSeries: 100 });
    fleet.register('a');
    fleet.register('b');
    const many = new Map(Array.from({ length: 70 }, (_, n) => [`metric ${n}`, n] as const));
    fleet.beat('a', { metrics: many });
    fleet.beat('b', { metrics: many });
    const crowded = scrape();
    expect(crowded.text).not.toContain('pulselane_custom');
    expect(crowded.figures).toMatchObject({ cutSeries: 140, cutFamilies: ['custom'] });
    fleet.beat('b', { metrics: new Map() });
    expect(scrape({ collections: ['custom'] }).text.match(/^pulselane_custom/gm)).toHaveLength(70);
  });

  it('has families only for the custom names of most workers, with all of their series, after any changes', () => {
    const maxCustomFamilies = 3;
    const ids = IDS.slice(0, 4);
    const names = fc.subarray(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    const changes = fc.array(fc.record({ id: fc.constantFrom(...ids), names, isScraped: fc.boolean() }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(changes, (steps) => {
        const { fleet, scrape } = newScraper({ maxCustomFamilies });
        for (const id of ids) fleet.register(id);
        const sent = new Map<string, readonly string[]>();
        for (const [n, { id, names, isScraped }] of steps.entries()) {
          fleet.beat(id, { metrics: new Map(names.map((name) => [name, n])) });
          sent.set(id, names);
          if (isScraped) scrape();
        }
        const workers = new Map<string, number>();
        for (const name of [...sent.values()].flat()) workers.set(name, (workers.get(name) ?? 0) + 1);
        const { text, figures } = scrape();
        const series = new Map<string, number>();
        for (const [, name = ''] of text.matchAll(/^pulselane_custom_(.)\{/gm))
          series.set(name, (series.get(name) ?? 0) + 1);
        const most = [...workers.values()].sort((one, other) => other - one).slice(0, maxCustomFamilies);
        expect([...series.values()].sort((one, other) => other - one)).toEqual(most);
        for (const [name, count] of series) expect(count).toBe(workers.get(name));
        const leftOut = [...workers].filter(([name]) => !series.has(name));
        expect(figures.leftOut).toBe(leftOut.reduce((sum, [, count]) => sum + count, 0));
        expect([...figures.leftOutNames].sort()).toEqual(leftOut.map(([name]) => name).sort());
        expect(scrape({ workers: ids }).text).toBe(text);
      }),
      { numRuns: repetitions(100, 10_000) },
    );
  });

  it('has all values of two GPUs that look the same from the first', () => {
    const { fleet, scrape } = newScraper();
    fleet.register('a');
    fleet.beat('a', { gpus: [GPU, { ...GPU, utilizationPercent: 99, powerWatts: 250 }] });
    const { text } = scrape({ collections: ['gpu'] });
    expect(text).toMatch(/^pulselane_worker_gpu_utilization_ratio\{.*\} 0\.125$/m);
    expect(text).not.toContain('_watts');
  });

  it('has what the board tells of a worker whose record cannot be read, and counts it', () => {
    const { fleet, directory, clock, scrape } = newScraper();
    fleet.register('a');
    fleet.beat('a', { cpuUsage: 50 });
    const lastHeartbeat = (text: string) => text.match(/^pulselane_worker_last_heartbeat.*\} (.*)$/m)?.[1];
    const before = scrape();
    const slot = directory.get('a')?.slot as { numbers: unknown };
    const { numbers } = slot;
    slot.numbers = () => {
      throw new Error('damaged');
    };
    clock.advance(5000);
    fleet.beat('a', { cpuUsage: 60 });
    const damaged = scrape();
    expect(Number(lastHeartbeat(damaged.text)) - Number(lastHeartbeat(before.text))).toBeCloseTo(5);
    expect(damaged.text).toContain('\npulselane_worker_cpu_usage_ratio{worker="a"} 0.5\n');
    expect(damaged.figures.unreadable).toBe(1);
    slot.numbers = numbers;
    const whole = scrape();
    expect(whole.text).toContain('\npulselane_worker_cpu_usage_ratio{worker="a"} 0.6\n');
    expect(whole.figures.unreadable).toBe(0);
  });

  it('names custom metrics that have no series, and counts them', () => {
    const { fleet, scrape } = newScraper();
    fleet.register('a');
    fleet.beat('a', {
      metrics: new Map([
        ['a.b', 1],
        ['a_b', 2],
        ['x'.repeat(10_240), 3],
      ]),
    });
    const { text, figures } = scrape();
    expect(text).toContain('\npulselane_custom_a_b{worker="a"} 2\n');
    expect(figures).toMatchObject({ collisions: 1, collidedNames: ['a_b', 'a.b'], leftOut: 1 });
    expect(figures.leftOutNames).toEqual([expect.stringMatching(/^x+… \(10240 characters\)$/)]);
    fleet.beat('a', { metrics: new Map(Array.from({ length: 1001 }, (_, n) => [`m${n}`, n])) });
    expect(scrape().figures).toMatchObject({ collisions: 0, leftOut: 1001 });
  });
});
