/**
 * Whether healthy workers are declared dead while the master stalls, is cut off or restarts, and how soon a silent one is
 * detected: what the tests in test/faults prove, at a size that can be timed.
 */
import type { WorkerEvent } from '../../src/model/events.ts';
import { CutProxy } from '../../test/support/cut-proxy.ts';
import { FaultMaster } from '../../test/support/fault-master.ts';
import { idsOf } from '../../test/support/sim/cohort.ts';
import { SimFleet } from '../../test/support/sim-fleet.ts';
import { alarms, inactivated, statesOf } from '../../test/support/worker-events.ts';
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { figuresOf, percentile } from '../lib/rows.ts';
import { eventually, monotonicMs, sleepMs } from '../lib/time.ts';

const INTERVAL_MS = 500;
const TIMEOUT_MS = 2000;
const LOOK_EVERY_MS = 250;
const BLOCKED_MS = 6000;
const CUT_MS = 4000;
/** With fewer, the brake on mass failure does not apply. */
const LEAST_WORKERS = 10;
const SHARED = 200;
const OWN = 20;
const GO = 20;
/** Of the workers that share streams; far below the share at which the brake on mass failure applies. */
const SILENT_SHARE = 0.25;

interface Run {
  readonly falseTransitions: number;
  readonly detectP50Ms: number;
  readonly detectMaxMs: number;
  /** The longest period of a timer that is as frequent as the master's check. */
  readonly timerMaxMs: number;
}

export const faults: Bench = {
  name: 'faults',
  question: 'Are healthy workers declared dead, and how soon are dead ones detected?',
  async run(context: BenchContext) {
    const { size } = context;
    const runs = await repeated(this, context, measure);
    const workers = cohortsOf(size).reduce((sum, { count }) => sum + count, 0);
    const blockedS = (BLOCKED_MS * size.time) / 1000;
    const detect = `silent worker to inactive, beyond the timeout of ${TIMEOUT_MS / 1000} s`;
    return figuresOf<Run>(runs, [
      {
        id: 'faults.false-transitions',
        question: `${workers} healthy workers; main blocked for ${blockedS} s, all cut off, master killed: suspect or inactive`,
        unit: 'workers',
        goal: 0,
        of: ({ falseTransitions }) => falseTransitions,
      },
      { id: 'liveness.detect.p50', question: `${detect}, p50`, unit: 'ms', of: ({ detectP50Ms }) => detectP50Ms },
      {
        id: 'liveness.detect.max',
        question: `${detect}, the last one`,
        unit: 'ms',
        of: ({ detectMaxMs }) => detectMaxMs,
      },
      {
        id: 'liveness.timer.max',
        question: `${detect}: the longest period of a timer of ${LOOK_EVERY_MS} ms meanwhile`,
        unit: 'ms',
        of: ({ timerMaxMs }) => timerMaxMs,
      },
      {
        id: 'liveness.detect.ratio',
        question: `${detect}, the last one: compared with that`,
        unit: '×',
        goal: 2,
        of: ({ detectMaxMs, timerMaxMs }) => detectMaxMs / timerMaxMs,
      },
    ]);
  },
};

function cohortsOf(size: Size) {
  return [
    { prefix: 'shared-', count: Math.max(LEAST_WORKERS, scaled(SHARED, size.fleet)), link: 'shared' },
    { prefix: 'own-', count: scaled(OWN, size.fleet), link: 'own' },
    { prefix: 'go-', count: scaled(GO, size.fleet), link: 'go' },
  ] as const;
}

async function measure(size: Size): Promise<Run> {
  const ends: (() => Promise<void>)[] = [];
  try {
    const master = await FaultMaster.start({
      HEARTBEAT_INTERVAL: `${INTERVAL_MS}ms`,
      INACTIVITY_TIMEOUT: `${TIMEOUT_MS}ms`,
    });
    ends.push(() => master.close());
    const proxy = await CutProxy.start(master.grpcPort);
    ends.push(() => proxy.close());
    const cohorts = cohortsOf(size);
    const fleet = await SimFleet.start(
      cohorts.map((cohort) => ({ ...cohort, port: proxy.port, intervalMs: INTERVAL_MS })),
    );
    ends.push(() => fleet.stop());
    return await suffer({ master, proxy, fleet }, idsOf(cohorts[0]), size);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

interface Stage {
  readonly master: FaultMaster;
  readonly proxy: CutProxy;
  readonly fleet: SimFleet;
}

async function suffer({ master, proxy, fleet }: Stage, shared: readonly string[], size: Size): Promise<Run> {
  const areActive = () =>
    eventually('all workers active', async () => {
      const states = statesOf(await master.events());
      return fleet.ids.every((id) => states.get(id) === 'active');
    });
  const since = async (event: WorkerEvent | undefined) =>
    (await master.events()).filter(({ id }) => id > (event?.id ?? 0));
  const last = async () => (await master.events()).at(-1);

  await areActive();
  await master.block(BLOCKED_MS * size.time);
  // Long enough for missed heartbeats to matter.
  await fleet.hasSent(4);
  let falseTransitions = alarms(await master.events()).length;

  let before = await last();
  proxy.cut();
  await sleepMs(CUT_MS * size.time);
  proxy.restore();
  await areActive();
  await fleet.hasSent(4);
  // Their heartbeats are really missing, so they may become suspect.
  falseTransitions += inactivated(await since(before)).length;

  before = await last();
  const silent = shared.slice(0, Math.ceil(SILENT_SHARE * shared.length));
  await fleet.silence(silent);
  const endTimer = longestPeriod();
  const sentUnixMs = await fleet.lastSentUnixMs(silent);
  await eventually('silent workers are inactive', async () => {
    const found = inactivated(await since(before));
    return silent.every((id) => found.includes(id));
  });
  const timerMaxMs = endTimer();
  const events = await since(before);
  falseTransitions += alarms(events).filter((id) => !silent.includes(id)).length;
  const detectMs = silent.map((id, i) => {
    const event = events.find(({ workerId, to }) => workerId === id && to === 'inactive') as WorkerEvent;
    return event.atUnixMs - (sentUnixMs[i] as number) - TIMEOUT_MS;
  });

  await fleet.resume(silent);
  await areActive();
  await master.kill();
  await master.startAgain();
  await areActive();
  await fleet.hasSent(4);
  falseTransitions += alarms(await master.events()).length;

  const ascending = detectMs.toSorted((a, b) => a - b);
  return {
    falseTransitions,
    detectP50Ms: percentile(ascending, 50),
    detectMaxMs: percentile(ascending, 100),
    timerMaxMs,
  };
}

/** The longest period of a timer that is as frequent as the master's check. @returns a function that ends it, with ms */
function longestPeriod(): () => number {
  let lastMs = monotonicMs();
  let longestMs = LOOK_EVERY_MS;
  const look = () => {
    const nowMs = monotonicMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    return longestMs;
  };
}
