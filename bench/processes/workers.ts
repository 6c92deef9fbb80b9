/** A master in this process with many workers on shared lanes, to measure their memory. Needs --expose-gc. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMaster } from '../../src/app/master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { newSlot } from '../../src/store/slot-writer.ts';
import { answerParent } from '../lib/child.ts';
import { KeptConnection } from '../lib/kept-connection.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { Fleet, messageOf } from '../load/fleet.ts';

export interface WorkerCost {
  readonly rssBytesPerWorker: number;
  /** Of an empty slot by itself: how much of its ring is there before anything was written to it. */
  readonly slotRssShare: number;
}

/** The first workers pay for what all share: lanes, code, the heaps' first pages. */
const WARM_WORKERS = 1000;

const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-bench-'));
const environment = {
  HTTP_PORT: '127.0.0.1:0',
  GRPC_PORT: '127.0.0.1:0',
  DATA_DIR: dataDir,
  MAX_DEDICATED_LANES: '0',
  MAX_PEER_HEARTBEAT_RATE: '0',
};
const config = resolveOptions(masterOptions, { flags: {}, environment, dotenv: {} });
const master = await startMaster(config, { logger: silentLogger, clock: systemClock });
const http = new KeptConnection(master.httpAddress?.port ?? 0);

const calls = {
  async measure(workers: number): Promise<WorkerCost> {
    const fleet = new Fleet(WARM_WORKERS + workers, 'pulselane');
    await sendOneEach(fleet, 0, WARM_WORKERS);
    const before = await restingRssBytes();
    await sendOneEach(fleet, WARM_WORKERS, fleet.size);
    const rssBytesPerWorker = ((await restingRssBytes()) - before) / workers;
    return { rssBytesPerWorker, slotRssShare: slotRssShare(workers) };
  },
};
export type WorkersCalls = typeof calls;

answerParent(calls, async () => {
  http.close();
  await master.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function slotRssShare(slots: number): number {
  const before = process.memoryUsage.rss();
  const kept = Array.from({ length: slots }, (_, slot) => newSlot(`worker-${slot}`));
  const bytes = kept.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return (process.memoryUsage.rss() - before) / bytes;
}

/** Makes these workers known, each with one heartbeat applied. */
async function sendOneEach(fleet: Fleet, from: number, to: number): Promise<void> {
  for (let worker = from; worker < to; worker++) {
    master.manager.acceptHeartbeat(Buffer.from(messageOf(fleet.next(worker))));
  }
  await eventually('all heartbeats applied', () => applied() === to);
}

function applied(): number {
  let sum = 0;
  for (const { slot } of master.manager.directory.all()) sum += slot.counts().applied;
  return sum;
}

/** Of the whole process, after the HTTP thread has read all workers and garbage is collected. */
async function restingRssBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await http.get('/telemetry');
    // Mailboxes are freed four times a second.
    await sleepMs(300);
    globalThis.gc?.();
  }
  return process.memoryUsage.rss();
}
