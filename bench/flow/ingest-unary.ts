/** How many unary heartbeats per second the master accepts, compared with a bare server. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, type QuestionOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { acceptedPerSecond, accountedFor, measureWindow } from '../lib/server.ts';
import { type LaneMix, laneMixes, type Started, startBare, startMaster } from '../lib/servers.ts';
import { warmUp } from '../lib/warm-up.ts';

const WORKERS = 1000;
const CONNECTIONS = 50;
const MEASURE_MS = 2000;

interface Rate {
  readonly perSecond: number;
  /** Of all acked heartbeats, including warm-up. */
  readonly shareApplied: number;
  readonly mainCpuUs: number;
}

type Run = Readonly<Record<LaneMix | 'bare', Rate>>;

export const ingestUnary: Bench = {
  name: 'ingest-unary',
  question: 'How many unary heartbeats per second, compared with a bare grpc-js server?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const workers = scaled(WORKERS, context.size.fleet);
    return figuresOf(runs, [
      {
        id: 'ingest.unary.bare.rate',
        question: `unary, ${workers} workers, closed loop: bare server`,
        unit: '/s',
        of: ({ bare }) => bare.perSecond,
      },
      ...questionsOf('shared', `unary, 2 shared lanes`, 0.8),
      ...questionsOf('dedicated', `unary, 100 dedicated lanes`, 0.65),
    ]);
  },
};

function questionsOf(lanes: LaneMix, what: string, goal: number): QuestionOf<Run>[] {
  const id = `ingest.unary.${lanes}`;
  return [
    { id: `${id}.rate`, question: `${what}: acked`, unit: '/s', of: (run) => run[lanes].perSecond },
    {
      id: `${id}.ratio`,
      question: `${what}: rate compared with the bare server`,
      unit: '×',
      goal,
      goalIs: 'at least',
      of: (run) => run[lanes].perSecond / run.bare.perSecond,
    },
    {
      id: `${id}.applied`,
      question: `${what}: share of acked ones that were applied`,
      unit: '%',
      of: (run) => run[lanes].shareApplied * 100,
    },
    {
      id: `${id}.main-cpu`,
      question: `${what}: main thread's CPU per heartbeat`,
      unit: 'µs',
      of: (run) => run[lanes].mainCpuUs,
    },
  ];
}

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const mixes = laneMixes(size);
  const workers = scaled(WORKERS, size.fleet);
  return {
    // Run between the two that are compared with it.
    shared: await withChildren(async (start) =>
      rateOf(await startMaster(start, mixes.shared, workers), 'shared lanes', size, watch),
    ),
    bare: await withChildren(async (start) => rateOf(await startBare(start), 'bare server', size, watch)),
    dedicated: await withChildren(async (start) =>
      rateOf(await startMaster(start, mixes.dedicated, workers), 'dedicated lanes', size, watch),
    ),
  };
}

async function rateOf({ server, load, grpcPort }: Started, what: string, size: Size, watch: RunWatch): Promise<Rate> {
  const workers = scaled(WORKERS, size.fleet);
  await load.call('start', { type: 'closed-unary', grpcPort, workers, connections: Math.min(CONNECTIONS, workers) });
  await warmUp(watch, size, what, (forMs) => acceptedPerSecond(server, forMs));
  const { accepted, mainCpuMs, seconds } = await watch.during(() => measureWindow(server, MEASURE_MS * size.time));
  const all = await accountedFor(server, await load.call('stop'));
  return {
    perSecond: accepted / seconds,
    shareApplied: all.applied / all.accepted,
    mainCpuUs: (mainCpuMs * 1000) / accepted,
  };
}
