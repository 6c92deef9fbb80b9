/** Starts the servers under measurement and their load. */
import { workerIds } from '../load/fleet.ts';
import type { BareCalls } from '../processes/bare.ts';
import type { LoadCalls } from '../processes/load.ts';
import type { MasterCalls } from '../processes/master.ts';
import type { PlainCalls } from '../processes/plain.ts';
import type { ZodCalls } from '../processes/zod.ts';
import { type Size, scaled } from './bench.ts';
import type { Child, StartChild } from './child.ts';
import type { Ports, ServerProcess } from './server.ts';
import { eventually } from './time.ts';

/** Two ways to distribute a fleet over lanes. */
export type LaneMix = 'shared' | 'dedicated';
export type LaneSettings = Readonly<Record<'MAX_DEDICATED_LANES' | 'SHARED_LANES', string>>;

const DEDICATED_LANES = 100;

/** `shared`: two lanes for all; `dedicated`: a hundred dedicated lanes, and shared lanes for the rest. */
export function laneMixes(size: Size, sharedBesideDedicated = 2): Readonly<Record<LaneMix, LaneSettings>> {
  return {
    shared: { MAX_DEDICATED_LANES: '0', SHARED_LANES: '2' },
    dedicated: {
      MAX_DEDICATED_LANES: String(scaled(DEDICATED_LANES, size.fleet)),
      SHARED_LANES: String(sharedBesideDedicated),
    },
  };
}

/** A server, and the process that generates its load. */
export interface Started extends Ports {
  readonly server: ServerProcess;
  readonly load: Child<LoadCalls>;
}

export interface StartedMaster extends Started {
  readonly server: Child<MasterCalls>;
}

/** A master that knows its workers, all on their final lanes. */
export async function startMaster(
  start: StartChild,
  settings: Readonly<Record<string, string>>,
  workers: number,
): Promise<StartedMaster> {
  const server = start<MasterCalls>('master.ts');
  const load = start<LoadCalls>('load.ts');
  const ports = await server.call('start', settings);
  await server.call('settled', workerIds(workers));
  return { server, load, ...ports };
}

export interface StartedBare extends Started {
  readonly server: Child<BareCalls>;
}

/** See baseline/. The bare server's HTTP serves constant bodies. */
export async function startBare(start: StartChild): Promise<StartedBare> {
  const server = start<BareCalls>('bare.ts');
  const load = start<LoadCalls>('load.ts');
  return { server, load, ...(await server.call('start', {})) };
}

/** See baseline/. */
export async function startPlain(start: StartChild): Promise<Started> {
  const server = start<PlainCalls>('plain.ts');
  const load = start<LoadCalls>('load.ts');
  return { server, load, ...(await server.call('start', {})) };
}

/** See baseline/. */
export async function startZod(start: StartChild): Promise<Started> {
  const server = start<ZodCalls>('zod.ts');
  const load = start<LoadCalls>('load.ts');
  return { server, load, ...(await server.call('start', {})) };
}

/** Heartbeats that may be in progress at any moment. */
const UNDER_WAY = 200;

/** Waits until the server has worked off the backlog of a higher rate or of its start. */
export async function caughtUp({ server, load }: Pick<Started, 'server' | 'load'>): Promise<void> {
  const isSo = async () => {
    const { accepted } = await server.call('counts');
    return (await load.call('sent')) - accepted <= UNDER_WAY;
  };
  await eventually('the server keeps up', isSo, { everyMs: 200 });
}

/** From receipt to readable, in ms, of every worker's newest record since then; waits until there is one. */
export async function freshnessMs(server: Child<MasterCalls>, sinceMs: number): Promise<Float64Array> {
  let values: Float64Array = new Float64Array();
  await eventually('a record is new', async () => {
    values = await server.call('freshness', sinceMs);
    return values.length > 0;
  });
  return values;
}
