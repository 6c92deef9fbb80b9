/** The seed's four promises, with 4 tasks each, under live heartbeats. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { type Figure, figuresOf, type Measured, p50p99, type Spread, spreadQuestions } from '../lib/rows.ts';
import { accountedFor } from '../lib/server.ts';
import { freshnessMs, startMaster } from '../lib/servers.ts';
import { monotonicMs, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { ReaderCalls } from '../processes/reader.ts';

interface Run {
  readonly heartbeat: Spread;
  readonly queryOne: Spread;
  readonly queryAll: Spread;
  readonly httpOne: Spread;
  readonly httpAll: Spread;
}

/** Goals are the seed's promises, in ms. */
const PROMISES: readonly { id: string; question: string; goalMs: number; of: (run: Run) => Spread }[] = [
  { id: 'heartbeat', question: 'heartbeat: received to readable', goalMs: 1, of: (run) => run.heartbeat },
  { id: 'query-one', question: 'getWorkerTelemetry', goalMs: 1, of: (run) => run.queryOne },
  { id: 'query-all', question: 'getAllWorkerTelemetry', goalMs: 10, of: (run) => run.queryAll },
  { id: 'http-one', question: 'GET /telemetry/{id}', goalMs: 5, of: (run) => run.httpOne },
  { id: 'http-all', question: 'GET /telemetry', goalMs: 5, of: (run) => run.httpAll },
];

/** Each worker sends once in this time: five times the rate of the field, to have enough to measure. */
const PERIOD_MS = 1000;
const WORKERS_PER_STREAM = 20;
/** A thousand would take most of a minute to start. */
const MOST_DEDICATED = 200;
const HEARTBEATS_MS = 2000;
const READS_MS = 500;

export const promises: Bench = {
  name: 'promises',
  question: 'Are the seed’s four promises kept?',
  async run(context: BenchContext) {
    const { size } = context;
    const figures: Figure[] = [];
    for (const fleet of size.promises) {
      const workers = scaled(fleet, size.fleet);
      const runs = await measure(workers, context);
      figures.push(
        ...PROMISES.flatMap(({ id, question, goalMs, of }) =>
          figuresOf(
            runs,
            spreadQuestions(
              { id: `promise.${id}.${fleet}`, question: `${question}, ${workers} workers`, unit: 'ms' },
              of,
              { p50: goalMs, p99: goalMs },
            ),
          ),
        ),
      );
    }
    return figures;
  },
};

/** All runs are of one master, since its lanes take a while to start. */
async function measure(workers: number, context: BenchContext): Promise<Measured<Run>[]> {
  const { size } = context;
  return withChildren(async (start) => {
    const { server, load, grpcPort, httpPort } = await startMaster(
      start,
      { MAX_DEDICATED_LANES: String(Math.min(workers, MOST_DEDICATED)) },
      workers,
    );
    const reader = start<ReaderCalls>('reader.ts');
    const streams = Math.ceil(workers / WORKERS_PER_STREAM);
    const perSecond = (workers * 1000) / PERIOD_MS;
    await load.call('start', {
      type: 'steady-streams',
      grpcPort,
      workers,
      streams,
      perSecond,
    });
    await sleepMs(2 * PERIOD_MS);

    const forMs = READS_MS * size.time;
    const read = async (...paths: string[]) =>
      p50p99((await reader.call('read', { httpPort, paths, forMs })).latenciesMs);
    const inMs = (us: Float64Array) => p50p99(us.map((value) => value / 1000));
    const runs = await repeated({ name: `promises of ${workers} workers` }, context, async (): Promise<Run> => {
      const heartbeat: number[] = [];
      for (let passedMs = 0; passedMs < HEARTBEATS_MS * size.time; passedMs += PERIOD_MS) {
        const sinceMs = monotonicMs();
        await sleepMs(PERIOD_MS);
        heartbeat.push(...(await freshnessMs(server, sinceMs)));
      }
      return {
        heartbeat: p50p99(heartbeat),
        queryOne: inMs(await server.call('timedQueries', forMs)),
        queryAll: inMs(await server.call('timedQueriesOfAll', forMs)),
        httpOne: await read(...workerIds(workers).map((id) => `/telemetry/${id}`)),
        httpAll: await read('/telemetry'),
      };
    });
    await accountedFor(server, await load.call('stop'));
    return runs;
  });
}
