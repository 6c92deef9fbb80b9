/** What it costs that a worker of the earlier Go system opens a connection for each heartbeat. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { acceptedPerSecond, accountedFor, measureWindow, type Window } from '../lib/server.ts';
import { laneMixes, type Started, startBare, startMaster } from '../lib/servers.ts';
import { warmUp } from '../lib/warm-up.ts';

const WORKERS = 1000;
const AT_ONCE = 16;
const MEASURE_MS = 1500;

interface Run {
  readonly master: Window;
  readonly bare: Window;
}

export const ingestFresh: Bench = {
  name: 'ingest-fresh',
  question: 'What does a heartbeat on a connection of its own cost?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const what = `a connection for each heartbeat, ${AT_ONCE} at a time`;
    const rate = ({ accepted, seconds }: Window) => accepted / seconds;
    const cpuUs = ({ processCpuMs, accepted }: Window) => (processCpuMs * 1000) / accepted;
    return figuresOf<Run>(runs, [
      {
        id: 'ingest.fresh.ratio',
        question: `${what}: rate compared with the bare server`,
        unit: '×',
        goal: 0.8,
        goalIs: 'at least',
        of: ({ master, bare }) => rate(master) / rate(bare),
      },
      { id: 'ingest.fresh.rate', question: `${what}: acked`, unit: '/s', of: ({ master }) => rate(master) },
      {
        id: 'ingest.fresh.cpu',
        question: `${what}: CPU of the master per heartbeat`,
        unit: 'µs',
        of: ({ master }) => cpuUs(master),
      },
      { id: 'ingest.fresh.bare.rate', question: `${what}: bare server`, unit: '/s', of: ({ bare }) => rate(bare) },
      {
        id: 'ingest.fresh.bare.cpu',
        question: `${what}: CPU of the bare server per heartbeat`,
        unit: 'µs',
        of: ({ bare }) => cpuUs(bare),
      },
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const workers = scaled(WORKERS, size.fleet);
  return {
    bare: await withChildren(async (start) => measureServer(await startBare(start), 'bare server', size, watch)),
    master: await withChildren(async (start) =>
      measureServer(await startMaster(start, laneMixes(size).shared, workers), 'master', size, watch),
    ),
  };
}

async function measureServer(
  { server, load, grpcPort }: Started,
  what: string,
  size: Size,
  watch: RunWatch,
): Promise<Window> {
  const workers = scaled(WORKERS, size.fleet);
  await load.call('start', { type: 'fresh-unary', grpcPort, workers, atOnce: AT_ONCE });
  await warmUp(watch, size, what, (forMs) => acceptedPerSecond(server, forMs));
  const window = await watch.during(() => measureWindow(server, MEASURE_MS * size.time));
  await accountedFor(server, await load.call('stop'));
  return window;
}
