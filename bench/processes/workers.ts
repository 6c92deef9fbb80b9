/** A master in this process with many workers on shared lanes, to measure their memory. Needs --expose-gc. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMaster } from '../../src/app/master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { FrameBatch } from '../../src/lane/frames.ts';
import { Lane } from '../../src/lane/lane.ts';
import type { FromLane, ToLane } from '../../src/lane/messages.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import type { Port } from '../../src/lib/ports.ts';
import { ApplyTimesWriter, allocateApplyTimes } from '../../src/store/apply-times.ts';
import { slotBytes } from '../../src/store/layout.ts';
import { allocatePublications, Publications } from '../../src/store/publications.ts';
import { UNLIMITED } from '../../src/store/record-allowance.ts';
import { SampleColumns } from '../../src/store/sample-columns.ts';
import { viewSlot } from '../../src/store/slot-memory.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { firstRingCapacity } from '../../src/store/slot-ring.ts';
import { newSlot } from '../../src/store/slot-writer.ts';
import { answerParent } from '../lib/child.ts';
import { KeptConnection } from '../lib/kept-connection.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { Fleet, messageOf } from '../load/fleet.ts';

export interface WorkerCost {
  readonly rssBytesPerWorker: number;
  /** Of an empty slot by itself: how much of its ring is there before anything was written to it. */
  readonly slotRssShare: number;
  /** Shared memory of a slot that has kept the samples of an hour, one per 5 s. */
  readonly hourSlotBytes: number;
  /** By how much it is larger if samples are scored. */
  readonly hourScoreBytes: number;
  /** CPU to read one sample of that hour with its four usages as decimals. */
  readonly cpuNsPerSampleRead: number;
}

/** The first workers pay for what all share: lanes, code, the heaps' first pages. */
const WARM_WORKERS = 1000;
const HOUR_MS = 3_600_000;
const EVERY_MS = 5000;
const READ_ROUNDS = 500;

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
    return { rssBytesPerWorker, slotRssShare: slotRssShare(workers), ...hourOfSamples() };
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

/** A worker with 4 tasks and no custom metrics, over two hours of its own: what its lane makes of its heartbeats. */
function hourOfSamples(): Pick<WorkerCost, 'hourSlotBytes' | 'hourScoreBytes' | 'cpuNsPerSampleRead'> {
  let memory = newSlot('worker-0', firstRingCapacity(HOUR_MS, EVERY_MS));
  let deliver: (message: ToLane) => void = () => {};
  const port: Port<ToLane, FromLane> = {
    onMessage: (handle) => {
      deliver = handle;
    },
    postMessage: (message) => {
      if (message.type === 'grown') memory = message.memory;
    },
    close: () => {},
  };
  new Lane(port, {
    clock: systemClock,
    allowance: { ...UNLIMITED, sampleSpanMs: HOUR_MS },
    publications: new Publications(allocatePublications(1)),
    applyTimes: new ApplyTimesWriter(allocateApplyTimes(), 0),
  });
  deliver({ type: 'serve', slot: 0, occupant: 1, workerId: 'worker-0', memory });
  const fleet = new Fleet(1, 'pulselane');
  const batch = new FrameBatch();
  for (let ordinal = 1; ordinal <= (2 * HOUR_MS) / EVERY_MS; ordinal++) {
    const nowMs = ordinal * EVERY_MS;
    const times = { receivedMonotonicMs: nowMs, receivedUnixMs: nowMs };
    batch.add({ slot: 0, ordinal, ...times, sampleFlags: 0, bytes: messageOf(fleet.next(0)) });
    deliver({ type: 'heartbeats', frames: batch.take() });
  }
  const reader = new SlotReader(memory);
  const columns = new SampleColumns();
  let samples = 0;
  const before = process.cpuUsage();
  for (let round = 0; round < READ_ROUNDS; round++) {
    reader.samplesSince(reader.firstSample, columns);
    samples += columns.count;
  }
  const { user, system } = process.cpuUsage(before);
  const { size } = viewSlot(memory);
  return {
    hourSlotBytes: memory.byteLength,
    hourScoreBytes: slotBytes({ ...size, isScored: true }) - memory.byteLength,
    cpuNsPerSampleRead: (1000 * (user + system)) / samples,
  };
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
