/** What the manager makes of heartbeats beside telemetry, in faked time. Failures of fleets are in test/faults. */
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TelemetryManager, TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import type { WorkerEvent } from '../../src/model/events.ts';
import type { Holds } from '../../src/model/holds.ts';
import { emptyRecordJsonHead } from '../../src/model/record-json.ts';
import { currentCopy } from '../../src/store/double-buffer.ts';
import { NUMBER_BYTES, RecordNumber, SlotWord } from '../../src/store/layout.ts';
import { viewSlot } from '../../src/store/slot-memory.ts';
import type { SlotReader } from '../../src/store/slot-reader.ts';
import { eventually } from '../support/eventually.ts';
import { haveValues, type SettableClock, startFaked } from '../support/fake-fleet.ts';
import { type HeartbeatInit, heartbeatBytes } from '../support/grpc-client.ts';
import { repetitions } from '../support/repetitions.ts';

let clock: SettableClock;
let manager: TelemetryManager;
const stops: (() => Promise<void>)[] = [];

async function start(options: TelemetryManagerOptions = {}): Promise<void> {
  const faked = await startFaked({ maxWorkers: 200, ...options });
  ({ clock, manager } = faked);
  stops.push(faked.stop);
}

beforeEach(async () => {
  forgotten.length = 0;
  await start();
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** Who is remembered as one of the stream's. */
const forgotten: string[] = [];
const STREAM = { forget: (workerId: string) => void forgotten.push(workerId) };

function send(workerId: string, more: HeartbeatInit = {}, via?: typeof STREAM): void {
  manager.acceptHeartbeat(heartbeatBytes({ workerId, ...more }), undefined, via);
}

/** There are values of the workers: from their next heartbeat on they are active. */
async function appear(...workerIds: string[]): Promise<void> {
  for (const workerId of workerIds) send(workerId);
  await haveValues(manager, workerIds);
}

/** A heartbeat of each worker every 5 s for `ms`. */
function beat(ms: number, workerIds: readonly string[], more: HeartbeatInit = {}): void {
  for (let passed = 0; passed < ms; passed += 5000) {
    for (const workerId of workerIds) send(workerId, more, STREAM);
    clock.advance(5000);
  }
}

function view(workerId: string) {
  const { row } = manager.directory.get(workerId) as { row: number };
  return manager.directory.board.view(row, clock.monotonicMs());
}

function announce(
  workerId: string,
  more: { group?: string; ephemeral?: boolean; instanceId?: string; intervalMs?: number } = {},
): void {
  manager.announceWorker(create(WorkerInfoSchema, { workerId, ...more }));
}

function told(type: WorkerEvent['type'], workerId?: string): readonly WorkerEvent[] {
  return manager.events.all().filter((event) => event.type === type && event.workerId === workerId);
}

function states(workerId: string): string[] {
  return told('state', workerId).map(({ from = '', to, cause }) => `${from}>${to} ${cause}`);
}

test('each state change is an event with its cause', async () => {
  announce('a');
  await appear('a');
  send('a');
  clock.advance(12_000);
  send('a');
  clock.advance(31_000);
  send('a', { leaving: true }, STREAM);
  manager.hungUp(['a'], STREAM);
  manager.unregisterWorker('a');
  expect(forgotten).toEqual([]);
  expect(states('a')).toEqual([
    '>registered registration',
    'registered>active heartbeat',
    'active>suspect silence',
    'suspect>active heartbeat',
    'active>suspect silence',
    'suspect>inactive silence',
    'inactive>leaving farewell',
    'leaving>left farewell',
    'left>gone unregistered',
  ]);
});

test('a worker is active once it has values, and until then shows that it has none', async () => {
  send('a');
  expect(view('a')).toMatchObject({ state: 'registered', cause: 'no_record', isActive: false });
  expect(manager.internalState().activeWorkers).toBe(0);
  await haveValues(manager, ['a']);
  expect(view('a').isActive).toBe(false);
  // Found within a millisecond, and not with the next heartbeat or sweep.
  clock.advance(1);
  expect(view('a')).toMatchObject({ state: 'active', cause: 'heartbeat', isActive: true });
  expect(states('a')).toEqual(['>registered registration', 'registered>active heartbeat']);
});

test('a worker without an applied heartbeat stays registered and never counts as silent', async () => {
  const bad = { cpuUsage: Number.NaN };
  const rejected = (id: string) => (manager.directory.get(id) as { slot: SlotReader }).slot.lastRejection();
  for (const id of RACK) announce(id, { group: 'rack' });
  for (let i = 0; i < 8; i++) {
    for (const id of RACK) send(id, bad, STREAM);
    clock.advance(5000);
    await eventually(() => RACK.every((id) => rejected(id) !== undefined));
  }
  expect(view('r1')).toMatchObject({ state: 'registered', cause: 'no_record', isActive: false, accepted: 8 });
  expect(rejected('r1')?.reason).toContain('cpu_usage');
  clock.advance(60_000);
  expect(told('brake')).toEqual([]);
  expect(view('r1').state).toBe('registered');
  await appear('r1');
  beat(20_000, ['r1'], bad);
  expect(view('r1')).toMatchObject({ state: 'active', isActive: true });
});

test('a worker that said farewell is not active, and comes back with its next heartbeat', async () => {
  await appear('a');
  send('a', { leaving: true });
  expect(view('a')).toMatchObject({ state: 'leaving', isActive: true });
  clock.advance(11_500);
  expect(view('a')).toMatchObject({ state: 'left', isActive: false });
  send('a');
  expect(view('a')).toMatchObject({ state: 'active', isActive: true });
});

test('a late heartbeat does not bring back a worker that said farewell', async () => {
  await appear('a');
  send('a', { sequence: 1n });
  send('a', { sequence: 3n, leaving: true });
  send('a', { sequence: 2n });
  expect(view('a')).toMatchObject({ state: 'leaving', missed: 0 });
  expect(view('a').replacedBy).toMatchObject({ late: 1 });
});

test('is_active becomes false only after the timeout; suspect comes earlier', async () => {
  await appear('a');
  send('a');
  clock.advance(11_500);
  expect(view('a')).toMatchObject({ state: 'suspect', isActive: true, cause: 'silence' });
  clock.advance(18_500);
  expect(view('a')).toMatchObject({ state: 'suspect', isActive: true });
  clock.advance(500);
  expect(view('a')).toMatchObject({ state: 'inactive', isActive: false });
});

test('jumps of the wall clock on either side change only what is shown', async () => {
  await appear('a');
  for (const offMs of [0, 3_600_000, -3_600_000, 86_400_000]) {
    clock.jumpWallClock(-offMs);
    send('a', { sentAtUnixMs: BigInt(Math.round(clock.wallMs()) + offMs), lastRoundTripMs: 0 });
    clock.advance(5000);
    expect(view('a').state).toBe('active');
    expect(view('a').skewMs).toBe(offMs);
  }
  expect(states('a')).toHaveLength(2);
});

test('a worker without acks is judged by its own interval', async () => {
  await appear('slow');
  for (let i = 0; i < 6; i++) {
    send('slow');
    clock.advance(20_000);
  }
  expect(view('slow')).toMatchObject({ state: 'active', intervalMs: 20_000 });
  // Only before its pace was known was it taken for late.
  expect(states('slow').filter((step) => step.startsWith('active>suspect'))).toHaveLength(1);
  clock.advance(25_000);
  expect(view('slow').state).toBe('suspect');
  clock.advance(75_500);
  expect(view('slow').state).toBe('inactive');
});

test('a worker that slows down causes one alarm, and none if it announced its interval', async () => {
  announce('announced', { intervalMs: 60_000 });
  await appear('announced', 'slower');
  for (let i = 0; i < 30; i++) {
    send('slower');
    if (i === 0) send('announced');
    clock.advance(1000);
  }
  for (let i = 0; i < 12; i++) {
    clock.advance(30_000);
    if (i % 2 === 0) send('announced');
    else send('slower');
  }
  expect(states('announced').slice(2)).toEqual([]);
  expect(states('slower').slice(2)).toEqual([
    'active>suspect silence',
    'suspect>inactive silence',
    'inactive>active heartbeat',
  ]);
});

test('a worker that keeps to its announced interval, or to its previous gap, is never inactive', async () => {
  const gaps = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 3, maxLength: 12 });
  let life = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 90 }), gaps, async (announcedS, gapsS) => {
      const [announced, untold] = [`announced-${life}`, `untold-${life++}`];
      announce(announced, { intervalMs: announcedS * 1000 });
      await appear(announced, untold);
      let beforeS = 0;
      for (const gapS of gapsS) {
        send(untold);
        const earlier = inactivations(untold);
        for (let passedS = 0; passedS < gapS; passedS += announcedS) {
          send(announced);
          clock.advance(Math.min(announcedS, gapS - passedS) * 1000);
        }
        if (gapS <= beforeS) expect(inactivations(untold)).toBe(earlier);
        beforeS = gapS;
      }
      expect(inactivations(announced)).toBe(0);
      manager.unregisterWorker(announced);
      manager.unregisterWorker(untold);
    }),
    // Two gaps that are longer than the timeout, behind a burst that is taken for the pace by then.
    { numRuns: repetitions(20, 300), examples: [[1, [15, 15, 1, 1, 1, 31, 31, 1]]] },
  );
});

test('the failure of a worker of known pace is detected in time, whatever it announced and however long it was away', async () => {
  const others = ['o1', 'o2', 'o3', 'o4'];
  const restored = { approved: false, address: undefined, known: true, instanceIds: [], info: undefined };
  const lasts = { silentMs: 0, isActive: true, intervalMs: 3_600_000, lastUpdateS: 1, registeredS: 1 };
  const values = { workerId: 'slow before', ...lasts, json: emptyRecordJsonHead('slow before') };
  manager.restore([{ workerId: 'slow before', ...restored }], new Map([['slow before', values]]));
  await appear('announced', 'outage', 'restarted', 'goodbye', ...others);
  announce('announced', { intervalMs: 3_600_000 });
  beat(60_000, [...others, 'announced', 'outage', 'slow before']);
  for (const id of ['restarted', 'goodbye']) send(id, { instanceId: 'one' });
  // It registers as before, at each connection.
  announce('announced', { intervalMs: 3_600_000 });
  beat(10_000, [...others, 'announced', 'slow before']);
  send('goodbye', { instanceId: 'one', leaving: true });
  beat(25_000, others);
  expect(view('announced').state).toBe('suspect');
  beat(5000, others);
  expect([view('announced').state, view('slow before').state]).toEqual(['inactive', 'inactive']);
  beat(480_000, others);
  expect(['outage', 'restarted', 'goodbye'].map((id) => view(id).isActive)).toEqual([false, false, false]);
  // They come back, send one heartbeat, and die.
  send('outage', {}, STREAM);
  send('restarted', { instanceId: 'two' });
  send('goodbye', { instanceId: 'one' });
  beat(30_000, others);
  expect(['outage', 'restarted', 'goodbye'].map((id) => view(id).isActive)).toEqual([true, true, true]);
  beat(5000, others);
  expect(['outage', 'restarted', 'goodbye'].map((id) => view(id).isActive)).toEqual([false, false, false]);
});

test('a worker without acks any more is judged by its announced interval, and duplicates are not a pace', async () => {
  announce('a', { intervalMs: 60_000 });
  await appear('a', 'copied');
  beat(20_000, ['a']);
  for (let i = 1n; i <= 20n; i++) {
    send('a');
    send('copied', { sequence: i });
    for (let copy = 0; copy < 5; copy++) send('copied', { sequence: i });
    clock.advance(60_000);
  }
  expect(states('a').at(-1)).toBe('registered>active heartbeat');
  expect(inactivations('copied')).toBe(1);
});

function inactivations(workerId: string): number {
  return told('state', workerId).filter(({ to }) => to === 'inactive').length;
}

test('a worker restored from a snapshot is accepted again after a few heartbeats', () => {
  for (let sequence = 1n; sequence <= 400n; sequence++) send('a', { sequence, instanceId: 'one' });
  for (let sequence = 40n; sequence <= 60n; sequence++) {
    send('a', { sequence, instanceId: 'one' });
    clock.advance(5000);
  }
  expect(view('a')).toMatchObject({ restarts: 1, missed: 0 });
  expect(view('a').replacedBy.late).toBe(2);
});

test('restarts of a worker in a loop are events at first, then counted, then summed up', async () => {
  let lines = 0;
  manager.members.onChange(() => lines++);
  send('victim');
  await appear('noisy');
  for (let i = 0; i < 5000; i++) send('noisy', { instanceId: `i${i}` });
  expect(told('restarted', 'noisy')).toHaveLength(30);
  expect(told('noisy', 'noisy')).toHaveLength(1);
  expect(view('noisy').restarts).toBe(4999);
  expect(lines).toBeLessThan(40);
  // Another worker is told of as ever, and so is whether the noisy one lives.
  send('victim', { instanceId: 'one' });
  clock.advance(40_000);
  expect(states('noisy').at(-1)).toBe('suspect>inactive silence');
  expect(manager.members.get('noisy')?.instanceIds[0]).toBe('i4999');
  clock.advance(10 * 60_000);
  expect(told('noisy_over', 'noisy').map(({ detail }) => detail)).toEqual([
    'events of the kind "restarted" that were not recorded: 4969',
  ]);
});

test('a worker that comes and goes constantly fills neither the event log nor the journal', () => {
  let lines = 0;
  manager.members.onChange(() => lines++);
  for (let i = 0; i < 500; i++) {
    send('restless');
    manager.deregisterWorker('restless', '');
  }
  expect(manager.events.all().filter(({ workerId }) => workerId === 'restless').length).toBeLessThan(40);
  expect(lines).toBeLessThan(40);
  // What is told late is what is so then.
  send('restless');
  clock.advance(60_000);
  expect(manager.members.get('restless')?.known).toBe(true);
  expect(lines).toBeLessThan(45);
});

test('figures of an engaged brake are published at most once a second', async () => {
  const holds: Holds[] = [];
  manager.onAnnouncement((announcement) => {
    if (announcement.type === 'holds') holds.push(announcement.holds);
  });
  const rack = Array.from({ length: 10 }, (_, index) => `r${index}`);
  for (const id of rack) announce(id, { group: 'rack' });
  await appear(...rack);
  beat(20_000, rack);
  beat(20_000, rack.slice(6));
  expect(holds.at(-1)?.brakes).toMatchObject([{ silent: 6, watched: 10 }]);
  clock.advance(20_000);
  expect(holds.at(-1)?.brakes).toMatchObject([{ silent: 10, watched: 10 }]);
  expect(holds.at(-1)).toEqual(expect.objectContaining({ brakes: [expect.objectContaining({ silent: 10 })] }));
  expect(holds.length).toBeLessThan(10);
  // A stall of the master's puts off when the brake ends.
  const before = holds.at(-1)?.brakes[0]?.endsUnixMs as number;
  clock.stall(30_000);
  clock.jumpWallClock(30_000);
  clock.advance(5000);
  expect((holds.at(-1)?.brakes[0]?.endsUnixMs as number) - before).toBeGreaterThan(29_000);
});

test('skew and missed are exact however large, and an invalid number changes nothing', async () => {
  await appear('a');
  const sentAt = (offMs: number) => ({ sentAtUnixMs: BigInt(Math.round(clock.wallMs()) + offMs), lastRoundTripMs: 0 });
  const year = 365 * 86_400_000;
  for (const offMs of [40 * year, -40 * year, 1, -1]) {
    send('a', sentAt(offMs));
    expect(view('a').skewMs).toBe(offMs);
    clock.advance(20_000);
    manager.unregisterWorker('a');
  }
  send('a', sentAt(3_600_000));
  for (const lastRoundTripMs of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300]) {
    send('a', {
      ...sentAt(3_600_000),
      lastRoundTripMs,
      hostLoopLagMs: lastRoundTripMs === 1e300 ? 0 : lastRoundTripMs,
    });
  }
  expect(view('a')).toMatchObject({ skewMs: 3_600_000, stuck: undefined });
  send('a', { sequence: 1n });
  send('a', { sequence: 5_000_000_002n });
  expect(view('a').missed).toBe(5_000_000_000);
  send('a', { sequence: 5_000_000_001n });
  expect(view('a').missed).toBe(4_999_999_999);
});

test('silence does not count as a lack of progress: neither in an outage, nor a brake, nor a stall of the master', async () => {
  await start({ stuckAfterMs: 60_000 });
  const ids = ['a', 'b', 'c', 'd'];
  let progress = 0;
  const report = async (forMs: number) => {
    beat(forMs, ids, { runningTasks: [{ taskId: 't', status: 'running', progress }] });
    await eventually(() => ids.every((id) => slotOf(id).counts().applied === view(id).accepted));
  };
  for (let i = 0; i < 4; i++) {
    progress += 0.01;
    await report(5000);
  }
  await report(35_000);
  // Nobody is heard for longer than the limit, and the first heartbeat after it tells the same as the last before.
  clock.advance(240_000);
  expect(manager.holds.brakes).toHaveLength(1);
  await report(30_000);
  clock.stall(240_000);
  clock.advance(250);
  await report(30_000);
  expect(manager.events.all().filter(({ type }) => type === 'stuck')).toEqual([]);
  // Heard all the time, it is one.
  for (let i = 0; i < 5; i++) await report(10_000);
  expect(told('stuck', 'a')).toHaveLength(1);
});

function slotOf(workerId: string) {
  return (manager.directory.get(workerId) as { slot: { counts(): { applied: number } } }).slot;
}

test('a fleet above the target rate is told to send less often, and each deadline moves accordingly', async () => {
  await start({ targetHeartbeatsPerS: 10 });
  const ids = Array.from({ length: 100 }, (_, index) => `w${index}`);
  await appear(...ids);
  beat(10_000, ids);
  const told = Array.from({ length: 50 }, () => manager.intervalToTell());
  for (const intervalMs of told) expect(intervalMs).toBeGreaterThanOrEqual(9000);
  expect(Math.max(...told)).toBeLessThanOrEqual(12_200);
  expect(new Set(told).size).toBeGreaterThan(10);
  // Those who hear it are waited for as long as that: they last sent 5 s ago.
  clock.advance(15_000);
  expect(view('w0').state).toBe('active');
  // A worker that cannot hear, and keeps to 5 s, is not.
  beat(5000, ids);
  await appear('go');
  send('go');
  clock.advance(11_500);
  expect(view('go').state).toBe('suspect');
});

/** Time before the worker's last heartbeat in seconds, as its lane scores it. */
async function scoredInterval(workerId: string): Promise<number> {
  const { slot } = manager.directory.get(workerId) as { slot: SlotReader };
  await eventually(() => slot.counts().applied === view(workerId).accepted);
  const { control, numbers, offsets } = viewSlot(slot.memory);
  const copy = currentCopy(Atomics.load(control, SlotWord.recordGeneration));
  return numbers[offsets.record[copy] / NUMBER_BYTES + RecordNumber.heartbeatIntervalS] as number;
}

test('the interval between heartbeats is scored where it tells of the worker alone', async () => {
  const after = (ms: number, via: typeof STREAM | 'unary' = STREAM, workerId = 'a') => {
    clock.advance(ms);
    send(workerId, {}, via === 'unary' ? undefined : via);
    return scoredInterval(workerId);
  };
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear('a', ...RACK);
  // The first one of a stream follows a reconnect.
  expect(await after(5000)).toBeNaN();
  expect(await after(5000)).toBe(5);
  expect(await after(12_000)).toBe(12);
  // Early is on time.
  expect(await after(300)).toBe(5);
  expect(await after(5000, { ...STREAM })).toBeNaN();
  expect(await after(5000)).toBeNaN();
  expect(await after(5000)).toBe(5);
  expect(await after(5000, 'unary')).toBeNaN();
  send('a', {}, STREAM);
  expect(await after(60_000)).toBeNaN();
  expect(await after(5000)).toBe(5);
  // The master could not receive.
  clock.stall(20_000);
  expect(await after(10)).toBeNaN();
  clock.advance(5000);
  // Without the second in which the master waited for what was sent meanwhile.
  expect(await after(5000)).toBe(9);
  // Of a group that is held.
  beat(10_000, RACK);
  clock.advance(35_000);
  expect(manager.holds.brakes).toHaveLength(1);
  const [held] = RACK as [string];
  expect(await after(0, STREAM, held)).toBeNaN();
  expect(await after(15_000, STREAM, held)).toBeNaN();
});

test('an interval that was told to be longer is on time', async () => {
  await start({ targetHeartbeatsPerS: 10 });
  const ids = Array.from({ length: 100 }, (_, index) => `w${index}`);
  await appear(...ids);
  beat(10_000, ids);
  const after = (ms: number) => {
    clock.advance(ms);
    for (const id of ids) send(id, {}, STREAM);
  };
  after(0);
  for (let n = 0; n < 3; n++) {
    after(10_000);
    expect(await scoredInterval('w0')).toBe(5);
  }
  after(24_000);
  expect(await scoredInterval('w0')).toBeGreaterThan(9);
});

test('a new instance is a restart, and the older one is refused from then on', () => {
  send('a', { instanceId: 'first', sequence: 41n });
  send('a', { instanceId: 'second', sequence: 1n });
  expect(view('a')).toMatchObject({ restarts: 1, missed: 0 });
  expect(told('restarted', 'a')).toHaveLength(1);
  const older = () => send('a', { instanceId: 'first', sequence: 42n });
  expect(older).toThrow(expect.objectContaining({ code: 'failed_precondition', retryAfterMs: 60_000 }));
  // One may have been on its way.
  expect(told('id_conflict', 'a')).toEqual([]);
  for (let i = 0; i < 5; i++) expect(older).toThrow('a later instance of a reports');
  expect(told('id_conflict', 'a')).toHaveLength(1);
  expect(view('a').hasConflict).toBe(true);
  expect(() => announce('a', { instanceId: 'first' })).toThrow('a later instance');
  expect(() => manager.deregisterWorker('a', 'first')).toThrow('a later instance');
  send('a', { instanceId: 'second', sequence: 2n });
  // Legacy workers name no instance.
  send('a');
  clock.advance(180_500);
  expect(told('id_conflict_over', 'a')).toHaveLength(1);
  expect(view('a').hasConflict).toBe(false);
});

test('only the current instance can deregister a worker, and its approval stays', async () => {
  await start({ admission: 'approved' });
  manager.approve('a');
  // It is not there: whoever says farewell in its name takes nothing from it.
  expect(manager.deregisterWorker('a', '')).toBe(false);
  send('a', { instanceId: 'one' });
  for (const other of ['', 'two']) {
    expect(() => manager.deregisterWorker('a', other)).toThrow('another instance of a');
  }
  send('a', { instanceId: 'one' });
  expect(manager.deregisterWorker('a', 'one')).toBe(true);
  expect(manager.directory.get('a')).toBeUndefined();
  send('a', { instanceId: 'two' });
  // A silent one is cleared away by anybody who may speak for it; one without instances by itself.
  clock.advance(31_000);
  expect(manager.deregisterWorker('a', '')).toBe(true);
  send('a');
  expect(() => manager.deregisterWorker('a', 'three')).toThrow('another instance of a');
  expect(manager.deregisterWorker('a', '')).toBe(true);
  // An operator takes the approval too.
  manager.unregisterWorker('a');
  expect(() => send('a')).toThrow('waits for approval');
});

test('an older instance that keeps sending is reported at once, and accepted again when the later one is gone', async () => {
  await appear('a');
  send('a', { instanceId: 'first' });
  send('a', { instanceId: 'second' });
  clock.advance(3000);
  expect(() => send('a', { instanceId: 'first' })).toThrow('a later instance');
  expect(told('id_conflict', 'a')).toHaveLength(1);
  send('a', { instanceId: 'second', leaving: true });
  send('a', { instanceId: 'first' });
  expect(view('a')).toMatchObject({ state: 'active', restarts: 2 });
  expect(() => send('a', { instanceId: 'second' })).toThrow('a later instance');
  clock.advance(31_000);
  send('a', { instanceId: 'second' });
  expect(view('a').state).toBe('active');
});

test('an instance that only registered speaks for the worker for a limited time', async () => {
  announce('a', { instanceId: 'first' });
  announce('a', { instanceId: 'second' });
  expect(() => send('a', { instanceId: 'first' })).toThrow('a later instance');
  clock.advance(31_000);
  await appear('b');
  send('a', { instanceId: 'first' });
  // What of the one before is on its way after its farewell takes nothing from the next one.
  send('b', { instanceId: 'first', leaving: true });
  clock.advance(1);
  announce('b', { instanceId: 'second' });
  expect(() => send('b', { instanceId: 'first' })).toThrow('a later instance');
  send('b', { instanceId: 'second' });
  expect(view('b').state).toBe('active');
});

test('a refused heartbeat does not keep its worker alive', async () => {
  await appear('a');
  send('a', { instanceId: 'first' });
  send('a', { instanceId: 'second' });
  for (let passed = 0; passed < 30_000; passed += 5000) {
    clock.advance(5000);
    expect(() => send('a', { instanceId: 'first' })).toThrow();
  }
  clock.advance(500);
  expect(view('a').state).toBe('inactive');
});

test('a worker without instance ids whose sequence restarts has restarted', () => {
  for (const sequence of [1n, 2n, 500n, 1n, 2n]) send('a', { sequence });
  expect(view('a')).toMatchObject({ restarts: 1, missed: 497 });
});

test('a blocked host loop is reported once, and so is its end', async () => {
  await appear('a');
  beat(10_000, ['a'], { hostLoopLagMs: 29_000 });
  expect(view('a').stuck).toBeUndefined();
  beat(15_000, ['a'], { hostLoopLagMs: 31_000 });
  expect(view('a')).toMatchObject({ state: 'active', stuck: 'host_loop' });
  beat(10_000, ['a'], { hostLoopLagMs: 3 });
  expect(view('a').stuck).toBeUndefined();
  expect([told('stuck', 'a').length, told('stuck_over', 'a').length]).toEqual([1, 1]);
});

test('a running task without progress is reported after the limit', async () => {
  await start({ stuckAfterMs: 60_000 });
  const task = (progress: number) => ({ runningTasks: [{ taskId: 't', status: 'running', progress }] });
  const applied = async () => {
    const { slot } = manager.directory.get('a') as { slot: { counts(): { applied: number } } };
    await eventually(() => slot.counts().applied === view('a').accepted);
  };
  for (let i = 0; i < 10; i++) {
    beat(5000, ['a'], task(i / 10));
    await applied();
  }
  beat(50_000, ['a'], task(0.95));
  await applied();
  beat(5000, ['a'], task(0.95));
  await applied();
  expect(view('a').stuck).toBeUndefined();
  beat(10_000, ['a'], task(0.95));
  await applied();
  beat(5000, ['a'], task(0.95));
  await applied();
  beat(5000, ['a'], task(0.95));
  expect(view('a').stuck).toBe('tasks');
  expect(told('stuck', 'a')).toHaveLength(1);
  beat(5000, ['a'], task(0.96));
  await applied();
  beat(10_000, ['a'], task(0.96));
  expect(view('a').stuck).toBeUndefined();
});

test('a worker that sends less often than the limit is stuck only if its heartbeats say so', async () => {
  announce('a', { intervalMs: 600_000 });
  await appear('a');
  const tell = async (progress: number) => {
    send('a', { runningTasks: [{ taskId: 't', status: 'running', progress }] });
    await eventually(() => slotOf('a').counts().applied === view('a').accepted);
    clock.advance(600_000);
  };
  for (let i = 0; i < 4; i++) await tell(i / 10);
  expect(told('stuck', 'a')).toEqual([]);
  await tell(0.3);
  expect(view('a').stuck).toBe('tasks');
});

const RACK = ['r1', 'r2', 'r3', 'r4'];

test('when an operator releases the brake, silent workers have failed', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  announce('other', { group: 'else' });
  await appear(...RACK, 'other');
  beat(20_000, [...RACK, 'other']);
  beat(60_000, ['other']);
  expect(manager.holds.brakes).toMatchObject([{ group: 'rack', silent: 4, watched: 4 }]);
  expect(RACK.map((id) => view(id).isActive)).toEqual([true, true, true, true]);
  expect(manager.releaseBrakes('else')).toBe(0);
  expect(manager.releaseBrakes('rack')).toBe(1);
  expect(RACK.map((id) => view(id).state)).toEqual(Array.from(RACK, () => 'inactive'));
  expect(view('r1').cause).toBe('brake_released');
  beat(60_000, ['other']);
  expect(told('brake')).toHaveLength(1);
  expect(manager.holds.brakes).toEqual([]);
});

test('when most of a group is back, the brake ends, and the others get a full timeout', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  clock.advance(60_000);
  beat(5000, ['r1', 'r2', 'r3']);
  expect(manager.holds.brakes).toEqual([]);
  beat(20_000, ['r1', 'r2', 'r3']);
  expect(view('r4').isActive).toBe(true);
  beat(15_000, ['r1', 'r2', 'r3']);
  expect(view('r4')).toMatchObject({ state: 'inactive', isActive: false });
});

test('workers that came back, or were not held, are judged again after a brake', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  clock.advance(60_000);
  beat(20_000, RACK);
  expect(RACK.map((id) => view(id).state)).toEqual(Array.from(RACK, () => 'active'));
  // One alone is no mass.
  beat(40_000, RACK.slice(1));
  expect(view('r1').state).toBe('inactive');
});

test('connections that end without a farewell count as silence: for most of a group the brake engages', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  manager.hungUp(RACK, STREAM);
  expect(RACK.map((id) => view(id).state)).toEqual(Array.from(RACK, () => 'active'));
  clock.advance(40_000);
  expect(RACK.every((id) => view(id).isActive)).toBe(true);
  expect(told('brake')).toHaveLength(1);
});

test('one closed connection is one silent worker, and no brake engages', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  manager.hungUp(['r1'], STREAM);
  beat(40_000, RACK.slice(1));
  expect(RACK.map((id) => view(id).state)).toEqual(['inactive', 'active', 'active', 'active']);
  expect(told('brake')).toEqual([]);
});

test('a farewell of most of a group engages no brake, though their connections end', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  for (const id of RACK) send(id, { leaving: true }, STREAM);
  // By another stream than their last heartbeats came by.
  manager.hungUp(RACK, { forget: () => {} });
  expect(RACK.map((id) => view(id).state)).toEqual(Array.from(RACK, () => 'leaving'));
  manager.hungUp(RACK, STREAM);
  expect(RACK.map((id) => view(id).state)).toEqual(Array.from(RACK, () => 'left'));
  clock.advance(40_000);
  expect(told('brake')).toEqual([]);
});

test('an ephemeral worker is removed soon, with its lane and its stream’s memory of it', async () => {
  announce('job', { ephemeral: true });
  await appear('job', 'server');
  send('job', {}, STREAM);
  send('server');
  clock.advance(600_500);
  expect(manager.getWorkerTelemetry('job')).toBeUndefined();
  expect(manager.getWorkerTelemetry('server')).toBeDefined();
  expect(states('job').at(-1)).toBe('inactive>gone retention');
  expect(forgotten).toEqual(['job']);
});

test('a stall of main is one event with its duration, and extends all deadlines', async () => {
  await appear('a');
  send('a');
  clock.advance(9000);
  clock.stall(25_000);
  clock.advance(1000);
  expect(view('a').state).toBe('active');
  send('a');
  clock.advance(2000);
  expect(told('stall').map(({ detail }) => detail)).toEqual([expect.stringMatching(/^25\.\d s/)]);
  expect(states('a')).toHaveLength(2);
  // What was given back is given once.
  clock.advance(31_000);
  expect(view('a').isActive).toBe(false);
});

/** A member of the rack, as an earlier master left it. */
function rackMember(workerId: string) {
  const info = create(WorkerInfoSchema, { workerId, group: 'rack' });
  return { workerId, approved: false, address: undefined, known: true, instanceIds: [], info };
}

/** What an earlier master left of the rack, all of it active. */
function restoreRack(): void {
  const members = RACK.map(rackMember);
  const lasts = { silentMs: 0, isActive: true, intervalMs: 5000, lastUpdateS: 1, registeredS: 1 };
  const valuesOf = (workerId: string) => ({ workerId, ...lasts, json: emptyRecordJsonHead(workerId) });
  manager.restore(members, new Map(RACK.map((workerId) => [workerId, valuesOf(workerId)])));
}

test('workers of an earlier master that never come back do not count in their group for ever', () => {
  restoreRack();
  expect(told('grace')).toHaveLength(1);
  beat(50_000, ['r1', 'r2', 'r3']);
  expect(view('r4')).toMatchObject({ state: 'unknown', isActive: true });
  beat(60_000, ['r1', 'r2', 'r3']);
  expect(view('r4')).toMatchObject({ state: 'inactive', cause: 'grace_over' });
  beat(60_000, ['r1', 'r2', 'r3']);
  clock.advance(60_000);
  expect(manager.holds.brakes).toMatchObject([{ group: 'rack', silent: 3, watched: 3 }]);
});

test('a worker that was inactive for an earlier master causes no event when it stays inactive', () => {
  const restored = (id: string, isActive: boolean) => ({ ...rackMember(id), activity: { isActive, heardS: 1 } });
  manager.restore([restored('was active', true), restored('was gone', false)], new Map());
  clock.advance(70_000);
  expect(view('was gone')).toMatchObject({ state: 'inactive', cause: 'grace_over' });
  expect(states('was gone')).toEqual([]);
  expect(states('was active')).toEqual(['unknown>inactive grace_over']);
});

test('a worker of an earlier master without values keeps its state until it has some, or the grace ends', async () => {
  const never = ['n1', 'n2', 'n3', 'n4'];
  const activity = { isActive: true, heardS: 1 };
  manager.restore(
    [...RACK, ...never].map((id) => ({ ...rackMember(id), activity })),
    new Map(),
  );
  for (let passed = 0; passed < 30_000; passed += 250) {
    if (passed % 5000 === 0) for (const id of never) send(id, { cpuUsage: Number.NaN });
    if (passed === 0) for (const id of RACK) send(id);
    clock.advance(250);
    if (passed === 0) await haveValues(manager, RACK);
    expect(manager.internalState().activeWorkers).toBe(8);
  }
  expect(RACK.map(states)).toEqual(Array.from(RACK, () => ['unknown>active heartbeat']));
  expect(view('n1')).toMatchObject({ state: 'unknown', isActive: true });
  for (let passed = 0; passed < 35_000; passed += 5000) {
    for (const id of never) send(id, { cpuUsage: Number.NaN });
    for (const id of RACK) send(id);
    clock.advance(5000);
  }
  expect(view('n1')).toMatchObject({ state: 'registered', cause: 'no_record', isActive: false });
  // They do not weigh in when those of whom there are values fall silent.
  clock.advance(15_000);
  expect(manager.holds.brakes).toMatchObject([{ group: 'rack', silent: 4, watched: 4 }]);
});

test('if no worker of an earlier master comes back, the network is suspected', () => {
  restoreRack();
  clock.advance(70_000);
  expect(told('brake')).toHaveLength(1);
  expect(RACK.every((id) => view(id).isActive)).toBe(true);
  clock.advance(300_000);
  expect(RACK.map((id) => view(id).state)).toEqual(Array.from(RACK, () => 'inactive'));
  expect(told('brake')).toHaveLength(1);
});

test('a worker whose retention passed during a brake is removed when it is released', async () => {
  await start({ retentionMs: 120_000 });
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  clock.advance(400_000);
  expect(RACK.map((id) => manager.directory.get(id))).toEqual(Array.from(RACK, () => undefined));
  expect(manager.holds.brakes).toEqual([]);
});

test('a dead worker is detected although the network of its group fails repeatedly', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  for (let outage = 0; outage < 10; outage++) {
    clock.advance(22_000);
    beat(10_000, ['r1', 'r2', 'r3']);
  }
  expect(view('r4').state).toBe('inactive');
  expect(view('r1').state).toBe('active');
});

test('a late heartbeat does not make a slow worker look fast', async () => {
  await appear('slow');
  for (let i = 0; i < 4; i++) {
    send('slow');
    clock.advance(20_000);
  }
  clock.advance(15_000);
  send('slow');
  clock.advance(5000);
  send('slow');
  clock.advance(40_000);
  expect(view('slow')).toMatchObject({ state: 'active', intervalMs: 20_000 });
});

test('a shorter assigned interval does not apply to workers that have not received it', async () => {
  await start({ targetHeartbeatsPerS: 1 });
  const many = Array.from({ length: 40 }, (_, index) => `w${index}`);
  await appear(...many, 'last');
  beat(5000, [...many, 'last']);
  const toldMs = manager.intervalToTell(1);
  expect(toldMs).toBeGreaterThan(40_000);
  for (const id of many) manager.unregisterWorker(id);
  clock.advance(1000);
  expect(manager.intervalToTell(1)).toBe(5000);
  clock.advance(toldMs - 5000);
  expect(view('last').state).toBe('active');
  beat(120_000, ['last']);
  clock.advance(11_500);
  expect(view('last').state).toBe('suspect');
});

test('a second shorter interval does not apply to workers that have received only the first', async () => {
  await start({ targetHeartbeatsPerS: 1 });
  const many = Array.from({ length: 40 }, (_, index) => `w${index}`);
  await appear(...many, 'last');
  beat(5000, [...many, 'last']);
  const firstMs = manager.intervalToTell(1);
  for (const id of many.slice(20)) manager.unregisterWorker(id);
  // Until a moment before nobody keeps to the first one any more.
  beat(2 * firstMs - 5000, [...many.slice(0, 20), 'last']);
  const toldMs = manager.intervalToTell(1);
  expect(toldMs).toBeGreaterThan(20_000);
  for (const id of many.slice(0, 20)) manager.unregisterWorker(id);
  clock.advance(toldMs);
  expect(manager.intervalToTell(1)).toBe(5000);
  expect(view('last').state).toBe('active');
});

test('a failure after the interval became shorter is detected as fast as in a small fleet', async () => {
  await start({ targetHeartbeatsPerS: 1 });
  const many = Array.from({ length: 40 }, (_, index) => `w${index}`);
  await appear(...many, 'last');
  beat(5000, [...many, 'last']);
  const toldMs = manager.intervalToTell(1);
  for (const id of many) manager.unregisterWorker(id);
  beat(2 * toldMs - 5000, ['last']);
  // Looked at while some may still keep to the former pace; its last heartbeat comes a moment before nobody does.
  announce('last');
  send('last', {}, STREAM);
  clock.advance(11_500);
  expect(view('last').state).toBe('suspect');
  clock.advance(19_500);
  expect(view('last').state).toBe('inactive');
});

test('workers of groups too small for a brake of their own share one', async () => {
  const pairs = Array.from({ length: 10 }, (_, index) => `p${index}`);
  for (const [index, id] of pairs.entries()) announce(id, { group: `pair-${Math.floor(index / 2)}` });
  await appear(...pairs);
  beat(20_000, pairs);
  clock.advance(45_000);
  expect(pairs.every((id) => view(id).isActive)).toBe(true);
  expect(told('brake')).toHaveLength(1);
  const silentGroups = ['pair-0', 'pair-1', 'pair-2', 'pair-3', 'pair-4'];
  expect(manager.holds.brakes).toMatchObject([{ group: '', silent: 10, silentGroups }]);
  beat(10_000, pairs.slice(0, 2));
  expect(manager.holds.brakes).toMatchObject([{ group: '', silent: 8, silentGroups: silentGroups.slice(1) }]);
  // One pair alone is none.
  beat(60_000, pairs);
  beat(40_000, pairs.slice(2));
  expect(pairs.slice(0, 2).map((id) => view(id).state)).toEqual(['inactive', 'inactive']);
  expect(told('brake')).toHaveLength(1);
});

test('a group is watched again after its brake', async () => {
  for (const id of RACK) announce(id, { group: 'rack' });
  await appear(...RACK);
  beat(20_000, RACK);
  clock.advance(13_000);
  manager.releaseBrakes('rack');
  beat(30_000, RACK);
  clock.advance(45_000);
  expect(RACK.every((id) => view(id).isActive)).toBe(true);
});

test('a master that never runs smoothly detects failures anyway, and reports its stalls', async () => {
  await appear('dead');
  send('dead');
  for (let passedMs = 0; passedMs < 30 * 60_000; passedMs += 1000) {
    clock.stall(600);
    clock.advance(400);
  }
  expect(view('dead').state).toBe('inactive');
  expect(told('stall').length).toBeGreaterThan(5);
  expect(told('stall').length).toBeLessThan(40);
});

test('a worker that left stays left, whatever heartbeats were in transit', async () => {
  await appear('a');
  send('a', { sequence: 1n }, STREAM);
  send('a', { sequence: 3n, leaving: true }, STREAM);
  manager.hungUp(['a'], STREAM);
  send('a', { sequence: 2n }, STREAM);
  expect(view('a')).toMatchObject({ state: 'left', isActive: false });
});

test('a worker without instance ids that restarts after its farewell is back at once', async () => {
  await appear('first', 'second');
  for (let sequence = 1n; sequence <= 20n; sequence++) {
    send('first', { sequence });
    send('second', { sequence });
  }
  for (const id of ['first', 'second']) send(id, { sequence: 21n, leaving: true });
  clock.advance(1000);
  send('first', { sequence: 1n });
  // Its first number is lost, and its second may have been on its way.
  send('second', { sequence: 2n });
  expect(view('first')).toMatchObject({ state: 'active', restarts: 1 });
  expect(view('second')).toMatchObject({ state: 'leaving', restarts: 0 });
  clock.advance(12_000);
  send('second', { sequence: 3n });
  expect(view('second')).toMatchObject({ state: 'active', restarts: 1, missed: 0 });
});

test('an older instance that keeps trying is not taken for a new one, however often the later one restarts', () => {
  send('a', { instanceId: 'old' });
  for (let life = 0; life < 100; life++) {
    send('a', { instanceId: `life-${life}` });
    if (life % 10 === 9) expect(() => send('a', { instanceId: 'old' })).toThrow('a later instance');
    clock.advance(5000);
  }
});

test('the restart of a worker without instance ids is detected, even if its first numbers are lost', () => {
  for (let sequence = 1n; sequence <= 400n; sequence++) send('a', { sequence });
  for (let sequence = 2n; sequence <= 20n; sequence++) {
    send('a', { sequence });
    clock.advance(5000);
  }
  expect(view('a')).toMatchObject({ restarts: 1 });
  expect(view('a').replacedBy.late).toBeLessThan(10);
});
