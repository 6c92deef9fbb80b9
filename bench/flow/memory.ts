/** How much memory a master uses with default settings, including dedicated lanes, by fleet size. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import { accountedFor } from '../lib/server.ts';
import { startMaster } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';

const FLEETS = [100, 1000, 10_000] as const;
const MOST_STREAMS = 50;
const PER_SECOND = 2000;
/** Mailboxes are freed four times a second. */
const REST_MS = 500;

interface Memory {
  readonly rssBytes: number;
  /** Beyond what the master uses without workers. */
  readonly bytesPerWorker: number;
}

type Run = Readonly<Record<number, Memory>>;

export const memory: Bench = {
  name: 'memory',
  question: 'How much memory does a master use with default settings?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, async (size): Promise<Run> => {
      const measured: Record<number, Memory> = {};
      for (const fleet of FLEETS) measured[fleet] = await measure(workersOf(fleet, size));
      return measured;
    });
    return figuresOf<Run>(
      runs,
      FLEETS.flatMap((fleet) => {
        const who = `${workersOf(fleet, context.size)} workers, default settings`;
        const of = (run: Run) => run[fleet] as Memory;
        return [
          {
            id: `memory.${fleet}.rss`,
            question: `${who}: RSS of the master`,
            unit: 'MB',
            of: (run: Run) => of(run).rssBytes / 1e6,
          },
          {
            id: `memory.${fleet}.per-worker`,
            question: `${who}: RSS per worker, with its connection and lane`,
            unit: 'KB',
            of: (run: Run) => of(run).bytesPerWorker / 1000,
          },
        ];
      }),
    );
  },
};

/** Nearly each of the first ones is a thread: in the tests they are few. */
function workersOf(full: number, { fleet, threads }: Size): number {
  return scaled(full, fleet * Math.min(1, 5 * threads));
}

/** Of a process of its own: what a larger fleet has left behind would be reused. */
async function measure(workers: number): Promise<Memory> {
  return withChildren(async (start) => {
    const started = await startMaster(start, {}, 0);
    const { server, load, grpcPort } = started;
    const emptyBytes = await server.call('rssBytes');
    await server.call('settled', workerIds(workers));
    const streams = Math.min(MOST_STREAMS, workers);
    await load.call('start', { type: 'steady-streams', grpcPort, workers, streams, perSecond: PER_SECOND });
    await eventually('all workers have sent', async () => (await load.call('sent')) >= workers);
    await sleepMs(REST_MS);
    const rssBytes = await server.call('rssBytes');
    await accountedFor(server, await load.call('stop'));
    return { rssBytes, bytesPerWorker: (rssBytes - emptyBytes) / workers };
  });
}
