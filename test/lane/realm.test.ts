/** Whatever a processor does to JavaScript's and Node's builtins, the lane publishes as if it had not: in real threads. */
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { heartbeatBytes } from '../../src/engine/heartbeat-bytes.ts';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { decodeHeartbeat } from '../../src/lane/decode.ts';
import { recordJsonHead } from '../../src/model/record-json.ts';
import type { HeartbeatInput } from '../../src/model/telemetry.ts';
import { IS_LONG_RUN } from '../support/repetitions.ts';

const VANDAL = fileURLToPath(new URL('../support/processors/vandal.mjs', import.meta.url));
/** By what a builtin is replaced, see the processor. */
const KINDS = ['something that throws', 'something that answers nonsense', 'something that answers', 'a text'] as const;
const NOTHING = -1;
const EVERYTHING = -2;

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

/** A master whose shared lane the processor is in, and what that lane's workers show. */
async function startMaster() {
  const manager = new TelemetryManager({ processor: VANDAL, maxDedicatedLanes: 0, sharedLanes: 1 });
  running.push(manager);
  await manager.start();
  const entryOf = (workerId: string) => manager.directory.get(workerId);
  const countsOf = (workerId: string) => {
    const { row, slot } = entryOf(workerId) ?? expect.fail(`${workerId} is not known`);
    const { accepted, lost } = manager.directory.board.view(row, 0);
    return { accepted, lost, ...slot.counts() };
  };
  return {
    manager,
    countsOf,
    faultOf: (workerId: string) => entryOf(workerId)?.lastFault,
    recordOf: (workerId: string) => entryOf(workerId)?.slot.json(''),
    rejectionOf: (workerId: string) => entryOf(workerId)?.slot.lastRejection()?.reason,
    /** Resolves when the lane is done with all heartbeats of the worker. */
    async done(workerId: string) {
      const deadlineMs = performance.now() + 30_000;
      for (;;) {
        const { accepted, applied, rejected, lost } = countsOf(workerId);
        if (accepted === applied + rejected + lost) return;
        if (performance.now() > deadlineMs) throw new Error(`${workerId}: ${JSON.stringify(countsOf(workerId))}`);
        await new Promise(setImmediate);
      }
    },
  };
}

/** What a lane publishes of it where nothing is replaced. */
function expectedRecord(input: HeartbeatInput, targets: number): string {
  const heartbeat = decodeHeartbeat(heartbeatBytes(input));
  heartbeat.metrics.set('derived', heartbeat.cpuUsage / 3);
  heartbeat.metrics.set('a "név"', -1.5);
  heartbeat.metrics.set('targets', targets);
  return recordJsonHead(heartbeat);
}

const replace = (kind: number, target: number): HeartbeatInput => ({
  workerId: 'vandal',
  cpuUsage: 99 + 1 / 3,
  runningTasks: [{ taskId: 'ünï "\u{1f600}', status: 'running', progress: 0.25 }],
  metrics: { kind, target },
});

const SHAPES: readonly HeartbeatInput[] = [
  { workerId: 'näighbour', cpuUsage: 14.999999999997726, metrics: { 'ä"\\': 1e-7, constructor: 2 } },
  {
    workerId: 'näighbour',
    memoryUsage: 1e21,
    sentAtUnixMs: 1_700_000_000_000,
    runningTasks: [{ taskId: 'tâche', status: 'running', startedAtUnixMs: 12 }, {}],
    endedTasks: [{ taskId: 'tâche', outcome: 'failed', exitCode: -9, cpuSeconds: 0.5, maxRssBytes: 4096 }],
    gpus: [{ index: 1, uuid: 'GPU-é', name: 'g', powerWatts: 3.5 }],
  },
];
const BAD: HeartbeatInput = { workerId: 'näighbour', runningTasks: [{}, { cpuAllocated: -1 }] };

async function targetsOf({ manager, recordOf, done }: Awaited<ReturnType<typeof startMaster>>): Promise<number> {
  manager.processHeartbeat(replace(0, NOTHING));
  await done('vandal');
  const { metrics } = JSON.parse(`${recordOf('vandal')}}`) as { metrics: { targets: number } };
  return metrics.targets;
}

test('a lane publishes the same bytes, whichever builtin a processor replaces', async () => {
  const master = await startMaster();
  const { manager, done, countsOf, recordOf, rejectionOf } = master;
  const targets = await targetsOf(master);
  expect(targets).toBeGreaterThan(2000);
  const replaceOne = async (target: number, kind: number) => {
    const patch = replace(kind, target);
    const shape = SHAPES[target % SHAPES.length] as HeartbeatInput;
    manager.processHeartbeat(patch);
    manager.processHeartbeat(shape);
    manager.processHeartbeat(BAD);
    await done('vandal');
    await done('näighbour');
    expect(recordOf('vandal')).toBe(expectedRecord(patch, targets));
    expect(recordOf('näighbour')).toBe(expectedRecord(shape, targets));
    expect(rejectionOf('näighbour')).toBe(
      'running_tasks[1].cpu_allocated is -1, expected a finite number that is not negative',
    );
    expect(countsOf('vandal').lost + countsOf('näighbour').lost).toBe(0);
  };
  for (let target = 0; target < targets; target++) {
    // Half of them, in turn.
    for (const kind of KINDS.keys()) if (IS_LONG_RUN || (target + kind) % 2 === 0) await replaceOne(target, kind);
  }
});

test.each(KINDS.map((what, kind) => [what, kind] as const))(
  'a processor that replaces every builtin at once by %s changes no record, or its worker is charged',
  async (_, kind) => {
    const master = await startMaster();
    const { manager, done, countsOf, faultOf, recordOf } = master;
    const targets = await targetsOf(master);
    for (const shape of SHAPES) {
      manager.processHeartbeat(shape);
      await done('näighbour');
    }
    const many = Array.from({ length: 200 }, (_, task) => ({ taskId: `task-${task}` }));
    const large: HeartbeatInput = { workerId: 'näighbour', cpuUsage: 3, runningTasks: many };
    manager.processHeartbeat(replace(kind, EVERYTHING));
    manager.processHeartbeat(large);
    await done('vandal');
    await done('näighbour');
    expect(recordOf('näighbour')).toBe(expectedRecord(large, targets));
    expect(countsOf('näighbour')).toEqual({ accepted: 3, applied: 3, rejected: 0, lost: 0 });
    if (faultOf('vandal') === undefined)
      expect(recordOf('vandal')).toBe(expectedRecord(replace(kind, EVERYTHING), targets));
    else
      expect(faultOf('vandal')).toMatchObject({
        cause: 'crash',
        reason: expect.stringMatching(/^the processor threw: /),
      });
  },
);
