/** Heartbeats that are lost, come twice or come late are counted, each once. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { WorkerClient } from '../support/grpc-client.ts';
import { idsOf } from '../support/sim/cohort.ts';
import type { Mishap, SimCounts } from '../support/sim/sim-worker.ts';
import { SimFleet } from '../support/sim-fleet.ts';

interface Counted {
  readonly missed: number;
  readonly duplicate: number;
  readonly late: number;
}

let master: FaultMaster;
beforeAll(async () => {
  master = await FaultMaster.start({ HEARTBEAT_INTERVAL: '200ms', INACTIVITY_TIMEOUT: '60s' });
});
afterAll(() => master?.close());

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function countedOf(id: string): Promise<Counted & { readonly accepted: number }> {
  const { heartbeats } = await master.get(`/api/v1/workers/${id}`);
  const { missed, duplicate, late, accepted } = heartbeats;
  return { missed, duplicate, late, accepted };
}

/** Waits until it is so; if it never is, tells what is counted instead. */
async function expectCounted(id: string, expected: Counted): Promise<void> {
  let counted: Counted | undefined;
  const isSo = async () => {
    const { missed, duplicate, late } = await countedOf(id);
    counted = { missed, duplicate, late };
    return isDeepStrictEqual(counted, expected);
  };
  await eventually(isSo, 3000).catch(() => {});
  expect({ id, ...counted }).toEqual({ id, ...expected });
}

const MIXES: readonly (readonly Mishap[])[] = [['drop'], ['duplicate'], ['reorder'], ['drop', 'duplicate', 'reorder']];

test('1 in 5 heartbeats lost, duplicated or reordered, or each in turn: counted exactly, for 160 workers', async () => {
  const cohorts = MIXES.map((mishaps) => ({ prefix: `${mishaps.join('-')}-`, count: 40, mishaps }));
  const fleet = await SimFleet.start(
    cohorts.map(({ prefix, count }) => ({ prefix, count, port: master.grpcPort, intervalMs: 200, link: 'shared' })),
  );
  closing.push(() => fleet.stop());
  await fleet.hasSent(1);
  for (const cohort of cohorts) await fleet.mishaps(idsOf(cohort), cohort.mishaps);
  await fleet.hasSent(17);
  await fleet.mishaps(fleet.ids, []);
  // The last one that is lost is missed when the next one comes.
  await fleet.hasSent(2);
  await fleet.silence(fleet.ids);
  const counts = await fleet.counts();
  for (const [i, id] of fleet.ids.entries()) {
    const { dropped, duplicated, reordered } = counts[i] as SimCounts;
    expect(dropped + duplicated + reordered).toBeGreaterThanOrEqual(3);
    await expectCounted(id, { missed: dropped, duplicate: duplicated, late: reordered });
  }
});

/** What the numbers that arrived say, told the long way. */
function tally(arrivals: readonly number[]): Counted {
  const arrived = new Set<number>();
  let highest = 0;
  let duplicate = 0;
  let late = 0;
  for (const sequence of arrivals) {
    if (arrived.has(sequence)) duplicate++;
    else if (sequence < highest) late++;
    arrived.add(sequence);
    highest = Math.max(highest, sequence);
  }
  let missed = 0;
  for (let sequence = (arrivals[0] as number) + 1; sequence < highest; sequence++) {
    if (!arrived.has(sequence)) missed++;
  }
  return { missed, duplicate, late };
}

/** Heartbeats 1 to n as they arrive: each as often as it has places, which are up to six behind its own. */
const arrivalsOf = fc
  .array(fc.array(fc.nat(6), { maxLength: 3 }), { minLength: 1, maxLength: 60 })
  .map((places) =>
    places
      .flatMap((delays, i) => delays.map((delay) => ({ sequence: i + 1, at: i + delay })))
      .sort((a, b) => a.at - b.at || b.sequence - a.sequence)
      .map(({ sequence }) => sequence),
  )
  .filter((arrivals) => arrivals.length > 0);

test('whatever is lost, duplicated and reordered within a few heartbeats is counted exactly', async () => {
  const client = new WorkerClient(master.grpcPort);
  const stream = client.stream();
  closing.push(() => {
    stream.call.end();
    client.close();
  });
  let worker = 0;
  await fc.assert(
    fc.asyncProperty(arrivalsOf, async (arrivals) => {
      const workerId = `any-${worker++}`;
      for (const sequence of arrivals) stream.send({ workerId, sequence: BigInt(sequence), instanceId: 'i' });
      await eventually(async () => (await master.get('/workers'))[workerId] !== undefined);
      await expectCounted(workerId, tally(arrivals));
    }),
    { numRuns: 60 },
  );
});
