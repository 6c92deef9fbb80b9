/** How long `GET /metrics` takes while workers send, compared with prom-client with the same series, and what the work consists of. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type StartChild, withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type QuestionOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { caughtUp, laneMixes, type StartedMaster, startMaster } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { PromClientCalls } from '../processes/prom-client.ts';
import type { ReaderCalls, ReadSpec } from '../processes/reader.ts';

const FLEETS = [1000, 10_000] as const;
const LARGEST = 10_000;
const nameOf = (fleet: number) => `metrics-scrape-${fleet}`;
/** Each worker sends every 5 s. */
const HEARTBEAT_PERIOD_S = 5;
const FIRST_PER_SECOND = 6000;
const CUSTOM_METRICS = 5;
/** 12 series per worker, and its custom metrics. */
const SEVENTEEN = '/metrics?collect[]=usage&collect[]=capacity&collect[]=health&collect[]=info&collect[]=custom';
const ALL = '/metrics';
const GZIP = { 'Accept-Encoding': 'gzip' };
/** Long enough for each worker to send again: so every scrape finds all of them changed, as one every 15 s does. */
const REGULAR_MS = 1000 * HEARTBEAT_PERIOD_S;
/** By then a scrape is expected. */
const FIRST_REGULAR = 4;
const REGULAR_ANSWERS = 4;
/** Added to the interval, so that no scrape is expected. */
const IRREGULAR_MS = [300, 2100, 900] as const;
const EVERY_MS = 200;
const MEASURE_MS = 4000;
/** prom-client takes seconds for 10,000 workers. */
const LEAST_ANSWERS = 5;
const WARM_ANSWERS = 4;
/** Of a scraper. */
const INTERVAL_S = 15;

interface Run {
  readonly plain: Spread;
  readonly gzip: Spread;
  readonly worst: Spread;
  readonly all: Spread;
  readonly promClient: Spread;
  /** The work ahead of one scrape. */
  readonly aheadMs: number;
  /** What the thread for metrics worked on an answer, without and with gzip, if nothing has changed; and on one worker that has. */
  readonly unchangedMs: number;
  readonly changedUs: number;
  readonly seriesPerWorker: number;
}

/** One for each size of a fleet. */
export const metricsScrapes: readonly Bench[] = FLEETS.map((fleet) => ({
  name: nameOf(fleet),
  question: `How long does \`GET /metrics\` of ${fleet} workers take, compared with prom-client with the same series?`,
  ...(fleet === LARGEST
    ? {}
    : { sameAs: { bench: nameOf(LARGEST), idOf: (id) => id.replace(`${LARGEST}`, `${fleet}`) } }),
  async run(context: BenchContext) {
    const workers = scaled(fleet, context.size.fleet);
    const runs = await repeated(this, context, (size, watch) => measure(workers, size, watch));
    return figuresOf<Run>(runs, questionsFor(fleet, workers));
  },
}));

function questionsFor(fleet: number, workers: number): QuestionOf<Run>[] {
  const id = `metrics.${fleet}`;
  const some = `GET /metrics, ${workers} workers × (12 + ${CUSTOM_METRICS}) series, all changed`;
  const regular = `${some}, scraped regularly`;
  const worst = `${some}, scraped at any time`;
  const everything = `GET /metrics, ${workers} workers, all families`;
  const perSecond = workers / HEARTBEAT_PERIOD_S;
  return [
    ...spreadQuestions<Run>(
      { id, question: regular, unit: 'ms' },
      (run) => run.plain,
      fleet === LARGEST ? { p99: 250 } : {},
    ),
    ...spreadQuestions<Run>({ id: `${id}.gzip`, question: `${regular}: compressed`, unit: 'ms' }, (run) => run.gzip),
    ...spreadQuestions<Run>({ id: `${id}.worst`, question: worst, unit: 'ms' }, (run) => run.worst),
    ...spreadQuestions<Run>(
      { id: `${id}.all`, question: `${everything}, compressed, every ${EVERY_MS} ms`, unit: 'ms' },
      (run) => run.all,
    ),
    {
      id: `${id}.all.series`,
      question: `${everything}: series per worker`,
      unit: 'series',
      of: (run) => run.seriesPerWorker,
    },
    ...spreadQuestions<Run>(
      {
        id: `${id}.prom-client`,
        question: `prom-client, ${workers} × (12 + ${CUSTOM_METRICS}) series, as many updates`,
        unit: 'ms',
      },
      (run) => run.promClient,
    ),
    {
      id: `${id}.ratio`,
      question: `${regular}: how many times faster than prom-client, p50`,
      unit: '×',
      goal: 10,
      goalIs: 'at least',
      of: (run) => run.promClient.p50 / run.plain.p50,
    },
    {
      id: `${id}.worst.ratio`,
      question: `${worst}: how many times faster than prom-client, p50`,
      unit: '×',
      of: (run) => run.promClient.p50 / run.worst.p50,
    },
    {
      id: `${id}.ahead`,
      question: `${regular}: work of its thread ahead of each`,
      unit: 'ms',
      of: (run) => run.aheadMs,
    },
    {
      id: `${id}.unchanged`,
      question: `${everything}: work of its thread if nothing has changed`,
      unit: 'ms',
      of: (run) => run.unchangedMs,
    },
    {
      id: `${id}.changed`,
      question: `${everything}: the same per worker that has changed`,
      unit: 'µs',
      of: (run) => run.changedUs,
    },
    {
      id: `${id}.per-heartbeat`,
      question: `text of ${workers} workers made with each heartbeat (reckoned), of one core`,
      unit: '%',
      of: (run) => (100 * perSecond * run.changedUs) / 1e6,
    },
    {
      id: `${id}.per-scrape`,
      question: `… made with each scrape, every ${INTERVAL_S} s (reckoned), of one core`,
      unit: '%',
      of: (run) => (100 * (workers * run.changedUs + 1000 * run.unchangedMs)) / (INTERVAL_S * 1e6),
    },
  ];
}

async function measure(workers: number, size: Size, watch: RunWatch): Promise<Run> {
  return await withChildren(async (start) => {
    const started = await startMaster(start, laneMixes(size).shared, workers);
    const { server, load, grpcPort, httpPort } = started;
    await server.call('announce', workerIds(workers));
    const spec = {
      grpcPort,
      workers,
      streams: Math.min(50, workers),
      perSecond: FIRST_PER_SECOND,
      metrics: CUSTOM_METRICS,
    };
    await load.call('start', { type: 'steady-streams', ...spec });
    await eventually('all workers have sent', async () => (await server.call('counts')).accepted >= 1.2 * workers, {
      everyMs: 200,
    });
    await load.call('setRate', workers / HEARTBEAT_PERIOD_S);
    await caughtUp({ server, load });

    const reader = readerOf(start, size, watch);
    await reader.warm(httpPort, SEVENTEEN);
    // Before there is a rhythm.
    const worst = await reader.irregular(httpPort, SEVENTEEN);
    await reader.regular(httpPort, SEVENTEEN, FIRST_REGULAR);
    const plain = await reader.regular(httpPort, SEVENTEEN, REGULAR_ANSWERS);
    const { ahead_ms: aheadMs } = await lastScrape(httpPort);
    // In the same rhythm: the text is the same.
    const gzip = await reader.regular(httpPort, SEVENTEEN, REGULAR_ANSWERS, GZIP);
    await reader.warm(httpPort, ALL, GZIP);
    const all = await reader.often(httpPort, ALL, GZIP);
    const work = await workOf(started, workers, size);
    await accountedFor(server, await load.call('stop'));

    const promClient = start<PromClientCalls>('prom-client.ts');
    const perSecond = workers / HEARTBEAT_PERIOD_S;
    const served = await promClient.call('serve', `http://127.0.0.1:${httpPort}${SEVENTEEN}`, perSecond);
    await reader.warm(served.httpPort, '/metrics');
    return {
      plain,
      gzip,
      worst,
      all,
      aheadMs,
      promClient: await reader.often(served.httpPort, '/metrics'),
      ...work,
      seriesPerWorker: work.series / workers,
    };
  });
}

/** Scrapes in several ways. */
function readerOf(start: StartChild, size: Size, watch: RunWatch) {
  const reader = start<ReaderCalls>('reader.ts');
  type Headers = Readonly<Record<string, string>>;
  const spec = (httpPort: number, path: string, headers: Headers) => ({ httpPort, paths: [path], headers });
  const intervalMs = REGULAR_MS * shortened(size);
  const read = async (what: Omit<ReadSpec, 'forMs'> & { readonly forMs?: number }) => {
    const { latenciesMs } = await reader.call('read', { forMs: 0, ...what });
    return [...latenciesMs];
  };
  return {
    /** The first answers make the text and compile the code. */
    async warm(httpPort: number, path: string, headers: Headers = {}): Promise<void> {
      await read({ ...spec(httpPort, path, headers), least: Math.max(1, Math.round(WARM_ANSWERS * size.warm)) });
    },
    async often(httpPort: number, path: string, headers: Headers = {}): Promise<Spread> {
      const forMs = MEASURE_MS * size.time;
      const what = { ...spec(httpPort, path, headers), forMs, everyMs: EVERY_MS * shortened(size) };
      return p50p99(await watch.during(() => read({ ...what, least: atSize(LEAST_ANSWERS, size) })));
    },
    async regular(httpPort: number, path: string, answers: number, headers: Headers = {}): Promise<Spread> {
      const what = { ...spec(httpPort, path, headers), everyMs: intervalMs };
      return p50p99(await watch.during(() => read({ ...what, least: atSize(answers, size) })));
    },
    async irregular(httpPort: number, path: string): Promise<Spread> {
      const latenciesMs = await watch.during(async () => {
        const all: number[] = [];
        for (const moreMs of IRREGULAR_MS) {
          await sleepMs(intervalMs + moreMs * shortened(size));
          all.push(...(await read({ ...spec(httpPort, path, {}), least: 1 })));
        }
        return all;
      });
      return p50p99(latenciesMs);
    },
  };
}

/** What intervals are multiplied by: at the small size nothing can be learned from them. */
const shortened = ({ time }: Size) => Math.min(1, 2.5 * time) ** 2;
const atSize = (answers: number, { time }: Size) => Math.max(1, Math.round(answers * Math.min(1, 2.5 * time)));

interface Scrape {
  readonly series: number;
  readonly took_ms: number;
  readonly workers_read: number;
  readonly ahead_ms: number;
}

async function lastScrape(httpPort: number): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/limits`);
  return ((await response.json()) as { metrics: { last: Scrape } }).metrics.last;
}

/** What one answer costs if all workers have changed since the last one, and right after it. */
async function workOf({ httpPort }: StartedMaster, workers: number, size: Size) {
  const scrape = async () => {
    await (await fetch(`http://127.0.0.1:${httpPort}${ALL}`, { headers: GZIP })).arrayBuffer();
    return lastScrape(httpPort);
  };
  await scrape();
  // At full size, until each has sent.
  await sleepMs(REGULAR_MS * shortened(size));
  const changed = await scrape();
  const after = await scrape();
  const difference = Math.max(1, changed.workers_read - after.workers_read);
  const changedUs = Math.max(0, (1000 * (changed.took_ms - after.took_ms)) / difference);
  const unchangedMs = Math.max(0, after.took_ms - (after.workers_read * changedUs) / 1000);
  return { changedUs, unchangedMs, series: workers === 0 ? 0 : changed.series };
}
