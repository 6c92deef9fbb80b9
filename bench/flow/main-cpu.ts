/** What a streamed heartbeat costs the main thread, which everything else depends on, compared with a bare server. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor, mainCpuUs, measureWindow } from '../lib/server.ts';
import { caughtUp, laneMixes, type Started, startBare, startMaster } from '../lib/servers.ts';
import { warmUp } from '../lib/warm-up.ts';

const WORKERS = 10_000;
const STREAMS = 500;
const HEARTBEATS_PER_SECOND = 5000;
/** Includes one round of acks. */
const MEASURE_MS = 3000;

interface Run {
  readonly masterUs: number;
  readonly bareUs: number;
}

export const mainCpu: Bench = {
  name: 'main-cpu',
  question: 'What does a streamed heartbeat cost the main thread, compared with a bare grpc-js server?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const what = `main thread's CPU per heartbeat, ${HEARTBEATS_PER_SECOND}/s over ${STREAMS} streams`;
    return figuresOf<Run>(runs, [
      { id: 'main-cpu.heartbeat', question: what, unit: 'µs', of: ({ masterUs }) => masterUs },
      { id: 'main-cpu.bare', question: `${what}: bare server`, unit: 'µs', of: ({ bareUs }) => bareUs },
      {
        id: 'main-cpu.ratio',
        question: `${what}: compared with the bare server`,
        unit: '×',
        goal: 1.6,
        of: ({ masterUs, bareUs }) => masterUs / bareUs,
      },
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const workers = scaled(WORKERS, size.fleet);
  return {
    bareUs: await withChildren(async (start) => perHeartbeatUs(await startBare(start), 'bare server', size, watch)),
    masterUs: await withChildren(async (start) =>
      perHeartbeatUs(await startMaster(start, laneMixes(size).dedicated, workers), 'master', size, watch),
    ),
  };
}

async function perHeartbeatUs(
  { server, load, grpcPort }: Started,
  what: string,
  size: Size,
  watch: RunWatch,
): Promise<number> {
  const workers = scaled(WORKERS, size.fleet);
  const spec = { grpcPort, workers, streams: Math.min(STREAMS, workers) };
  await load.call('start', { type: 'steady-streams', ...spec, perSecond: HEARTBEATS_PER_SECOND });
  await caughtUp({ server, load });
  await warmUp(watch, size, what, async (forMs) => mainCpuUs(await measureWindow(server, forMs)));
  const window = await watch.during(() => measureWindow(server, MEASURE_MS * size.time));
  await accountedFor(server, await load.call('stop'));
  return mainCpuUs(window);
}
