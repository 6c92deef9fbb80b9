/** How fast a fleet of 1,000 is read while it sends: in the program, and over HTTP. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type Child, withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor, type Ports } from '../lib/server.ts';
import { laneMixes, type Started, type StartedMaster, startBaseline, startMaster } from '../lib/servers.ts';
import { sleepMs } from '../lib/time.ts';
import { warmUp } from '../lib/warm-up.ts';
import { workerIds } from '../load/fleet.ts';
import type { ReaderCalls } from '../processes/reader.ts';

const WORKERS = 1000;
const STREAMS = 50;
const HEARTBEATS_PER_SECOND = 2000;
const WARM_MS = 500;
const MEASURE_MS = 1200;

interface Run {
  readonly library: Spread;
  readonly arithmetic: Spread;
  readonly one: Spread;
  readonly all: Spread;
  /** Nobody sends: the cost of the request alone. A plain server under load would wait for itself. */
  readonly idleOne: Spread;
  readonly idleOnePlain: Spread;
}

export const reads: Bench = {
  name: 'reads',
  question: 'How fast are 1,000 workers read while they send?',
  async run(context: BenchContext) {
    const workers = scaled(WORKERS, context.size.fleet);
    const runs = await repeated(this, context, measure);
    const one = 'GET /telemetry/{id}';
    return figuresOf(runs, [
      ...spreadQuestions<Run>(
        { id: 'read.library', question: `getWorkerTelemetry, ${workers} workers send`, unit: 'µs' },
        (run) => run.library,
        { p99: 10 },
      ),
      ...spreadQuestions<Run>(
        { id: 'read.library.floor', question: '4 µs of arithmetic in the place of getWorkerTelemetry', unit: 'µs' },
        (run) => run.arithmetic,
      ),
      ...spreadQuestions<Run>(
        { id: 'read.one', question: `${one}, ${workers} workers send`, unit: 'ms' },
        (run) => run.one,
        { p99: 1 },
      ),
      ...spreadQuestions<Run>(
        { id: 'read.one.idle', question: `${one}, nobody sends`, unit: 'ms' },
        (run) => run.idleOne,
      ),
      ...spreadQuestions<Run>(
        { id: 'read.one.idle.plain', question: `${one}, nobody sends: plain server`, unit: 'ms' },
        (run) => run.idleOnePlain,
      ),
      ...spreadQuestions<Run>(
        { id: 'read.one.idle.ratio', question: `${one}, nobody sends: time beside the plain server's`, unit: '×' },
        ({ idleOne, idleOnePlain }) => ({
          p50: idleOne.p50 / idleOnePlain.p50,
          p99: idleOne.p99 / idleOnePlain.p99,
        }),
        { p50: 1.3, p99: 1.3 },
      ),
      ...spreadQuestions<Run>(
        { id: 'read.all.1000', question: `GET /telemetry, ${workers} workers send`, unit: 'ms' },
        (run) => run.all,
        { p50: 0.5, p99: 2 },
      ),
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const workers = scaled(WORKERS, size.fleet);
  const onePaths = workerIds(workers).map((id) => `/telemetry/${id}`);
  const ofMaster = await withChildren(async (start) => {
    const started = await startMaster(start, laneMixes(size).dedicated, workers);
    const reader = start<ReaderCalls>('reader.ts');
    const live = await whileSending(started, size, async () => {
      await started.server.call('timedQueries', WARM_MS * size.warm);
      return {
        library: p50p99(await watch.during(() => started.server.call('timedQueries', MEASURE_MS * size.time))),
        arithmetic: await timedArithmetic(started, size),
        one: await read(reader, started, onePaths, size, watch),
        all: await read(reader, started, ['/telemetry'], size, watch),
      };
    });
    return { ...live, idleOne: await read(reader, started, onePaths, size, watch) };
  });
  const idleOnePlain = await withChildren(async (start) => {
    const started = await startBaseline(start, 'plain');
    await whileSending(started, size, async () => {});
    return read(start<ReaderCalls>('reader.ts'), started, onePaths, size, watch);
  });
  return { ...ofMaster, idleOnePlain };
}

async function timedArithmetic({ server }: StartedMaster, size: Size): Promise<Spread> {
  await server.call('timedArithmetic', WARM_MS * size.warm);
  return p50p99(await server.call('timedArithmetic', MEASURE_MS * size.time));
}

async function whileSending<T>({ server, load, grpcPort }: Started, size: Size, work: () => Promise<T>): Promise<T> {
  const workers = scaled(WORKERS, size.fleet);
  const streams = Math.min(STREAMS, workers);
  const perSecond = HEARTBEATS_PER_SECOND;
  await load.call('start', { type: 'steady-streams', grpcPort, workers, streams, perSecond });
  // Until every worker has sent, twice.
  await sleepMs((2 * workers * 1000) / perSecond);
  const result = await work();
  await accountedFor(server, await load.call('stop'));
  return result;
}

async function read(
  reader: Child<ReaderCalls>,
  { httpPort }: Ports,
  paths: readonly string[],
  size: Size,
  watch: RunWatch,
): Promise<Spread> {
  const readFor = async (forMs: number) => (await reader.call('read', { httpPort, paths, forMs })).latenciesMs;
  await warmUp(watch, size, `reading ${paths[0]}`, async (forMs) => p50p99(await readFor(forMs)).p50);
  const latenciesMs = await watch.during(() => readFor(MEASURE_MS * size.time));
  return p50p99(latenciesMs);
}
