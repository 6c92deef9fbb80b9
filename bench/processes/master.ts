/** A whole master under measurement: gRPC, lanes, HTTP. Asked for what only its own process can see. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMaster } from '../../src/app/master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { answerParent } from '../lib/child.ts';

export type MasterRequest =
  | { readonly type: 'start'; readonly settings: Readonly<Record<string, string>> }
  /** Whether every worker has moved to a lane of its own, if it gets one. */
  | { readonly type: 'settled' }
  /** Receipt to readable, in ms, of every worker's newest record that was not told before. */
  | { readonly type: 'latencies' }
  /** How long `getWorkerTelemetry` and `getAllWorkerTelemetry` take, in ms. */
  | { readonly type: 'queries'; readonly one: number; readonly all: number };

export interface MasterAnswers {
  readonly start: { readonly grpcPort: number; readonly httpPort: number };
  readonly settled: { readonly lanes: number };
  readonly latencies: { readonly values: readonly number[] };
  readonly queries: { readonly one: readonly number[]; readonly all: readonly number[] };
}

const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-bench-'));
let master: Awaited<ReturnType<typeof startMaster>> | undefined;
const told = new Map<string, number>();

answerParent<MasterRequest>(
  async (request) => {
    if (request.type === 'start') return start(request.settings);
    if (request.type === 'settled') return { lanes: readyLanes() };
    if (request.type === 'latencies') return { values: latencies() };
    return queries(request.one, request.all);
  },
  async () => {
    await master?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  },
);

async function start(settings: Readonly<Record<string, string>>): Promise<MasterAnswers['start']> {
  const environment = { HTTP_PORT: '127.0.0.1:0', GRPC_PORT: '127.0.0.1:0', DATA_DIR: dataDir, ...settings };
  const config = resolveOptions(masterOptions, { flags: {}, environment, dotenv: {} });
  master = await startMaster(config, { logger: silentLogger, clock: systemClock });
  return { grpcPort: master.grpcAddress.port, httpPort: master.httpAddress?.port ?? 0 };
}

/** Dedicated lanes that serve their worker. */
function readyLanes(): number {
  const { lanes } = running().internalState();
  return lanes.filter(({ kind, state, workers }) => kind === 'dedicated' && state === 'ready' && workers === 1).length;
}

function latencies(): number[] {
  const values: number[] = [];
  for (const { workerId, slot } of running().directory.all()) {
    const record = slot.numbers();
    if (record === undefined || told.get(workerId) === record.ordinal) continue;
    told.set(workerId, record.ordinal);
    values.push(record.publishedMonotonicMs - record.receivedMonotonicMs);
  }
  return values;
}

function queries(one: number, all: number): MasterAnswers['queries'] {
  const manager = running();
  const ids = Array.from(manager.directory.all(), ({ workerId }) => workerId);
  return {
    one: Array.from({ length: one }, (_, i) =>
      timedMs(() => manager.getWorkerTelemetry(ids[i % ids.length] as string)),
    ),
    all: Array.from({ length: all }, () => timedMs(() => manager.getAllWorkerTelemetry())),
  };
}

function running() {
  if (master === undefined) throw new Error('the master is not started');
  return master.manager;
}

function timedMs(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
