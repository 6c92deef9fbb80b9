/** What a fleet of 10,000 costs the master, and how fresh its telemetry is: at the rate of the field, and above it. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor, measureWindow } from '../lib/server.ts';
import { caughtUp, freshnessMs, laneMixes, startMaster } from '../lib/servers.ts';
import { monotonicMs, sleepMs } from '../lib/time.ts';

const WORKERS = 10_000;
const STREAMS = 500;
const RENEWED_PER_MINUTE = 200;
/** Until every worker has sent, and the main thread's code is compiled. */
const FIRST_PER_SECOND = 6000;
const FIRST_MS = 2000;
const SETTLE_MS = 500;
/** Every 5 s each. */
const FIELD_PER_SECOND = 2000;
/** Acks are due twice in it. */
const FIELD_MS = 6000;
const BUSY_PER_SECOND = 5000;
const BUSY_MS = 2500;

interface Run {
  readonly cpuPercent: number;
  readonly field: Spread;
  readonly busy: Spread;
}

export const fleet: Bench = {
  name: 'fleet',
  question: 'What do 10,000 workers cost, and how fresh is their telemetry?',
  async run(context: BenchContext) {
    const workers = scaled(WORKERS, context.size.fleet);
    const runs = await repeated(this, context, measure);
    const visible = `accepted to readable, ${workers} workers`;
    return figuresOf<Run>(runs, [
      {
        id: 'fleet.cpu',
        question: `CPU of the master, ${workers} workers every 5 s, streamed, connections renewed: of one core`,
        unit: '%',
        goal: 20,
        of: ({ cpuPercent }) => cpuPercent,
      },
      ...spreadQuestions<Run>(
        { id: 'visible.2000', question: `${visible}, ${FIELD_PER_SECOND}/s`, unit: 'µs' },
        ({ field }) => field,
        { p50: 150, p99: 1000 },
      ),
      ...spreadQuestions<Run>(
        { id: 'visible.5000', question: `${visible}, ${BUSY_PER_SECOND}/s`, unit: 'µs' },
        ({ busy }) => busy,
      ),
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  return await withChildren(async (start) => {
    const workers = scaled(WORKERS, size.fleet);
    const { server, load, grpcPort } = await startMaster(start, laneMixes(size).dedicated, workers);
    const spec = { grpcPort, workers, streams: Math.min(STREAMS, workers), renewedPerMinute: RENEWED_PER_MINUTE };
    await load.call('start', { type: 'steady-streams', ...spec, perSecond: FIRST_PER_SECOND });
    await sleepMs(FIRST_MS * size.warm);

    // Freshness is read from every worker's newest record, once, at the end: looking oftener would hold main up.
    const at = async (perSecond: number, ms: number) => {
      await load.call('setRate', perSecond);
      await caughtUp({ server, load });
      await sleepMs(SETTLE_MS * size.warm);
      const sinceMs = monotonicMs();
      const window = await watch.during(() => measureWindow(server, ms * size.time));
      const freshnessUs = (await freshnessMs(server, sinceMs)).map((value) => value * 1000);
      return { window, spread: p50p99(freshnessUs) };
    };
    const field = await at(FIELD_PER_SECOND, FIELD_MS);
    const busy = await at(BUSY_PER_SECOND, BUSY_MS);
    await accountedFor(server, await load.call('stop'));
    const cpuPercent = (100 * field.window.processCpuMs) / field.window.cpuMs;
    return { cpuPercent, field: field.spread, busy: busy.spread };
  });
}
