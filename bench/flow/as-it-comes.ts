/** What default lanes cost for 1,000 workers, compared with shared lanes only: alternating in one run. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { type LanePoint, measureLanes } from '../lib/lane-point.ts';
import { figuresOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { startMaster } from '../lib/servers.ts';
import { eventually } from '../lib/time.ts';

const WORKERS = 1000;
const CONNECTIONS = 50;
const ALL_SHARED = { MAX_DEDICATED_LANES: '0' };
const RSS_GOAL_MB = 1200;
const VISIBLE_GOAL_MS = 1000;

interface Run {
  readonly shared: LanePoint;
  readonly asItComes: LanePoint;
  /** From the first of all simultaneous registrations until all are readable with a heartbeat. */
  readonly visibleMs: number;
}

export const asItComes: Bench = {
  name: 'as-it-comes',
  question: 'What do default lanes cost for 1,000 workers, compared with shared lanes only?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const workers = scaled(WORKERS, context.size.fleet);
    const beside = `${workers} workers, default lanes compared with shared lanes only`;
    return figuresOf<Run>(runs, [
      {
        id: 'as-it-comes.rate',
        question: `${beside}: unary heartbeats acked, closed loop`,
        unit: '×',
        goal: 0.9,
        goalIs: 'at least',
        of: ({ shared, asItComes }) => asItComes.perSecond / shared.perSecond,
      },
      {
        id: 'as-it-comes.work',
        question: `${beside}: CPU of the master per heartbeat`,
        unit: '×',
        goal: 1.2,
        of: ({ shared, asItComes }) => asItComes.cpuUs / shared.cpuUs,
      },
      {
        id: 'as-it-comes.cpu',
        question: `${beside}: CPU of the master at 2,000/s`,
        unit: '×',
        goal: 1.2,
        of: ({ shared, asItComes }) => asItComes.cpuPercent / shared.cpuPercent,
      },
      {
        id: 'as-it-comes.rss',
        question: `${workers} workers, default lanes: RSS`,
        unit: 'MB',
        goal: RSS_GOAL_MB,
        of: ({ asItComes }) => asItComes.rssBytes / 1e6,
      },
      {
        id: 'as-it-comes.shared.rss',
        question: `${workers} workers, shared lanes only: RSS`,
        unit: 'MB',
        of: ({ shared }) => shared.rssBytes / 1e6,
      },
      {
        id: 'as-it-comes.visible',
        question: `${workers} workers connect at once, default lanes: all readable with a heartbeat`,
        unit: 'ms',
        goal: VISIBLE_GOAL_MS,
        of: ({ visibleMs }) => visibleMs,
      },
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  return {
    shared: await measureLanes(size, WORKERS, ALL_SHARED, watch),
    asItComes: await measureLanes(size, WORKERS, {}, watch),
    visibleMs: await watch.during(() => timeStorm(size)),
  };
}

async function timeStorm(size: Size): Promise<number> {
  const workers = scaled(WORKERS, size.fleet);
  return withChildren(async (start) => {
    const { server, load, grpcPort } = await startMaster(start, {}, 1);
    const connections = Math.min(CONNECTIONS, workers);
    await load.call('start', { type: 'storm', grpcPort, workers, connections, probesPerSecond: 1 });
    const { atMs } = await load.call('release');
    let lastMs: number | undefined;
    await eventually('all workers readable', async () => {
      lastMs = await server.call('lastPublishedMs', workers + 1);
      return lastMs !== undefined;
    });
    await accountedFor(server, await load.call('stop'));
    return (lastMs as number) - atMs;
  });
}
