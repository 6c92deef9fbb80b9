/** Measures a master with one fleet size and one setting of lanes: a point of a curve, or one side of a comparison. */
import { type Size, scaled } from './bench.ts';
import { withChildren } from './child.ts';
import { p50p99, type Spread } from './rows.ts';
import { RunWatch } from './run-watch.ts';
import { acceptedPerSecond, accountedFor, mainCpuUs, measureWindow } from './server.ts';
import { freshnessMs, type LaneSettings, startMaster } from './servers.ts';
import { monotonicMs } from './time.ts';
import { warmUp } from './warm-up.ts';

export interface LanePoint {
  /** From the start of the process until every worker is on its final lane. */
  readonly startMs: number;
  /** Resident memory after all measurements. */
  readonly rssBytes: number;
  /** Unary heartbeats acked, closed loop. */
  readonly perSecond: number;
  /** CPU time of all threads per heartbeat. */
  readonly cpuUs: number;
  /** CPU of all threads at a steady rate on streams, of one core. */
  readonly cpuPercent: number;
  /** From receipt to readable at that rate, in ms. */
  readonly visible: Spread;
  /** Unary heartbeats besides the streams, from the due time to the ack. */
  readonly ackP99Ms: number;
}

const CONNECTIONS = 50;
const STREAMS = 500;
const CLOSED_MS = 3000;
const STEADY_PER_SECOND = 2000;
const PROBES_PER_SECOND = 100;
/** Includes two rounds of acks. */
const STEADY_MS = 6000;

/** @param settings of lanes; defaults for the rest */
export async function measureLanes(
  size: Size,
  fleet: number,
  settings: Partial<LaneSettings>,
  watch = new RunWatch(),
): Promise<LanePoint> {
  const workers = scaled(fleet, size.fleet);
  return withChildren(async (start) => {
    const beganMs = monotonicMs();
    const { server, load, grpcPort } = await startMaster(start, settings, workers);
    const startMs = monotonicMs() - beganMs;

    await load.call('start', { type: 'closed-unary', grpcPort, workers, connections: Math.min(CONNECTIONS, workers) });
    await warmUp(watch, size, 'the closed loop', (forMs) => acceptedPerSecond(server, forMs));
    const closed = await watch.during(() => measureWindow(server, CLOSED_MS * size.time));
    const sentClosed = await load.call('stop');

    await load.call('start', {
      type: 'steady-streams',
      grpcPort,
      workers,
      streams: Math.min(STREAMS, workers),
      perSecond: STEADY_PER_SECOND,
      probesPerSecond: PROBES_PER_SECOND,
    });
    await warmUp(watch, size, 'CPU at the steady rate', async (forMs) => mainCpuUs(await measureWindow(server, forMs)));
    await load.call('stats');
    const sinceMs = monotonicMs();
    const steady = await watch.during(() => measureWindow(server, STEADY_MS * size.time));
    const visible = p50p99(await freshnessMs(server, sinceMs));
    const { latenciesMs } = await load.call('stats');
    await accountedFor(server, sentClosed + (await load.call('stop')));
    return {
      startMs,
      rssBytes: await server.call('rssBytes'),
      perSecond: closed.accepted / closed.seconds,
      cpuUs: (closed.processCpuMs * 1000) / closed.accepted,
      cpuPercent: (100 * steady.processCpuMs) / steady.cpuMs,
      visible,
      ackP99Ms: p50p99(latenciesMs).p99,
    };
  });
}
