import { create, toBinary } from '@bufbuild/protobuf';
import { type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { DeregisterRequestSchema, RefusalCode, WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { eventually } from '../support/eventually.ts';
import { WorkerClient } from '../support/grpc-client.ts';
import { NO_LIMITS } from '../support/rpc-limits.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function startServer(options: TelemetryManagerOptions = {}, maxMessageBytes = 4 * 1024 ** 2) {
  const manager = new TelemetryManager({ maxWorkers: 50, ...options });
  await manager.start();
  cleanUps.push(() => manager.shutdown());
  const server = new RpcServer({
    address: { host: '127.0.0.1', port: 0 },
    manager,
    limits: { ...NO_LIMITS, maxMessageBytes },
    clock: systemClock,
    logger: silentLogger,
  });
  const { port } = await server.start();
  cleanUps.push(() => server.stop());
  const client = new WorkerClient(port);
  cleanUps.push(() => client.close());
  return { manager, server, client, port };
}

const workerInfo = (workerId: string) =>
  toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { workerId, totalCpu: 8, labels: { zone: 'a' } }));

function stateOf(manager: TelemetryManager, workerId: string): string | undefined {
  const entry = manager.directory.get(workerId);
  return entry && manager.directory.board.state(entry.row);
}

let setup: Awaited<ReturnType<typeof startServer>>;
beforeEach(async () => {
  setup = await startServer();
});

test('a legacy worker registers and sends', async () => {
  const { client, manager } = setup;
  expect(await client.call('RegisterWorker', workerInfo('node-a'))).toMatchObject({ success: true });
  expect(manager.getWorkerTelemetry('node-a')).toMatchObject({ isActive: false });
  expect(await client.sendHeartbeat({ workerId: 'node-a', cpuUsage: 14.999999999997726 })).toMatchObject({
    success: true,
  });
  await eventually(() => manager.getWorkerTelemetry('node-a')?.cpuUsage === 14.999999999997726);
  expect(manager.getWorkerTelemetry('node-a')?.isActive).toBe(true);
  expect(manager.directory.get('node-a')?.facts?.totalCpu).toBe(8);
});

test('a new connection for each heartbeat, as Go workers do it, is fine', async () => {
  const { port, manager } = setup;
  for (let i = 1; i <= 5; i++) {
    const client = new WorkerClient(port, { 'grpc.use_local_subchannel_pool': 1 });
    await client.sendHeartbeat({ workerId: 'go', cpuUsage: i });
    client.close();
  }
  await eventually(() => manager.getWorkerTelemetry('go')?.cpuUsage === 5);
});

test.each(['ReportTaskCompletion', 'UploadTaskFiles', 'AssignTask', 'CancelTask', 'StreamTaskLogs', 'MasterRegister'])(
  '%s is not ours and answers UNIMPLEMENTED',
  async (method) => {
    const call = setup.client.call('SendHeartbeat', new Uint8Array(), `/cluster.MasterWorker/${method}`);
    await expect(call).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
  },
);

test.each([
  ['SendHeartbeat', Buffer.from([0x0a, 9, 0x61]), 'heartbeat is malformed: it ends within field 1'],
  ['SendHeartbeat', Buffer.alloc(0), 'worker_id is empty'],
  ['SendHeartbeat', Buffer.from([0x0a, 1, 0x0a]), 'worker_id contains a control character'],
  ['RegisterWorker', Buffer.from([0x0a, 9, 0x61]), 'WorkerInfo is malformed'],
  ['RegisterWorker', Buffer.from([0x0a, 1, 0x2e]), 'worker_id "." cannot be named in a URL'],
  ['Register', Buffer.from([0xff]), 'WorkerInfo is malformed'],
])('%s of %j is INVALID_ARGUMENT and names the field', async (method, bytes, details) => {
  await expect(setup.client.call(method, bytes)).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining(details),
  });
});

test('a message beyond the limit is refused and the server lives on', async () => {
  const { client, manager } = await startServer({}, 1024);
  const big = { workerId: 'big', metrics: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`m${i}`, i])) };
  await expect(client.sendHeartbeat(big)).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  await client.sendHeartbeat({ workerId: 'small' });
  expect([...manager.getAllWorkerTelemetry().keys()]).toEqual(['small']);
});

test('under approved admission the unknown are turned away in the words of each service', async () => {
  const { client, manager } = await startServer({ admission: 'approved' });
  expect(await client.call('RegisterWorker', workerInfo('a'))).toMatchObject({ success: false });
  await expect(client.sendHeartbeat({ workerId: 'a' })).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  await expect(client.call('Register', workerInfo('a'))).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  manager.approve('a');
  expect(await client.call('RegisterWorker', workerInfo('a'))).toMatchObject({ success: true });
  await client.sendHeartbeat({ workerId: 'a' });
});

test('a full fleet is RESOURCE_EXHAUSTED with a time to come back', async () => {
  const { client } = await startServer({ maxWorkers: 1 });
  await client.sendHeartbeat({ workerId: 'a' });
  const refused = await client.sendHeartbeat({ workerId: 'b' }).catch((error) => error);
  expect(refused.code).toBe(status.RESOURCE_EXHAUSTED);
  expect(refused.metadata.get('grpc-retry-pushback-ms')).toEqual(['60000']);
});

test('a stream carries several workers, and acks name each with its highest sequence', async () => {
  const { client, manager } = setup;
  const stream = client.stream();
  for (let sequence = 1n; sequence <= 3n; sequence++) {
    stream.send({ workerId: 'a', sequence, cpuUsage: Number(sequence) });
    stream.send({ workerId: 'b', sequence: sequence + 10n });
  }
  await eventually(() => stream.acked('a') === 3 && stream.acked('b') === 13);
  const [first] = stream.responses;
  expect(first).toMatchObject({ nextIntervalMs: 5000 });
  expect(Number(first?.serverTimeUnixMs)).toBeGreaterThan(1.7e12);
  expect(first?.acks.every(({ heldMs }) => heldMs >= 0)).toBe(true);
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 3);
  stream.call.end();
  await eventually(() => stream.ended);
  expect(stream.error).toBeUndefined();
});

test('a refused heartbeat is answered in band at once, and the stream lives on', async () => {
  const { client, manager } = await startServer({ admission: 'approved' });
  const stream = client.stream();
  stream.call.write(Buffer.from([0x0a, 9]));
  stream.send({ workerId: 'unknown', sequence: 7n });
  await eventually(() => stream.refusals.length === 2);
  expect(stream.refusals).toMatchObject([
    { workerId: '', sequence: 0n, code: RefusalCode.INVALID_ARGUMENT, reason: expect.stringContaining('malformed') },
    { workerId: 'unknown', sequence: 7n, code: RefusalCode.NOT_ADMITTED },
  ]);
  manager.approve('unknown');
  stream.send({ workerId: 'unknown', sequence: 8n });
  await eventually(() => stream.acked('unknown') === 8);
  stream.call.cancel();
});

test('a sequence that cannot be counted is refused in band, and the others on the stream go on', async () => {
  const { client } = setup;
  const stream = client.stream();
  stream.send({ workerId: 'odd', sequence: 2n ** 64n - 1n });
  stream.send({ workerId: 'good', sequence: 1n });
  await eventually(() => stream.refusals.length === 1 && stream.acked('good') === 1);
  expect(stream.refusals[0]).toMatchObject({ code: RefusalCode.INVALID_ARGUMENT });
  expect(stream.error).toBeUndefined();
  stream.call.cancel();
});

test('Deregister forgets a worker', async () => {
  const { client, manager } = setup;
  await client.call('Register', workerInfo('a'));
  expect(manager.getWorkerTelemetry('a')).toBeDefined();
  await client.call('Deregister', Buffer.from([0x0a, 1, 0x61]));
  expect(manager.getWorkerTelemetry('a')).toBeUndefined();
  await expect(client.call('Deregister', Buffer.from([0x0a, 1, 0x61]))).rejects.toMatchObject({
    code: status.NOT_FOUND,
  });
  await expect(client.call('Deregister', Buffer.alloc(0))).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: 'worker_id is empty',
  });
});

test('an older instance cannot deregister the one that came after it', async () => {
  const { client, manager } = setup;
  const register = (instanceId: string) =>
    client.call('Register', toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { workerId: 'a', instanceId })));
  await register('old');
  await register('new');
  const farewell = toBinary(
    DeregisterRequestSchema,
    create(DeregisterRequestSchema, { workerId: 'a', instanceId: 'old' }),
  );
  await expect(client.call('Deregister', farewell)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  expect(manager.getWorkerTelemetry('a')).toBeDefined();
});

test('an older instance is refused by status, and in band while the stream lives on', async () => {
  const { client, manager } = setup;
  const stream = client.stream();
  stream.send({ workerId: 'a', instanceId: 'old', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  await client.sendHeartbeat({ workerId: 'a', instanceId: 'new', sequence: 1n });
  stream.send({ workerId: 'a', instanceId: 'old', sequence: 2n });
  stream.send({ workerId: 'b', sequence: 1n });
  await eventually(() => stream.refusals.length === 1 && stream.acked('b') === 1);
  expect(stream.refusals[0]).toMatchObject({
    workerId: 'a',
    sequence: 2n,
    code: RefusalCode.FAILED_PRECONDITION,
    retryAfterMs: 60_000,
  });
  const old = toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { workerId: 'a', instanceId: 'old' }));
  const refused = (await client.call('Register', old).catch((error) => error)) as ServiceError;
  expect(refused).toMatchObject({ code: status.FAILED_PRECONDITION });
  expect(refused.metadata.get('grpc-retry-pushback-ms')).toEqual(['60000']);
  // When the older one gives up, that says nothing of the later one.
  stream.call.cancel();
  await client.sendHeartbeat({ workerId: 'a', instanceId: 'new', sequence: 2n });
  await eventually(() => stateOf(manager, 'a') === 'active');
});

test('who says farewell has left when the stream ends, and only then', async () => {
  const { client, manager } = setup;
  const stream = client.stream();
  stream.send({ workerId: 'a', sequence: 1n });
  stream.send({ workerId: 'b', sequence: 1n });
  // Before its first record it has no state to leave.
  await eventually(() => stateOf(manager, 'a') === 'active');
  stream.send({ workerId: 'a', sequence: 2n, leaving: true });
  await eventually(() => stream.acked('a') === 2);
  expect(stateOf(manager, 'a')).toBe('leaving');
  stream.call.end();
  await eventually(() => stateOf(manager, 'a') === 'left');
  // Its first record may still be on its way.
  await eventually(() => stateOf(manager, 'b') === 'active');
});

test('acks tell a large fleet to send less often', async () => {
  const { client } = await startServer({ targetHeartbeatsPerS: 1 });
  const stream = client.stream();
  let sequence = 0n;
  await eventually(() => {
    sequence++;
    for (let worker = 0; worker < 20; worker++) stream.send({ workerId: `w${worker}`, sequence });
    return stream.responses.some(({ nextIntervalMs }) => nextIntervalMs >= 18_000);
  });
  stream.call.cancel();
});

test('a registration is bounded well below a heartbeat, since main decodes and keeps it', async () => {
  const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`label-${i}`, 'x']));
  const info = toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { workerId: 'a', labels }));
  await expect(setup.client.call('Register', info)).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringMatching(/^WorkerInfo has \d+ bytes; at most 8192 are allowed$/),
  });
});

test('stopping sends the last acks, ends streams cleanly and refuses new calls', async () => {
  const { client, server } = setup;
  const stream = client.stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.acked('a') === 1);
  stream.send({ workerId: 'a', sequence: 2n });
  await client.sendHeartbeat({ workerId: 'b' });
  await server.stop();
  await eventually(() => stream.ended || stream.error !== undefined);
  expect(stream.acked('a')).toBe(2);
  expect(stream.error).toBeUndefined();
});

test('the standard health service answers for the server and for each service', async () => {
  const health = (service: string) =>
    setup.client.call<unknown>(
      'Deregister',
      Buffer.from([0x0a, service.length, ...Buffer.from(service)]),
      '/grpc.health.v1.Health/Check',
    );
  // Field 1 = SERVING: to the decoder of an empty message an unknown field.
  for (const service of ['', 'pulselane.v1.TelemetryService', 'cluster.MasterWorker']) {
    expect(await health(service)).toMatchObject({ $unknown: [{ no: 1, data: Buffer.of(1) }] });
  }
  await expect(health('other')).rejects.toMatchObject({ code: status.NOT_FOUND });
});

test('a taken port is an error that names the setting', async () => {
  const second = new RpcServer({
    address: { host: '127.0.0.1', port: setup.port },
    manager: setup.manager,
    limits: NO_LIMITS,
    names: { GRPC_PORT: { name: '--grpc-port', where: '' } },
    clock: systemClock,
    logger: silentLogger,
  });
  await expect(second.start()).rejects.toThrow(`--grpc-port 127.0.0.1:${setup.port}: the port is in use`);
});
