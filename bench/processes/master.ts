/** A complete master under measurement: gRPC, lanes, HTTP. Answers what only its own process can see. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { create } from '@bufbuild/protobuf';
import { startMaster } from '../../src/app/master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { answerParent } from '../lib/child.ts';
import { p50p99 } from '../lib/rows.ts';
import { type Counts, type Ports, type ServerCalls, usage } from '../lib/server.ts';
import { eventually, monotonicMs } from '../lib/time.ts';
import type { Published } from './followers.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-bench-'));
let master: Awaited<ReturnType<typeof startMaster>> | undefined;

const serverCalls: ServerCalls = { start, counts, applied, usage };
const calls = {
  ...serverCalls,
  settled,
  freshness,
  lastPublishedMs,
  timedQueries,
  timedArithmetic,
  timedQueriesOfAll,
  makeKnown,
  misbehave,
  behave,
  watch,
  watched,
  unaccounted,
  published,
  rssBytes,
  threadCpuMs,
  announce,
  comeAndGo,
  reportOnce,
  samplesWritten,
  report,
  keepReporting,
};
export type MasterCalls = typeof calls;

answerParent(calls, async () => {
  await master?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(settings: Readonly<Record<string, string>>): Promise<Ports> {
  const environment = {
    HTTP_PORT: '127.0.0.1:0',
    GRPC_PORT: '127.0.0.1:0',
    DATA_DIR: dataDir,
    // Floods are measured, so rates are not limited.
    MAX_HEARTBEAT_RATE: '0',
    MAX_PEER_HEARTBEAT_RATE: '0',
    ...settings,
  };
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

/** `settled` has registered them in this order, which the directory keeps. */
function applied(workers: number): Uint32Array {
  const values = new Uint32Array(workers);
  let worker = 0;
  for (const { slot } of running().directory.all()) values[worker++] = slot.counts().applied;
  return values;
}

/**
 * Makes workers known, as an operator would, and waits until each is on its final lane: a dedicated one while there are
 * any.
 */
async function settled(workerIds: readonly string[]): Promise<void> {
  const manager = running();
  for (const id of workerIds) manager.registerWorker(id);
  await eventually('all lanes started', () => {
    const { lanes, lanePlan, workers } = manager.internalState();
    const own = lanes.filter(
      ({ kind, state, workers: served }) => kind === 'dedicated' && state === 'ready' && served === 1,
    );
    return own.length === Math.min(lanePlan.dedicated, workers);
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
  let readable = 0;
  for (const { slot } of running().directory.all()) {
    const record = slot.numbers();
    if (record === undefined) continue;
    readable++;
    last = Math.max(last, record.publishedMonotonicMs);
  }
  return readable < workers ? undefined : last;
}

/** How long each of many calls of `getWorkerTelemetry` took, in µs. */
function timedQueries(forMs: number): Promise<Float64Array> {
  const manager = running();
  const ids = Array.from(manager.directory.all(), ({ workerId }) => workerId);
  return timedCalls(forMs, 'often', (call) => manager.getWorkerTelemetry(ids[call % ids.length] as string));
}

/**
 * The same of arithmetic that takes as long at p50, allocates nothing and needs no memory: what interrupts, other threads
 * and cold caches add on this machine.
 */
async function timedArithmetic(forMs: number, medianUs: number, how: HowOften): Promise<Float64Array> {
  let rounds = 1000;
  // Until its code is compiled, and then by how long it takes.
  for (let attempt = 0; attempt < 3; attempt++) {
    const { p50 } = p50p99(await timedCalls(CALIBRATE_MS, how, (call) => arithmetic(call, rounds)));
    rounds = Math.max(1, Math.round((rounds * medianUs) / p50));
  }
  return timedCalls(forMs, how, (call) => arithmetic(call, rounds));
}

const CALIBRATE_MS = 60;

function arithmetic(seed: number, rounds: number): number {
  let value = seed;
  for (let i = 0; i < rounds; i++) value = Math.imul(value, 31) + i;
  return value;
}

/** Some calls at a time, so that heartbeats come between: `rarely` is for what takes long. */
type HowOften = 'often' | 'rarely';
const PACES = { often: { calls: 5, periodMs: 1 }, rarely: { calls: 1, periodMs: 20 } };

/** How long each call took, in µs. */
async function timedCalls(forMs: number, how: HowOften, work: (call: number) => unknown): Promise<Float64Array> {
  const { calls, periodMs } = PACES[how];
  const values: number[] = [];
  await everyMs(periodMs, forMs, () => {
    for (let i = 0; i < calls; i++) values.push(timedUs(() => work(values.length)));
  });
  return Float64Array.from(values);
}

/** The same of `getAllWorkerTelemetry`. */
function timedQueriesOfAll(forMs: number): Promise<Float64Array> {
  const manager = running();
  return timedCalls(forMs, 'rarely', () => manager.getAllWorkerTelemetry());
}

/** A worker that may misbehave later has a lane and a record. */
async function makeKnown(workerId: string): Promise<void> {
  const manager = running();
  manager.processHeartbeat({ workerId });
  await eventually('the worker is served', () => {
    const entry = manager.directory.get(workerId);
    if (entry === undefined || entry.slot.counts().applied === 0) return false;
    const { kind } = manager.directory.board.lane(entry.row);
    return kind === 'dedicated' || manager.internalState().lanePlan.dedicated === 0;
  });
}

let misbehaviour: NodeJS.Timeout | undefined;

/** Lets a worker send heartbeats that make the processor do `act`: see isolation/faulty.mjs. */
function misbehave(workerId: string, act: string, perSecond: number): void {
  const send = () => running().processHeartbeat({ workerId, runningTasks: [{ taskId: act }] });
  send();
  misbehaviour = setInterval(send, 1000 / perSecond);
}

function behave(): void {
  clearInterval(misbehaviour);
}

/** Observations of some workers. */
export interface Watched {
  /** Receipt to readable, of every record that was seen; of those that are caught up in one go, the last is. */
  readonly latenciesMs: Float64Array;
  /** The longest time between two records of one worker. */
  readonly longestGapMs: number;
  readonly lost: number;
  /** The delay of the main thread's event loop, p99. */
  readonly loopDelayMs: number;
}

/** Often enough to see every record of workers that send five times a second. */
const WATCH_EVERY_MS = 10;
let endWatch: (() => Watched) | undefined;

function watch(workerIds: readonly string[]): void {
  const { directory } = running();
  const lostBefore = lostOf(workerIds);
  const loopDelay = monitorEventLoopDelay({ resolution: 1 });
  const lastMs = new Map<string, number>();
  const latenciesMs: number[] = [];
  let longestGapMs = 0;
  const look = () => {
    for (const id of workerIds) {
      const record = directory.get(id)?.slot.numbers();
      if (record === undefined) continue;
      const { publishedMonotonicMs, receivedMonotonicMs } = record;
      const before = lastMs.get(id);
      if (before === publishedMonotonicMs) continue;
      lastMs.set(id, publishedMonotonicMs);
      if (before === undefined) continue;
      latenciesMs.push(publishedMonotonicMs - receivedMonotonicMs);
      longestGapMs = Math.max(longestGapMs, publishedMonotonicMs - before);
    }
  };
  look();
  loopDelay.enable();
  const timer = setInterval(look, WATCH_EVERY_MS);
  endWatch = () => {
    clearInterval(timer);
    loopDelay.disable();
    look();
    const nowMs = monotonicMs();
    for (const atMs of lastMs.values()) longestGapMs = Math.max(longestGapMs, nowMs - atMs);
    const lost = lostOf(workerIds) - lostBefore;
    return {
      latenciesMs: Float64Array.from(latenciesMs),
      longestGapMs,
      lost,
      loopDelayMs: loopDelay.percentile(99) / 1e6,
    };
  };
}

function watched(): Watched {
  if (endWatch === undefined) throw new Error('nobody is watched');
  return endWatch();
}

/** The newest record of each worker. */
function published(workerIds: readonly string[]): (Published | undefined)[] {
  const { directory } = running();
  return workerIds.map((id) => {
    const record = directory.get(id)?.slot.numbers();
    return record === undefined ? undefined : { cpuUsage: record.cpuUsage, atMs: record.publishedMonotonicMs };
  });
}

function rssBytes(): number {
  return process.memoryUsage.rss();
}

/** Registers workers with what an agent tells of its machine. */
function announce(workerIds: readonly string[]): void {
  const machine = { totalCpu: 16, totalMemory: 64, totalStorage: 960, workerIp: '192.0.2.1', agentVersion: '0.2.0' };
  for (const workerId of workerIds) {
    running().announceWorker(
      create(WorkerInfoSchema, { workerId, ...machine, labels: { zone: 'a' }, group: 'rack-1' }),
    );
  }
}

/**
 * Lets workers with names of their own come, send a heartbeat with metrics of their own, and go, some at a time.
 * @param from the number of the first
 */
async function comeAndGo(from: number, workers: number): Promise<void> {
  const manager = running();
  for (let first = from; first < from + workers; first += AT_A_TIME) {
    const ids = Array.from(
      { length: Math.min(AT_A_TIME, from + workers - first) },
      (_, n) => `short-lived-${first + n}`,
    );
    for (const workerId of ids)
      manager.processHeartbeat({ workerId, cpuUsage: 1, metrics: { [`only ${workerId}`]: 1 } });
    await eventually('they are visible', () => {
      return ids.every((id) => (manager.directory.get(id)?.slot.counts().applied ?? 0) > 0);
    });
    for (const id of ids) manager.unregisterWorker(id);
  }
}

const AT_A_TIME = 250;

/** CPU time of the threads of this name since their start; undefined without /proc. */
function threadCpuMs(name: string): number | undefined {
  try {
    let ticks = 0;
    for (const task of readdirSync('/proc/self/task')) {
      const stat = readFileSync(`/proc/self/task/${task}/stat`, 'utf8');
      if (!stat.includes(`(${name})`)) continue;
      // The fields after the name: user and system time are the 12th and the 13th.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    }
    return ticks * MS_PER_TICK;
  } catch {
    return undefined;
  }
}

/** By worker, see {@link keepReporting}. */
const reported = new Map<string, number>();
const REPORT_EVERY_MS = 2000;

/** One heartbeat with this usage. @returns when it was handed over, by the monotonic clock */
function report(workerId: string, cpuUsage: number): number {
  reported.set(workerId, cpuUsage);
  const atMs = monotonicMs();
  running().processHeartbeat({ workerId, cpuUsage });
  return atMs;
}

/** These workers send the usage that they reported last again and again, so that nobody takes them for silent. */
function keepReporting(workerIds: readonly string[], cpuUsage: number): void {
  for (const id of workerIds) reported.set(id, cpuUsage);
  const send = () => {
    for (const [workerId, usage] of reported) running().processHeartbeat({ workerId, cpuUsage: usage });
  };
  send();
  setInterval(send, REPORT_EVERY_MS);
}

/** One heartbeat of each, with five custom metrics; resolves when all are readable. */
async function reportOnce(workerIds: readonly string[]): Promise<void> {
  const manager = running();
  for (const [n, workerId] of workerIds.entries()) {
    const metrics = { frames: n, 'queue.depth': n % 7, 'bytes.read': 1e9 + n, rate: n / 3, temperature: 40 + (n % 20) };
    manager.processHeartbeat({ workerId, cpuUsage: n % 100, memoryUsage: 40.2, storageUsage: 61.5, metrics });
  }
  await eventually('all have reported', () => lastPublishedMs(workerIds.length) !== undefined);
}

/** By all receivers of metrics, so far. */
function samplesWritten(): number {
  return (master?.exports?.receivers ?? []).reduce((sum, { sentSamples }) => sum + sentSamples, 0);
}

/** Linux counts in 1/100 s. */
const MS_PER_TICK = 10;

/** Accepted heartbeats that are not accounted for yet. */
function unaccounted(workerIds: readonly string[]): number {
  const { directory } = running();
  let sum = 0;
  for (const id of workerIds) {
    const entry = directory.get(id);
    if (entry === undefined) continue;
    const { accepted, lost, replaced } = directory.board.view(entry.row, 0);
    const { applied, rejected } = entry.slot.counts();
    sum += accepted - lost - replaced - applied - rejected;
  }
  return sum;
}

/** Lost when a lane failed, or replaced because the lane did not process them. */
function lostOf(workerIds: readonly string[]): number {
  const { directory } = running();
  let sum = 0;
  for (const id of workerIds) {
    const entry = directory.get(id);
    if (entry === undefined) continue;
    const { lost, replaced } = directory.board.view(entry.row, 0);
    sum += lost + replaced;
  }
  return sum;
}

/** At least once, also where timers come late. */
function everyMs(periodMs: number, forMs: number, work: () => void): Promise<void> {
  work();
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
