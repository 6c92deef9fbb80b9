/** What it costs that a worker of the seed opens a connection for each heartbeat. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import { accountedFor, measureWindow, type Window } from '../lib/server.ts';
import { laneMixes, type Started, startBaseline, startMaster } from '../lib/servers.ts';
import { sleepMs } from '../lib/time.ts';

const WORKERS = 1000;
const AT_ONCE = 16;
const WARM_MS = 700;
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

async function measure(size: Size): Promise<Run> {
  const workers = scaled(WORKERS, size.fleet);
  return {
    bare: await withChildren(async (start) => measureServer(await startBaseline(start, 'bare'), size)),
    master: await withChildren(async (start) =>
      measureServer(await startMaster(start, laneMixes(size).shared, workers), size),
    ),
  };
}

async function measureServer({ server, load, grpcPort }: Started, size: Size): Promise<Window> {
  const workers = scaled(WORKERS, size.fleet);
  await load.call('start', { type: 'fresh-unary', grpcPort, workers, atOnce: AT_ONCE });
  await sleepMs(WARM_MS * size.warm);
  const window = await measureWindow(server, MEASURE_MS * size.time);
  await accountedFor(server, await load.call('stop'));
  return window;
}
