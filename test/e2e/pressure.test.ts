/** Many at once, and one that is too much: over real sockets, asserting on what is lost and not on times. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { eventually } from '../support/eventually.ts';
import { WorkerClient } from '../support/grpc-client.ts';

let master: RunningMaster | undefined;
const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-pressure-'));
const clients: WorkerClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await master?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Floods are what is tested. */
const NO_RATES = { MAX_HEARTBEAT_RATE: '0', MAX_PEER_HEARTBEAT_RATE: '0' };

async function start(settings: Record<string, string>): Promise<RunningMaster> {
  const environment = {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: 'off',
    ALERTS: 'off',
    DATA_DIR: dataDir,
    ...NO_RATES,
    ...settings,
  };
  const config = resolveOptions(masterOptions, { flags: {}, environment, dotenv: {} });
  master = await startMaster(config, { logger: silentLogger, clock: systemClock });
  return master;
}

function connect({ grpcAddress }: RunningMaster): WorkerClient {
  const client = new WorkerClient(grpcAddress.port, { 'grpc.use_local_subchannel_pool': 1 });
  clients.push(client);
  return client;
}

test('a thousand workers that come at once are all visible with their first heartbeat, whatever their threads cost', async () => {
  const running = await start({ MAX_DEDICATED_LANES: '60', SHARED_LANES: '2' });
  const senders = Array.from({ length: 10 }, () => connect(running));
  const acks = Array.from({ length: 1000 }, (_, i) =>
    (senders[i % senders.length] as WorkerClient).sendHeartbeat({ workerId: `w${i}`, cpuUsage: i }),
  );
  await Promise.all(acks);
  // All are accepted; none had to wait for a thread of its own to be so.
  expect(running.manager.directory.size).toBe(1000);
  await eventually(() => [...running.manager.directory.all()].every(({ slot }) => slot.counts().applied === 1));
  for (let i = 0; i < 1000; i++) expect(running.manager.getWorkerTelemetry(`w${i}`)?.cpuUsage).toBe(i);
  const own = () =>
    running.manager.internalState().lanes.filter(({ kind, workers }) => kind === 'dedicated' && workers === 1);
  await eventually(() => own().length === 60);
  for (const { row } of running.manager.directory.all()) {
    const { lost, replaced } = running.manager.directory.board.view(row, 0);
    expect(lost + replaced).toBe(0);
  }
});

test.each(['dedicated', 'shared'])(
  'a flood on a %s lane is replaced, counted, and costs nobody else a heartbeat',
  async (kind) => {
    const running = await start({
      MAX_DEDICATED_LANES: kind === 'shared' ? '0' : '10',
      SHARED_LANES: '1',
      LANE_DEPTH: '4',
    });
    const { directory } = running.manager;
    const neighbours = Array.from({ length: 5 }, (_, i) => `n${i}`);
    const quiet = connect(running).stream();
    const flood = connect(running).stream();
    let sent = 0;
    for (let round = 1; round <= 20; round++) {
      for (let i = 0; i < 500; i++) flood.send({ workerId: 'flood', sequence: BigInt(++sent), cpuUsage: sent });
      for (const workerId of neighbours) quiet.send({ workerId, sequence: BigInt(round), cpuUsage: round });
      await eventually(() => neighbours.every((id) => running.manager.getWorkerTelemetry(id)?.cpuUsage === round));
    }
    await eventually(() => running.manager.getWorkerTelemetry('flood')?.cpuUsage === sent);
    const entry = directory.get('flood');
    if (entry === undefined) throw new Error('the flooding worker is gone');
    const { accepted, replaced, replacedBy, lost } = directory.board.view(entry.row, 0);
    expect({ accepted, lost }).toEqual({ accepted: sent, lost: 0 });
    expect(replaced).toBeGreaterThan(0);
    expect(replacedBy.quarantine).toBe(0);
    expect(entry.slot.counts().applied + replaced).toBe(sent);
    for (const id of neighbours) {
      const of = directory.get(id);
      const view = directory.board.view(of?.row ?? -1, 0);
      expect([view.accepted, view.replaced, view.lost, of?.slot.counts().applied]).toEqual([20, 0, 0, 20]);
    }
  },
);
