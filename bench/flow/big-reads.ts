/** What reading all of 10,000 workers without pause costs: for the reader, and for the workers whose acks may be late. */
import { constantPath } from '../baseline/constant-server.ts';
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type Child, type StartChild, withChildren } from '../lib/child.ts';
import { type Reading, readSteadily } from '../lib/reading.ts';
import { figuresOf, type Measured, p50p99, ratioOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { caughtUp, laneMixes, type Started, startBare, startMaster, startPlain } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import type { LoadCalls } from '../processes/load.ts';
import type { ReaderCalls } from '../processes/reader.ts';

const WORKERS = 10_000;
const STREAMS = 500;
const HEARTBEATS_PER_SECOND = 2000;
/** Until every worker has sent. */
const FIRST_PER_SECOND = 6000;
const PROBES_PER_SECOND = 300;
const COPIES = 50;
const WARM_MS = 700;
const MEASURE_MS = 2000;

interface ServerRun {
  readonly ackAlone: Spread;
  readonly ackWhileRead: Spread;
  readonly read: Reading;
}

interface Run {
  readonly master: ServerRun;
  /** Serves a constant body of the same size. */
  readonly bare: ServerRun;
  readonly plain: ServerRun;
  /** Of the same number of bytes, p50. */
  readonly copyMs: number;
}

export const bigReads: Bench = {
  name: 'big-reads',
  question: 'What does reading 10,000 workers without pause cost, and does it delay acks?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const workers = scaled(WORKERS, context.size.fleet);
    const megabytes = ((runs[0] as Measured<Run>).run.master.read.bodyBytes / 1e6).toPrecision(2);
    const read = `GET /telemetry, ${workers} workers send, ${megabytes} MB`;
    const ack = `ack of a heartbeat from when it was due, ${workers} workers send`;
    return figuresOf(runs, [
      ...spreadQuestions<Run>({ id: 'read.all.10000', question: read, unit: 'ms' }, ({ master }) => master.read),
      ...spreadQuestions<Run>(
        { id: 'read.all.10000.constant', question: `${read}: a constant body`, unit: 'ms' },
        ({ bare }) => bare.read,
      ),
      ...spreadQuestions<Run>(
        { id: 'read.all.10000.constant.ratio', question: `${read}: compared with a constant body`, unit: '×' },
        ({ master, bare }) => ratioOf(master.read, bare.read),
        { p50: 1.3, p99: 2 },
      ),
      {
        id: 'read.all.10000.memcpy',
        question: `${read}: copying the same number of bytes once, p50`,
        unit: 'ms',
        of: ({ copyMs }) => copyMs,
      },
      ...spreadQuestions<Run>(
        { id: 'read.all.10000.plain', question: `${read}: plain server`, unit: 'ms' },
        ({ plain }) => plain.read,
      ),
      {
        id: 'read.all.10000.ratio',
        question: `${read}: how many times faster than the plain server, p50`,
        unit: '×',
        goal: 12,
        goalIs: 'at least',
        of: ({ master, plain }) => plain.read.p50 / master.read.p50,
      },
      {
        id: 'ack.alone.p99',
        question: `${ack}, no reader, p99`,
        unit: 'ms',
        of: ({ master }) => master.ackAlone.p99,
      },
      {
        id: 'ack.while-read.p99',
        question: `${ack}, one reader of all without pause, p99`,
        unit: 'ms',
        of: ({ master }) => master.ackWhileRead.p99,
      },
      {
        id: 'ack.while-read.ratio',
        question: `${ack}: p99 with the reader compared with none`,
        unit: '×',
        goal: 3,
        of: ({ master }) => master.ackWhileRead.p99 / master.ackAlone.p99,
      },
      {
        id: 'ack.bare.alone.p99',
        question: `${ack}, no reader, p99: bare server`,
        unit: 'ms',
        of: ({ bare }) => bare.ackAlone.p99,
      },
      {
        id: 'ack.bare.while-read.p99',
        question: `${ack}, one reader of a constant body without pause, p99: bare server`,
        unit: 'ms',
        of: ({ bare }) => bare.ackWhileRead.p99,
      },
      {
        id: 'ack.while-read.bare.ratio',
        question: `${ack}, one reader of all without pause: p99 compared with the bare server`,
        unit: '×',
        goal: 2,
        of: ({ master, bare }) => master.ackWhileRead.p99 / bare.ackWhileRead.p99,
      },
      {
        id: 'ack.plain.alone.p99',
        question: `${ack}, no reader, p99: plain server`,
        unit: 'ms',
        of: ({ plain }) => plain.ackAlone.p99,
      },
      {
        id: 'ack.plain.while-read.p99',
        question: `${ack}, one reader of all without pause, p99: plain server`,
        unit: 'ms',
        of: ({ plain }) => plain.ackWhileRead.p99,
      },
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const path = '/telemetry';
  const plain = await withChildren(async (start) => measureServer(start, await startPlain(start), path, size, watch));
  const master = await withChildren(async (start) => {
    const started = await startMaster(start, laneMixes(size).dedicated, scaled(WORKERS, size.fleet));
    return measureServer(start, started, path, size, watch);
  });
  const constant = constantPath(master.read.bodyBytes);
  const { bare, copies } = await withChildren(async (start) => {
    const started = await startBare(start);
    const measured = await measureServer(start, started, constant, size, watch);
    return { bare: measured, copies: await started.server.call('copiesMs', master.read.bodyBytes, COPIES) };
  });
  return { master, bare, plain, copyMs: p50p99(copies).p50 };
}

async function measureServer(
  start: StartChild,
  { server, load, grpcPort, httpPort }: Started,
  path: string,
  size: Size,
  watch: RunWatch,
): Promise<ServerRun> {
  const workers = scaled(WORKERS, size.fleet);
  const streams = Math.min(STREAMS, workers);
  const rates = { perSecond: FIRST_PER_SECOND, probesPerSecond: PROBES_PER_SECOND };
  await load.call('start', { type: 'steady-streams', grpcPort, workers, streams, ...rates });
  await eventually('all workers have sent', async () => (await server.call('counts')).accepted >= 1.2 * workers, {
    everyMs: 200,
  });
  await load.call('setRate', HEARTBEATS_PER_SECOND);
  await caughtUp({ server, load });
  await sleepMs(WARM_MS * size.warm);
  await load.call('stats');

  await watch.during(() => sleepMs(MEASURE_MS * size.time));
  const ackAlone = await ackSpread(load);

  const reader = start<ReaderCalls>('reader.ts');
  const onWarm = () => load.call('stats');
  const options = { httpPort, paths: [path], forMs: MEASURE_MS * size.time, onWarm };
  const read = await readSteadily(reader, options, size, watch);
  const ackWhileRead = await ackSpread(load);

  await accountedFor(server, await load.call('stop'));
  return { ackAlone, ackWhileRead, read };
}

/** Of all acks since the last call, and at least one. */
async function ackSpread(load: Child<LoadCalls>): Promise<Spread> {
  const latenciesMs: number[] = [];
  await eventually('acks have come', async () => {
    latenciesMs.push(...(await load.call('stats')).latenciesMs);
    return latenciesMs.length > 0;
  });
  return p50p99(latenciesMs);
}
