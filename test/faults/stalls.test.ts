/** The master's own stalls are not the workers' silence: in real time, since it is real time that a stall takes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { SimFleet } from '../support/sim-fleet.ts';
import { alarms, inactivated, ofType } from '../support/worker-events.ts';

const STALL_MS = 20_000;
const INTERVAL_MS = 2000;
/** Three of them fit into the stall. */
const TIMEOUT_MS = 6000;

interface Stage {
  master: FaultMaster;
  fleet: SimFleet;
}

async function startStage(): Promise<Stage> {
  const settings = { HEARTBEAT_INTERVAL: `${INTERVAL_MS}ms`, INACTIVITY_TIMEOUT: `${TIMEOUT_MS}ms` };
  const master = await FaultMaster.start(settings);
  const to = { port: master.grpcPort, intervalMs: INTERVAL_MS };
  const fleet = await SimFleet.start([
    { ...to, prefix: 'shared-', count: 240, link: 'shared' },
    { ...to, prefix: 'own-', count: 40, link: 'own' },
    { ...to, prefix: 'go-', count: 20, link: 'go' },
  ]);
  return { master, fleet };
}

async function endStage({ master, fleet }: Stage): Promise<void> {
  await fleet.stop();
  await master.close();
}

describe.concurrent('300 healthy workers are neither suspected nor declared dead', () => {
  let stages: Stage[] = [];
  beforeAll(async () => {
    stages = await Promise.all([startStage(), startStage()]);
  });
  afterAll(() => Promise.all(stages.map(endStage)));

  test.each([
    ['the main thread is blocked for 20 s', 0, (master: FaultMaster) => master.block(STALL_MS)],
    ['the whole master is stopped for 20 s', 1, (master: FaultMaster) => master.pause(STALL_MS)],
  ] as const)('while %s, and dead ones are found out after it', async (_, index, stall) => {
    const { master, fleet } = stages[index] as Stage;
    await eventually(async () => (await master.get('/health')).active_workers === fleet.ids.length);
    await fleet.hasSent(2);
    // They die right before, so that their time is still to come.
    const dead = ['shared-17', 'own-3'];
    await fleet.silence(dead);
    const living = fleet.ids.filter((id) => !dead.includes(id));

    await stall(master);
    await eventually(async () => inactivated(await master.events()).length >= dead.length);
    // Everybody else’s time has come meanwhile, too.
    await fleet.hasSent(2, living);

    const events = await master.events();
    expect(alarms(events).filter((id) => living.includes(id))).toEqual([]);
    expect(inactivated(events).toSorted()).toEqual(dead.toSorted());
    expect(ofType('stall', events).length).toBeGreaterThan(0);
    expect((await fleet.state()).refused).toEqual([]);
  });
});
