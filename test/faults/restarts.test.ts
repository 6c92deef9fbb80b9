/** A master that dies and comes back does not take its own absence for its workers' silence, and forgets none. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { SimFleet } from '../support/sim-fleet.ts';
import { inactivated, ofType, statesOf } from '../support/worker-events.ts';

const INTERVAL_MS = 500;
const TIMEOUT_MS = 2000;
const RESTARTS = 20;
/** Lives in which it waits until everybody is back; the others are as short as they can be. */
const LONG_LIFE_EVERY = 5;

let master: FaultMaster;
let fleet: SimFleet;

beforeAll(async () => {
  master = await FaultMaster.start({
    HEARTBEAT_INTERVAL: `${INTERVAL_MS}ms`,
    INACTIVITY_TIMEOUT: `${TIMEOUT_MS}ms`,
    // The shortest that there is: timeout, back-off of agents and two intervals.
    RESTART_GRACE: '1s',
    // 20 threads less to start.
    HTTP_PORT: 'off',
  });
  const to = { port: master.grpcPort, intervalMs: INTERVAL_MS };
  fleet = await SimFleet.start([
    { ...to, prefix: 'shared-', count: 80, link: 'shared' },
    { ...to, prefix: 'own-', count: 10, link: 'own' },
    { ...to, prefix: 'go-', count: 10, link: 'go' },
  ]);
  await areActive();
  // Admissions that are older than 1 s are kept.
  await fleet.hasSent(3);
});

afterAll(async () => {
  await fleet?.stop();
  await master?.close();
});

const areActive = () =>
  eventually(async () => {
    const states = statesOf(await master.events());
    return fleet.ids.every((id) => states.get(id) === 'active');
  });

const knownIds = async () => (await master.knownIds()).toSorted();

test('killed, and away for longer than the timeout: all are known at once, and nobody is declared dead', async () => {
  await master.kill();
  await fleet.hasSent(Math.ceil((1.5 * TIMEOUT_MS) / INTERVAL_MS), ['go-0']);
  await master.startAgain();
  expect(await knownIds()).toEqual(fleet.ids.toSorted());
  expect(ofType('grace', await master.events())).toHaveLength(1);
  await areActive();
  expect(inactivated(await master.events())).toEqual([]);
});

test('20 rolling restarts in a row: nobody is declared dead, nobody forgotten; who died among them is found out', async () => {
  for (let restart = 1; restart <= RESTARTS; restart++) {
    // Crashes and deployments in turn.
    if (restart % 2 === 0) await master.kill();
    else await master.stop();
    await master.startAgain();
    expect(await knownIds()).toEqual(fleet.ids.toSorted());
    if (restart % LONG_LIFE_EVERY === 0) await areActive();
    else await fleet.hasSent(1, ['own-0']);
    expect(inactivated(await master.events())).toEqual([]);
  }
  const dead = ['shared-7', 'own-5'];
  await fleet.silence(dead);
  await master.kill();
  await master.startAgain();
  expect(await knownIds()).toEqual(fleet.ids.toSorted());
  await eventually(async () => ofType('grace_over', await master.events()).length > 0, 30_000);
  await eventually(async () => inactivated(await master.events()).length >= dead.length);
  await fleet.hasSent(Math.ceil(TIMEOUT_MS / INTERVAL_MS), ['shared-0', 'go-0']);
  expect(inactivated(await master.events()).toSorted()).toEqual(dead.toSorted());
  expect(await knownIds()).toEqual(fleet.ids.toSorted());
}, 240_000);
