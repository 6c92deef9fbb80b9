/** What a fleet of 10,000 costs the master, and how fresh its telemetry is: at the real rate, and above it. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type QuestionOf, ratioOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { accountedFor, measureWindow, type Window } from '../lib/server.ts';
import { caughtUp, freshnessMs, laneMixes, type Started, startBare, startMaster } from '../lib/servers.ts';
import { monotonicMs, sleepMs } from '../lib/time.ts';

const WORKERS = 10_000;
const STREAMS = 500;
const RENEWED_PER_MINUTE = 200;
/** Until every worker has sent, and the main thread's code is compiled. */
const FIRST_PER_SECOND = 6000;
const FIRST_MS = 2000;
const SETTLE_MS = 500;
/** One heartbeat per worker every 5 s. */
const FIELD_PER_SECOND = 2000;
/** Includes two rounds of acks. */
const FIELD_MS = 6000;
const BUSY_PER_SECOND = 5000;
const BUSY_MS = 2500;
/** The time to measure floors. */
const FLOOR_MS = 2500;

interface Run {
  readonly cpuPercent: number;
  readonly field: Spread;
  readonly busy: Spread;
  readonly bare: { readonly cpuPercent: number; readonly field: Spread; readonly busy: Spread };
}

export const fleet: Bench = {
  name: 'fleet',
  question: 'What do 10,000 workers cost, and how fresh is their telemetry?',
  async run(context: BenchContext) {
    const workers = scaled(WORKERS, context.size.fleet);
    const runs = await repeated(this, context, measure);
    const cpu = `CPU, of one core, ${workers} workers every 5 s, streamed, connections renewed`;
    const visible = `accepted to readable, ${workers} workers`;
    return figuresOf<Run>(runs, [
      {
        id: 'fleet.cpu',
        question: cpu,
        unit: '%',
        of: ({ cpuPercent }) => cpuPercent,
      },
      { id: 'fleet.bare.cpu', question: `${cpu}: bare server`, unit: '%', of: ({ bare }) => bare.cpuPercent },
      {
        id: 'fleet.cpu.ratio',
        question: `${cpu}: compared with the bare server`,
        unit: '×',
        goal: 1.8,
        of: ({ cpuPercent, bare }) => cpuPercent / bare.cpuPercent,
      },
      ...visibleQuestions(`visible.${FIELD_PER_SECOND}`, `${visible}, ${FIELD_PER_SECOND}/s`, 'field', {
        p50: 3,
        p99: 3,
      }),
      ...visibleQuestions(`visible.${BUSY_PER_SECOND}`, `${visible}, ${BUSY_PER_SECOND}/s`, 'busy', {}),
    ]);
  },
};

/** The floor's p50 is a thread's wake-up, its p99 the delay of an event loop: handing work to another thread costs at least that. */
function visibleQuestions(
  id: string,
  question: string,
  when: 'field' | 'busy',
  goals: Partial<Spread>,
): QuestionOf<Run>[] {
  return [
    ...spreadQuestions<Run>({ id, question, unit: 'µs' }, (run) => run[when]),
    {
      id: `${id}.floor.p50`,
      question: `${question}: wake-up of a bare thread, p50`,
      unit: 'µs',
      of: ({ bare }) => bare[when].p50,
    },
    {
      id: `${id}.floor.p99`,
      question: `${question}: delay of the bare server's timers, p99`,
      unit: 'µs',
      of: ({ bare }) => bare[when].p99,
    },
    ...spreadQuestions<Run>(
      { id: `${id}.ratio`, question: `${question}: compared with that`, unit: '×' },
      (run) => ratioOf(run[when], run.bare[when]),
      goals,
    ),
  ];
}

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  return { ...(await measureMaster(size, watch)), bare: await measureBare(size, watch) };
}

async function startSending({ load, grpcPort }: Started, size: Size): Promise<void> {
  const workers = scaled(WORKERS, size.fleet);
  const spec = { grpcPort, workers, streams: Math.min(STREAMS, workers), renewedPerMinute: RENEWED_PER_MINUTE };
  await load.call('start', { type: 'steady-streams', ...spec, perSecond: FIRST_PER_SECOND });
  await sleepMs(FIRST_MS * size.warm);
}

async function settleAt(perSecond: number, { server, load }: Started, size: Size): Promise<void> {
  await load.call('setRate', perSecond);
  await caughtUp({ server, load });
  await sleepMs(SETTLE_MS * size.warm);
}

function cpuPercentOf({ processCpuMs, cpuMs }: Window): number {
  return (100 * processCpuMs) / cpuMs;
}

async function measureBare(size: Size, watch: RunWatch): Promise<Run['bare']> {
  return await withChildren(async (start) => {
    const started = await startBare(start);
    const { server, load } = started;
    await startSending(started, size);
    const floor = async (ms: number): Promise<Spread> => {
      const { tookUs, loopDelayMs } = await watch.during(() => server.call('wakeUps', ms * size.time));
      return { p50: p50p99(tookUs).p50, p99: loopDelayMs * 1000 };
    };
    await settleAt(FIELD_PER_SECOND, started, size);
    const window = await watch.during(() => measureWindow(server, FIELD_MS * size.time));
    // Not while CPU is measured: waking threads costs CPU.
    const field = await floor(FLOOR_MS);
    await settleAt(BUSY_PER_SECOND, started, size);
    const busy = await floor(FLOOR_MS);
    await accountedFor(server, await load.call('stop'));
    return { cpuPercent: cpuPercentOf(window), field, busy };
  });
}

async function measureMaster(size: Size, watch: RunWatch): Promise<Omit<Run, 'bare'>> {
  return await withChildren(async (start) => {
    const started = await startMaster(start, laneMixes(size).dedicated, scaled(WORKERS, size.fleet));
    const { server, load } = started;
    await startSending(started, size);

    // Freshness is read from every worker's newest record, once, at the end: reading more often would slow down main.
    const at = async (perSecond: number, ms: number) => {
      await settleAt(perSecond, started, size);
      const sinceMs = monotonicMs();
      const window = await watch.during(() => measureWindow(server, ms * size.time));
      const freshnessUs = (await freshnessMs(server, sinceMs)).map((value) => value * 1000);
      return { window, spread: p50p99(freshnessUs) };
    };
    const field = await at(FIELD_PER_SECOND, FIELD_MS);
    const busy = await at(BUSY_PER_SECOND, BUSY_MS);
    await accountedFor(server, await load.call('stop'));
    return { cpuPercent: cpuPercentOf(field.window), field: field.spread, busy: busy.spread };
  });
}
