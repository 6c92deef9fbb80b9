/** The network goes black: for all, which says nothing of any worker, or for some, which are dead to the master. */

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { WorkerEvent } from '../../src/model/events.ts';
import { CutProxy } from '../support/cut-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { idsOf } from '../support/sim/cohort.ts';
import { SimFleet } from '../support/sim-fleet.ts';
import { inactivated, ofType, statesOf } from '../support/worker-events.ts';

/** What workers keep. Half of what the master expects: nobody is suspected since this machine is busy. */
const INTERVAL_MS = 500;
const TIMEOUT_MS = 3000;
const NEAR = { prefix: 'near-', count: 70 };
const FAR = { prefix: 'far-', count: 27 };
/** Speak the legacy service, from beyond the same proxy. */
const FAR_GO = { prefix: 'far-go-', count: 3 };

let master: FaultMaster;
let nearProxy: CutProxy;
let farProxy: CutProxy;
let fleet: SimFleet;

beforeAll(async () => {
  const settings = { HEARTBEAT_INTERVAL: `${2 * INTERVAL_MS}ms`, INACTIVITY_TIMEOUT: `${TIMEOUT_MS}ms` };
  master = await FaultMaster.start(settings);
  nearProxy = await CutProxy.start(master.grpcPort);
  farProxy = await CutProxy.start(master.grpcPort);
  fleet = await SimFleet.start([
    { ...NEAR, link: 'shared', port: nearProxy.port, intervalMs: INTERVAL_MS },
    { ...FAR, link: 'shared', workersPerStream: 3, port: farProxy.port, intervalMs: INTERVAL_MS },
    { ...FAR_GO, link: 'go', port: farProxy.port, intervalMs: INTERVAL_MS },
  ]);
  await areActive(fleet.ids);
  await fleet.hasSent(3);
});

/** However a test ended, the next one begins with the network that it expects. */
afterEach(() => {
  nearProxy?.restore();
  farProxy?.restore();
});

afterAll(async () => {
  await fleet?.stop();
  await nearProxy?.close();
  await farProxy?.close();
  await master?.close();
});

const areActive = (ids: readonly string[]) =>
  eventually(async () => {
    const states = statesOf(await master.events());
    return ids.every((id) => states.get(id) === 'active');
  });

test('all workers cut off for longer than the timeout: the brake holds, one event says so, nobody is declared dead', async () => {
  nearProxy.cut();
  farProxy.cut();
  // Half as long again as the timeout, by the heartbeats that go nowhere.
  await fleet.hasSent((1.5 * TIMEOUT_MS) / INTERVAL_MS, idsOf(NEAR));
  await eventually(async () => ofType('brake', await master.events()).length > 0);
  expect((await master.get('/health')).brakes).toBeTruthy();
  expect(ofType('brake_released', await master.events())).toEqual([]);

  nearProxy.restore();
  farProxy.restore();
  await eventually(async () => ofType('brake_released', await master.events()).length > 0);
  await areActive(fleet.ids);
  const events = await master.events();
  expect(ofType('brake', events)).toHaveLength(1);
  expect(ofType('brake_released', events)).toHaveLength(1);
  expect(inactivated(events)).toEqual([]);
  expect((await master.get('/health')).brakes).toBeUndefined();
});

test('30 % cut off: exactly those become inactive, and come back', async () => {
  const earlier = (await master.events()).at(-1) as WorkerEvent;
  const since = async () => (await master.events()).filter(({ id }) => id > earlier.id);
  const far = [...idsOf(FAR), ...idsOf(FAR_GO)];
  // All keep their usual pace again.
  await fleet.hasSent(3);
  farProxy.cut();
  await eventually(async () => inactivated(await since()).length >= far.length);
  await fleet.hasSent(Math.ceil(TIMEOUT_MS / INTERVAL_MS), idsOf(NEAR));
  const events = await since();
  expect(inactivated(events).toSorted()).toEqual(far.toSorted());
  expect(ofType('brake', events)).toEqual([]);

  farProxy.restore();
  await areActive(far);
  expect(inactivated(await since())).toHaveLength(far.length);
});

test('all connections closed without a farewell: the brake holds, until an operator says that they have failed', async () => {
  const earlier = (await master.events()).at(-1) as WorkerEvent;
  const since = async () => (await master.events()).filter(({ id }) => id > earlier.id);
  const streamed = [...idsOf(NEAR), ...idsOf(FAR)];
  await fleet.die(streamed);
  await eventually(async () => ofType('brake', await since()).length > 0);
  expect(inactivated(await since())).toEqual([]);
  // It holds from when most of them are silent. A release says nothing of those that are not yet silent: together they
  // would engage a second brake.
  await eventually(async () => (await master.get('/health')).brakes?.[0]?.silent >= streamed.length);
  await master.releaseBrakes();
  await eventually(async () => inactivated(await since()).length >= streamed.length);
  const events = await since();
  expect(inactivated(events).toSorted()).toEqual(streamed.toSorted());
  expect(ofType('brake', events)).toHaveLength(1);
});
