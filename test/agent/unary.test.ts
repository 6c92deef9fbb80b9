import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';

let master: FakeMaster;
let loop: LoopUnderTest;

beforeEach(async () => {
  master = await FakeMaster.start({ onlyUnary: true });
});

afterEach(async () => {
  await loop.stop();
  master.close();
});

function start(): void {
  loop = LoopUnderTest.fake({ workerId: 'worker-1', master: master.address });
  loop.post({
    type: 'task',
    task: { taskId: 't', cpuAllocated: 1, memoryAllocated: 2, gpuAllocated: 0, status: 'paused' },
  });
}

describe('an agent with a master that answers UNIMPLEMENTED to TelemetryService', () => {
  test('registers and sends single calls, as a Go master expects', async () => {
    start();
    await eventually(() => {
      loop.clock.advance(1_000);
      return master.clusterHeartbeats.length >= 3;
    });
    expect(master.clusterRegistrations).toHaveLength(1);
    expect(master.clusterRegistrations[0]).toMatchObject({ workerId: 'worker-1', totalCpu: 4, totalGpu: 1 });
    const beat = master.clusterHeartbeats.at(-1);
    expect(beat).toMatchObject({ workerId: 'worker-1', cpuUsage: 12.5, storageUsage: 50 });
    expect(beat?.runningTasks).toMatchObject([{ taskId: 't', cpuAllocated: 1, memoryAllocated: 2, status: 'paused' }]);
    expect(beat?.$unknown ?? []).toEqual([]);
    expect(loop.lines).toEqual([`reporting worker-1 to ${master.address} every 5s, one call per heartbeat`]);
  });

  test('tells it of no ended tasks, and keeps them for a master that knows them', async () => {
    start();
    loop.post({ type: 'task-ended', end: { number: 1, task: { taskId: 'done' } } });
    await eventually(() => {
      loop.clock.advance(1_000);
      return master.clusterHeartbeats.length >= 5;
    });
    master.close();
    await eventually(() => {
      loop.clock.advance(1_000);
      return loop.lines.length > 1;
    });
    await master.listen({ port: master.port });
    const told = await eventually(() => {
      loop.clock.advance(200);
      return master.heartbeats.find(({ endedTasks }) => endedTasks.length > 0);
    });
    expect(told.endedTasks).toMatchObject([{ taskId: 'done' }]);
  });

  test('says no farewell, which these masters do not know', async () => {
    start();
    await eventually(() => loop.of('beat').length > 0 && master.clusterHeartbeats.length > 0);
    const before = master.clusterHeartbeats.length;
    await loop.stop();
    expect(master.clusterHeartbeats).toHaveLength(before);
  });

  test('keeps trying while it is not admitted, and says why', async () => {
    master.admits = false;
    start();
    await eventually(() => {
      loop.clock.advance(2_000);
      return master.clusterRegistrations.length >= 3;
    });
    expect(loop.lines).toEqual([expect.stringContaining('worker is not registered by an operator')]);
    expect(master.clusterHeartbeats).toHaveLength(0);
    master.admits = true;
    await eventually(() => {
      loop.clock.advance(2_000);
      return master.clusterHeartbeats.length > 0;
    });
  });

  test('says once that values were rejected, by a status or with the next answer, and goes on sending', async () => {
    master.clusterStatus = status.INVALID_ARGUMENT;
    master.clusterRejected = 'cpu_usage is -1 %28really%29';
    start();
    const sent = async (count: number) => {
      const before = master.clusterHeartbeats.length;
      await eventually(() => {
        loop.clock.advance(1_000);
        return master.clusterHeartbeats.length >= before + count;
      });
    };
    await sent(3);
    master.clusterStatus = status.OK;
    master.clusterRejected = 'cpu_usage is -2 %28really%29';
    await sent(3);
    master.clusterRejected = undefined;
    await eventually(() => {
      loop.clock.advance(1_000);
      return loop.lines.some((line) => line.includes('again'));
    });
    expect(loop.lines).toEqual([
      `reporting worker-1 to ${master.address} every 5s, one call per heartbeat`,
      'the master rejects the values of heartbeats: invalid argument: cpu_usage is -1 (really)',
      'the master accepts heartbeats again',
    ]);
    expect(master.clusterRegistrations).toHaveLength(1);
  });

  test('goes on sending while the master has no memory for its values, but hears it', async () => {
    master.clusterStatus = status.RESOURCE_EXHAUSTED;
    master.clusterRejected = 'RECORD_MEMORY is exhausted';
    start();
    await eventually(() => {
      loop.clock.advance(1_000);
      return master.clusterHeartbeats.length >= 4;
    });
    expect(loop.lines).toEqual([
      `reporting worker-1 to ${master.address} every 5s, one call per heartbeat`,
      'the master rejects the values of heartbeats: resource exhausted: RECORD_MEMORY is exhausted',
    ]);
    expect(master.clusterRegistrations).toHaveLength(1);
  });

  test('registers anew with a master that has forgotten it', async () => {
    start();
    await eventually(() => master.clusterHeartbeats.length > 0);
    master.admits = false;
    await eventually(() => {
      loop.clock.advance(5_000);
      return master.clusterRegistrations.length >= 2;
    });
    master.admits = true;
    const before = master.clusterHeartbeats.length;
    await eventually(() => {
      loop.clock.advance(5_000);
      return master.clusterHeartbeats.length > before + 1;
    });
  });
});
