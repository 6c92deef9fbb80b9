/** What history costs a master under load: its thread's CPU, and what heartbeats notice. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type QuestionOf, type Spread } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { caughtUp, freshnessMs, laneMixes, startMaster } from '../lib/servers.ts';
import { monotonicMs, sleepMs } from '../lib/time.ts';
import type { HistorySizesCalls } from '../processes/history-sizes.ts';
import { hoursOf } from './sizes.ts';

const WORKERS = 10_000;
const STREAMS = 500;
const PER_SECOND = 2000;
const PROBES_PER_SECOND = 300;
/** Until every worker has sent. */
const FIRST_PER_SECOND = 6000;
const FIRST_MS = 2500;
const SETTLE_MS = 1000;
/** Some commits of history. */
const MEASURE_MS = 15_000;
/** Of the samples whose sealing is measured. */
const SEALED_WORKERS = 20;
const HISTORY_THREAD = 'pulselane-hist';

interface Loaded {
  readonly visible: Spread;
  readonly ack: Spread;
  /** Of one core; undefined without history, and where it cannot be measured. */
  readonly threadPercent: number | undefined;
}

interface Run {
  readonly on: Loaded;
  readonly off: Loaded;
  /** Of one core, at the same rate. */
  readonly sealingPercent: number;
}

export const historyLoad: Bench = {
  name: 'history-load',
  question: 'What does history cost a master of 10,000 workers?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const workers = scaled(WORKERS, context.size.fleet);
    const of = `${workers} workers, ${PER_SECOND}/s`;
    const spread = (what: 'visible' | 'ack', question: string): QuestionOf<Run>[] => [
      ...(['on', 'off'] as const).map((history) => ({
        id: `history.load.${what}.${history}.p99`,
        question: `${question}, ${of}: history ${history}, p99`,
        unit: 'ms',
        of: (run: Run) => run[history][what].p99,
      })),
      {
        id: `history.load.${what}.ratio`,
        question: `${question}: p99 with history, compared`,
        unit: '×',
        goal: 1.1,
        of: ({ on, off }: Run) => on[what].p99 / off[what].p99,
      },
    ];
    return figuresOf<Run>(runs, [
      {
        id: 'history.load.thread',
        question: `CPU of the history thread, of one core, ${of}`,
        unit: '%',
        of: ({ on }) => on.threadPercent ?? 0,
      },
      {
        id: 'history.load.sealing',
        question: `CPU of sealing and rolling up, of one core, 8 metrics, ${PER_SECOND}/s`,
        unit: '%',
        of: ({ sealingPercent }) => sealingPercent,
      },
      {
        id: 'history.load.cpu',
        question: 'both together',
        unit: '%',
        goal: 10,
        of: ({ on, sealingPercent }) => (on.threadPercent ?? 0) + sealingPercent,
      },
      ...spread('visible', 'accepted to readable'),
      ...spread('ack', 'ack of a heartbeat from when it was due'),
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const off = await measureMaster('off', size, watch);
  const on = await measureMaster('on', size, watch);
  const { maintenanceUs } = await withChildren((start) =>
    start<HistorySizesCalls>('history-sizes.ts').call('history', {
      workers: scaled(SEALED_WORKERS, size.fleet),
      hours: hoursOf(size),
      kind: 'walks',
    }),
  );
  return { on, off, sealingPercent: (100 * maintenanceUs * PER_SECOND) / 1e6 };
}

function measureMaster(history: 'on' | 'off', size: Size, watch: RunWatch): Promise<Loaded> {
  return withChildren(async (start) => {
    const workers = scaled(WORKERS, size.fleet);
    const started = await startMaster(start, { ...laneMixes(size).dedicated, HISTORY: history }, workers);
    const { server, load, grpcPort } = started;
    await load.call('start', {
      type: 'steady-streams',
      grpcPort,
      workers,
      streams: Math.min(STREAMS, workers),
      perSecond: FIRST_PER_SECOND,
      probesPerSecond: PROBES_PER_SECOND,
    });
    await sleepMs(FIRST_MS * size.warm);
    await load.call('setRate', PER_SECOND);
    await caughtUp(started);
    await sleepMs(SETTLE_MS * size.warm);
    const sinceMs = monotonicMs();
    await load.call('stats');
    const before = await server.call('threadCpuMs', HISTORY_THREAD);
    await watch.during(() => sleepMs(MEASURE_MS * size.time));
    const after = await server.call('threadCpuMs', HISTORY_THREAD);
    const tookMs = monotonicMs() - sinceMs;
    const { latenciesMs } = await load.call('stats');
    const visible = p50p99(await freshnessMs(server, sinceMs));
    await accountedFor(server, await load.call('stop'));
    const threadPercent = before === undefined || after === undefined ? undefined : (100 * (after - before)) / tookMs;
    return { visible, ack: p50p99(latenciesMs), threadPercent };
  });
}
