/** A master in this process with many workers on shared lanes, and what they cost it in memory. Needs --expose-gc. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMaster } from '../../src/app/master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { answerParent } from '../lib/child.ts';
import { KeptConnection } from '../lib/kept-connection.ts';
import { eventually, sleepMs } from '../lib/time.ts';

export interface WorkerCost {
  readonly rssBytesPerWorker: number;
}

const TASKS = 4;
/** They pay for what all share: lanes, code, the heaps' first pages. */
const WARM_WORKERS = 1000;
const REGISTER_AT_ONCE = 100;

const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-bench-'));
const environment = {
  HTTP_PORT: '127.0.0.1:0',
  GRPC_PORT: '127.0.0.1:0',
  DATA_DIR: dataDir,
  MAX_DEDICATED_LANES: '0',
};
const config = resolveOptions(masterOptions, { flags: {}, environment, dotenv: {} });
const master = await startMaster(config, { logger: silentLogger, clock: systemClock });
const http = new KeptConnection(master.httpAddress?.port ?? 0);

const calls = {
  async measure(workers: number): Promise<WorkerCost> {
    await serve(0, WARM_WORKERS);
    const before = await restingRssBytes();
    await serve(WARM_WORKERS, WARM_WORKERS + workers);
    return { rssBytesPerWorker: ((await restingRssBytes()) - before) / workers };
  },
};
export type WorkersCalls = typeof calls;

answerParent(calls, async () => {
  http.close();
  await master.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Makes the workers known, each with one heartbeat applied. */
async function serve(from: number, to: number): Promise<void> {
  const { manager } = master;
  for (let worker = from; worker < to; worker++) {
    manager.processHeartbeat({
      workerId: `worker-${worker}`,
      cpuUsage: 14.999999999997726,
      memoryUsage: 40.25,
      storageUsage: 61.5,
      sequence: 1,
      sentAtUnixMs: Date.now(),
      runningTasks: Array.from({ length: TASKS }, (_, task) => ({
        taskId: `task-${worker}-${task}`,
        cpuAllocated: 0.5,
        memoryAllocated: 0.25,
        status: 'running',
      })),
    });
    if (worker % REGISTER_AT_ONCE === 0) await sleepMs(1);
  }
  await eventually('all heartbeats applied', () => {
    const slots = Array.from(manager.directory.all(), ({ slot }) => slot);
    return slots.length === to && slots.every((slot) => slot.counts().applied > 0);
  });
}

/** The whole process's, when the http thread has read all and nothing is left to collect. */
async function restingRssBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await http.get('/telemetry');
    // Mailboxes are let go of four times a second.
    await sleepMs(300);
    globalThis.gc?.();
  }
  return process.memoryUsage.rss();
}
