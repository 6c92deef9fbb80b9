/** What 1,000 clients that follow 1,000 workers receive, how soon, and what they cost. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, ratioOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor, measureWindow } from '../lib/server.ts';
import { laneMixes, startMaster } from '../lib/servers.ts';
import { monotonicMs, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { BareLiveCalls } from '../processes/bare-live.ts';
import type { FollowersCalls } from '../processes/followers.ts';

const WORKERS = 1000;
const CLIENTS = 1000;
const STREAMS = 50;
/** One heartbeat per worker every 5 s. */
const PER_SECOND = 200;
/** Until each has sent, twice. */
const FIRST_PER_SECOND = 2000;
/** In which each worker has sent. */
const MEASURE_MS = 15_000;
/** Until the last update, which comes twice a second, is with everybody: so much for so many. */
const SETTLE_MS = 1500;

/** Two updates per second take 250 and 500 ms by themselves; the rest may add this. */
const DELAY_GOALS = { p50: 1.6, p99: 1.6 };

interface Run {
  readonly bare: { readonly delay: Spread; readonly cpuPercent: number };
  readonly newestPercent: number;
  readonly delay: Spread;
  readonly stuckDelay: Spread;
  readonly cpuPercent: number;
  readonly mbPerS: number;
  readonly rssMb: { readonly before: number; readonly with: number; readonly stuck: number; readonly after: number };
}

export const live: Bench = {
  name: 'live',
  question: 'Do 1,000 stream clients get every change, how soon, and at what cost?',
  async run(context: BenchContext) {
    const clients = scaled(CLIENTS, context.size.fleet);
    const workers = scaled(WORKERS, context.size.fleet);
    const runs = await repeated(this, context, measure);
    const who = `${clients} clients on ${workers} workers, ${PER_SECOND}/s, twice a second`;
    return figuresOf<Run>(runs, [
      {
        id: 'live.newest',
        question: `${who}: have the newest state of all workers in the end`,
        unit: '%',
        goal: 100,
        goalIs: 'at least',
        of: ({ newestPercent }) => newestPercent,
      },
      ...spreadQuestions<Run>(
        { id: 'live.delay', question: `${who}: readable to received`, unit: 'ms' },
        ({ delay }) => delay,
      ),
      ...spreadQuestions<Run>(
        { id: 'live.bare.delay', question: `${who}: bare stream`, unit: 'ms' },
        ({ bare }) => bare.delay,
      ),
      ...spreadQuestions<Run>(
        { id: 'live.delay.ratio', question: `${who}: readable to received, compared with the bare stream`, unit: '×' },
        ({ delay, bare }) => ratioOf(delay, bare.delay),
        DELAY_GOALS,
      ),
      ...spreadQuestions<Run>(
        { id: 'live.stuck.delay', question: `${who}: the same with another client that never reads`, unit: 'ms' },
        ({ stuckDelay }) => stuckDelay,
      ),
      ...spreadQuestions<Run>(
        { id: 'live.stuck.delay.ratio', question: `${who}: that, compared with the bare stream`, unit: '×' },
        ({ stuckDelay, bare }) => ratioOf(stuckDelay, bare.delay),
        DELAY_GOALS,
      ),
      {
        id: 'live.cpu',
        question: `${who}: CPU of the master, of one core`,
        unit: '%',
        of: ({ cpuPercent }) => cpuPercent,
      },
      { id: 'live.bare.cpu', question: `${who}: bare stream`, unit: '%', of: ({ bare }) => bare.cpuPercent },
      {
        id: 'live.cpu.ratio',
        question: `${who}: CPU of the master compared with the bare stream`,
        unit: '×',
        goal: 3,
        of: ({ cpuPercent, bare }) => cpuPercent / bare.cpuPercent,
      },
      { id: 'live.rate', question: `${who}: bytes sent to all clients`, unit: 'MB/s', of: ({ mbPerS }) => mbPerS },
      ...(['before', 'with', 'stuck', 'after'] as const).map((when) => ({
        id: `live.rss.${when}`,
        question: `${who}: RSS of the master, ${WHEN[when]}`,
        unit: 'MB',
        of: ({ rssMb }: Run) => rssMb[when],
      })),
    ]);
  },
};

const WHEN = {
  before: 'before them',
  with: 'with them',
  stuck: 'with them and one that never reads',
  after: 'after them',
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  return { ...(await measureMaster(size, watch)), bare: await measureBare(size, watch) };
}

async function measureBare(size: Size, watch: RunWatch): Promise<Run['bare']> {
  return await withChildren(async (start) => {
    const workers = scaled(WORKERS, size.fleet);
    const bare = start<BareLiveCalls>('bare-live.ts');
    const followers = start<FollowersCalls>('followers.ts');
    const httpPort = await bare.call('start', workers, PER_SECOND);
    await followers.call('follow', { httpPort, clients: scaled(CLIENTS, size.fleet), workers });
    const sinceMs = monotonicMs();
    const before = await bare.call('usage');
    await watch.during(() => sleepMs(MEASURE_MS * size.time));
    const after = await bare.call('usage');
    await bare.call('setRate', 0);
    await sleepMs(settleMs(size));
    const { delaysMs } = await followers.call('followed', await bare.call('published'), sinceMs);
    await followers.call('leave');
    const cpuPercent = (100 * (after.processCpuMs - before.processCpuMs)) / (after.atMs - before.atMs);
    return { delay: p50p99(delaysMs), cpuPercent };
  });
}

function settleMs({ fleet }: Size): number {
  return SETTLE_MS * Math.max(0.5, fleet);
}

async function measureMaster(size: Size, watch: RunWatch): Promise<Omit<Run, 'bare'>> {
  return await withChildren(async (start) => {
    const workers = scaled(WORKERS, size.fleet);
    const clients = scaled(CLIENTS, size.fleet);
    const ids = workerIds(workers);
    const { server, load, grpcPort, httpPort } = await startMaster(start, laneMixes(size).shared, workers);
    const followers = start<FollowersCalls>('followers.ts');
    const spec = { grpcPort, workers, streams: Math.min(STREAMS, workers) };

    await load.call('start', { type: 'steady-streams', ...spec, perSecond: FIRST_PER_SECOND });
    await sleepMs((2 * workers * 1000) / FIRST_PER_SECOND);
    await load.call('setRate', PER_SECOND);
    const before = await server.call('rssBytes');
    await followers.call('follow', { httpPort, clients, workers });

    const segment = async () => {
      const sinceMs = monotonicMs();
      const window = await watch.during(() => measureWindow(server, MEASURE_MS * size.time));
      const rss = await server.call('rssBytes');
      return { sinceMs, window, rss };
    };
    /** Nobody sends now: what is there is the newest. */
    const result = async ({ sinceMs, window, rss }: Awaited<ReturnType<typeof segment>>) => {
      await load.call('setRate', 0);
      await sleepMs(settleMs(size));
      const followed = await followers.call('followed', await server.call('published', ids), sinceMs);
      await load.call('setRate', PER_SECOND);
      return { ...followed, window, rss };
    };
    const alone = await result(await segment());
    await followers.call('addStuck', httpPort);
    const beside = await result(await segment());
    await followers.call('leave');
    await accountedFor(server, await load.call('stop'));
    await sleepMs(settleMs(size));
    const after = await server.call('rssBytes');
    const mb = (bytes: number) => bytes / 1e6;
    return {
      newestPercent: 100 * Math.min(alone.newestShare, beside.newestShare),
      delay: p50p99(alone.delaysMs),
      stuckDelay: p50p99(beside.delaysMs),
      cpuPercent: (100 * alone.window.processCpuMs) / alone.window.cpuMs,
      mbPerS: mb(alone.bytes) / alone.window.seconds,
      rssMb: { before: mb(before), with: mb(alone.rss), stuck: mb(beside.rss), after: mb(after) },
    };
  });
}
