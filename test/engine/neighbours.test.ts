/** What a processor does with its time, or later, on a lane that its worker shares with twenty others. */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import type { FaultCause } from '../../src/model/lanes.ts';
import { eventually } from '../support/eventually.ts';

const LATE = fileURLToPath(new URL('../support/processors/late.mjs', import.meta.url));
const NEIGHBOURS = Array.from({ length: 20 }, (_, i) => `n${i}`);
const FEW = NEIGHBOURS.slice(0, 6);
/** As many as one that is too slow has time to send: some seconds of them, in which main is sure to look. */
const LAST_BEAT = 14;

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

async function startManager(options: TelemetryManagerOptions = {}, neighbours = NEIGHBOURS): Promise<TelemetryManager> {
  const manager = new TelemetryManager({
    maxWorkers: 100,
    processor: LATE,
    maxDedicatedLanes: 0,
    sharedLanes: 1,
    laneStallMs: 500,
    ...options,
  });
  running.push(manager);
  await manager.start();
  sendAll(manager, ['bad', ...neighbours], 1);
  await eventually(() => showAll(manager, ['bad', ...neighbours], 1));
  return manager;
}

function send(manager: TelemetryManager, workerId: string, cpuUsage: number, act = ''): void {
  manager.processHeartbeat({ workerId, cpuUsage, runningTasks: [{ taskId: act }] });
}

function factsOf(manager: TelemetryManager, workerId: string) {
  const entry = manager.directory.get(workerId);
  if (entry === undefined) throw new Error(`${workerId} is not known`);
  const { accepted, replaced, lost, lane } = manager.directory.board.view(entry.row, 0);
  return { accepted, replaced, lost, lane, ...entry.slot.counts(), lastFault: entry.lastFault };
}

function shows(manager: TelemetryManager, workerId: string, cpuUsage: number): boolean {
  return manager.getWorkerTelemetry(workerId)?.cpuUsage === cpuUsage;
}

function sendAll(manager: TelemetryManager, ids: readonly string[], cpuUsage: number): void {
  for (const id of ids) send(manager, id, cpuUsage);
}

function showAll(manager: TelemetryManager, ids: readonly string[], cpuUsage: number): boolean {
  return ids.every((id) => shows(manager, id, cpuUsage));
}

/** Nobody but `bad` was charged, and nobody else lost anything. */
function expectInnocent(manager: TelemetryManager, sent: number): void {
  for (const id of NEIGHBOURS) {
    expect(factsOf(manager, id)).toMatchObject({ accepted: sent, applied: sent, replaced: 0, lost: 0 });
    expect(factsOf(manager, id)).toMatchObject({ lane: { kind: 'shared' }, lastFault: undefined });
  }
}

describe.each<[act: string, cause: FaultCause, reason: RegExp]>([
  ['endless promises', 'stall', /no progress for 0.5 s/],
  ['endless microtasks', 'stall', /no progress for 0.5 s/],
  ['endless ticks', 'stall', /no progress for 0.5 s/],
  ['loop in a timer', 'stall', /no progress for 0.5 s/],
  ['loop in an immediate', 'stall', /no progress for 0.5 s/],
  ['loop in an answer', 'stall', /no progress for 0.5 s/],
  ['exit later', 'exit', /exited with code 0/],
  ['really exit later', 'exit', /exited with code 0/],
  ['remove all listeners', 'crash', /nobody listens/],
])('a processor that does "%s"', (act, cause, reason) => {
  test('is charged to the worker for which it started that, not to later ones', async () => {
    const manager = await startManager();
    // In one batch: the neighbours are in hand after it, and before what it put off.
    send(manager, 'bad', 2, act);
    let sent = 2;
    sendAll(manager, NEIGHBOURS, sent);
    await eventually(() => {
      if (factsOf(manager, 'bad').lastFault !== undefined) return true;
      // What stands still is seen by what it owes.
      if (showAll(manager, NEIGHBOURS, sent)) sendAll(manager, NEIGHBOURS, ++sent);
      return false;
    });
    expect(factsOf(manager, 'bad')).toMatchObject({ lane: { kind: 'penalty' } });
    expect(factsOf(manager, 'bad').lastFault).toMatchObject({ cause, reason: expect.stringMatching(reason) });
    await eventually(() => showAll(manager, NEIGHBOURS, sent));
    expectInnocent(manager, sent);
  });
});

test.each(['busy for long', 'sleep for long', 'busy in timers'])(
  'a processor that does "%s" has its worker moved out, and neither it nor its neighbours lose anything',
  async (act) => {
    const manager = await startManager({ laneBudgetMs: 200, laneStallMs: 5000 });
    let appliedWhenMoved = Number.POSITIVE_INFINITY;
    manager.onAnnouncement((announcement) => {
      if (announcement.type === 'laneFault') appliedWhenMoved = factsOf(manager, 'bad').applied;
    });
    for (let beat = 2; beat <= LAST_BEAT; beat++) send(manager, 'bad', beat, act);
    sendAll(manager, NEIGHBOURS, 2);
    await eventually(() => factsOf(manager, 'bad').lane.kind === 'penalty');
    await eventually(() => showAll(manager, NEIGHBOURS, 2));
    // Those that it was not begun with wait in the mailbox, and go with it.
    if (act !== 'busy in timers') expect(appliedWhenMoved).toBeLessThan(LAST_BEAT);
    expect(factsOf(manager, 'bad').lastFault).toMatchObject({
      cause: 'stall',
      reason: expect.stringMatching(/^its processor took \d\.\d s of 10 s on a shared lane; the limit is 0.2 s$/),
    });
    await eventually(() => shows(manager, 'bad', LAST_BEAT));
    expect(factsOf(manager, 'bad')).toMatchObject({
      accepted: LAST_BEAT,
      applied: LAST_BEAT,
      lost: 0,
      replaced: 0,
    });
    expectInnocent(manager, 2);
  },
);

test('a processor cannot close the port of heartbeats', async () => {
  const manager = await startManager();
  send(manager, 'bad', 2, 'close the port');
  sendAll(manager, ['bad', ...NEIGHBOURS], 2);
  await eventually(() => showAll(manager, ['bad', ...NEIGHBOURS], 2));
  expectInnocent(manager, 2);
});

test('an unknown worker that stops lanes is found by halving, and no other is charged', async () => {
  const manager = await startManager({}, FEW);
  const failures = () => manager.internalState().lanes.reduce((sum, { restarts }) => sum + restarts, 0);
  let sent = 1;
  for (let failure = 1; factsOf(manager, 'bad').lastFault === undefined; failure++) {
    // Of seven, one is found in four failures.
    expect(failure).toBeLessThanOrEqual(4);
    const before = failures();
    send(manager, 'bad', 1 + failure, 'put it into a queue');
    await eventually(() => {
      if (failures() > before) return true;
      if (showAll(manager, FEW, sent)) sendAll(manager, FEW, ++sent);
      return false;
    });
    await eventually(() => showAll(manager, FEW, sent) && shows(manager, 'bad', 1 + failure));
  }
  expect(factsOf(manager, 'bad').lastFault).toMatchObject({
    cause: 'stall',
    reason: expect.stringMatching(/found by moving half/),
  });
  await eventually(() => factsOf(manager, 'bad').lane.kind === 'penalty');
  for (const id of FEW) expect(factsOf(manager, id)).toMatchObject({ lost: 0, replaced: 0, lastFault: undefined });
  // The second lane of the search goes when it is over.
  await eventually(() => manager.internalState().lanes.filter(({ kind }) => kind === 'shared').length === 1);
});
