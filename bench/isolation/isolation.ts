/** What one worker's fault costs 200 others: on a dedicated lane, and on a lane shared with them. */
import { fileURLToPath } from 'node:url';
import { startBareThread } from '../baseline/bare-thread.ts';
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type Child, withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type QuestionOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import { type LaneMix, type LaneSettings, startMaster } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { LoadCalls } from '../processes/load.ts';
import type { MasterCalls, Watched } from '../processes/master.ts';

const FAULTS = ['loop', 'heap', 'buffers', 'crash', 'flood'] as const;
type Fault = (typeof FAULTS)[number];
const MIXES: readonly LaneMix[] = ['dedicated', 'shared'];

const NEIGHBOURS = 200;
const STREAMS = 20;
/** Five per second and worker: gaps show soon. */
const PER_SECOND = 1000;
const BEFORE_MS = 800;
/** Two seconds until a stall is detected, one to recover. */
const DURING_MS = 3500;
/** Time for a flood to settle before the next fault. */
const BETWEEN_MS = 300;
/** LANE_STALL. */
const STALL_MS = 2000;
/** Bare threads started to measure how long that takes. */
const THREADS = 5;
const FLOOD_PER_SECOND = 20_000;
const FAULTY_PER_SECOND = 20;
/** Small, so that a leak of 4 MB (of Buffers: 32) a heartbeat reaches it; a shared lane has four times as much. */
const MEMORY_LIMITS = { LANE_HEAP: '24', LANE_OFF_HEAP: '128' };

interface Measured {
  readonly before: Spread;
  readonly during: Spread;
  readonly lost: number;
  readonly recoveryMs: number;
  readonly loopDelayMs: number;
}
type MixRun = Readonly<Record<Fault, Measured>>;
type Run = Readonly<Record<LaneMix, MixRun>> & {
  /** The longest of a few, under the same load. */
  readonly threadStartMs: number;
};

export const isolation: Bench = {
  name: 'isolation',
  question: 'What does one worker’s fault cost 200 others?',
  async run(context: BenchContext) {
    const neighbours = scaled(NEIGHBOURS, context.size.fleet);
    const runs = await repeated(this, context, measure);
    return figuresOf<Run>(runs, [
      ...MIXES.flatMap((mix) => FAULTS.flatMap((fault) => questionsOf(mix, fault, neighbours))),
      {
        id: 'isolation.thread-start',
        question: `${neighbours} neighbours send: start of a bare thread, the longest of ${THREADS}`,
        unit: 'ms',
        of: ({ threadStartMs }) => threadStartMs,
      },
    ]);
  },
};

function questionsOf(mix: LaneMix, fault: Fault, neighbours: number): QuestionOf<Run>[] {
  const id = `isolation.${fault}.${mix}`;
  const of = (run: Run) => run[mix][fault];
  const who = `${neighbours} neighbours, ${fault} on a ${mix} lane`;
  return [
    ...spreadQuestions<Run>(
      { id: `${id}.before`, question: `${who}: accepted to readable before`, unit: 'ms' },
      (run) => of(run).before,
    ),
    ...spreadQuestions<Run>({ id: `${id}.during`, question: `${who}: meanwhile`, unit: 'ms' }, (run) => of(run).during),
    ...(fault === 'flood'
      ? [
          {
            id: `${id}.ratio`,
            question: `${who}: p99 meanwhile / before`,
            unit: '×',
            goal: 2,
            of: (run: Run) => of(run).during.p99 / of(run).before.p99,
          },
        ]
      : []),
    { id: `${id}.lost`, question: `${who}: lost heartbeats`, unit: '', goal: 0, of: (run) => of(run).lost },
    {
      id: `${id}.recovery`,
      question: `${who}: longest time without service`,
      unit: 'ms',
      of: (run) => of(run).recoveryMs,
    },
    {
      id: `${id}.recovery.ratio`,
      question: `${who}: that compared with the ${STALL_MS / 1000} s until a stall is detected plus a bare thread's start`,
      unit: '×',
      goal: 1.5,
      of: (run) => of(run).recoveryMs / (STALL_MS + run.threadStartMs),
    },
    { id: `${id}.loop`, question: `${who}: event-loop delay, p99`, unit: 'ms', of: (run) => of(run).loopDelayMs },
  ];
}

async function measure(size: Size): Promise<Run> {
  const { threadStartMs, ...dedicated } = await measureMix('dedicated', size);
  return { dedicated, shared: await measureMix('shared', size), threadStartMs };
}

/** One master, one fault after another, each by a different worker. */
async function measureMix(mix: LaneMix, size: Size): Promise<MixRun & Pick<Run, 'threadStartMs'>> {
  return await withChildren(async (start) => {
    const neighbours = scaled(NEIGHBOURS, size.fleet);
    const lanes: LaneSettings = {
      MAX_DEDICATED_LANES: mix === 'shared' ? '0' : String(neighbours + FAULTS.length),
      SHARED_LANES: '2',
    };
    const PROCESSOR = fileURLToPath(new URL('./faulty.mjs', import.meta.url));
    const settings = { ...lanes, ...MEMORY_LIMITS, PROCESSOR };
    const { server, grpcPort } = await startMaster(start, settings, neighbours);
    const load = start<LoadCalls>('load.ts');
    const perSecond = Math.max(50, PER_SECOND * size.fleet);
    const spec = { grpcPort, workers: neighbours, streams: Math.min(STREAMS, neighbours) };
    await load.call('start', { type: 'steady-streams', ...spec, perSecond });
    await sleepMs(BEFORE_MS);

    const ids = workerIds(neighbours);
    const periodMs = (1000 * neighbours) / perSecond;
    const threadStartMs = await longestThreadStartMs();
    const measured: Partial<Record<Fault, Measured>> = {};
    for (const fault of FAULTS) {
      const flooder = fault === 'flood' ? start<LoadCalls>('load.ts') : undefined;
      await server.call('makeKnown', `bad-${fault}`);
      const before = await watched(server, ids, BEFORE_MS * size.time);
      if (flooder === undefined) await server.call('misbehave', `bad-${fault}`, fault, FAULTY_PER_SECOND);
      else await flooder.call('start', { type: 'flood', grpcPort, workerId: 'bad-flood', perSecond: FLOOD_PER_SECOND });
      const during = await watched(server, ids, DURING_MS * (size.time < 0.3 ? 0.1 : 1));
      await server.call('behave');
      await flooder?.call('stop');
      await sleepMs(BETWEEN_MS * Math.min(1, 2 * size.time));
      measured[fault] = {
        before: p50p99(before.latenciesMs),
        during: p50p99(during.latenciesMs),
        lost: during.lost,
        recoveryMs: Math.max(0, during.longestGapMs - periodMs),
        loopDelayMs: during.loopDelayMs,
      };
    }
    await load.call('stop');
    // The faulty workers are in quarantine, and their heartbeats wait.
    await eventually('all neighbours accounted for', async () => (await server.call('unaccounted', ids)) === 0);
    return { ...(measured as Record<Fault, Measured>), threadStartMs };
  });
}

async function longestThreadStartMs(): Promise<number> {
  let longestMs = 0;
  for (let i = 0; i < THREADS; i++) {
    const startMs = performance.now();
    const thread = await startBareThread();
    longestMs = Math.max(longestMs, performance.now() - startMs);
    await thread.terminate();
  }
  return longestMs;
}

async function watched(server: Child<MasterCalls>, ids: readonly string[], ms: number): Promise<Watched> {
  await server.call('watch', ids);
  await sleepMs(Math.max(ms, 300));
  return server.call('watched');
}
