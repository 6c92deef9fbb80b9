/** Counters of the master over everything that happens to it: none ever falls, and what became of heartbeats adds up. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { startMaster } from '../../../src/app/master.ts';
import { masterOptions } from '../../../src/config/options.ts';
import { resolveOptions } from '../../../src/config/resolve.ts';
import { TelemetryManager } from '../../../src/engine/telemetry-manager.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logging.ts';
import type { FamilyWithSeries, Series } from '../../../src/metrics/family.ts';
import { masterFamilies } from '../../../src/metrics/master/families.ts';
import { eventually } from '../../support/eventually.ts';
import { repetitions } from '../../support/repetitions.ts';
import { startRpc } from '../../support/rpc-server.ts';

const threads: Worker[] = [];
const note = (thread: Worker) => threads.push(thread);
process.on('worker', note);

const clean: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of clean.splice(0).reverse()) await stop();
  threads.length = 0;
});

type Families = readonly FamilyWithSeries[];

function readAll({ directory }: Pick<TelemetryManager, 'directory'>): Families {
  return masterFamilies({ directory, clock: systemClock });
}

/** Every number that must not fall, by its series. */
function countsIn(families: Families): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { family, series } of families) {
    if (family.type !== 'counter' && family.type !== 'histogram') continue;
    for (const { labels, value } of series) {
      const name = `${family.name} ${labels}`;
      if (typeof value === 'number') counts.set(name, value);
      else {
        counts.set(`${name} count`, value.count).set(`${name} sum`, value.sum);
        for (const [at, bound] of value.upperBounds.entries()) {
          counts.set(`${name} ${bound}`, value.cumulativeCounts[at] as number);
        }
      }
    }
  }
  return counts;
}

/** Compares what is read with what was read before. */
function watchCounts(read: () => Families) {
  let before = countsIn(read());
  return (): Families => {
    const families = read();
    const now = countsIn(families);
    for (const [name, count] of before) expect.soft(now.get(name) ?? -1, name).toBeGreaterThanOrEqual(count);
    before = now;
    return families;
  };
}

function total(families: Families, name: string): number {
  const found = families.find(({ family }) => family.name === `pulselane_${name}`);
  const valueIn = ({ value }: Series) => (typeof value === 'number' ? value : value.count);
  return found?.series.reduce((sum, series) => sum + valueIn(series), 0) ?? 0;
}

const FATES = ['applied', 'replaced', 'rejected', 'lost', 'forgotten'].map((fate) => `heartbeats_${fate}`);

function isSettled(families: Families, accepted: number): boolean {
  const fates = FATES.reduce((sum, fate) => sum + total(families, fate), 0);
  return total(families, 'heartbeats_accepted') === accepted && fates === accepted;
}

const WORKERS = ['a', 'b', 'c', 'd'];
type Step =
  | { readonly type: 'beats'; readonly workerId: string; readonly times: number; readonly isValid: boolean }
  | { readonly type: 'late'; readonly workerId: string }
  | { readonly type: 'unregister'; readonly workerId: string }
  | { readonly type: 'kill'; readonly lane: number }
  | { readonly type: 'wait'; readonly turns: number };
const workerId = fc.constantFrom(...WORKERS);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('beats' as const),
      workerId,
      times: fc.integer({ min: 1, max: 8 }),
      isValid: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('late' as const), workerId }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('unregister' as const), workerId }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('kill' as const), lane: fc.nat({ max: 2 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 20 }) }) },
);

test('whatever happens to workers and lanes, counters do not fall, and fates of heartbeats add up', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 20, maxLength: 60 }), async (steps) => {
      threads.length = 0;
      const manager = new TelemetryManager({ maxWorkers: 8, maxDedicatedLanes: 2, sharedLanes: 1, laneDepth: 4 });
      await manager.start();
      try {
        const look = watchCounts(() => readAll(manager));
        const sequences = new Map(WORKERS.map((id) => [id, 0]));
        let accepted = 0;
        for (const step of steps) {
          switch (step.type) {
            case 'beats':
              for (let beat = 0; beat < step.times; beat++) {
                const sequence = (sequences.get(step.workerId) as number) + 1;
                sequences.set(step.workerId, sequence);
                manager.processHeartbeat({
                  workerId: step.workerId,
                  sequence,
                  cpuUsage: step.isValid ? 1 : Number.NaN,
                });
                accepted++;
              }
              break;
            case 'late': {
              const sequence = Math.max(1, (sequences.get(step.workerId) as number) - 1);
              manager.processHeartbeat({ workerId: step.workerId, sequence });
              accepted++;
              break;
            }
            case 'unregister':
              manager.unregisterWorker(step.workerId);
              break;
            case 'kill':
              await threads[threads.length - 1 - step.lane]?.terminate();
              break;
            default:
              for (let turn = 0; turn < step.turns; turn++) await new Promise((resolve) => setImmediate(resolve));
          }
          look();
        }
        const families = await eventually(() => {
          const now = look();
          return isSettled(now, accepted) && now;
        });
        // Only a lane that was killed between a publication and its count may have left one out.
        const counted = await eventually(() => {
          const now = total(look(), 'heartbeat_apply_seconds');
          const killed = steps.filter(({ type }) => type === 'kill').length;
          return now >= total(families, 'heartbeats_applied') - killed && { now };
        });
        expect(counted.now).toBeLessThanOrEqual(total(families, 'heartbeats_applied'));
        for (const id of WORKERS) manager.unregisterWorker(id);
        await eventually(() => total(look(), 'workers') === 0);
      } finally {
        await manager.shutdown();
      }
    }),
    { numRuns: repetitions(2, 100) },
  );
});

test('heartbeats are counted by transport, and refused ones by the code of the error', async () => {
  const rpc = await startRpc({ engine: { admission: 'approved', maxWorkerHeartbeatsPerS: 1000 } });
  clean.push(() => rpc.stop());
  const { manager } = rpc;
  for (const id of ['unary', 'stream', 'library']) manager.approve(id);
  const client = rpc.client();
  await client.sendHeartbeat({ workerId: 'unary' });
  await expect(client.sendHeartbeat({ workerId: 'stranger' })).rejects.toThrow();
  await expect(client.sendHeartbeat({ workerId: '' })).rejects.toThrow();
  // Accepted as a sign of life, and rejected by its lane.
  await expect(client.sendHeartbeat({ workerId: 'unary', cpuUsage: Number.NaN })).rejects.toThrow();
  const stream = client.stream();
  stream.send({ workerId: 'stream', sequence: 1n });
  stream.send({ workerId: 'stranger', sequence: 1n });
  manager.processHeartbeat({ workerId: 'library' });
  expect(() => manager.processHeartbeat({ workerId: 'other stranger' })).toThrow();
  const byLabel = (name: string): Record<string, unknown> => {
    const found = readAll(manager).find(({ family }) => family.name === `pulselane_${name}`);
    const shown = found?.series.filter(({ value }) => value !== 0) ?? [];
    return Object.fromEntries(shown.map(({ labels, value }) => [labels[0]?.[1], value]));
  };
  await eventually(() => isSettled(readAll(manager), 4));
  expect(byLabel('heartbeats_accepted')).toEqual({ grpc_unary: 2, grpc_stream: 1, library: 1 });
  expect(byLabel('heartbeats_rejected')).toEqual({ content: 1 });
  expect(byLabel('heartbeats_refused')).toEqual({ not_admitted: 3, invalid_argument: 1 });
});

test('counters of the HTTP thread outlive it, and the scrape shows every thread', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pulselane-metrics-'));
  clean.push(() => rm(dataDir, { recursive: true, force: true }));
  const config = resolveOptions(masterOptions, {
    flags: {},
    environment: { ALERTS: 'off', DATA_DIR: dataDir, GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0' },
    dotenv: {},
  });
  const master = await startMaster(config, { logger: silentLogger, clock: systemClock });
  clean.push(() => master.stop());
  const url = `http://127.0.0.1:${master.httpAddress?.port}`;
  const scrape = async (): Promise<Map<string, number>> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    );
  };
  const refused = 'pulselane_http_refusals_total{reason="queries"}';
  const origin = 'pulselane_http_refusals_total{reason="origin"}';
  const starts = 'pulselane_thread_starts_total{thread="http"}';
  for (let life = 1; life <= 2; life++) {
    await fetch(`${url}/api/v1/workers/x/release`, { method: 'POST', headers: { origin: 'http://elsewhere.example' } });
    const now = await eventually(async () => {
      const read = await scrape();
      return read.get(origin) === life && read.get('pulselane_history_state{state="ok"}') === 1 && read;
    });
    expect(now.get(starts)).toBe(life);
    expect(now.get(refused)).toBe(0);
    for (const thread of ['main', 'http', 'history', 'metrics']) {
      expect(now.get(`pulselane_event_loop_lag_max_seconds{thread="${thread}"}`)).toBeGreaterThanOrEqual(0);
    }
    expect(now.has('pulselane_event_loop_lag_max_seconds{thread="export"}')).toBe(false);
    expect(now.get('process_resident_memory_bytes')).toBeGreaterThan(10 * 1024 ** 2);
    expect(now.get('nodejs_heap_size_used_bytes')).toBeGreaterThan(1024 ** 2);
    expect(now.get('pulselane_stream_clients{kind="stream"}')).toBe(0);
    await threads
      .filter(({ threadName }) => threadName === 'pulselane-http')
      .at(-1)
      ?.terminate();
    await eventually(() =>
      fetch(`${url}/livez`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  }
});
