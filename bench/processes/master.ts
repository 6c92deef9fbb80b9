/** A whole master under measurement: gRPC, lanes, HTTP. Asked for what only its own process can see. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMaster } from '../../src/app/master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { answerParent } from '../lib/child.ts';
import { type Counts, type Ports, type ServerCalls, usage } from '../lib/server.ts';
import { eventually, monotonicMs } from '../lib/time.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-bench-'));
let master: Awaited<ReturnType<typeof startMaster>> | undefined;

const serverCalls: ServerCalls = { start, counts, leastApplied, usage };
const calls = {
  ...serverCalls,
  settled,
  freshness,
  lastPublishedMs,
  timedQueries,
  timedQueriesOfAll,
};
export type MasterCalls = typeof calls;

answerParent(calls, async () => {
  await master?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(settings: Readonly<Record<string, string>>): Promise<Ports> {
  const environment = { HTTP_PORT: '127.0.0.1:0', GRPC_PORT: '127.0.0.1:0', DATA_DIR: dataDir, ...settings };
  const config = resolveOptions(masterOptions, { flags: {}, environment, dotenv: {} });
  master = await startMaster(config, { logger: silentLogger, clock: systemClock });
  return { grpcPort: master.grpcAddress.port, httpPort: master.httpAddress?.port ?? 0 };
}

function counts(): Counts {
  const { directory } = running();
  const atMs = monotonicMs();
  const sum = { accepted: 0, applied: 0, replaced: 0, rejected: 0, lost: 0 };
  for (const { row, slot } of directory.all()) {
    const { accepted, replaced, lost } = directory.board.view(row, atMs);
    const { applied, rejected } = slot.counts();
    sum.accepted += accepted;
    sum.applied += applied;
    sum.replaced += replaced;
    sum.rejected += rejected;
    sum.lost += lost;
  }
  return { atMs, ...sum };
}

function leastApplied(workers: number): number {
  const { directory } = running();
  if (directory.size < workers) return 0;
  let least = Number.POSITIVE_INFINITY;
  for (const { slot } of directory.all()) least = Math.min(least, slot.counts().applied);
  return least;
}

/**
 * Makes workers known, as an operator would, and waits until each is on the lane that it keeps: on one of its own while
 * these last.
 */
async function settled(workerIds: readonly string[]): Promise<void> {
  const manager = running();
  for (const id of workerIds) manager.registerWorker(id);
  await eventually('all lanes started', () => {
    const { lanes, maxDedicatedLanes, workers } = manager.internalState();
    const own = lanes.filter(({ shared, state, workers: served }) => !shared && state === 'ready' && served === 1);
    return own.length === Math.min(maxDedicatedLanes, workers);
  });
}

/** Receipt to readable, in ms, of every worker's newest record, if it was received since then. */
function freshness(sinceMs: number): Float64Array {
  const values: number[] = [];
  for (const { slot } of running().directory.all()) {
    const record = slot.numbers();
    if (record === undefined || record.receivedMonotonicMs < sinceMs) continue;
    values.push(record.publishedMonotonicMs - record.receivedMonotonicMs);
  }
  return Float64Array.from(values);
}

/** When the last of so many workers became readable with a heartbeat; undefined while one is missing. */
function lastPublishedMs(workers: number): number | undefined {
  let last = 0;
  let applied = 0;
  for (const { slot } of running().directory.all()) {
    const record = slot.numbers();
    if (record === undefined) continue;
    applied++;
    last = Math.max(last, record.publishedMonotonicMs);
  }
  return applied < workers ? undefined : last;
}

/** How long each of many calls of `getWorkerTelemetry` took, in µs: some every millisecond, so that heartbeats come between. */
async function timedQueries(forMs: number): Promise<Float64Array> {
  const perMs = 5;
  const manager = running();
  const ids = Array.from(manager.directory.all(), ({ workerId }) => workerId);
  const values: number[] = [];
  await everyMs(1, forMs, () => {
    for (let i = 0; i < perMs; i++) {
      const id = ids[values.length % ids.length] as string;
      values.push(timedUs(() => manager.getWorkerTelemetry(id)));
    }
  });
  return Float64Array.from(values);
}

/** The same of `getAllWorkerTelemetry`. */
async function timedQueriesOfAll(forMs: number): Promise<Float64Array> {
  const manager = running();
  const values: number[] = [];
  await everyMs(20, forMs, () => values.push(timedUs(() => manager.getAllWorkerTelemetry())));
  return Float64Array.from(values);
}

function everyMs(periodMs: number, forMs: number, work: () => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(work, periodMs);
    setTimeout(() => {
      clearInterval(timer);
      resolve();
    }, forMs);
  });
}

function timedUs(work: () => unknown): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1000;
}

function running() {
  if (master === undefined) throw new Error('the master is not started');
  return master.manager;
}
