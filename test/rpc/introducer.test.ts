import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test, vi } from 'vitest';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { type MasterInfo, MasterWorker, RegisterAckSchema } from '../../src/gen/cluster/master_worker_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { grpcServiceOf } from '../../src/lib/grpc-adapter.ts';
import { localAddressTowards } from '../../src/lib/local-address.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { emptyRecordJsonHead } from '../../src/model/record-json.ts';
import { advertisedAddress } from '../../src/rpc/advertise.ts';
import { MasterIntroducer } from '../../src/rpc/introducer.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { lanesAreUp, passing } from '../support/fake-fleet.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A worker that waits to be told where its master is, as a Go worker does. */
async function waitingWorker(port = 0, success = true, refusal = 'I have another master') {
  const told: string[] = [];
  const server = new Server();
  const { MasterRegister } = grpcServiceOf(MasterWorker);
  server.addService({ MasterRegister } as never, {
    MasterRegister: (call: { request: MasterInfo }, callback: (error: null, ack: unknown) => void) => {
      told.push(call.request.masterAddress);
      callback(null, create(RegisterAckSchema, { success, message: success ? '' : refusal }));
    },
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, actual) =>
      error === null ? resolve(actual) : reject(error),
    );
  });
  cleanUps.push(() => server.forceShutdown());
  return { told, port: bound, stop: () => server.forceShutdown() };
}

async function startIntroducer(maxWorkers = 10, admission: 'open' | 'approved' = 'open') {
  const clock = new FakeClock();
  const manager = new TelemetryManager({ clock, maxWorkers, admission, maxDedicatedLanes: 0, sharedLanes: 1 });
  await manager.start();
  cleanUps.push(() => passing(clock, manager.shutdown()));
  const introducer = new MasterIntroducer({
    manager,
    advertiseAddress: undefined,
    boundAddress: { host: '127.0.0.1', port: 50_051 },
    clock,
    logger: silentLogger,
  });
  introducer.start();
  cleanUps.push(() => introducer.stop());
  return { clock, manager, introducer };
}

test('a worker is told now, and again with back-off while it is not active', async () => {
  const { clock, manager, introducer } = await startIntroducer();
  const worker = await waitingWorker();
  manager.registerWorker('go');
  manager.members.setAddress('go', `127.0.0.1:${worker.port}`);
  expect(await introducer.introduceNow('go')).toEqual({ accepted: true, advertised: '127.0.0.1:50051' });
  expect(worker.told).toEqual(['127.0.0.1:50051']);

  clock.advance(4500);
  expect(worker.told).toHaveLength(1);
  clock.advance(500);
  await eventually(() => worker.told.length === 2);
  manager.processHeartbeat({ workerId: 'go' });
  clock.advance(20_000);
  expect(worker.told).toHaveLength(2);

  // Silent again: rebooted, it has forgotten its master.
  clock.advance(9_000);
  await eventually(() => {
    clock.advance(50);
    return worker.told.length === 3;
  });
});

test('addresses that an earlier master kept are called without anybody asking', async () => {
  const { clock, manager } = await startIntroducer();
  const worker = await waitingWorker();
  const member = { workerId: 'go', approved: false, known: false, instanceIds: [], info: undefined };
  manager.restore([{ ...member, address: `127.0.0.1:${worker.port}` }], new Map());
  expect(manager.getWorkerTelemetry('go')).toMatchObject({ isActive: false });
  clock.advance(500);
  await eventually(() => worker.told.length === 1);
});

test('a worker that refuses, or is not there, is an outcome with a reason', async () => {
  const { manager, introducer } = await startIntroducer();
  const worker = await waitingWorker(0, false);
  manager.members.setAddress('go', `127.0.0.1:${worker.port}`);
  expect(await introducer.introduceNow('go')).toEqual({ accepted: false, reason: 'I have another master' });
  worker.stop();
  const reason = `nothing listens on that port (ECONNREFUSED 127.0.0.1:${worker.port})`;
  expect(await introducer.introduceNow('go')).toEqual({ accepted: false, reason });
});

test('an unregistered worker is not called again', async () => {
  const { clock, manager, introducer } = await startIntroducer();
  const worker = await waitingWorker();
  manager.registerWorker('go');
  manager.members.setAddress('go', `127.0.0.1:${worker.port}`);
  await introducer.introduceNow('go');
  manager.unregisterWorker('go');
  clock.advance(60_000);
  expect(worker.told).toHaveLength(1);
});

test.each([
  [{ host: '127.0.0.1', port: 1 }, '127.0.0.1', '127.0.0.1:1'],
  [{ host: '', port: 2 }, '10.1.2.3', '10.1.2.3:2'],
  [{ host: '0.0.0.0', port: 3 }, '10.1.2.3', '10.1.2.3:3'],
  [{ host: '::', port: 3 }, 'fd00::1', '[fd00::1]:3'],
  [{ host: '192.168.7.1', port: 4 }, '10.1.2.3', '192.168.7.1:4'],
])('bound to %o, a worker reached from %s is told %s', (bound, routeHost, told) => {
  expect(advertisedAddress({ configured: undefined, bound, routeHost })).toBe(told);
});

test('a remote worker cannot be told a loopback address, unless one is configured for it', () => {
  const facts = { bound: { host: '127.0.0.1', port: 50_051 }, routeHost: '10.1.2.3' };
  expect(() => advertisedAddress({ ...facts, configured: undefined })).toThrow('ADVERTISE_ADDRESS');
  expect(advertisedAddress({ ...facts, configured: { host: 'master.lan', port: 9 } })).toBe('master.lan:9');
});

test('a worker whose name does not resolve is told nothing, and the reason is the name', async () => {
  const facts = { configured: undefined, routeHost: '' };
  for (const host of ['', '127.0.0.1']) {
    expect(() => advertisedAddress({ ...facts, bound: { host, port: 1 } })).toThrow('its name does not resolve');
  }
  expect(await localAddressTowards({ host: 'no-such-host.invalid', port: 1 }, systemClock)).toBe('');
  expect(await localAddressTowards({ host: '127.0.0.1', port: 1 }, systemClock)).toBe('127.0.0.1');
});

test('a worker of an earlier master is told, though nobody knows yet whether it is active', async () => {
  const { clock, manager } = await startIntroducer();
  const worker = await waitingWorker();
  const address = `127.0.0.1:${worker.port}`;
  const values = { silentMs: 0, isActive: true, intervalMs: 5000, lastUpdateS: 1, registeredS: 1 };
  manager.restore(
    [{ workerId: 'go', approved: false, address, known: true, instanceIds: [], info: undefined }],
    new Map([['go', { workerId: 'go', ...values, json: emptyRecordJsonHead('go') }]]),
  );
  expect(manager.getWorkerTelemetry('go')?.isActive).toBe(true);
  clock.advance(500);
  await eventually(() => worker.told.length === 1);
});

test('those that report cost a look in some seconds, and whoever falls silent is called then', async () => {
  const { clock, manager, introducer } = await startIntroducer(200);
  const introduced = vi.spyOn(introducer, 'introduceNow');
  const worker = await waitingWorker();
  const ids = Array.from({ length: 100 }, (_, i) => `w${i}`);
  await lanesAreUp(manager);
  for (const id of ids) manager.processHeartbeat({ workerId: id });
  await eventually(() => {
    clock.advance(50);
    return ids.every((id) => manager.getWorkerTelemetry(id)?.isActive);
  });
  for (const id of ids) manager.members.setAddress(id, `127.0.0.1:${worker.port}`);
  const look = vi.spyOn(manager.directory, 'get');
  const all = vi.spyOn(manager.members, 'all');
  const MINUTE_S = 60;
  for (let s = 0; s < MINUTE_S; s++) {
    clock.advance(1000);
    if (s % 4 === 3) for (const id of ids) manager.processHeartbeat({ workerId: id });
  }
  expect(introduced).not.toHaveBeenCalled();
  // With a look at each every half a second they would be 12,000.
  expect(look.mock.calls.length).toBeLessThan(15 * ids.length);
  expect(all).not.toHaveBeenCalled();
  let s = 0;
  await eventually(() => {
    clock.advance(1000);
    if (s++ % 4 === 3) for (const id of ids.slice(1)) manager.processHeartbeat({ workerId: id });
    return worker.told.length > 0;
  });
  expect(s).toBeGreaterThan(5);
  expect(new Set(introduced.mock.calls.flat())).toEqual(new Set(['w0']));
});

test('a worker that is let in later, or gets another address, is called from then on', async () => {
  const { clock, manager } = await startIntroducer(10, 'approved');
  const [first, second] = [await waitingWorker(), await waitingWorker()];
  manager.members.setAddress('go', `127.0.0.1:${first.port}`);
  clock.advance(60_000);
  expect(first.told).toEqual([]);
  manager.approve('go');
  clock.advance(500);
  await eventually(() => first.told.length === 1);
  manager.members.setAddress('go', `127.0.0.1:${second.port}`);
  await eventually(() => {
    clock.advance(500);
    return second.told.length > 0;
  });
});

test('what a worker answers is a line of bounded length, and fakes none', async () => {
  const { manager, introducer } = await startIntroducer();
  const worker = await waitingWorker(0, false, `no\nworker-2 is registered\u001b[2J${'x'.repeat(100_000)}`);
  manager.members.setAddress('go', `127.0.0.1:${worker.port}`);
  const outcome = await introducer.introduceNow('go');
  expect(outcome).toEqual({
    accepted: false,
    reason: expect.stringMatching(/^no\\x0aworker-2 is registered\\x1b\[2Jx+… \(\d+ characters\)$/),
  });
  expect((outcome as { reason: string }).reason.length).toBeLessThan(400);
});
