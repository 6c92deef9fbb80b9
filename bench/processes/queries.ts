/** The HTTP thread's queries in this process, over a fleet in shared memory that nothing writes meanwhile. */
import { JsonTextPool } from '../../src/http/bodies/json-text.ts';
import { Queries } from '../../src/http/query/queries.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { recordJsonHead } from '../../src/model/record-json.ts';
import { Directory } from '../../src/reading/directory.ts';
import { NO_CRITERIA } from '../../src/reading/selection.ts';
import { allocateBoard, BoardReader, BoardWriter } from '../../src/store/board.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { BareAnswers } from '../baseline/bare-answers.ts';
import { answerParent } from '../lib/child.ts';
import { watchLoopDelay } from '../lib/loop-delay.ts';
import { p50p99, type Spread } from '../lib/rows.ts';

export interface Asked {
  readonly took: Spread;
  /** The delay of the event loop: p99 of a timer of 1 ms. */
  readonly heldMs: number;
}

export interface QueryTimes {
  /** Without queries: the delay caused by the machine. */
  readonly idleHeldMs: number;
  /** The first query: a thread starts and gets all workers. */
  readonly firstMs: number;
  readonly firstHeldMs: number;
  readonly pool: { readonly list: Asked; readonly cluster: Asked };
  readonly inline: { readonly list: Asked; readonly cluster: Asked };
  /** While a bare thread starts, and while it works as long as a pool query and answers with as many bytes. */
  readonly bareHeldMs: Readonly<Record<'first' | 'list' | 'cluster', number>>;
}

const RING_SAMPLES = 2;
const PAUSE_MS = 2;
const WARM = 20;
/** Of answers, about. */
const LIST_BYTES = 10_000;
const CLUSTER_BYTES = 1000;

const LIST = {
  criteria: { ...NO_CRITERIA, ranges: [{ field: 'cpu_usage', least: 20, most: Number.POSITIVE_INFINITY }] },
  sort: '-cpu_usage',
  fields: undefined,
  after: undefined,
  limit: 100,
  revision: 'bench-1',
};

const calls = {
  async measure(workers: number, times: number): Promise<QueryTimes> {
    const directory = fleetOf(workers);
    const options = { directory, texts: new JsonTextPool(), clock: systemClock, log: () => {} };
    const pooled = new Queries({ ...options, maxWorkersInline: 0 });
    const inline = new Queries({ ...options, maxWorkersInline: Number.POSITIVE_INFINITY });
    try {
      const idle = await asked(times, async () => {});
      const first = await asked(1, () => list(pooled));
      const pool = await both(pooled, times);
      const bareAnswers = new BareAnswers();
      const bare = (atOnce: number, { took }: Asked, bytes: number) =>
        asked(atOnce, () => bareAnswers.ask({ workMs: took.p50, bytes }));
      const bareFirst = await bare(1, { ...first, took: pool.list.took }, LIST_BYTES);
      const bareHeldMs = {
        first: bareFirst.heldMs,
        list: (await bare(times, pool.list, LIST_BYTES)).heldMs,
        cluster: (await bare(times, pool.cluster, CLUSTER_BYTES)).heldMs,
      };
      await bareAnswers.end();
      return {
        idleHeldMs: idle.heldMs,
        firstMs: first.took.p50,
        firstHeldMs: first.heldMs,
        pool,
        inline: await both(inline, times),
        bareHeldMs,
      };
    } finally {
      await pooled.stop();
    }
  },
};
export type QueriesCalls = typeof calls;

answerParent(calls);

async function both(queries: Queries, times: number) {
  // Until the code is compiled.
  for (let i = 0; i < WARM; i++) await list(queries);
  for (let i = 0; i < WARM; i++) await queries.cluster();
  return { list: await asked(times, () => list(queries)), cluster: await asked(times, () => queries.cluster()) };
}

async function list(queries: Queries): Promise<void> {
  (await queries.page(LIST, true)).giveBack();
}

/** One after the other, a turn of the loop between them. */
async function asked(times: number, ask: () => Promise<unknown>): Promise<Asked> {
  const tookMs: number[] = [];
  const endLoopDelay = watchLoopDelay();
  for (let i = 0; i < times; i++) {
    const startMs = performance.now();
    await ask();
    tookMs.push(performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return { took: p50p99(tookMs), heldMs: endLoopDelay() };
}

function fleetOf(workers: number): Directory {
  const board = new BoardWriter(allocateBoard(workers, systemClock.monotonicMs()));
  const directory = new Directory(new BoardReader(board.memory));
  for (let i = 0; i < workers; i++) {
    const workerId = `worker-${i}`;
    const at = { monotonicMs: systemClock.monotonicMs(), wallMs: systemClock.wallMs() };
    const place = board.occupy(at);
    if (place === undefined) throw new Error('the board is full');
    const slot = newSlot(workerId, RING_SAMPLES);
    directory.apply({ type: 'slotAdded', workerId, ...place, slot });
    board.accepted(place.row, at);
    board.setState(place.row, 'active', 'heartbeat', at.wallMs);
    const writer = new SlotWriter(slot);
    const usages = { cpuUsage: (i * 7919) % 100, memoryUsage: (i * 104_729) % 100, storageUsage: 50, gpuUsage: 0 };
    const head = recordJsonHead({ workerId, ...usages, runningTasks: [], gpus: [], metrics: new Map([['queue', i]]) });
    writer.take(1);
    writer.publish(
      {
        ordinal: 1,
        ...usages,
        runningTasks: 0,
        receivedUnixMs: at.wallMs,
        receivedMonotonicMs: at.monotonicMs,
        publishedMonotonicMs: at.monotonicMs,
        sequence: 1,
        sentAtUnixMs: 0,
        hostLoopLagMs: 0,
        lastRoundTripMs: 0,
        taskStoodStillSinceMs: 0,
        sampleFlags: 0,
      },
      head,
    );
  }
  return directory;
}
