/** Starts dedicated lanes, each with one applied heartbeat, and measures their cost; then the cost per heartbeat. */

import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { startBareThread } from '../baseline/bare-thread.ts';
import { answerParent } from '../lib/child.ts';
import { usage } from '../lib/server.ts';
import { eventually } from '../lib/time.ts';

export interface LaneCost {
  readonly rssBytesPerLane: number;
  readonly cpuMsPerLane: number;
  /** CPU time of a lane's thread for each heartbeat of four tasks that stay the same. */
  readonly cpuUsPerHeartbeat: number;
}

/** Each. */
export interface ThreadCost {
  readonly rssBytes: number;
  readonly cpuMs: number;
}

/** More than start at once, so that the shared lanes are among them. */
const WARM_LANES = 4;
const PROCESSOR = fileURLToPath(new URL('./idle-processor.mjs', import.meta.url));
const TASKS = [0, 1, 2, 3].map((n) => ({ taskId: `task-${n}`, cpuAllocated: 0.5, status: 'running' }));
/** As many as a mailbox holds: none is replaced. */
const BATCH = 16;

let manager: TelemetryManager | undefined;
const threads: Worker[] = [];
process.on('worker', (thread) => threads.push(thread));

const calls = {
  async start(lanes: number, heartbeats: number, hasProcessor: boolean): Promise<LaneCost> {
    manager = new TelemetryManager({ maxDedicatedLanes: 10_000, ...(hasProcessor ? { processor: PROCESSOR } : {}) });
    await manager.start();
    // The first lanes pay for what all share: code pages, allocator arenas, and the shared lanes that stand in.
    await serve(manager, WARM_LANES);
    const rssBefore = process.memoryUsage.rss();
    const before = usage();
    await serve(manager, WARM_LANES + lanes);
    return {
      rssBytesPerLane: (process.memoryUsage.rss() - rssBefore) / lanes,
      cpuMsPerLane: (usage().processCpuMs - before.processCpuMs) / lanes,
      cpuUsPerHeartbeat: await work(manager, heartbeats),
    };
  },

  /** The cost of threads that do nothing. */
  async startBare(threads: number): Promise<ThreadCost> {
    for (let i = 0; i < WARM_LANES; i++) await startBareThread();
    const rssBefore = process.memoryUsage.rss();
    const before = usage();
    for (let i = 0; i < threads; i++) await startBareThread();
    return {
      rssBytes: (process.memoryUsage.rss() - rssBefore) / threads,
      cpuMs: (usage().processCpuMs - before.processCpuMs) / threads,
    };
  },
};
export type LanesCalls = typeof calls;

answerParent(calls, async () => manager?.shutdown());

/** Resolves when workers 0 to `count` - 1 have a heartbeat applied and are on lanes of their own. */
async function serve(master: TelemetryManager, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (master.getWorkerTelemetry(`w${i}`) === undefined) master.processHeartbeat({ workerId: `w${i}`, cpuUsage: 1 });
  }
  await eventually('all lanes started', () => {
    const { lanes } = master.internalState();
    const own = lanes.filter(({ kind, state, workers }) => kind === 'dedicated' && state === 'ready' && workers === 1);
    return own.length === count && [...master.directory.all()].every(({ slot }) => slot.counts().applied > 0);
  });
}

/** What worker 0's lane needs for each heartbeat, once its code is compiled. */
async function work(master: TelemetryManager, heartbeats: number): Promise<number> {
  await send(master, heartbeats);
  const before = await cpuUs();
  await send(master, heartbeats);
  return ((await cpuUs()) - before) / heartbeats;
}

async function send(master: TelemetryManager, heartbeats: number): Promise<void> {
  const slot = () => master.directory.get('w0')?.slot;
  for (let sent = 0; sent < heartbeats; sent += BATCH) {
    const applied = slot()?.counts().applied ?? 0;
    for (let i = 0; i < BATCH; i++)
      master.processHeartbeat({ workerId: 'w0', cpuUsage: sent + i, runningTasks: TASKS });
    while ((slot()?.counts().applied ?? 0) < applied + BATCH) await new Promise(setImmediate);
  }
}

/** Of all lanes: the others sleep. */
async function cpuUs(): Promise<number> {
  const used = await Promise.all(threads.map((thread) => thread.cpuUsage().catch(() => ({ user: 0, system: 0 }))));
  return used.reduce((sum, { user, system }) => sum + user + system, 0);
}
