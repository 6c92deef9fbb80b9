/** A master that is killed loses at most what came since its last commit, and has nothing twice. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { WorkerClient } from '../support/grpc-client.ts';
import { repetitions } from '../support/repetitions.ts';
import { storedSamples } from '../support/stored-samples.ts';

const WORKERS = Array.from({ length: 3 }, (_, n) => `worker-${n}`);

let master: FaultMaster;

beforeAll(async () => {
  master = await FaultMaster.start({});
});
afterAll(() => master?.close());

/** Each worker counts its heartbeats, and sends one after another, as fast as they are accepted. */
class Load {
  readonly #counts = new Map(WORKERS.map((workerId) => [workerId, 0]));
  #isOver = false;
  readonly #done: Promise<unknown>;
  readonly #client: WorkerClient;

  constructor(port: number, before: ReadonlyMap<string, number>) {
    this.#client = new WorkerClient(port);
    for (const [workerId, count] of before) this.#counts.set(workerId, count);
    this.#done = Promise.all(WORKERS.map((workerId) => this.#send(workerId)));
  }

  /** The next count of each worker. */
  async end(): Promise<ReadonlyMap<string, number>> {
    this.#isOver = true;
    await this.#done;
    this.#client.close();
    return this.#counts;
  }

  async #send(workerId: string): Promise<void> {
    while (!this.#isOver) {
      const count = this.#counts.get(workerId) as number;
      // Counted before: a heartbeat whose answer is lost may have been applied.
      this.#counts.set(workerId, count + 1);
      await this.#client.sendHeartbeat({ workerId, metrics: { count } }).catch(() => {
        this.#isOver = true;
      });
    }
  }
}

interface Life {
  /** The first count of each worker. */
  readonly from: ReadonlyMap<string, number>;
  /** What was applied when everything up to then was reported durable. */
  readonly durable: Readonly<Record<string, number>>;
  readonly samples: number;
}

test(`after each of ${repetitions(5, 50)} kills under load, everything that was reported durable is there once, and only the end is missing`, async () => {
  const lives: Life[] = [];
  let from: ReadonlyMap<string, number> = new Map(WORKERS.map((workerId) => [workerId, 0]));
  for (let kill = 0; kill < repetitions(5, 50); kill++) {
    const load = new Load(master.grpcPort, from);
    const applied = await eventually(async () => {
      const seen = await master.get('/telemetry');
      return WORKERS.every((id) => (seen[id]?.metrics?.count ?? -1) >= (from.get(id) as number)) && seen;
    });
    const seenMs = Date.now();
    const status = await eventually(async () => {
      const told = await master.get('/api/v1/history');
      return Date.parse(told.durable_until ?? 0) > seenMs && told;
    });
    await master.kill();
    const durable = Object.fromEntries(WORKERS.map((id) => [id, applied[id].metrics.count]));
    lives.push({ from, durable, samples: status.samples });
    from = await load.end();
    // As it was left, before the next master has opened it.
    if (kill === 0) await check(lives);
    await master.startAgain();
  }
  await master.stop();
  await check(lives);
});

async function check(lives: readonly Life[]): Promise<void> {
  const stored = await storedSamples(master.dataDir, WORKERS, 'metrics.count');
  for (const [life, { from, durable, samples }] of lives.entries()) {
    let inRun = 0;
    for (const workerId of WORKERS) {
      const run = stored.get(workerId)?.[life];
      if (run === undefined) throw new Error(`${workerId} has nothing of life ${life}`);
      const { values, numbers } = run;
      // A heartbeat of the life before whose answer did not come is counted, and not sent again.
      const first = from.get(workerId) as number;
      expect(values).toEqual(Array.from(values, (_, n) => first + n));
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      expect(values.at(-1)).toBeGreaterThanOrEqual(durable[workerId] as number);
      inRun += values.length;
    }
    expect(inRun).toBeGreaterThanOrEqual(samples);
  }
}
