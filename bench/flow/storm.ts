/** Whether 1,000 workers can connect at once, as after a restart of the master. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type Child, withChildren } from '../lib/child.ts';
import { figuresOf, p50p99 } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor } from '../lib/server.ts';
import { startBare, startMaster } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { LoadCalls } from '../processes/load.ts';

const WORKERS = 1000;
const CONNECTIONS = 50;
const DEDICATED_LANES = 100;
const PROBES_PER_SECOND = 500;
const WARM_MS = 1000;
/** The shortest time over which acks are measured; else until all lanes have started. */
const MEASURE_MS = 2000;

interface Run {
  readonly visibleMs: number;
  readonly probeP99Ms: number;
  readonly firstAckP99Ms: number;
  readonly bareProbeP99Ms: number;
  readonly bareFirstAckP99Ms: number;
  /** Until the last first heartbeat was acked. */
  readonly bareAllAckedMs: number;
}

export const storm: Bench = {
  name: 'storm',
  question: 'Can 1,000 workers connect at once?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const what = `${scaled(WORKERS, context.size.fleet)} registrations at once`;
    return figuresOf<Run>(runs, [
      {
        id: 'storm.visible',
        question: `${what}: all readable with their first heartbeat`,
        unit: 'ms',
        of: ({ visibleMs }) => visibleMs,
      },
      {
        id: 'storm.ack.p99',
        question: `${what}, then ${DEDICATED_LANES} lanes start: acks of another worker from the due time, p99`,
        unit: 'ms',
        of: ({ probeP99Ms }) => probeP99Ms,
      },
      {
        id: 'storm.visible.ratio',
        question: `${what}: all readable, compared with the bare server's acks of all first heartbeats`,
        unit: '×',
        goal: 1.5,
        of: ({ visibleMs, bareAllAckedMs }) => visibleMs / bareAllAckedMs,
      },
      {
        id: 'storm.ack.ratio',
        question: `${what}: acks of another worker, p99 compared with the bare server`,
        unit: '×',
        goal: 1.5,
        of: ({ probeP99Ms, bareProbeP99Ms }) => probeP99Ms / bareProbeP99Ms,
      },
      {
        id: 'storm.first-ack.ratio',
        question: `${what}: acks of first heartbeats, p99 compared with the bare server`,
        unit: '×',
        of: ({ firstAckP99Ms, bareFirstAckP99Ms }) => firstAckP99Ms / bareFirstAckP99Ms,
      },
      {
        id: 'storm.first-ack.p99',
        question: `${what}: from the first registration to the ack of a first heartbeat, p99`,
        unit: 'ms',
        of: ({ firstAckP99Ms }) => firstAckP99Ms,
      },
      {
        id: 'storm.bare.ack.p99',
        question: `${what}: acks of another worker from the due time, p99: bare server`,
        unit: 'ms',
        of: ({ bareProbeP99Ms }) => bareProbeP99Ms,
      },
      {
        id: 'storm.bare.first-ack.p99',
        question: `${what}: from the first registration to the ack of a first heartbeat, p99: bare server`,
        unit: 'ms',
        of: ({ bareFirstAckP99Ms }) => bareFirstAckP99Ms,
      },
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const workers = scaled(WORKERS, size.fleet);
  const ofMaster = await withChildren(async (start) => {
    const lanes = { MAX_DEDICATED_LANES: String(scaled(DEDICATED_LANES, size.fleet)), SHARED_LANES: '2' };
    const { server, load, grpcPort } = await startMaster(start, lanes, 1);
    await startStorm(load, grpcPort, workers, size);

    const { atMs, ackedAfterMs, lastPublishedMs, tookMs } = await watch.during(async () => {
      const startMs = performance.now();
      const measured = sleepMs(MEASURE_MS * size.time);
      const released = await load.call('release');
      let lastPublishedMs: number | undefined;
      await eventually('all workers readable', async () => {
        lastPublishedMs = await server.call('lastPublishedMs', workers + 1);
        return lastPublishedMs !== undefined;
      });
      await server.call('settled', workerIds(workers + 1));
      await measured;
      return { ...released, lastPublishedMs, tookMs: performance.now() - startMs };
    });
    const probes = (await load.call('stats')).latenciesMs;
    await accountedFor(server, await load.call('stop'));
    return {
      visibleMs: (lastPublishedMs as number) - atMs,
      probeP99Ms: p50p99(probes).p99,
      firstAckP99Ms: p50p99(ackedAfterMs).p99,
      tookMs,
    };
  });
  const ofBare = await withChildren(async (start) => {
    const { load, grpcPort } = await startBare(start);
    await startStorm(load, grpcPort, workers, size);
    const { ackedAfterMs } = await watch.during(async () => {
      // As long: a p99 depends on how much calm it looks at.
      const measured = sleepMs(ofMaster.tookMs);
      const released = await load.call('release');
      await measured;
      return released;
    });
    const probes = (await load.call('stats')).latenciesMs;
    await load.call('stop');
    return {
      bareProbeP99Ms: p50p99(probes).p99,
      bareFirstAckP99Ms: p50p99(ackedAfterMs).p99,
      bareAllAckedMs: Math.max(...ackedAfterMs),
    };
  });
  return { ...ofMaster, ...ofBare };
}

/** Opens the connections, and lets the known worker send until everything is warm. */
async function startStorm(load: Child<LoadCalls>, grpcPort: number, workers: number, size: Size): Promise<void> {
  const connections = Math.min(CONNECTIONS, workers);
  await load.call('start', { type: 'storm', grpcPort, workers, connections, probesPerSecond: PROBES_PER_SECOND });
  await sleepMs(WARM_MS * size.warm);
  await load.call('stats');
}
