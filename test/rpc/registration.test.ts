/** Register, RegisterWorker and Deregister: what they cost, and how often they may come. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type ServiceError, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { masterOptions } from '../../src/config/options.ts';
import type { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { DeregisterRequestSchema, WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { rateLimit } from '../../src/model/heartbeat-rate.ts';
import { fittedInfo } from '../../src/model/worker-info.ts';
import { Peers } from '../../src/rpc/peers.ts';
import { PEER_CALLS_BURST_MS } from '../../src/rpc/server.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { WorkerClient } from '../support/grpc-client.ts';
import { keptLog } from '../support/kept-log.ts';
import { repetitions } from '../support/repetitions.ts';
import { type RpcTestOptions, type RunningRpc, startRpc } from '../support/rpc-server.ts';

let rpc: RunningRpc | undefined;
afterEach(async () => {
  await rpc?.stop();
});

async function start(options: RpcTestOptions = {}): Promise<RunningRpc> {
  rpc = await startRpc(options);
  return rpc;
}

const infoBytes = (info: MessageInitShape<typeof WorkerInfoSchema>) =>
  toBinary(WorkerInfoSchema, create(WorkerInfoSchema, info));
const goneBytes = (workerId: string, instanceId = '') =>
  toBinary(DeregisterRequestSchema, create(DeregisterRequestSchema, { workerId, instanceId }));

/** What main tells of a worker from here on: to readers, and to the file of members. */
function noted(manager: TelemetryManager): { announced: string[]; written: string[] } {
  const announced: string[] = [];
  const written: string[] = [];
  manager.onAnnouncement(({ type }) => {
    if (type !== 'events') announced.push(type);
  });
  manager.members.onChange((id) => written.push(id));
  return { announced, written };
}

/** How each of so many calls at once ends: 0, or the status. */
async function atOnce(client: WorkerClient, method: string, bodies: readonly Uint8Array[]): Promise<number[]> {
  return Promise.all(
    bodies.map((body) =>
      client.call(method, body).then(
        () => 0,
        ({ code }) => code,
      ),
    ),
  );
}

describe('one that registers as before', () => {
  test.each(['Register', 'RegisterWorker'])(
    'by %s, costs no line on disk and no message to readers',
    async (method) => {
      const { client, manager } = await start({ engine: { maxWorkerRegistersPerS: 1 } });
      const info = infoBytes({ workerId: 'a', labels: { zone: 'x' }, instanceId: 'one' });
      const worker = client();
      await worker.call(method, info);
      const { announced, written } = noted(manager);
      expect(await atOnce(worker, method, Array(100).fill(info))).toEqual(Array(100).fill(0));
      expect({ announced, written }).toEqual({ announced: [], written: [] });
      expect(manager.internalState().refusals).toEqual({});
      await worker.call(method, infoBytes({ workerId: 'a', labels: { zone: 'y' }, instanceId: 'one' }));
      expect(written).toEqual(['a']);
      expect(manager.directory.get('a')?.facts?.labels).toEqual({ zone: 'y' });
    },
  );

  test('to a master that was started again, costs no line either, though nobody knows its bytes yet', async () => {
    const { client, manager } = await start();
    const info = create(WorkerInfoSchema, { workerId: 'a', labels: { zone: 'x' } });
    const member = { workerId: 'a', approved: false, address: undefined, known: true, instanceIds: [], info };
    manager.restore([member], new Map());
    const { announced, written } = noted(manager);
    for (let i = 0; i < 3; i++) await client().call('Register', toBinary(WorkerInfoSchema, info));
    expect({ announced, written }).toEqual({ announced: [], written: [] });
  });

  test('after it was forgotten, is new', async () => {
    const { client, manager } = await start();
    const info = infoBytes({ workerId: 'a', labels: { zone: 'x' } });
    await client().call('Register', info);
    manager.unregisterWorker('a');
    await client().call('Register', info);
    expect(manager.directory.get('a')?.facts?.labels).toEqual({ zone: 'x' });
  });
});

describe('rates', () => {
  const changed = (workerId: string, count: number) =>
    Array.from({ length: count }, (_, i) => infoBytes({ workerId, labels: { v: String(i) } }));

  test('a worker that registers with other info each time is refused and told when to come back, others are not', async () => {
    const { client, manager } = await start({ engine: { maxWorkerRegistersPerS: 1 } });
    const worker = client();
    const ends = await atOnce(worker, 'Register', changed('flood', 100));
    // Ten at once; a slow machine may have taken some seconds.
    expect(ends.filter((code) => code === 0).length).toBeGreaterThanOrEqual(10);
    expect(ends.filter((code) => code === status.RESOURCE_EXHAUSTED).length).toBeGreaterThan(50);
    expect(manager.internalState().refusals.worker_register_rate).toBeGreaterThan(50);
    const refused = await Promise.all(
      changed('flood', 20).map((info) => worker.call('Register', info).catch((e) => e)),
    );
    const error = (refused as ServiceError[]).find(({ code }) => code === status.RESOURCE_EXHAUSTED) as ServiceError;
    expect(error.metadata.get('grpc-retry-pushback-ms')).toEqual(['1000']);
    expect(error.details).toContain('MAX_REGISTER_RATE');
    await worker.call('Register', infoBytes({ workerId: 'calm' }));
    await worker.sendHeartbeat({ workerId: 'flood' });
  });

  test('to be forgotten in between does not begin a worker’s rate anew', async () => {
    const { client } = await start({ engine: { maxWorkerRegistersPerS: 1 } });
    const worker = client();
    let refused = 0;
    for (let i = 0; i < 30; i++) {
      await worker.call('Register', infoBytes({ workerId: 'a' })).catch(() => refused++);
      await worker.call('Deregister', goneBytes('a')).catch(() => refused++);
    }
    expect(refused).toBeGreaterThan(20);
  });

  test('an address that calls too much is refused over all connections, whatever it calls, and another is not', async () => {
    // Its 24 seconds’ worth are 24.
    const { client, manager } = await start({ limits: { maxPeerCallsPerS: 1 } });
    const health = (worker: WorkerClient) => worker.call('Deregister', Buffer.alloc(0), '/grpc.health.v1.Health/Check');
    const codes: number[] = [];
    for (let i = 0; i < 20; i++) {
      const worker = client();
      for (const ask of [
        () => worker.call('Register', infoBytes({ workerId: `w${i % 5}` })),
        () => worker.call('Deregister', goneBytes('nobody')),
        () => health(worker),
      ]) {
        await ask().catch(({ code }) => codes.push(code));
      }
    }
    expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED).length).toBeGreaterThan(20);
    expect(manager.internalState().refusals.peer_call_rate).toBeGreaterThan(20);
    // Heartbeats have a rate of their own.
    await client().sendHeartbeat({ workerId: 'w0' });
  });

  test('each KiB of a registration counts for its address', async () => {
    const { client, manager } = await start({ limits: { maxPeerCallsPerS: 1 } });
    const labels = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`label-${i}`, 'x'.repeat(100)]));
    const large = infoBytes({ workerId: 'a', labels });
    const ends = await atOnce(client(), 'Register', Array(10).fill(large));
    expect(Math.ceil(large.length / 1024)).toBe(7);
    // Of 24, ten for the calls themselves and six more for each that is taken; more if the machine is slow.
    expect(ends.filter((code) => code === 0).length).toBeGreaterThanOrEqual(2);
    expect(ends.filter((code) => code === 0).length).toBeLessThan(10);
    expect(manager.internalState().refusals.peer_call_rate).toBeGreaterThan(0);
  });

  test('ten thousand honest agents behind one address, that all come back at once, are all taken at the defaults', () => {
    const { maxPeerCallsPerS, maxPeerHeartbeatsPerS, maxPeerGrpcConnections } = masterOptions;
    const peers = new Peers(new FakeClock(), {
      calls: rateLimit(Number(maxPeerCallsPerS.fallback), PEER_CALLS_BURST_MS),
      heartbeats: rateLimit(Number(maxPeerHeartbeatsPerS.fallback)),
    });
    const nat = peers.of('10.0.0.1');
    // Register, a stream and its first heartbeat of each, in the same millisecond.
    for (let i = 0; i < Number(maxPeerGrpcConnections.fallback); i++) {
      expect([peers.mayCall(nat), peers.mayCall(nat), peers.mayBeat(nat)]).toEqual([true, true, true]);
    }
    peers.stop();
  });
});

describe('what a worker says of itself', () => {
  const refused = async (info: MessageInitShape<typeof WorkerInfoSchema>) => {
    const worker = (rpc as RunningRpc).client();
    const errors = (await Promise.all(
      ['Register', 'RegisterWorker'].map((method) => worker.call(method, infoBytes(info)).catch((error) => error)),
    )) as ServiceError[];
    for (const { code } of errors) expect(code).toBe(status.INVALID_ARGUMENT);
    return errors[0]?.details as string;
  };
  const labels = (count: number, value = 'x') =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`label-${i}`, value]));

  test('is bounded in all, and so is its instance, and the refusal names the size and the limit', async () => {
    const { client, manager } = await start();
    expect(await refused({ workerId: 'a', labels: labels(60, 'x'.repeat(200)) })).toMatch(
      /^WorkerInfo has 1\d{4} bytes; at most 8192 are allowed$/,
    );
    expect(manager.internalState().refusals).toEqual({ registration_size: 2 });
    expect(await refused({ workerId: 'a', instanceId: 'x'.repeat(129) })).toContain('instance_id has 129 bytes');
    await client().call('Register', infoBytes({ workerId: 'a', labels: labels(64), group: 'x'.repeat(256) }));
    await expect(client().call('Deregister', goneBytes('a', 'x'.repeat(8192)))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^DeregisterRequest has 8\d{3} bytes; at most 8192/),
    });
  });

  /** What the master keeps of it, registered in either way. */
  const kept = async (method: string, info: MessageInitShape<typeof WorkerInfoSchema>) => {
    const { client, manager } = rpc as RunningRpc;
    const workerId = `worker-${manager.directory.size}`;
    await client().call(method, infoBytes({ ...info, workerId }));
    return manager.directory.get(workerId)?.facts;
  };

  test.each(['Register', 'RegisterWorker'])(
    'is kept as far as it fits by %s, counted, and told in one line: no worker falls silent for a label',
    async (method) => {
      const { logger, lines } = keptLog();
      const { manager } = await start({ logger });
      expect(Object.keys((await kept(method, { labels: labels(65) }))?.labels ?? {})).toEqual(Object.keys(labels(64)));
      const long = { ...labels(1, `${'x'.repeat(1023)}é`), ['n'.repeat(321)]: 'x' };
      expect((await kept(method, { labels: long }))?.labels).toEqual(labels(1, 'x'.repeat(1023)));
      expect((await kept(method, { group: 'é'.repeat(129) }))?.group).toBe('é'.repeat(128));
      expect((await kept(method, { workerIp: 'x'.repeat(300) }))?.ip).toBe('x'.repeat(256));
      expect(manager.internalState().refusals).toEqual({ registration_size: 4 });
      const told = lines.filter(({ msg }) => msg.includes('over the limits'));
      expect(told.map(({ msg }) => msg)).toEqual([expect.stringContaining('65 labels; at most 64 are allowed')]);
    },
  );

  test('as before costs nothing more where not all of it fits', async () => {
    const { client, manager } = await start();
    const info = infoBytes({ workerId: 'a', labels: labels(65) });
    await client().call('Register', info);
    const { announced, written } = noted(manager);
    for (let i = 0; i < 3; i++) await client().call('Register', info);
    expect({ announced, written }).toEqual({ announced: [], written: [] });
    expect(manager.internalState().refusals).toEqual({ registration_size: 1 });
  });

  test('is kept without control characters, that could fake a line of the log', async () => {
    await start();
    for (const text of ['a\nb', '\u001b[2J', 'a\u0085b', '\0']) {
      expect(await refused({ workerId: 'a', instanceId: text })).toBe('instance_id contains a control character');
      const info = { group: text, labels: { x: text, [text]: 'x' }, workerIp: text, agentVersion: text };
      const clean = text.replace(/\p{Cc}/gu, '\ufffd');
      expect(await kept('Register', info)).toMatchObject({ group: clean, ip: clean, agentVersion: clean });
      expect((await kept('Register', info))?.labels).toEqual({ x: clean });
    }
  });

  test('fits whatever it is, once it is fitted', () => {
    const text = fc.string({ unit: ANY_CHARACTER, maxLength: 2000 });
    const info = fc.record({
      group: text,
      workerIp: text,
      agentVersion: text,
      labels: fc.dictionary(fc.string({ unit: ANY_CHARACTER, maxLength: 400 }), text, { maxKeys: 80 }),
    });
    fc.assert(
      fc.property(info, (parts) => {
        const { info: once, problems } = fittedInfo(create(WorkerInfoSchema, parts));
        expect(fittedInfo(once)).toEqual({ info: once, problems: [] });
        if (problems.length === 0) expect(once).toMatchObject(parts);
      }),
      { numRuns: repetitions(50, 2000) },
    );
  });
});
