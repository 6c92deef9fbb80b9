/** Starts dedicated lanes, each with one heartbeat applied, and tells what they cost this process. */
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { answerParent } from '../lib/child.ts';

export interface LanesRequest {
  readonly lanes: number;
}

export interface LanesAnswer {
  readonly rssBytesPerLane: number;
  readonly cpuMsPerLane: number;
}

/** More than start at once, so that the shared lanes are among them. */
const WARM_LANES = 4;

const manager = new TelemetryManager({ maxDedicatedLanes: 10_000 });

answerParent<LanesRequest>(
  async ({ lanes }) => {
    await manager.start();
    // The first lanes pay for what all share: code pages, allocator arenas, and the shared lanes that stand in.
    await serve(WARM_LANES);
    const rssBefore = process.memoryUsage.rss();
    const cpuBefore = process.cpuUsage();
    await serve(WARM_LANES + lanes);
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      rssBytesPerLane: (process.memoryUsage.rss() - rssBefore) / lanes,
      cpuMsPerLane: (user + system) / 1000 / lanes,
    };
  },
  () => manager.shutdown(),
);

/** Resolves when workers 0 to `count` - 1 have a heartbeat applied and are on lanes of their own. */
async function serve(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (manager.getWorkerTelemetry(`w${i}`) === undefined) manager.processHeartbeat({ workerId: `w${i}`, cpuUsage: 1 });
  }
  const isDone = () => {
    const { lanes } = manager.internalState();
    const own = lanes.filter(({ kind, state, workers }) => kind === 'dedicated' && state === 'ready' && workers === 1);
    return own.length === count && [...manager.directory.all()].every(({ slot }) => slot.counts().applied > 0);
  };
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 20));
}
