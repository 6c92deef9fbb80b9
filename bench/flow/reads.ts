/** How fast reads of a fleet of 1,000 are while it sends: in the program, and over HTTP. */

import { constantPath } from '../baseline/constant-server.ts';
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type StartChild, withChildren } from '../lib/child.ts';
import { type Reading, readSteadily } from '../lib/reading.ts';
import { figuresOf, p50p99, ratioOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { laneMixes, type Started, startBare, startMaster, startPlain } from '../lib/servers.ts';
import { sleepMs } from '../lib/time.ts';
import { warmUp } from '../lib/warm-up.ts';
import { workerIds } from '../load/fleet.ts';
import type { ReaderCalls } from '../processes/reader.ts';

const WORKERS = 1000;
const STREAMS = 50;
const HEARTBEATS_PER_SECOND = 2000;
const MEASURE_MS = 1200;

interface Run {
  readonly library: Spread;
  /** Of the same duration at p50, so that p99 shows our own share. */
  readonly arithmetic: Spread;
  readonly one: Spread;
  readonly all: Spread;
  readonly constantOne: Spread;
  readonly constantAll: Spread;
  /** Without load: the cost of the request alone. A plain server under load would measure its own queue. */
  readonly idleOne: Spread;
  readonly idleOnePlain: Spread;
}

export const reads: Bench = {
  name: 'reads',
  question: 'How fast are reads of 1,000 workers while they send?',
  async run(context: BenchContext) {
    const workers = scaled(WORKERS, context.size.fleet);
    const runs = await repeated(this, context, measure);
    const library = `getWorkerTelemetry, ${workers} workers send`;
    const one = 'GET /telemetry/{id}';
    const all = `GET /telemetry, ${workers} workers send`;
    return figuresOf(runs, [
      ...spreadQuestions<Run>({ id: 'read.library', question: library, unit: 'µs' }, (run) => run.library),
      ...spreadQuestions<Run>(
        { id: 'read.library.floor', question: `${library}: arithmetic of the same duration`, unit: 'µs' },
        (run) => run.arithmetic,
      ),
      {
        id: 'read.library.ratio.p99',
        question: `${library}: p99 compared with arithmetic of the same duration`,
        unit: '×',
        goal: 2,
        of: ({ library, arithmetic }) => library.p99 / arithmetic.p99,
      },
      ...spreadQuestions<Run>(
        { id: 'read.one', question: `${one}, ${workers} workers send`, unit: 'ms' },
        (run) => run.one,
      ),
      ...spreadQuestions<Run>(
        { id: 'read.one.constant', question: `${one}, ${workers} workers send: a constant body`, unit: 'ms' },
        (run) => run.constantOne,
      ),
      ...spreadQuestions<Run>(
        { id: 'read.one.ratio', question: `${one}, ${workers} workers send: compared with a constant body`, unit: '×' },
        (run) => ratioOf(run.one, run.constantOne),
        { p50: 1.5, p99: 2 },
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
        { id: 'read.one.idle.ratio', question: `${one}, nobody sends: time compared with the plain server`, unit: '×' },
        (run) => ratioOf(run.idleOne, run.idleOnePlain),
        { p50: 1.3, p99: 1.3 },
      ),
      ...spreadQuestions<Run>({ id: 'read.all.1000', question: all, unit: 'ms' }, (run) => run.all),
      ...spreadQuestions<Run>(
        { id: 'read.all.1000.constant', question: `${all}: a constant body`, unit: 'ms' },
        (run) => run.constantAll,
      ),
      ...spreadQuestions<Run>(
        { id: 'read.all.1000.ratio', question: `${all}: compared with a constant body`, unit: '×' },
        (run) => ratioOf(run.all, run.constantAll),
        { p50: 1.5, p99: 2 },
      ),
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const workers = scaled(WORKERS, size.fleet);
  const onePaths = workerIds(workers).map((id) => `/telemetry/${id}`);
  const readOf = (start: StartChild, { httpPort }: Started) => {
    const reader = start<ReaderCalls>('reader.ts');
    return (paths: readonly string[]): Promise<Reading> =>
      readSteadily(reader, { httpPort, paths, forMs: MEASURE_MS * size.time }, size, watch);
  };
  const ofMaster = await withChildren(async (start) => {
    const started = await startMaster(start, laneMixes(size).dedicated, workers);
    const { server } = started;
    const read = readOf(start, started);
    const live = await whileSending(started, size, async () => {
      const library = async (ms: number) => p50p99(await server.call('timedQueries', ms));
      await warmUp(watch, size, 'getWorkerTelemetry', async (ms) => (await library(ms)).p50);
      const ofLibrary = await watch.during(() => library(MEASURE_MS * size.time));
      const arithmetic = await watch.during(() =>
        server.call('timedArithmetic', MEASURE_MS * size.time, ofLibrary.p50, 'often'),
      );
      return {
        library: ofLibrary,
        arithmetic: p50p99(arithmetic),
        one: await read(onePaths),
        all: await read(['/telemetry']),
      };
    });
    return { ...live, idleOne: await read(onePaths) };
  });
  const constant = await withChildren(async (start) => {
    const started = await startBare(start);
    const read = readOf(start, started);
    return whileSending(started, size, async () => ({
      one: await read([constantPath(ofMaster.one.bodyBytes)]),
      all: await read([constantPath(ofMaster.all.bodyBytes)]),
    }));
  });
  const idleOnePlain = await withChildren(async (start) => {
    const started = await startPlain(start);
    await whileSending(started, size, async () => {});
    return readOf(start, started)(onePaths);
  });
  return { ...ofMaster, constantOne: constant.one, constantAll: constant.all, idleOnePlain };
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
