/** The four promised latencies, with 4 tasks per heartbeat, under live heartbeats. */
import { constantPath } from '../baseline/constant-server.ts';
import { type Bench, type BenchContext, repeated, type Size, scaled, shortenedInTests } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { type Reading, readSteadily } from '../lib/reading.ts';
import {
  type Figure,
  figuresOf,
  type Measured,
  p50p99,
  type QuestionOf,
  type Spread,
  spreadQuestions,
} from '../lib/rows.ts';
import { accountedFor } from '../lib/server.ts';
import { freshnessMs, type Started, type StartedMaster, startBare, startMaster } from '../lib/servers.ts';
import { monotonicMs, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { ReaderCalls } from '../processes/reader.ts';

/** The promised times, and their floors: the bare server under the same load. */
interface Run {
  readonly heartbeat: Spread;
  readonly queryOne: Spread;
  readonly queryAll: Spread;
  readonly httpOne: Reading;
  readonly httpAll: Reading;
  readonly floor: {
    /** A thread's wake-up, p50; the delay of timers, p99. */
    readonly handOver: Spread;
    /** Arithmetic of the duration of a query of one worker, or of all. */
    readonly arithmeticOne: Spread;
    readonly arithmeticAll: Spread;
    readonly constantOne: Spread;
    readonly constantAll: Spread;
  };
}

interface Promised {
  readonly id: string;
  readonly question: string;
  /** The promised time: an absolute goal, unless the machine's floor alone takes a third of it, see {@link goalAbove}. */
  readonly goalMs: number;
  readonly floor: string;
  readonly of: (run: Run) => Spread;
  readonly floorOf: (run: Run) => Spread;
}

const PROMISES: readonly Promised[] = [
  {
    id: 'heartbeat',
    question: 'heartbeat: received to readable',
    goalMs: 1,
    floor: 'wake-up of a bare thread, p50; delay of timers, p99',
    of: (run) => run.heartbeat,
    floorOf: (run) => run.floor.handOver,
  },
  {
    id: 'query-one',
    question: 'getWorkerTelemetry',
    goalMs: 1,
    floor: 'arithmetic of the same duration',
    of: (run) => run.queryOne,
    floorOf: (run) => run.floor.arithmeticOne,
  },
  {
    id: 'query-all',
    question: 'getAllWorkerTelemetry',
    goalMs: 10,
    floor: 'arithmetic of the same duration',
    of: (run) => run.queryAll,
    floorOf: (run) => run.floor.arithmeticAll,
  },
  {
    id: 'http-one',
    question: 'GET /telemetry/{id}',
    goalMs: 5,
    floor: 'a constant body',
    of: (run) => run.httpOne,
    floorOf: (run) => run.floor.constantOne,
  },
  {
    id: 'http-all',
    question: 'GET /telemetry',
    goalMs: 5,
    floor: 'a constant body',
    of: (run) => run.httpAll,
    floorOf: (run) => run.floor.constantAll,
  },
];

/** Each worker sends once in this time: five times the real rate, to have enough to measure. */
const PERIOD_MS = 1000;
const WORKERS_PER_STREAM = 20;
/** Starting a thousand would take most of a minute. */
const MOST_DEDICATED = 200;
const HEARTBEATS_MS = 2000;
const READS_MS = 500;

export const promises: Bench = {
  name: 'promises',
  question: 'Are the four promised latencies kept?',
  async run(context: BenchContext) {
    const { size } = context;
    const figures: Figure[] = [];
    for (const fleet of size.promises) {
      const workers = scaled(fleet, size.fleet);
      const runs = await measure(workers, context);
      figures.push(
        ...figuresOf(
          runs,
          PROMISES.flatMap((promised) => questionsOf(promised, fleet, workers)),
        ),
      );
    }
    return figures;
  },
};

function questionsOf(promised: Promised, fleet: number, workers: number): QuestionOf<Run>[] {
  const { id, question, goalMs, floor, of, floorOf } = promised;
  const both = { p50: goalMs, p99: goalMs };
  return [
    ...spreadQuestions<Run>(
      { id: `promise.${id}.${fleet}`, question: `${question}, ${workers} workers, promised ${goalMs} ms`, unit: 'ms' },
      of,
      both,
      floorOf,
    ),
    ...spreadQuestions<Run>(
      { id: `promise.${id}.${fleet}.floor`, question: `${question}, ${workers} workers: ${floor}`, unit: 'ms' },
      floorOf,
    ),
  ];
}

/** All runs use one master, since its lanes take a while to start, alternating with one bare server. */
async function measure(workers: number, context: BenchContext): Promise<Measured<Run>[]> {
  const { size } = context;
  return withChildren(async (start) => {
    const lanes = { MAX_DEDICATED_LANES: String(Math.min(workers, MOST_DEDICATED)) };
    const master = await startMaster(start, lanes, workers);
    const bare = await startBare(start);
    const reader = start<ReaderCalls>('reader.ts');
    const forMs = READS_MS * size.time;
    let sent = { master: 0, bare: 0 };
    return repeated({ name: `promises of ${workers} workers` }, context, async (_, watch): Promise<Run> => {
      const read = (httpPort: number, ...paths: string[]) =>
        readSteadily(reader, { httpPort, paths, forMs }, size, watch);
      const kept = await whileSending(master, workers, size, async () => {
        const { server, httpPort } = master;
        const inMs = async (call: 'timedQueries' | 'timedQueriesOfAll') =>
          p50p99((await watch.during(() => server.call(call, forMs))).map((us) => us / 1000));
        const floorOf = async ({ p50 }: Spread, how: 'often' | 'rarely') =>
          p50p99((await server.call('timedArithmetic', forMs, p50 * 1000, how)).map((us) => us / 1000));
        const heartbeat = await watch.during(() => freshnessOf(server, size));
        const queryOne = await inMs('timedQueries');
        const arithmeticOne = await floorOf(queryOne, 'often');
        const queryAll = await inMs('timedQueriesOfAll');
        return {
          heartbeat,
          queryOne,
          queryAll,
          httpOne: await read(httpPort, ...workerIds(workers).map((id) => `/telemetry/${id}`)),
          httpAll: await read(httpPort, '/telemetry'),
          floor: { arithmeticOne, arithmeticAll: await floorOf(queryAll, 'rarely') },
        };
      });
      sent = { ...sent, master: sent.master + kept.sent };
      await accountedFor(master.server, sent.master);
      const floor = await whileSending(bare, workers, size, async () => {
        const { server, httpPort } = bare;
        const { tookUs, loopDelayMs } = await watch.during(() => server.call('wakeUps', HEARTBEATS_MS * size.time));
        return {
          handOver: { p50: p50p99(tookUs).p50 / 1000, p99: loopDelayMs },
          constantOne: await read(httpPort, constantPath(kept.result.httpOne.bodyBytes)),
          constantAll: await read(httpPort, constantPath(kept.result.httpAll.bodyBytes)),
        };
      });
      sent = { ...sent, bare: sent.bare + floor.sent };
      await accountedFor(bare.server, sent.bare);
      return { ...kept.result, floor: { ...kept.result.floor, ...floor.result } };
    });
  });
}

/** @returns also how many heartbeats were sent meanwhile. */
async function whileSending<T>(
  { load, grpcPort }: Started,
  workers: number,
  size: Size,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly sent: number }> {
  const streams = Math.ceil(workers / WORKERS_PER_STREAM);
  const periodMs = shortenedInTests(PERIOD_MS, size);
  const perSecond = (workers * 1000) / periodMs;
  await load.call('start', { type: 'steady-streams', grpcPort, workers, streams, perSecond });
  await sleepMs(2 * periodMs);
  const result = await work();
  return { result, sent: await load.call('stop') };
}

/** Of every worker's newest record, once in each period. */
async function freshnessOf(server: StartedMaster['server'], size: Size): Promise<Spread> {
  const valuesMs: number[] = [];
  const periodMs = shortenedInTests(PERIOD_MS, size);
  for (let passedMs = 0; passedMs < HEARTBEATS_MS * size.time; passedMs += periodMs) {
    const sinceMs = monotonicMs();
    await sleepMs(periodMs);
    valuesMs.push(...(await freshnessMs(server, sinceMs)));
  }
  return p50p99(valuesMs);
}
