/** The pool, its lanes and the lanes' own side together, with threads that do and end as chance has it. */
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { CLEAN_AFTER_MS, MAX_FAULTS } from '../../src/engine/lanes/fault-history.ts';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import type { ThreadOptions } from '../../src/lib/threads.ts';
import { STATE_FLOATS, StateFloat } from '../../src/model/anomaly/state.ts';
import { ISOLATIONS } from '../../src/model/isolation.ts';
import type { Announcement } from '../../src/reading/directory.ts';
import { WORD_BYTES } from '../../src/store/layout.ts';
import { type SlotMemory, viewSlot } from '../../src/store/slot-memory.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { diesAt } from '../store/killed-writer.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeThread, HANG, POISON } from '../support/fake-threads.ts';
import { samplesOf } from '../support/samples-of.ts';

const fake = vi.hoisted(() => ({ start: (_data: unknown, _name: string): unknown => undefined }));
vi.mock('../../src/lib/threads.ts', async (original) => ({
  ...(await original<object>()),
  holdThread: () => {},
  startThread: (_script: string, options: ThreadOptions) => fake.start(options.data, options.name),
  receivedOn: (port: { readonly thread: FakeThread }) => port.thread.lastWord(),
}));

const WORKERS = ['a', 'b', 'c', 'd', 'e'];
const QUARANTINE_MS = 60_000;
const INACTIVE_AFTER_MS = 40_000;

class Fleet {
  readonly clock = new FakeClock();
  readonly threads: FakeThread[] = [];
  readonly manager: TelemetryManager;
  /** Those of dedicated lanes. */
  readonly #own = new Set<FakeThread>();
  /** Threads that hang do so for half a second at most. */
  isHealing = false;
  #sent = 0;

  constructor(
    maxDedicatedLanes: number,
    sharedLanes: number,
    { anomalyScores = false, samples }: Pick<TelemetryManagerOptions, 'anomalyScores' | 'samples'> = {},
  ) {
    fake.start = (data, name) => {
      const thread = new FakeThread(data as ConstructorParameters<typeof FakeThread>[0], this.clock);
      this.threads.push(thread);
      const lane = this.manager.internalState().lanes.find(({ number }) => name === `lane ${number}`);
      if (lane?.kind === 'dedicated') this.#own.add(thread);
      return { thread, port: Object.assign(thread.port, { thread }) };
    };
    this.manager = new TelemetryManager({
      clock: this.clock,
      maxWorkers: 20,
      maxDedicatedLanes,
      sharedLanes,
      laneDepth: 3,
      laneQuarantineMs: QUARANTINE_MS,
      inactivityTimeoutMs: INACTIVE_AFTER_MS,
      anomalyScores,
      ...(samples === undefined ? {} : { samples }),
    });
  }

  send(workerId: string, taskId: string): number {
    this.#sent++;
    this.manager.processHeartbeat({ workerId, cpuUsage: this.#sent % 100, runningTasks: [{ taskId }] });
    return this.#sent % 100;
  }

  thread(which: number): FakeThread | undefined {
    const alive = this.threads.filter(({ isDead }) => !isDead);
    return alive[which % alive.length];
  }

  /** How many threads dedicated lanes have, without those that do not end when they are told to. */
  get ownThreads(): number {
    for (const thread of this.#own) if (thread.isDead || thread.isStuck) this.#own.delete(thread);
    return this.#own.size;
  }

  /** Time passes in sweeps, each with all that follows from it at once. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      this.clock.advance(Math.min(250, ms - passed));
      await turn();
    }
  }

  /** The worker ends each lane that it comes to, as often as a quarantine takes. */
  async harm(workerId: string): Promise<void> {
    for (let times = 0; times < MAX_FAULTS; times++) {
      this.send(workerId, POISON);
      await this.calm(1000);
    }
  }

  /** All threads do what they can. */
  async work(): Promise<void> {
    for (let busy = true; busy; busy = this.threads.some(({ isBusy }) => isBusy)) {
      for (const thread of this.threads) {
        thread.boot();
        thread.work(this.threads);
        thread.speak();
      }
      await turn();
    }
  }

  async calm(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      await this.pass(500);
      if (this.isHealing) for (const thread of this.threads) thread.letGo();
      await this.work();
    }
  }

  /** All goes well, and each of them sends a heartbeat every 5 s. */
  async live(ms: number, workerIds: readonly string[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5000) {
      for (const workerId of workerIds) this.send(workerId, 'task');
      await this.calm(Math.min(5000, ms - passed));
    }
  }

  /** Which kind of lane each of them is on. */
  kinds(workerIds: readonly string[]): (string | undefined)[] {
    const facts = this.facts();
    return workerIds.map((id) => facts.find(({ workerId }) => workerId === id)?.lane.kind);
  }

  facts() {
    return [...this.manager.directory.all()].map(({ workerId, row, slot }) => {
      const { accepted, replaced, lost, lane } = this.manager.directory.board.view(row, 0);
      const { applied, rejected } = slot.counts();
      return { workerId, lane, accepted, done: applied + rejected + replaced + lost };
    });
  }

  async end(): Promise<void> {
    // One that is left behind would keep the quarantines of the next fleet.
    for (const thread of this.threads) thread.letGo();
    let isOver = false;
    const ending = this.manager.shutdown().then(() => {
      isOver = true;
    });
    while (!isOver) {
      this.clock.advance(100);
      await turn();
    }
    await ending;
  }
}

/** What was sent goes at the end of one turn, and what follows from an end is known in the next ones. */
async function turn(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
}

type Step = (fleet: Fleet) => void | Promise<void>;
const worker = fc.constantFrom(...WORKERS);
const which = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: worker.map((id) => (fleet: Fleet) => void fleet.send(id, 'task')) },
  // Its slot grows.
  { weight: 1, arbitrary: worker.map((id) => (fleet: Fleet) => void fleet.send(id, 'x'.repeat(5000))) },
  { weight: 2, arbitrary: worker.map((id) => (fleet: Fleet) => void fleet.send(id, POISON)) },
  { weight: 1, arbitrary: worker.map((id) => (fleet: Fleet) => fleet.harm(id)) },
  { weight: 1, arbitrary: worker.map((id) => (fleet: Fleet) => void fleet.send(id, HANG)) },
  { weight: 4, arbitrary: which.map((n) => (fleet: Fleet) => fleet.thread(n)?.boot()) },
  { weight: 6, arbitrary: which.map((n) => (fleet: Fleet) => fleet.thread(n)?.work(fleet.threads)) },
  { weight: 6, arbitrary: which.map((n) => (fleet: Fleet) => fleet.thread(n)?.speak()) },
  { weight: 2, arbitrary: fc.constant((fleet: Fleet) => fleet.work()) },
  { weight: 1, arbitrary: fc.constant((fleet: Fleet) => fleet.calm(500)) },
  { weight: 1, arbitrary: which.map((n) => (fleet: Fleet) => fleet.thread(n)?.die()) },
  { weight: 1, arbitrary: worker.map((id) => (fleet: Fleet) => void fleet.manager.unregisterWorker(id)) },
  { weight: 1, arbitrary: worker.map((id) => (fleet: Fleet) => void fleet.manager.releaseWorker(id)) },
  {
    weight: 2,
    arbitrary: fc.tuple(worker, fc.constantFrom(...ISOLATIONS)).map(([id, isolation]) => ({ manager }: Fleet) => {
      if (manager.directory.get(id) !== undefined) manager.isolate(id, isolation);
    }),
  },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3000 }).map((ms) => (fleet: Fleet) => fleet.pass(ms)) },
);
const lives = fc.array(step, { maxLength: 80, size: 'max' });

test('whatever threads do and however they end, a slot has one writer, all heartbeats are counted, and every penalty ends', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(3), fc.integer({ min: 1, max: 2 }), lives, async (dedicated, shared, steps) => {
      const fleet = new Fleet(dedicated, shared);
      await fleet.manager.start();
      try {
        for (const one of steps) {
          await one(fleet);
          await turn();
          // One gives way at a time, and its lane ends when it has left.
          expect(fleet.ownThreads).toBeLessThanOrEqual(dedicated + 1);
        }
        // Back-offs and quarantines end, also where nobody releases anybody: while no thread is left behind.
        fleet.isHealing = true;
        await fleet.calm(QUARANTINE_MS + 10_000);
        const last = new Map(fleet.facts().map(({ workerId }) => [workerId, fleet.send(workerId, 'task')]));
        await fleet.calm(5000);
        for (const { workerId, accepted, done, lane } of fleet.facts()) {
          expect({ workerId, done, state: lane.state }).toEqual({ workerId, done: accepted, state: 'ready' });
          expect(fleet.manager.getWorkerTelemetry(workerId)?.cpuUsage).toBe(last.get(workerId));
        }
        const isOwn = ({ kind }: { kind: string }) => kind === 'dedicated';
        const ownLanes = fleet.manager.internalState().lanes.filter(isOwn).length;
        expect(ownLanes).toBe(fleet.facts().filter(({ lane }) => isOwn(lane)).length);
        expect(ownLanes).toBeLessThanOrEqual(dedicated);
        const isPunished = () => fleet.facts().some(({ lane }) => lane.kind === 'penalty');
        // One that falls silent before another may give its lane to that one, and come there as late as that.
        if (isPunished()) await fleet.calm(INACTIVE_AFTER_MS + CLEAN_AFTER_MS);
        expect(isPunished()).toBe(false);
      } finally {
        await fleet.end();
      }
      expect(fleet.threads.filter(({ isDead }) => !isDead)).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test('wherever the lane of a removed worker was killed, a record that readers saw has its sample', async () => {
  let [died, seen] = [true, 0];
  for (let nth = 0; died; nth++) {
    const fleet = new Fleet(1, 1, { samples: { spanMs: 60_000 } });
    await fleet.manager.start();
    fleet.send('a', 'task');
    await fleet.work();
    const row = fleet.manager.directory.get('a')?.row as number;
    const own = fleet.threads.find(({ isDead, serves }) => !isDead && serves.has(row)) as FakeThread;
    const cpuUsage = fleet.send('a', 'task');
    await turn();
    died = diesAt(nth, () => own.work(fleet.threads));
    const isSeen = fleet.manager.getWorkerTelemetry('a')?.cpuUsage === cpuUsage;
    if (isSeen) seen++;
    const closed: Announcement[] = [];
    fleet.manager.onAnnouncement((announcement) => {
      if (announcement.type === 'slotClosed') closed.push(announcement);
    });
    fleet.manager.unregisterWorker('a');
    // Terminated, not asked: it does nothing more.
    own.die();
    for (let turns = 0; closed.length === 0; turns++) {
      if (turns > 100) throw new Error('its slot was not closed');
      await turn();
    }
    const [{ slot, tenancy }] = closed as [Extract<Announcement, { type: 'slotClosed' }>];
    expect([nth, new SlotReader(slot, tenancy).counts().applied]).toEqual([nth, isSeen ? 2 : 1]);
    expect(samplesOf(new SlotReader(slot, tenancy))).toHaveLength(isSeen ? 2 : 1);
    await fleet.end();
  }
  expect(seen).toBeGreaterThan(1);
});

test('a worker that fails on the penalty lane while moving to its dedicated lane continues to it', async () => {
  const fleet = new Fleet(1, 1);
  await fleet.manager.start();
  const laneOf = (id: string) => fleet.facts().find(({ workerId }) => workerId === id)?.lane;
  // Both have failed, so that neither gives way for the other.
  fleet.send('first', POISON);
  await fleet.calm(1000);
  fleet.send('bad', POISON);
  await fleet.calm(1000);
  expect([laneOf('first')?.kind, laneOf('bad')?.kind]).toEqual(['dedicated', 'penalty']);
  const row = fleet.manager.directory.get('bad')?.row as number;
  const penalty = fleet.threads.find(({ isDead, serves }) => !isDead && serves.has(row));
  fleet.send('bad', POISON);
  await turn();
  // Its own lane is up while that heartbeat waits.
  fleet.manager.unregisterWorker('first');
  const own = fleet.threads.at(-1);
  own?.boot();
  own?.speak();
  penalty?.work(fleet.threads);
  expect([penalty?.isDead, own?.isDead]).toEqual([true, false]);
  await fleet.calm(1000);
  expect(laneOf('bad')).toMatchObject({ kind: 'dedicated', state: 'ready' });
  await fleet.end();
});

test('a worker that gave way gets a lane again when one is free, or needed less than by it', async () => {
  const fleet = new Fleet(1, 1);
  await fleet.manager.start();
  const both = ['decided', 'fails'];
  await fleet.live(5000, ['decided']);
  fleet.manager.isolate('decided', 'dedicated');
  await fleet.live(5000, both);
  fleet.send('fails', POISON);
  await fleet.live(5000, both);
  expect(fleet.kinds(both)).toEqual(['shared', 'dedicated']);
  await fleet.live(CLEAN_AFTER_MS + 5000, both);
  expect(fleet.kinds(both)).toEqual(['dedicated', 'shared']);
  await fleet.end();
});

test('a worker whose lane was reassigned during its quarantine gets one again in its turn', async () => {
  const fleet = new Fleet(1, 1);
  await fleet.manager.start();
  const both = ['decided', 'other'];
  await fleet.live(5000, ['decided']);
  fleet.manager.isolate('decided', 'dedicated');
  await fleet.harm('decided');
  await fleet.live(5000, ['other']);
  // That fails, too, so that it does not give way.
  fleet.send('other', POISON);
  await fleet.live(QUARANTINE_MS, both);
  expect(fleet.kinds(both)).toEqual(['penalty', 'dedicated']);
  await fleet.live(CLEAN_AFTER_MS, both);
  expect(fleet.kinds(both)).toEqual(['dedicated', 'shared']);
  await fleet.end();
});

test('concurrent decisions start at most one lane beyond the maximum, and all are carried out', async () => {
  const fleet = new Fleet(5, 1);
  await fleet.manager.start();
  const ids = Array.from({ length: 10 }, (_, n) => `w${n}`);
  for (const id of ids) await fleet.live(1000, [id]);
  const shares = ids.filter((_, n) => fleet.kinds(ids)[n] === 'shared');
  const busy = [...fleet.threads];
  expect(shares.map((id) => fleet.manager.isolate(id, 'dedicated'))).toEqual(Array(5).fill('awaited'));
  for (let ms = 0; ms < 1500; ms += 250) {
    await fleet.pass(250);
    for (const thread of fleet.threads.filter((each) => !busy.includes(each))) {
      thread.boot();
      thread.speak();
    }
    expect(fleet.ownThreads).toBe(6);
  }
  await fleet.live(1000, ids);
  expect(fleet.kinds(shares)).toEqual(Array(5).fill('dedicated'));
  expect(fleet.ownThreads).toBe(5);
  await fleet.end();
});

test('free lanes go to the earliest workers, whichever lane they share', async () => {
  const fleet = new Fleet(1, 2);
  await fleet.manager.start();
  const ids = ['a', 'b', 'c', 'd', 'e'];
  for (const id of ids) await fleet.live(1000, [id]);
  for (const [n, id] of ids.entries()) {
    expect(fleet.kinds(ids)).toEqual(ids.map((_, at) => (at < n ? undefined : at === n ? 'dedicated' : 'shared')));
    fleet.manager.unregisterWorker(id);
    await fleet.live(1000, []);
  }
  await fleet.end();
});

test('a shutdown while a dedicated lane starts waits only for its heartbeats, and loses none', async () => {
  const fleet = new Fleet(1, 1);
  await fleet.manager.start();
  await fleet.live(5000, ['first', 'second']);
  const before = [...fleet.threads];
  fleet.manager.unregisterWorker('first');
  await fleet.pass(250);
  for (const thread of before)
    while (thread.isBusy) {
      thread.work(fleet.threads);
      thread.speak();
    }
  await fleet.pass(250);
  expect(fleet.threads.length).toBe(before.length + 1);
  // One more than a lane holds: it is given when the others are done.
  for (let beats = 0; beats < 4; beats++) fleet.send('second', 'task');
  const shutdown = fleet.manager.shutdown();
  const own = fleet.threads.at(-1);
  own?.boot();
  own?.speak();
  await turn();
  const { clock } = fleet;
  const sinceMs = clock.monotonicMs();
  let isOver = false;
  void shutdown.then(() => {
    isOver = true;
  });
  while (!isOver) {
    for (const thread of fleet.threads) {
      thread.work(fleet.threads);
      thread.speak();
    }
    clock.advance(5);
    await turn();
  }
  expect(clock.monotonicMs() - sinceMs).toBeLessThan(1000);
  const [second] = fleet.facts();
  expect(second).toMatchObject({ workerId: 'second', done: second?.accepted });
});

describe('workers that are gone', () => {
  test.each<[how: string, gone: (fleet: Fleet) => Promise<void>]>([
    ['are silent for long', async () => {}],
    ['said farewell', async ({ manager }) => manager.processHeartbeat({ workerId: 'gone', leaving: true })],
  ])('and %s give their lane at once to a present worker, and get one again in their turn', async (_, leave) => {
    const fleet = new Fleet(1, 1);
    await fleet.manager.start();
    const both = ['gone', 'alive'];
    await fleet.live(5000, ['gone']);
    await leave(fleet);
    await fleet.live(60_000, []);
    expect(fleet.kinds(['gone'])).toEqual(['dedicated']);
    await fleet.live(1000, ['alive']);
    expect(fleet.kinds(both)).toEqual(['shared', 'dedicated']);
    await fleet.live(120_000, both);
    expect(fleet.kinds(both)).toEqual(['shared', 'dedicated']);
    fleet.manager.unregisterWorker('alive');
    await fleet.live(1000, []);
    expect(fleet.kinds(['gone'])).toEqual(['dedicated']);
    await fleet.end();
  });

  test('give their lane to one on a shared lane; one that is late for a moment does not', async () => {
    const fleet = new Fleet(1, 1);
    await fleet.manager.start();
    const both = ['first', 'second'];
    await fleet.live(5000, both);
    await fleet.live(20_000, ['second']);
    expect(fleet.kinds(both)).toEqual(['dedicated', 'shared']);
    await fleet.live(INACTIVE_AFTER_MS, ['second']);
    expect(fleet.kinds(both)).toEqual(['shared', 'dedicated']);
    await fleet.end();
  });

  test('before the master started get their lanes when they report', async () => {
    const earlier = new Fleet(1, 1);
    await earlier.manager.start();
    await earlier.live(5000, ['gone']);
    const kept = earlier.manager.members.all();
    await earlier.end();
    const fleet = new Fleet(1, 1);
    await fleet.manager.start();
    fleet.manager.restore(kept, new Map());
    await fleet.live(1000, ['new']);
    expect(fleet.kinds(['gone', 'new'])).toEqual(['shared', 'dedicated']);
    fleet.manager.unregisterWorker('new');
    await fleet.live(1000, []);
    expect(fleet.kinds(['gone'])).toEqual(['shared']);
    await fleet.live(1000, ['gone']);
    expect(fleet.kinds(['gone'])).toEqual(['dedicated']);
    await fleet.end();
  });
});

test('what is expected while a lane has no thread is told to the next one', async () => {
  const fleet = new Fleet(1, 1, { anomalyScores: true });
  const expected = () => {
    const [entry] = [...fleet.manager.directory.all()];
    const { floats, offsets } = viewSlot((entry as { slot: { memory: SlotMemory } }).slot.memory);
    const at = offsets.states / WORD_BYTES + StateFloat.reference;
    return [floats[at], floats[at + STATE_FLOATS]];
  };
  await fleet.manager.start();
  await fleet.calm(1000);
  await fleet.live(5000, ['a']);
  fleet.manager.expect('a', [
    ['cpu_usage', 40],
    ['memory_usage', 10],
  ]);
  await fleet.work();
  expect(expected()).toEqual([40, 10]);
  for (const thread of fleet.threads) thread.die(new Error('gone'));
  await turn();
  fleet.manager.expect('a', [
    ['cpu_usage', 50],
    ['memory_usage', 20],
  ]);
  fleet.manager.expect('a', [['cpu_usage', 60]]);
  expect(expected()).toEqual([40, 10]);
  await fleet.live(10_000, ['a']);
  expect(expected()).toEqual([60, 20]);
  await fleet.end();
});
