/** Starts dedicated lanes, each with one heartbeat applied, and tells what they cost this process. */
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { answerParent } from '../lib/child.ts';
import { usage } from '../lib/server.ts';
import { eventually } from '../lib/time.ts';

export interface LaneCost {
  readonly rssBytesPerLane: number;
  readonly cpuMsPerLane: number;
}

/** More than start at once, so that the shared lanes are among them. */
const WARM_LANES = 4;

const manager = new TelemetryManager({ maxDedicatedLanes: 10_000 });

const calls = {
  async start(lanes: number): Promise<LaneCost> {
    await manager.start();
    // The first lanes pay for what all share: code pages, allocator arenas, and the shared lanes that stand in.
    await serve(WARM_LANES);
    const rssBefore = process.memoryUsage.rss();
    const before = usage();
    await serve(WARM_LANES + lanes);
    return {
      rssBytesPerLane: (process.memoryUsage.rss() - rssBefore) / lanes,
      cpuMsPerLane: (usage().processCpuMs - before.processCpuMs) / lanes,
    };
  },
};
export type LanesCalls = typeof calls;

answerParent(calls, () => manager.shutdown());

/** Resolves when workers 0 to `count` - 1 have a heartbeat applied and are on lanes of their own. */
async function serve(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (manager.getWorkerTelemetry(`w${i}`) === undefined) manager.processHeartbeat({ workerId: `w${i}`, cpuUsage: 1 });
  }
  await eventually('all lanes started', () => {
    const { lanes } = manager.internalState();
    const own = lanes.filter(({ kind, state, workers }) => kind === 'dedicated' && state === 'ready' && workers === 1);
    return own.length === count && [...manager.directory.all()].every(({ slot }) => slot.counts().applied > 0);
  });
}
