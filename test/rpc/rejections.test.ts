/** Who sent a heartbeat whose values were rejected hears why, and stays alive. */

import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { RefusalCode } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { ACK_EVERY_MS } from '../../src/rpc/telemetry-service.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningRpc, startRpc } from '../support/rpc-server.ts';

let rpc: RunningRpc;
afterEach(() => rpc.stop());

/** So that no test waits for answers on a stream as long as agents do. */
const SHORT_ACK_PERIOD_MS = 200;

async function start(engine: TelemetryManagerOptions = {}, ackEveryMs = SHORT_ACK_PERIOD_MS) {
  rpc = await startRpc({ engine, ackEveryMs });
  return rpc.client();
}

const entryOf = (workerId: string) => rpc.manager.directory.get(workerId);
const rejectedOf = (workerId: string) => entryOf(workerId)?.slot.rejected ?? 0;
const lastUpdate = (workerId: string) => rpc.manager.getWorkerTelemetry(workerId)?.lastUpdate;

test('on a stream, as a refusal with code, reason and sequence; the worker is alive, and its heartbeat acknowledged', async () => {
  const stream = (await start()).stream();
  stream.send({ workerId: 'a', sequence: 1n, cpuUsage: 5 });
  await eventually(() => rpc.manager.getWorkerTelemetry('a')?.isActive);
  stream.send({ workerId: 'a', sequence: 2n, metrics: { 'a "b"': Number.NaN } });
  const refusal = await eventually(() => stream.refusals[0]);
  expect(refusal).toMatchObject({
    workerId: 'a',
    sequence: 2n,
    code: RefusalCode.INVALID_ARGUMENT,
    reason: 'metrics["a \\"b\\""] is NaN, expected a finite number',
    retryAfterMs: 0,
    heard: true,
    count: 1,
  });
  await eventually(() => stream.acked('a') === 2);
  expect(rpc.manager.getWorkerTelemetry('a')).toMatchObject({ isActive: true, cpuUsage: 5 });
  expect(entryOf('a')?.slot.lastRejection()).toMatchObject({ sequence: 2 });
  expect(stream.refusals).toHaveLength(1);
});

test('a flood of rejections is few notices that add up, and nothing for neighbours on the same stream', async () => {
  // With the usual period: notices are to be few also where the flood takes long.
  const stream = (await start({ maxWorkerHeartbeatsPerS: 0 }, ACK_EVERY_MS)).stream();
  const flood = 2000;
  for (let n = 1; n <= flood; n++) {
    stream.send({ workerId: 'flood', sequence: BigInt(n), cpuUsage: -n });
    if (n % 100 === 0) stream.send({ workerId: 'calm', sequence: BigInt(n / 100), cpuUsage: 1 });
  }
  await eventually(() => stream.acked('flood') === flood && stream.acked('calm') === flood / 100);
  await eventually(
    () => rejectedOf('flood') > 0 && stream.refusals.reduce((sum, { count }) => sum + count, 0) === rejectedOf('flood'),
  );
  expect(stream.refusals.length).toBeLessThan(10);
  expect(new Set(stream.refusals.map(({ workerId }) => workerId))).toEqual(new Set(['flood']));
  expect(rejectedOf('calm')).toBe(0);
});

test.each([
  ['cpuUsage', Number.NaN, 'cpu_usage is NaN, expected a finite number that is not negative'],
  ['memoryUsage', -1, 'memory_usage is -1, expected a finite number that is not negative'],
  ['gpuUsage', Number.POSITIVE_INFINITY, 'gpu_usage is Infinity, expected a finite number that is not negative'],
])(
  'over a unary call %s = %s is a status on that very call, once, and the worker is heard',
  async (name, value, text) => {
    const client = await start();
    await client.sendHeartbeat({ workerId: 'a', cpuUsage: 5 });
    await eventually(() => rpc.manager.getWorkerTelemetry('a')?.isActive);
    const before = entryOf('a')?.slot.applied;
    await expect(client.sendHeartbeat({ workerId: 'a', [name]: value })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: text,
    });
    expect(client.rejected).toEqual([undefined, text]);
    await eventually(() => rejectedOf('a') === 1);
    expect(entryOf('a')?.slot.applied).toBe(before);
    expect(entryOf('a')?.slot.lastRejection()?.reason).toBe(text);
    expect(rpc.manager.directory.board.view(entryOf('a')?.row ?? 0, 0).accepted).toBe(2);
    // It was told already.
    await expect(client.sendHeartbeat({ workerId: 'a', cpuUsage: 6 })).resolves.toMatchObject({ success: true });
    await client.sendHeartbeat({ workerId: 'a', cpuUsage: 7 });
    expect(client.rejected.slice(2)).toEqual([undefined, undefined]);
  },
);

test('a worker all of whose heartbeats are rejected goes on being heard', async () => {
  const client = await start();
  await expect(client.sendHeartbeat({ workerId: 'a', cpuUsage: -1 })).rejects.toThrow('cpu_usage is -1');
  expect(lastUpdate('a')).toBeGreaterThan(0);
});

test('what only its lane can see goes with the next answer, which is OK, once', async () => {
  const client = await start();
  await client.sendHeartbeat({ workerId: 'a', runningTasks: [{ taskId: 't', cpuAllocated: -3 }] });
  await eventually(() => rejectedOf('a') === 1);
  await expect(client.sendHeartbeat({ workerId: 'a', cpuUsage: 1 })).resolves.toMatchObject({ success: true });
  await client.sendHeartbeat({ workerId: 'a', cpuUsage: 1 });
  const reason = 'running_tasks[0].cpu_allocated is -3, expected a finite number that is not negative';
  expect(client.rejected).toEqual([undefined, reason, undefined]);
});

test('what its lane rejects after a status was told is told, too', async () => {
  const client = await start();
  await expect(client.sendHeartbeat({ workerId: 'a', cpuUsage: -1 })).rejects.toThrow('cpu_usage is -1');
  await eventually(() => rejectedOf('a') === 1);
  await client.sendHeartbeat({ workerId: 'a', metrics: { x: Number.NaN } });
  await eventually(() => rejectedOf('a') === 2);
  const told = client.sendHeartbeat({ workerId: 'a', memoryUsage: -1 });
  await expect(told).rejects.toThrow('memory_usage is -1, expected a finite number that is not negative');
  expect(client.rejected.at(-1)).toBe(
    'memory_usage is -1, expected a finite number that is not negative; before it: metrics["x"] is NaN, expected a finite number',
  );
});

test('a late heartbeat, which its lane does not get, does not stand for the one before it', async () => {
  const client = await start();
  const foretold = vi.spyOn(rpc.manager.untoldRejections, 'foretold');
  await client.sendHeartbeat({ workerId: 'a', sequence: 9n, metrics: { x: Number.NaN } });
  await expect(client.sendHeartbeat({ workerId: 'a', sequence: 8n, cpuUsage: -1 })).rejects.toThrow('cpu_usage is -1');
  expect(foretold).not.toHaveBeenCalled();
  await eventually(() => rejectedOf('a') === 1);
  await client.sendHeartbeat({ workerId: 'a', sequence: 10n });
  // With the late one’s answer or the one after it, whichever the lane was in time for.
  expect(client.rejected.filter((text) => text?.includes('metrics["x"] is NaN'))).toHaveLength(1);
});

describe('a heartbeat for which there is no memory is heard', () => {
  const large = { workerId: 'a', cpuUsage: 5, runningTasks: [{ taskId: 'x'.repeat(1024 ** 2) }] };

  test('on a stream: a refusal says so, and it is acknowledged', async () => {
    const stream = (await start({ recordMemoryBytes: 4 * 1024 ** 2 })).stream();
    stream.send({ ...large, sequence: 1n });
    const refusal = await eventually(() => stream.refusals[0]);
    expect(refusal).toMatchObject({ workerId: 'a', sequence: 1n, code: RefusalCode.RESOURCE_EXHAUSTED, heard: true });
    expect(refusal.reason).toContain('RECORD_MEMORY');
    await eventually(() => stream.acked('a') === 1);
    expect(lastUpdate('a')).toBeGreaterThan(0);
  });

  test('over a unary call: the status carries the reason', async () => {
    const client = await start({ recordMemoryBytes: 4 * 1024 ** 2 });
    await expect(client.sendHeartbeat(large)).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(client.rejected).toEqual([expect.stringContaining('RECORD_MEMORY')]);
    expect(lastUpdate('a')).toBeGreaterThan(0);
  });
});

test('a worker that goes on by a stream hears there of what it sent by a call', async () => {
  const client = await start();
  await client.sendHeartbeat({ workerId: 'a', metrics: { x: Number.NaN } });
  await eventually(() => rejectedOf('a') === 1);
  const stream = client.stream();
  stream.send({ workerId: 'a', sequence: 1n });
  expect(await eventually(() => stream.refusals[0])).toMatchObject({ workerId: 'a', heard: true, sequence: 0n });
});

test('a worker is told of its own heartbeats alone', async () => {
  const client = await start();
  await client.sendHeartbeat({ workerId: 'a', metrics: { x: Number.NaN } });
  await eventually(() => rejectedOf('a') === 1);
  await client.sendHeartbeat({ workerId: 'b', cpuUsage: 1 });
  await client.sendHeartbeat({ workerId: 'a', cpuUsage: 1 });
  expect(client.rejected).toEqual([undefined, undefined, 'metrics["x"] is NaN, expected a finite number']);
});

test('a processor’s own words are told, made printable and cut', async () => {
  const processor = fileURLToPath(new URL('../support/processors/rude.mjs', import.meta.url));
  const client = await start({ processor });
  await client.sendHeartbeat({ workerId: 'a', cpuUsage: 1 });
  await eventually(() => rejectedOf('a') === 1);
  await client.sendHeartbeat({ workerId: 'a', cpuUsage: 1 });
  const [, told = ''] = client.rejected;
  expect(told).toMatch(/^processor: no\\x1b\[31m\\x0d\\x0a é/);
  expect(told.length).toBeLessThan(1024);
  const stream = client.stream();
  stream.send({ workerId: 'b', sequence: 1n });
  const refusal = await eventually(() => stream.refusals[0]);
  expect(refusal).toMatchObject({ workerId: 'b', sequence: 1n, heard: true });
  expect(refusal.reason).toMatch(/^processor: no\\x1b/);
});

test('usages above 100 are kept as they came, at every door', async () => {
  const client = await start();
  const usages = { cpuUsage: 250.5, memoryUsage: 101, gpuUsage: 400 };
  await client.sendHeartbeat({ workerId: 'unary', ...usages });
  const stream = client.stream();
  stream.send({ workerId: 'stream', sequence: 1n, ...usages });
  rpc.manager.processHeartbeat({ workerId: 'library', ...usages });
  for (const workerId of ['unary', 'stream', 'library']) {
    const seen = await eventually(() => {
      const telemetry = rpc.manager.getWorkerTelemetry(workerId);
      return telemetry?.isActive && telemetry;
    });
    expect(seen).toMatchObject(usages);
  }
  expect(client.rejected).toEqual([undefined]);
  expect(stream.refusals).toEqual([]);
});
