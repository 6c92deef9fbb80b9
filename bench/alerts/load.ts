/** What alerts and anomalies cost a master under load: the alerts thread's CPU, and what heartbeats notice. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type QuestionOf, type Spread } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { caughtUp, freshnessMs, laneMixes, startMaster } from '../lib/servers.ts';
import { monotonicMs, sleepMs } from '../lib/time.ts';

const WORKERS = 10_000;
const STREAMS = 500;
const PER_SECOND = 2000;
const PROBES_PER_SECOND = 300;
/** Until every worker has sent. */
const FIRST_PER_SECOND = 6000;
const FIRST_MS = 2500;
const SETTLE_MS = 1000;
/** Three evaluations at full size. */
const MEASURE_MS = 37_500;
/** In the tests, which only check that everything still runs. */
const SHORT_MEASURE_MS = 500;
const ALERTS_THREAD = 'pulselane-alrt';

interface Loaded {
  readonly visible: Spread;
  readonly ack: Spread;
  /** Of one core; 0 without alerts, and where it cannot be measured. */
  readonly threadPercent: number;
}

interface Run {
  readonly on: Loaded;
  /** Alerts without anomalies. */
  readonly alone: Loaded;
  readonly off: Loaded;
}

export const alertsLoad: Bench = {
  name: 'alerts-load',
  question: 'What do the shipped rules and anomalies cost a master of 10,000 workers?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const { fleet } = context.size;
    const of = `${scaled(WORKERS, fleet)} workers, ${scaled(PER_SECOND, fleet)}/s`;
    const compared = (what: 'visible' | 'ack', at: 'p50' | 'p99', question: string): QuestionOf<Run>[] => [
      ...(['on', 'off'] as const).map((alerts) => ({
        id: `alerts.load.${what}.${alerts}.${at}`,
        question: `${question}, ${of}: alerts and anomalies ${alerts}, ${at}`,
        unit: 'ms',
        of: (run: Run) => run[alerts][what][at],
      })),
      {
        id: `alerts.load.${what}.ratio.${at}`,
        question: `${question}: ${at} with alerts and anomalies, compared`,
        unit: '×',
        goal: 1.1,
        of: ({ on, off }: Run) => on[what][at] / off[what][at],
      },
      {
        id: `alerts.load.${what}.anomalies.${at}`,
        question: `${question}: ${at} with anomalies, compared with alerts alone`,
        unit: '×',
        of: ({ on, alone }: Run) => on[what][at] / alone[what][at],
      },
    ];
    return figuresOf<Run>(runs, [
      {
        id: 'alerts.load.thread',
        question: `CPU of the alerts thread, of one core, shipped rules, ${of}`,
        unit: '%',
        of: ({ on }) => on.threadPercent,
      },
      ...compared('visible', 'p50', 'accepted to readable'),
      ...compared('visible', 'p99', 'accepted to readable'),
      ...compared('ack', 'p99', 'ack of a heartbeat from when it was due'),
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const off = await measureMaster('off', 'off', size, watch);
  const alone = await measureMaster('on', 'off', size, watch);
  const on = await measureMaster('on', 'on', size, watch);
  return { on, alone, off };
}

function measureMaster(alerts: 'on' | 'off', anomalies: 'on' | 'off', size: Size, watch: RunWatch): Promise<Loaded> {
  return withChildren(async (start) => {
    const workers = scaled(WORKERS, size.fleet);
    const settings = { ...laneMixes(size).dedicated, ALERTS: alerts, ANOMALIES: anomalies };
    const started = await startMaster(start, settings, workers);
    const { server, load, grpcPort } = started;
    await load.call('start', {
      type: 'steady-streams',
      grpcPort,
      workers,
      streams: Math.min(STREAMS, workers),
      perSecond: scaled(FIRST_PER_SECOND, size.fleet),
      probesPerSecond: PROBES_PER_SECOND,
    });
    await sleepMs(FIRST_MS * size.warm);
    await load.call('setRate', scaled(PER_SECOND, size.fleet));
    await caughtUp(started);
    await sleepMs(SETTLE_MS * size.warm);
    const sinceMs = monotonicMs();
    await load.call('stats');
    const before = await server.call('threadCpuMs', ALERTS_THREAD);
    await watch.during(() => sleepMs(size.time < 0.3 ? SHORT_MEASURE_MS : MEASURE_MS * size.time));
    const after = await server.call('threadCpuMs', ALERTS_THREAD);
    const tookMs = monotonicMs() - sinceMs;
    const { latenciesMs } = await load.call('stats');
    const visible = p50p99(await freshnessMs(server, sinceMs));
    await accountedFor(server, await load.call('stop'));
    const threadPercent = before === undefined || after === undefined ? 0 : (100 * (after - before)) / tookMs;
    return { visible, ack: p50p99(latenciesMs), threadPercent };
  });
}
