/** The suite's own tools: a fault that does not happen proves nothing. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { CutProxy } from '../support/cut-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import type { Cohort } from '../support/sim/cohort.ts';
import { SimFleet } from '../support/sim-fleet.ts';

let master: FaultMaster;
beforeAll(async () => {
  master = await FaultMaster.start({ HEARTBEAT_INTERVAL: '500ms', INACTIVITY_TIMEOUT: '3s' });
});
afterAll(() => master.close());

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startFleet(cohorts: readonly Cohort[]): Promise<SimFleet> {
  const fleet = await SimFleet.start(cohorts);
  closing.push(() => fleet.stop());
  return fleet;
}

async function startProxy(): Promise<CutProxy> {
  const proxy = await CutProxy.start(master.grpcPort);
  closing.push(() => proxy.close());
  return proxy;
}

const heartbeatsOf = async (id: string) => (await master.get(`/api/v1/workers/${id}`)).heartbeats;
const areActive = (ids: readonly string[]) =>
  eventually(async () => {
    const workers = await master.get('/workers');
    return ids.every((id) => workers[id]?.is_active === true);
  });

test('workers of all kinds are active, and no heartbeat of theirs is lost on its way', async () => {
  const to = { port: master.grpcPort, intervalMs: 200 };
  const fleet = await startFleet([
    { ...to, prefix: 'a-s', count: 30, link: 'shared' },
    { ...to, prefix: 'a-o', count: 5, link: 'own' },
    { ...to, prefix: 'a-g', count: 5, link: 'go' },
  ]);
  await areActive(fleet.ids);
  await fleet.hasSent(3);
  await fleet.silence(fleet.ids);
  const ids = ['a-s7', 'a-o2', 'a-g3'];
  const counts = await fleet.counts(ids);
  for (const [i, id] of ids.entries()) {
    await eventually(async () => (await heartbeatsOf(id)).accepted === counts[i]?.sent);
  }
  expect((await fleet.state()).refused).toEqual([]);
});

test('a cut lets nothing through and closes nothing; what was sent meanwhile comes when it ends', async () => {
  const proxy = await startProxy();
  const to = { port: proxy.port, intervalMs: 200 };
  const fleet = await startFleet([
    { ...to, prefix: 'b-s', count: 10, link: 'shared' },
    { ...to, prefix: 'b-g', count: 2, link: 'go' },
  ]);
  await areActive(fleet.ids);
  proxy.cut();
  const before = (await heartbeatsOf('b-s1')).accepted;
  await fleet.hasSent(4, ['b-s1']);
  // What was under way when it was cut may have come; four more have not.
  expect((await heartbeatsOf('b-s1')).accepted).toBeLessThanOrEqual(before + 1);
  // The stream, and a Go worker's calls.
  expect(proxy.connections).toBeGreaterThanOrEqual(3);
  proxy.restore();
  const [{ sent } = { sent: 0 }] = await fleet.counts(['b-s1']);
  await eventually(async () => (await heartbeatsOf('b-s1')).accepted >= sent);
  await fleet.hasSent(2, ['b-g0', 'b-g1']);
});

test('workers that leave say so once, and those that die take their connection along', async () => {
  const proxy = await startProxy();
  const fleet = await startFleet([{ prefix: 'e-o', count: 4, link: 'own', port: proxy.port, intervalMs: 200 }]);
  await areActive(fleet.ids);
  await fleet.hasSent(1);
  const [before] = await fleet.counts(['e-o1']);
  await fleet.leave(['e-o1']);
  const [after] = await fleet.counts(['e-o1']);
  expect(after?.sent).toBe((before?.sent ?? 0) + 1);
  await fleet.die(['e-o2', 'e-o3']);
  await eventually(() => proxy.connections === 2);
  await fleet.hasSent(2, ['e-o0']);
  expect(await fleet.counts(['e-o1'])).toEqual([after]);
});

test('a blocked master does nothing, a stopped one neither; a killed one comes back where it was', async () => {
  const fleet = await startFleet([
    { prefix: 'c-s', count: 10, link: 'shared', port: master.grpcPort, intervalMs: 200 },
    { prefix: 'c-g', count: 2, link: 'go', port: master.grpcPort, intervalMs: 200 },
  ]);
  await areActive(fleet.ids);
  const accepted = async () => (await heartbeatsOf('c-s3')).accepted;

  const blocked = master.block(1500);
  // The HTTP thread lives; the block has begun, or begins before the next heartbeat but one.
  await fleet.hasSent(1, ['c-s3']);
  const before = await accepted();
  await fleet.hasSent(2, ['c-s3']);
  expect(await accepted()).toBeLessThanOrEqual(before + 1);
  await blocked;
  await eventually(async () => (await accepted()) >= before + 2);

  const paused = master.pause(1000);
  await fleet.hasSent(2, ['c-s3']);
  await paused;
  await fleet.hasSent(1);
  await areActive(fleet.ids);

  await master.kill();
  await fleet.hasSent(1, ['c-g0']);
  await master.startAgain();
  await areActive(fleet.ids);
});
