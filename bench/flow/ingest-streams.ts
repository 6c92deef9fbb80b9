/** How many streamed heartbeats per second the master applies, compared with what a bare server accepts. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type Child, withChildren } from '../lib/child.ts';
import { figuresOf, type QuestionOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { acceptedPerSecond, accountedFor, measureWindow, type ServerProcess } from '../lib/server.ts';
import { type LaneMix, laneMixes, type Started, startBare, startMaster } from '../lib/servers.ts';
import { sleepMs } from '../lib/time.ts';
import { warmUp } from '../lib/warm-up.ts';
import type { LoadCalls } from '../processes/load.ts';

const WORKERS = 1000;
const STREAMS = 50;
/** LANE_DEPTH: with more unapplied heartbeats, some would be replaced. */
const WINDOW = 16;
/** Often enough that the window, which lasts 90 ms at the expected rate, never stalls the load. */
const TELL_APPLIED_EVERY_MS = 5;
const MEASURE_MS = 2000;

interface Rate {
  readonly perSecond: number;
  readonly shareReplaced: number;
  readonly mainCpuUs: number;
}

type Run = Readonly<Record<LaneMix | 'bare', Rate>>;

export const ingestStreams: Bench = {
  name: 'ingest-streams',
  question: 'How many streamed heartbeats per second, compared with a bare grpc-js server?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const workers = scaled(WORKERS, context.size.fleet);
    return figuresOf(runs, [
      {
        id: 'ingest.streams.bare.rate',
        question: `streams, ${workers} workers, closed loop: bare server`,
        unit: '/s',
        of: ({ bare }) => bare.perSecond,
      },
      ...questionsOf('shared', 'streams, 2 shared lanes', 0.45),
      ...questionsOf('dedicated', 'streams, 100 dedicated lanes and 1 shared', 0.3),
    ]);
  },
};

function questionsOf(lanes: LaneMix, what: string, goal: number): QuestionOf<Run>[] {
  const id = `ingest.streams.${lanes}`;
  return [
    {
      id: `${id}.rate`,
      question: `${what}: applied`,
      unit: '/s',
      of: (run) => run[lanes].perSecond,
    },
    {
      id: `${id}.ratio`,
      question: `${what}: rate compared with the bare server`,
      unit: '×',
      goal,
      goalIs: 'at least',
      of: (run) => run[lanes].perSecond / run.bare.perSecond,
    },
    {
      id: `${id}.replaced`,
      question: `${what}: share replaced by newer ones`,
      unit: '%',
      of: (run) => run[lanes].shareReplaced * 100,
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
  const mixes = laneMixes(size, 1);
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
  const streams = Math.min(STREAMS, workers);
  await load.call('start', { type: 'closed-streams', grpcPort, workers, streams, window: WINDOW });
  const stopTelling = tellApplied(server, load, workers);
  await warmUp(watch, size, what, (forMs) => acceptedPerSecond(server, forMs));
  const { accepted, applied, replaced, mainCpuMs, seconds } = await watch.during(() =>
    measureWindow(server, MEASURE_MS * size.time),
  );
  await stopTelling();
  await accountedFor(server, await load.call('stop'));
  return { perSecond: applied / seconds, shareReplaced: replaced / accepted, mainCpuUs: (mainCpuMs * 1000) / accepted };
}

/** Closes the loop. @returns a function that stops it */
function tellApplied(server: ServerProcess, load: Child<LoadCalls>, workers: number): () => Promise<void> {
  let isTelling = true;
  const telling = (async () => {
    while (isTelling) {
      await load.call('applied', await server.call('applied', workers));
      await sleepMs(TELL_APPLIED_EVERY_MS);
    }
  })();
  // Thrown to whoever stops it.
  telling.catch(() => {});
  return () => {
    isTelling = false;
    return telling;
  };
}
