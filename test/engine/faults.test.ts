/** What a fault in a lane does, and what it does not do: through real threads and a processor that misbehaves. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { createLogger } from '../../src/lib/logging.ts';
import type { FaultCause } from '../../src/model/lanes.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

const FAULTY = fileURLToPath(new URL('../support/processors/faulty.mjs', import.meta.url));

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

async function startManager(options: TelemetryManagerOptions = {}): Promise<TelemetryManager> {
  // Small, so that a leak is soon at its end, and large enough for the 20 MB that a processor throws beside the 5 MiB of a lane.
  const manager = new TelemetryManager({ maxWorkers: 100, processor: FAULTY, laneHeapMib: 28, ...options });
  running.push(manager);
  await manager.start();
  return manager;
}

function send(manager: TelemetryManager, workerId: string, cpuUsage: number, act = ''): void {
  manager.processHeartbeat({ workerId, cpuUsage, runningTasks: [{ taskId: act }] });
}

function factsOf(manager: TelemetryManager, workerId: string) {
  const entry = manager.directory.get(workerId);
  if (entry === undefined) throw new Error(`${workerId} is not known`);
  const { accepted, replaced, replacedBy, lost, lostBy, lane } = manager.directory.board.view(entry.row, 0);
  return { accepted, replaced, replacedBy, lost, lostBy, lane, ...entry.slot.counts(), lastFault: entry.lastFault };
}

/** Everything accepted has become something. */
function isAccountedFor(manager: TelemetryManager, workerId: string): boolean {
  const { accepted, applied, rejected, replaced, lost } = factsOf(manager, workerId);
  return accepted === applied + rejected + replaced + lost;
}

const shows = (manager: TelemetryManager, workerId: string, cpuUsage: number) => () =>
  manager.getWorkerTelemetry(workerId)?.cpuUsage === cpuUsage;

const laneOf = (manager: TelemetryManager, workerId: string) => factsOf(manager, workerId).lane;

/** On its lane, which it keeps: it needs that as much as any other that fails. */
async function failOnce(manager: TelemetryManager, workerId: string): Promise<void> {
  send(manager, workerId, 2, 'throw');
  await eventually(() => factsOf(manager, workerId).lost === 1 && laneOf(manager, workerId).state === 'ready');
}

const FAULTS: readonly (readonly [act: string, cause: FaultCause, reason: RegExp])[] = [
  ['throw', 'crash', /the processor threw: as the heartbeat says/],
  ['throw 20 MB', 'crash', /^the processor threw: x{1001}… \(20000000 characters\)$/],
  ['throw what has no text', 'crash', /^the processor threw: object thrown$/],
  ['answer and throw', 'crash', /^the processor threw: a getter of the answer$/],
  ['answer and loop', 'stall', /no progress for 0.6 s/],
  ['loop', 'stall', /no progress for 0.6 s/],
  ['exit', 'exit', /exited with code 3/],
  ['leak heap', 'memory', /its heap reached the limit of \d+ MiB/],
  ['leak buffers', 'memory', /memory outside the heap reached \d+ MiB/],
];

/** Short where a stall is what must be seen; where memory is, a slow machine must not make it look like one. */
const stallMsFor = (cause: FaultCause) => (cause === 'memory' ? 30_000 : 600);

describe.each(FAULTS)('a processor that does "%s"', (act, cause, reason) => {
  test('costs its worker one heartbeat on a dedicated lane, which restarts', async () => {
    const manager = await startManager({ maxDedicatedLanes: 2, laneStallMs: stallMsFor(cause), laneOffHeapMib: 32 });
    send(manager, 'bad', 1);
    send(manager, 'good', 1);
    await eventually(() => laneOf(manager, 'bad').kind === 'dedicated' && laneOf(manager, 'good').kind === 'dedicated');
    await eventually(shows(manager, 'bad', 1));
    send(manager, 'bad', 2, act);
    send(manager, 'bad', 3);
    send(manager, 'good', 2);
    await eventually(shows(manager, 'good', 2));
    await eventually(shows(manager, 'bad', 3));
    await eventually(() => isAccountedFor(manager, 'bad') && isAccountedFor(manager, 'good'));
    expect(factsOf(manager, 'bad')).toMatchObject({ accepted: 3, applied: 2, lost: 1, lostBy: { [cause]: 1 } });
    expect(factsOf(manager, 'bad').lastFault).toMatchObject({ cause, reason: expect.stringMatching(reason) });
    expect(laneOf(manager, 'bad')).toMatchObject({ kind: 'dedicated', restarts: 1 });
    expect(factsOf(manager, 'good')).toMatchObject({ applied: 2, lost: 0, lastFault: undefined });
    expect(laneOf(manager, 'good').restarts).toBe(0);
  });

  test('moves its worker out of a shared lane, whose other workers lose nothing', async () => {
    const manager = await startManager({
      maxDedicatedLanes: 0,
      sharedLanes: 1,
      laneStallMs: stallMsFor(cause),
      laneHeapMib: 16,
      laneOffHeapMib: 16,
    });
    const neighbours = Array.from({ length: 10 }, (_, i) => `n${i}`);
    for (const id of ['bad', ...neighbours]) send(manager, id, 1);
    await eventually(() => neighbours.every((id) => shows(manager, id, 1)()));
    const shared = laneOf(manager, 'n0').number;
    for (const id of neighbours) send(manager, id, 2);
    send(manager, 'bad', 2, act);
    for (const id of neighbours) send(manager, id, 3);
    send(manager, 'bad', 4);
    await eventually(() => ['bad', ...neighbours].every((id) => isAccountedFor(manager, id)));
    for (const id of neighbours) {
      expect(factsOf(manager, id)).toMatchObject({ accepted: 3, applied: 3, lost: 0, replaced: 0 });
      expect(shows(manager, id, 3)()).toBe(true);
      expect(laneOf(manager, id)).toMatchObject({ number: shared, kind: 'shared' });
    }
    expect(factsOf(manager, 'bad')).toMatchObject({ lost: 1, lostBy: { [cause]: 1 }, lane: { kind: 'penalty' } });
    expect(shows(manager, 'bad', 4)()).toBe(true);
  });
});

describe('a processor that waits in a system call, so that its thread does not terminate', () => {
  test.each([0, 2])(
    'has its worker quarantined at once (places: %d), and its neighbours lose nothing',
    async (places) => {
      const manager = await startManager({
        maxDedicatedLanes: places,
        sharedLanes: 1,
        laneStallMs: 600,
        laneQuarantineMs: 1000,
      });
      const neighbours = ['n0', 'n1', 'n2'];
      for (const id of ['bad', ...neighbours]) send(manager, id, 1);
      await eventually(() => ['bad', ...neighbours].every((id) => isAccountedFor(manager, id)));
      await eventually(() => manager.internalState().lanes.every(({ state }) => state === 'ready'));
      send(manager, 'bad', 2, 'wait in the system');
      for (const id of neighbours) send(manager, id, 2);
      send(manager, 'bad', 3);
      await eventually(() => laneOf(manager, 'bad').state === 'quarantined');
      expect(factsOf(manager, 'bad').lastFault).toMatchObject({
        cause: 'stall',
        reason: 'it made no progress for 0.6 s; its thread does not terminate and is abandoned',
      });
      await eventually(() => neighbours.every((id) => isAccountedFor(manager, id)));
      for (const id of neighbours) expect(factsOf(manager, id)).toMatchObject({ applied: 2, lost: 0, replaced: 0 });
      // The timer lets nobody try again while the thread still runs; it is over when the call returns.
      expect(manager.internalState().threadsLeftBehind).toBe(1);
      await eventually(shows(manager, 'bad', 3));
      expect(manager.internalState().threadsLeftBehind).toBe(0);
      await eventually(() => isAccountedFor(manager, 'bad'));
      expect(factsOf(manager, 'bad')).toMatchObject({ accepted: 3, applied: 2, lost: 1 });
    },
  );
});

test('readers check every worker whose lane has ended: it may have published without counting', async () => {
  const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1 });
  send(manager, 'good', 1);
  await eventually(() => isAccountedFor(manager, 'good') && shows(manager, 'good', 1)());
  const { row } = manager.directory.get('good') as { row: number };
  const { publications } = manager.directory.board;
  await eventually(() => publications.of(row) === 1);
  send(manager, 'bad', 1, 'throw');
  await eventually(() => factsOf(manager, 'bad').lost === 1);
  expect(publications.of(row)).toBe(2);
});

test.each([
  ['reject later', /a promise that nobody awaits/],
  ['throw later', /a timer/],
])('asynchronous work of a processor ("%s") is charged to the worker for which it was started', async (act, reason) => {
  const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1 });
  for (const id of ['bad', 'good']) send(manager, id, 1);
  await eventually(() => isAccountedFor(manager, 'bad') && isAccountedFor(manager, 'good'));
  send(manager, 'bad', 2, act);
  send(manager, 'good', 2);
  await eventually(() => laneOf(manager, 'bad').kind === 'penalty');
  expect(factsOf(manager, 'bad').lastFault?.reason).toMatch(reason);
  await eventually(() => isAccountedFor(manager, 'bad') && isAccountedFor(manager, 'good'));
  // Its heartbeat was done before: nothing was in hand.
  expect(factsOf(manager, 'bad')).toMatchObject({ applied: 2, lost: 0 });
  expect(factsOf(manager, 'good')).toMatchObject({ applied: 2, lost: 0, lane: { kind: 'shared' } });
});

test('messages that a processor sends as its lane are ignored, and the lane’s data is not accessible', async () => {
  const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1 });
  const ids = ['bad', 'n0', 'n1'];
  for (const id of ids) send(manager, id, 1, id === 'bad' ? 'speak for the lane' : '');
  for (const id of ids) send(manager, id, 2);
  await eventually(() => ids.every((id) => shows(manager, id, 2)() && isAccountedFor(manager, id)));
  for (const id of ids) {
    expect(factsOf(manager, id)).toMatchObject({ applied: 2, lost: 0, lastFault: undefined, lane: { restarts: 0 } });
  }
  send(manager, 'bad', 3, 'speak for the lane');
  await eventually(shows(manager, 'bad', 3));
  expect(manager.getWorkerTelemetry('bad')?.metrics).toEqual({ found: 0 });
});

test.each(['leak heap slowly', 'leak buffers slowly'])(
  '"%s" is charged to the worker that leaks, and to nobody else',
  async (act) => {
    const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1, laneHeapMib: 16, laneOffHeapMib: 16 });
    for (const id of ['bad', 'good']) send(manager, id, 1);
    for (let beat = 2; laneOf(manager, 'bad').kind !== 'penalty'; beat++) {
      send(manager, 'bad', beat, act);
      send(manager, 'good', beat);
      await eventually(() => isAccountedFor(manager, 'bad') && isAccountedFor(manager, 'good'));
    }
    expect(factsOf(manager, 'bad')).toMatchObject({ lost: 1, lostBy: { memory: 1 } });
    expect(factsOf(manager, 'good')).toMatchObject({ lost: 0, replaced: 0, lane: { kind: 'shared' } });
  },
);

describe.each([
  'take WebAssembly memory',
  'grow WebAssembly memory',
  'grow the memory of a module',
  'take shared memory',
  'grow shared memory',
])('a processor that does "%s"', (act) => {
  test.each([0, 2])('ends at the limit, charged to whom it took it for (places: %d)', async (places) => {
    const manager = await startManager({ maxDedicatedLanes: places, sharedLanes: 1, laneOffHeapMib: 32 });
    for (const id of ['bad', 'good']) send(manager, id, 1);
    const kind = places === 0 ? 'shared' : 'dedicated';
    await eventually(() => ['bad', 'good'].every((id) => laneOf(manager, id).kind === kind && shows(manager, id, 1)()));
    const rssBytes = process.memoryUsage.rss();
    for (let beat = 2; factsOf(manager, 'bad').lastFault === undefined; beat++) {
      send(manager, 'bad', beat, act);
      send(manager, 'good', beat);
      await eventually(() => isAccountedFor(manager, 'bad') && isAccountedFor(manager, 'good'));
      expect(beat).toBeLessThan(40);
    }
    expect(factsOf(manager, 'bad').lastFault).toMatchObject({
      cause: 'memory',
      reason: expect.stringMatching(/^memory outside the heap reached \d+ MiB; the limit is \d+ MiB$/),
    });
    expect(process.memoryUsage.rss() - rssBytes).toBeLessThan(300e6);
    await eventually(() => isAccountedFor(manager, 'good'));
    expect(factsOf(manager, 'good')).toMatchObject({ lost: 0, replaced: 0, lastFault: undefined, lane: { kind } });
  });
});

test.each([0, 2])('memory that only the process tells of ends the lane that grows it (places: %d)', async (places) => {
  const maxResidentMib = Math.round(process.memoryUsage.rss() / 1024 ** 2) + 150;
  const manager = await startManager({ maxDedicatedLanes: places, sharedLanes: 1, maxResidentMib });
  for (const id of ['bad', 'good']) send(manager, id, 1);
  const kind = places === 0 ? 'shared' : 'dedicated';
  await eventually(() => ['bad', 'good'].every((id) => laneOf(manager, id).kind === kind && shows(manager, id, 1)()));
  let beat = 1;
  await eventually(() => {
    if (factsOf(manager, 'bad').lastFault !== undefined) return true;
    if (!isAccountedFor(manager, 'bad') || !isAccountedFor(manager, 'good')) return false;
    beat++;
    // Enough is enough, also where nobody ends it.
    const isFull = process.memoryUsage.rss() > (maxResidentMib + 400) * 1024 ** 2;
    send(manager, 'bad', beat, isFull ? '' : 'grow memory that nobody sees');
    send(manager, 'good', beat);
    return false;
  });
  expect(factsOf(manager, 'bad').lastFault).toMatchObject({
    cause: 'memory',
    reason: expect.stringMatching(/^memory ran short, and this lane had taken \d+ MiB of it$/),
  });
  await eventually(() => isAccountedFor(manager, 'good'));
  expect(factsOf(manager, 'good')).toMatchObject({ lost: 0, replaced: 0, lastFault: undefined, lane: { kind } });
});

test('shared memory that a processor has released is not counted', async () => {
  const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1, laneOffHeapMib: 64 });
  for (let beat = 1; beat <= 12; beat++) {
    send(manager, 'a', beat, 'take and drop shared memory');
    await eventually(shows(manager, 'a', beat));
  }
  expect(factsOf(manager, 'a')).toMatchObject({ applied: 12, lost: 0, lastFault: undefined });
});

test('a worker on the penalty lane gets a dedicated lane when one is free', async () => {
  const manager = await startManager({ maxDedicatedLanes: 1, sharedLanes: 1 });
  for (const id of ['first', 'bad']) {
    send(manager, id, 1);
    await eventually(() => isAccountedFor(manager, id));
  }
  await eventually(() => laneOf(manager, 'first').kind === 'dedicated');
  await failOnce(manager, 'first');
  send(manager, 'bad', 2, 'throw');
  await eventually(() => laneOf(manager, 'bad').kind === 'penalty');
  manager.unregisterWorker('first');
  await eventually(() => laneOf(manager, 'bad').kind === 'dedicated');
  send(manager, 'bad', 3);
  await eventually(shows(manager, 'bad', 3));
  await eventually(() => isAccountedFor(manager, 'bad'));
});

test.each(['throw', 'loop'])(
  'a worker that fails ("%s") while it shares a lane until its own is up goes on in its own',
  async (act) => {
    const manager = await startManager({ maxDedicatedLanes: 6, sharedLanes: 1, laneStallMs: 1000 });
    // More than start at once, so that the last of them share first; their own are up before a stall is noticed.
    const ids = ['a', 'b', 'c', 'd', 'bad'];
    for (const id of ids) send(manager, id, 1, id === 'bad' ? act : '');
    for (const id of ids) send(manager, id, 2);
    await eventually(() => ids.every((id) => shows(manager, id, 2)() && laneOf(manager, id).kind === 'dedicated'));
    await eventually(() => ids.every((id) => isAccountedFor(manager, id)));
    expect(ids.map((id) => factsOf(manager, id).lost)).toEqual([0, 0, 0, 0, 1]);
  },
);

test('a dedicated lane that is ready too late for a quarantined worker ends, and so does the process', async () => {
  const manager = await startManager({ maxDedicatedLanes: 1, sharedLanes: 1 });
  for (const id of ['first', 'bad']) {
    send(manager, id, 1);
    await eventually(() => isAccountedFor(manager, id));
  }
  await eventually(() => laneOf(manager, 'first').kind === 'dedicated');
  await failOnce(manager, 'first');
  for (let failure = 1; failure <= 4; failure++) {
    send(manager, 'bad', 2, 'throw');
    await eventually(() => factsOf(manager, 'bad').lost === failure);
  }
  await eventually(() => manager.internalState().lanes.every(({ state }) => state === 'ready'));
  const threads: Worker[] = [];
  const note = (thread: Worker) => threads.push(thread);
  process.on('worker', note);
  try {
    send(manager, 'bad', 2, 'throw');
    manager.unregisterWorker('first');
    await eventually(() => laneOf(manager, 'bad').state === 'quarantined' || factsOf(manager, 'bad').lost === 5);
    await manager.shutdown();
    await eventually(() => threads.every(({ threadId }) => threadId === -1));
  } finally {
    process.off('worker', note);
  }
});

test('a worker released from quarantine twice is released once, and as many lanes start at once as before', async () => {
  const manager = await startManager({ maxDedicatedLanes: 10, sharedLanes: 1 });
  send(manager, 'bad', 1);
  await eventually(shows(manager, 'bad', 1));
  for (let failure = 1; failure <= 5; failure++) {
    send(manager, 'bad', 2, 'throw');
    await eventually(() => factsOf(manager, 'bad').lost === failure);
  }
  await eventually(() => laneOf(manager, 'bad').state === 'quarantined');
  for (const id of ['a', 'b', 'c']) send(manager, id, 1);
  expect(manager.releaseWorker('bad')).toBe(true);
  expect(manager.releaseWorker('bad')).toBe(false);
  const ids = ['a', 'b', 'c', 'd', 'e', 'bad'];
  for (const id of ids) send(manager, id, 3);
  await eventually(() => ids.every((id) => shows(manager, id, 3)() && laneOf(manager, id).kind === 'dedicated'));
});

test('a worker whose lane failed to start after its quarantine moves to it when it is ready', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-processor-'));
  try {
    // Throws when it is loaded, as long as there is a file called "broken".
    const processor = join(folder, 'p.mjs');
    writeFileSync(
      processor,
      `import { existsSync } from 'node:fs';
       if (existsSync(new URL('broken', import.meta.url))) throw new Error('broken');
       export default ({ runningTasks: [task] }) => { if (task?.taskId === 'throw') throw new Error('x'); };`,
    );
    const manager = await startManager({ processor, maxDedicatedLanes: 1, sharedLanes: 1 });
    send(manager, 'bad', 1);
    await eventually(shows(manager, 'bad', 1));
    for (let failure = 1; failure <= 5; failure++) {
      send(manager, 'bad', 2, 'throw');
      await eventually(() => factsOf(manager, 'bad').lost === failure);
    }
    await eventually(() => laneOf(manager, 'bad').state === 'quarantined');
    writeFileSync(join(folder, 'broken'), '');
    const failures = manager.internalState().lanes.find(({ kind }) => kind === 'dedicated')?.restarts ?? 0;
    manager.releaseWorker('bad');
    send(manager, 'bad', 3);
    await eventually(
      () => (manager.internalState().lanes.find(({ kind }) => kind === 'dedicated')?.restarts ?? 0) > failures,
    );
    rmSync(join(folder, 'broken'));
    await eventually(() => laneOf(manager, 'bad').kind === 'dedicated' && shows(manager, 'bad', 3)());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a worker that was never charged leaves the penalty lane like others', async () => {
  const clock = new FakeClock();
  // By that clock a heartbeat takes long.
  const options = { processor: undefined, clock, maxDedicatedLanes: 1, sharedLanes: 1, laneStallMs: 3_600_000 };
  const manager = await startManager(options);
  const threads: Worker[] = [];
  const note = (thread: Worker) => threads.push(thread);
  /** A thread that starts or ends takes as long as the machine does: no time passes for it meanwhile. */
  const isSettled = () => {
    const ready = manager.internalState().lanes.filter(({ state }) => state === 'ready').length;
    return ready === threads.filter(({ threadId }) => threadId !== -1).length;
  };
  const soon = (condition: () => boolean) =>
    eventually(() => {
      // That a thread starts is told in a later turn.
      for (let sweeps = 0; sweeps < 20 && isSettled() && !condition(); sweeps++) clock.advance(250);
      return condition();
    });
  process.on('worker', note);
  try {
    send(manager, 'innocent', 1);
    await eventually(shows(manager, 'innocent', 1));
    // Its lane ends for no reason that anybody knows.
    const restarts = () => manager.internalState().lanes.find(({ kind }) => kind === 'dedicated')?.restarts ?? 0;
    for (let ends = 1; ends <= 5; ends++) {
      await soon(() => laneOf(manager, 'innocent').state === 'ready');
      void threads.at(-1)?.terminate();
      await eventually(() => restarts() === ends);
    }
    expect(laneOf(manager, 'innocent').state).toBe('quarantined');
    send(manager, 'other', 1);
    await soon(() => laneOf(manager, 'other').kind === 'dedicated');
    await soon(() => laneOf(manager, 'innocent').kind === 'penalty');
    expect(factsOf(manager, 'innocent').lastFault).toBeUndefined();
    await soon(() => laneOf(manager, 'innocent').kind === 'shared');
  } finally {
    process.off('worker', note);
  }
});

describe('after five failures within a minute', () => {
  test('a worker with a dedicated lane is quarantined: visible and alive, with its last good record', async () => {
    const manager = await startManager({ maxDedicatedLanes: 1, laneDepth: 2 });
    send(manager, 'bad', 1);
    await eventually(shows(manager, 'bad', 1));
    for (let failure = 1; failure <= 5; failure++) {
      send(manager, 'bad', 2, 'throw');
      await eventually(() => factsOf(manager, 'bad').lost === failure);
    }
    await eventually(() => laneOf(manager, 'bad').state === 'quarantined');
    const { lanes } = manager.internalState();
    expect(lanes.find(({ state }) => state === 'quarantined')).toMatchObject({
      kind: 'dedicated',
      workers: 1,
      lastError: 'the processor threw: as the heartbeat says',
    });
    for (let beat = 3; beat < 10; beat++) send(manager, 'bad', beat);
    expect(manager.getWorkerTelemetry('bad')).toMatchObject({ cpuUsage: 1, isActive: true });
    expect(factsOf(manager, 'bad').replacedBy).toEqual({
      backlog: 0,
      restart: 0,
      quarantine: 4,
      late: 0,
      duplicate: 0,
      memory: 0,
    });

    expect(manager.releaseWorker('nobody')).toBe(false);
    expect(manager.releaseWorker('bad')).toBe(true);
    await eventually(shows(manager, 'bad', 9));
    await eventually(() => isAccountedFor(manager, 'bad'));
    expect(manager.releaseWorker('bad')).toBe(false);
    expect(laneOf(manager, 'bad')).toMatchObject({ kind: 'dedicated', state: 'ready' });
  });

  test('a worker without a free dedicated lane is quarantined, too, and a timer releases it', async () => {
    const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1, laneQuarantineMs: 1500 });
    for (const id of ['bad', 'good']) send(manager, id, 1);
    await eventually(() => isAccountedFor(manager, 'bad') && isAccountedFor(manager, 'good'));
    for (let failure = 1; failure <= 5; failure++) {
      send(manager, 'bad', 2, 'throw');
      send(manager, 'good', 2 + failure);
      await eventually(() => factsOf(manager, 'bad').lost === failure && isAccountedFor(manager, 'good'));
    }
    await eventually(() => laneOf(manager, 'bad').state === 'quarantined');
    send(manager, 'bad', 7);
    await eventually(shows(manager, 'bad', 7));
    expect(laneOf(manager, 'bad')).toMatchObject({ kind: 'penalty', state: 'ready' });
    expect(factsOf(manager, 'good')).toMatchObject({ lost: 0, replaced: 0, applied: 6 });
  });
});

test('a worker that an operator released stays off the shared lanes until it has run without failure', async () => {
  const manager = await startManager({ maxDedicatedLanes: 1, sharedLanes: 1 });
  for (const id of ['first', 'bad', 'good']) {
    send(manager, id, 1);
    await eventually(() => isAccountedFor(manager, id));
  }
  await eventually(() => laneOf(manager, 'first').kind === 'dedicated');
  await failOnce(manager, 'first');
  for (let failure = 1; failure <= 5; failure++) {
    send(manager, 'bad', 2, 'throw');
    await eventually(() => factsOf(manager, 'bad').lost === failure);
  }
  await eventually(() => laneOf(manager, 'bad').state === 'quarantined');
  manager.releaseWorker('bad');
  send(manager, 'bad', 3);
  await eventually(shows(manager, 'bad', 3));
  // Some sweeps later, and after it has failed again.
  send(manager, 'bad', 4, 'throw');
  await eventually(() => factsOf(manager, 'bad').lost === 6);
  send(manager, 'bad', 5);
  await eventually(shows(manager, 'bad', 5));
  expect(laneOf(manager, 'bad').kind).toBe('penalty');
  expect(factsOf(manager, 'good')).toMatchObject({ lost: 0, replaced: 0 });
});

describe('a processor', () => {
  test('derives metrics that are shown beside the worker’s own', async () => {
    const manager = await startManager();
    manager.processHeartbeat({
      workerId: 'a',
      cpuUsage: 1,
      memoryUsage: 2,
      runningTasks: [{ taskId: 'derive' }],
      metrics: { frames: 24, load: 100 },
    });
    const telemetry = await eventually(() => {
      const found = manager.getWorkerTelemetry('a');
      return found?.cpuUsage === 1 && found;
    });
    expect(telemetry.metrics).toEqual({ frames: 24, load: 3 });
  });

  test.each([
    ['reject', 'processor: a is not wanted'],
    ['derive nonsense', 'the processor’s metrics["load"] is NaN, expected a finite number'],
    ['derive a text', 'the processor’s metrics are a string, expected an object of numbers'],
    ['answer later', 'the processor returned a promise, expected an object or undefined; it must be synchronous'],
    ['answer a thenable', 'the processor returned a promise, expected an object or undefined; it must be synchronous'],
    ['reject at length', expect.stringMatching(/^processor: é{90,120}$/)],
    ['derive long names', 'the names of the processor’s metrics take 262145 bytes; at most 262144 are allowed'],
    ['derive too many', 'the processor returned 10001 metrics; at most 10000 are allowed'],
    ['answer a number', 'the processor returned a number, expected an object or undefined'],
  ])('that does "%s" has the heartbeat rejected with a reason', async (act, reason) => {
    const manager = await startManager();
    send(manager, 'a', 1);
    send(manager, 'a', 2, act);
    await eventually(() => factsOf(manager, 'a').rejected === 1);
    expect(manager.directory.get('a')?.slot.lastRejection()?.reason).toEqual(reason);
    expect(manager.getWorkerTelemetry('a')?.cpuUsage).toBe(1);
    expect(laneOf(manager, 'a').restarts).toBe(0);
  });

  test.each([
    ['inherit an answer', 0],
    ['derive names of any length up to the bound', 1],
  ])('that does "%s" has the heartbeat published', async (act, metrics) => {
    const manager = await startManager();
    send(manager, 'a', 1, act);
    await eventually(shows(manager, 'a', 1));
    expect(Object.keys(manager.getWorkerTelemetry('a')?.metrics ?? {})).toHaveLength(metrics);
  });

  test('that throws 20 MB is logged once, cut to the maximum length', async () => {
    const errors: string[] = [];
    const destination = new Writable({
      write(line, _, done) {
        errors.push(String(line));
        done();
      },
    });
    const logger = createLogger({ level: 'error', destination });
    const manager = await startManager({ maxDedicatedLanes: 1, logger });
    send(manager, 'bad', 1);
    await eventually(shows(manager, 'bad', 1));
    for (let failure = 1; failure <= 5; failure++) {
      send(manager, 'bad', 2, 'throw 20 MB');
      await eventually(() => factsOf(manager, 'bad').lost === failure);
    }
    await eventually(() => laneOf(manager, 'bad').state === 'quarantined');
    expect(errors.filter((line) => line.includes('xxx'))).toHaveLength(5);
    expect(Math.max(...errors.map(({ length }) => length))).toBeLessThan(2000);
    expect(JSON.stringify([manager.internalState(), manager.announcements()]).length).toBeLessThan(10_000);
  });

  test('works on its own copy of the heartbeat', async () => {
    const manager = await startManager();
    send(manager, 'a', 1, 'change it');
    await eventually(shows(manager, 'a', 1));
    expect(manager.getWorkerTelemetry('a')).toMatchObject({ runningTasks: [{ taskId: 'change it' }], metrics: {} });
  });

  test('that never finishes loading is an error at the start', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-processor-'));
    const clock = new FakeClock();
    try {
      const processor = join(folder, 'p.mjs');
      writeFileSync(
        processor,
        'await new Promise((resolve) => setTimeout(resolve, 3_600_000)); export default () => {};',
      );
      const manager = new TelemetryManager({ processor, clock });
      const started = manager.start().then(
        () => undefined,
        (error: unknown) => error,
      );
      await eventually(() => manager.internalState().lanes.length > 0);
      // No further: that the thread then ends takes as long as the machine does, and is not waited for in vain.
      clock.advance(30_000);
      expect(await started).toMatchObject({
        code: 'bad_setting',
        message: expect.stringMatching(/^processor file:.*p.mjs: loading failed: it was not ready within 30 s$/),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test.each([
    ['/nowhere/at/all.mjs', /^processor \/nowhere\/at\/all.mjs cannot be loaded: no such file$/],
    [fileURLToPath(import.meta.resolve('fast-check')), /its default export is an? .+, expected a function/],
    ['https://example.org/x.mjs', /expected the path or file URL of an ES module/],
  ])('at %s that is not a processor is an error at the start', async (processor, message) => {
    const start = async () => {
      const manager = new TelemetryManager({ processor });
      await manager.start();
    };
    await expect(start()).rejects.toMatchObject({ code: 'bad_setting', message: expect.stringMatching(message) });
  });
});
