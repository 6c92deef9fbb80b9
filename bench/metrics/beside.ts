/** Whether acks and live clients notice a scraper. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type Child, withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type Spread } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { caughtUp, laneMixes, startMaster } from '../lib/servers.ts';
import { eventually, monotonicMs, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { FollowersCalls } from '../processes/followers.ts';
import type { LoadCalls } from '../processes/load.ts';
import type { ReaderCalls } from '../processes/reader.ts';

const WORKERS = 10_000;
const CLIENTS = 20;
const STREAMS = 50;
const PER_SECOND = 2000;
const FIRST_PER_SECOND = 6000;
const PROBES_PER_SECOND = 100;
const CUSTOM_METRICS = 5;
const SCRAPE_EVERY_MS = 1000;
/** As Prometheus asks. */
const HEADERS = {
  'Accept-Encoding': 'gzip',
  Accept: 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.5',
};
const MEASURE_MS = 20_000;

interface Segment {
  readonly ack: Spread;
  readonly delay: Spread;
}

interface Run {
  readonly alone: Segment;
  readonly scraped: Segment;
}

export const metricsBeside: Bench = {
  name: 'metrics-beside',
  question: 'Do acks and live clients notice a scrape every second?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const who = `${scaled(WORKERS, context.size.fleet)} workers send every 5 s`;
    const what = {
      ack: 'ack of a heartbeat from when it was due',
      delay: `readable to received by ${scaled(CLIENTS, context.size.fleet)} live clients`,
    };
    return figuresOf<Run>(
      runs,
      (['ack', 'delay'] as const).flatMap((which) => [
        {
          id: `metrics.beside.${which}.alone.p99`,
          question: `${who}: ${what[which]}, p99`,
          unit: 'ms',
          of: ({ alone }: Run) => alone[which].p99,
        },
        {
          id: `metrics.beside.${which}.scraped.p99`,
          question: `${who}: ${what[which]}, all metrics scraped every second, p99`,
          unit: 'ms',
          of: ({ scraped }: Run) => scraped[which].p99,
        },
        {
          id: `metrics.beside.${which}.ratio`,
          question: `${who}: ${what[which]}: p99 while scraped compared with not`,
          unit: '×',
          goal: 1.1,
          of: ({ alone, scraped }: Run) => scraped[which].p99 / alone[which].p99,
        },
      ]),
    );
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  return await withChildren(async (start) => {
    const workers = scaled(WORKERS, size.fleet);
    const ids = workerIds(workers);
    const { server, load, grpcPort, httpPort } = await startMaster(start, laneMixes(size).shared, workers);
    await server.call('announce', ids);
    const rates = { perSecond: FIRST_PER_SECOND, probesPerSecond: PROBES_PER_SECOND, metrics: CUSTOM_METRICS };
    await load.call('start', {
      type: 'steady-streams',
      grpcPort,
      workers,
      streams: Math.min(STREAMS, workers),
      ...rates,
    });
    await eventually('all workers have sent', async () => (await server.call('counts')).accepted >= 1.2 * workers, {
      everyMs: 200,
    });
    const perSecond = scaled(PER_SECOND, size.fleet);
    await load.call('setRate', perSecond);
    await caughtUp({ server, load });
    const followers = start<FollowersCalls>('followers.ts');
    await followers.call('follow', { httpPort, clients: scaled(CLIENTS, size.fleet), workers });
    const reader = start<ReaderCalls>('reader.ts');
    const scrape = (spec: { forMs: number; least: number }) =>
      reader.call('read', {
        httpPort,
        paths: ['/metrics'],
        headers: HEADERS,
        everyMs: SCRAPE_EVERY_MS * Math.min(1, 2.5 * size.time),
        ...spec,
      });

    // A few heartbeats are enough at the small size.
    const forMs = MEASURE_MS * size.time * Math.min(1, 5 * size.time);
    const segment = async (beside: () => Promise<unknown>): Promise<Segment> => {
      await load.call('stats');
      const sinceMs = monotonicMs();
      await watch.during(() => Promise.all([sleepMs(forMs), beside()]));
      const ack = await ackSpread(load);
      await eventually('a worker has sent', async () => {
        return (await server.call('published', ids)).some((record) => (record?.atMs ?? 0) >= sinceMs);
      });
      // Nobody sends now: what is there is the newest, and soon all clients have it.
      await load.call('setRate', 0);
      let delaysMs: Float64Array = new Float64Array();
      await eventually('live clients have the newest', async () => {
        const followed = await followers.call('followed', await server.call('published', ids), sinceMs);
        delaysMs = followed.delaysMs;
        return followed.newestShare === 1 && delaysMs.length > 0;
      });
      await load.call('setRate', perSecond);
      return { ack, delay: p50p99(delaysMs) };
    };
    const alone = await segment(async () => {});
    await scrape({ forMs: 0, least: 3 });
    const scraped = await segment(() => scrape({ forMs, least: 1 }));
    await followers.call('leave');
    await accountedFor(server, await load.call('stop'));
    return { alone, scraped };
  });
}

/** Of all acks since the last call, and at least one. */
async function ackSpread(load: Child<LoadCalls>): Promise<Spread> {
  const latenciesMs: number[] = [];
  await eventually('acks have come', async () => {
    latenciesMs.push(...(await load.call('stats')).latenciesMs);
    return latenciesMs.length > 0;
  });
  return p50p99(latenciesMs);
}
