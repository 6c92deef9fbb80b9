import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DeregisterRequestSchema, RefusalCode, WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { hashOfToken, newToken } from '../../src/lib/tokens.ts';
import { parseWorkerTokens, type WorkerToken, workerTokenLine } from '../../src/model/identity.ts';
import { Authority } from '../../src/rpc/authority.ts';
import { eventually } from '../support/eventually.ts';
import { bearer, type WorkerClient } from '../support/grpc-client.ts';
import { type RunningRpc, startRpc } from '../support/rpc-server.ts';

const tokens = { a: newToken(), b: newToken(), rack: newToken() };

const NOW_UNIX_MS = Date.parse('2026-11-26T12:00:00Z');

function tokensOf(...names: (keyof typeof tokens)[]): WorkerToken[] {
  const lines = names.map((name) =>
    workerTokenLine({ kind: name === 'rack' ? 'group' : 'worker', id: name }, hashOfToken(tokens[name])),
  );
  return parseWorkerTokens(lines.join('\n'), 'tokens');
}

let authority: Authority;
let nowUnixMs: number;
const clock = { wallMs: () => nowUnixMs };
let rpc: RunningRpc;
beforeEach(async () => {
  nowUnixMs = NOW_UNIX_MS;
  authority = new Authority(tokensOf('a', 'b', 'rack'), clock);
  rpc = await startRpc({ authority });
});
afterEach(() => rpc.stop());

const info = (init: MessageInitShape<typeof WorkerInfoSchema>) =>
  toBinary(WorkerInfoSchema, create(WorkerInfoSchema, init));
const farewell = (workerId: string) => toBinary(DeregisterRequestSchema, create(DeregisterRequestSchema, { workerId }));

/** Every call there is, on behalf of a worker. */
const CALLS: readonly [string, (client: WorkerClient, workerId: string) => Promise<unknown>][] = [
  ['RegisterWorker', (client, workerId) => client.call('RegisterWorker', info({ workerId }))],
  ['Register', (client, workerId) => client.call('Register', info({ workerId }))],
  ['SendHeartbeat', (client, workerId) => client.sendHeartbeat({ workerId })],
  ['Deregister', (client, workerId) => client.call('Deregister', farewell(workerId))],
];

const identityEvents = () => rpc.manager.events.all().filter(({ type }) => type === 'identity');

describe.each(CALLS)('%s', (_, call) => {
  test('is for the worker whose token it brings', async () => {
    rpc.manager.registerWorker('a');
    await call(rpc.client(bearer(tokens.a)), 'a');
  });

  test('for another is PERMISSION_DENIED, and an event', async () => {
    rpc.manager.registerWorker('b');
    await expect(call(rpc.client(bearer(tokens.a)), 'b')).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      details: 'the caller is identified by the token of a: it may not speak for b',
    });
    expect(identityEvents()).toMatchObject([
      { workerId: 'b', detail: 'the token of a, at 127.0.0.1: it may not speak for b' },
    ]);
    expect(rpc.manager.internalState().refusals).toEqual({ identity: 1 });
    expect(rpc.manager.getWorkerTelemetry('b')?.isActive).toBe(false);
  });

  test.each([
    ['without a token', {}],
    ['with one that nobody has', bearer(newToken())],
    ['with another kind of credentials', { metadata: { authorization: 'Basic YTpi' } }],
  ])('%s is UNAUTHENTICATED', async (_how, access) => {
    await expect(call(rpc.client(access), 'a')).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    expect(rpc.manager.getAllWorkerTelemetry().size).toBe(0);
    expect(rpc.manager.internalState().refusals).toEqual({ unauthenticated: 1 });
  });
});

test('who nobody knows is told so before anything is decoded', async () => {
  const call = rpc.client().call('SendHeartbeat', Buffer.from([0x0a, 9, 0x61]));
  await expect(call).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
});

test('a stream for another worker is refused in band, told once, and lives on', async () => {
  const stream = rpc.client(bearer(tokens.a)).stream();
  for (let sequence = 1n; sequence <= 3n; sequence++) stream.send({ workerId: 'b', sequence });
  stream.send({ workerId: 'a', sequence: 4n });
  await eventually(() => stream.acked('a') === 4 && stream.refusals.length === 3);
  expect(stream.refusals[0]).toMatchObject({ workerId: 'b', sequence: 1n, code: RefusalCode.PERMISSION_DENIED });
  expect([...rpc.manager.getAllWorkerTelemetry().keys()]).toEqual(['a']);
  expect(identityEvents()).toHaveLength(1);
  expect(rpc.manager.internalState().refusals).toEqual({ identity: 3 });
  stream.call.cancel();
});

test('a stream of nobody ends as UNAUTHENTICATED', async () => {
  const stream = rpc.client().stream();
  stream.send({ workerId: 'a', sequence: 1n });
  await eventually(() => stream.error !== undefined);
  expect(stream.error).toMatchObject({ code: status.UNAUTHENTICATED });
  expect(rpc.manager.getAllWorkerTelemetry().size).toBe(0);
});

test('a relay speaks for the workers of its group, and for no others', async () => {
  const relay = rpc.client(bearer(tokens.rack));
  await relay.call('Register', info({ workerId: 'r1', group: 'rack' }));
  await rpc.client(bearer(tokens.b)).call('Register', info({ workerId: 'b', group: 'elsewhere' }));
  const stream = relay.stream();
  for (const workerId of ['r1', 'b', 'new']) stream.send({ workerId, sequence: 1n });
  await eventually(() => stream.acked('r1') === 1 && stream.refusals.length === 2);
  expect(stream.refusals.map(({ workerId, code }) => [workerId, code])).toEqual([
    ['b', RefusalCode.PERMISSION_DENIED],
    ['new', RefusalCode.PERMISSION_DENIED],
  ]);
  stream.call.cancel();
  for (const other of [
    { workerId: 'r2', group: 'elsewhere' },
    { workerId: 'b', group: 'rack' },
    { workerId: 'r1', group: 'elsewhere' },
  ]) {
    await expect(relay.call('Register', info(other))).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  }
  expect(rpc.manager.groupOf('r1')).toBe('rack');
  expect(rpc.manager.groupOf('b')).toBe('elsewhere');
});

test('a worker that has a token of its own is not registered by a relay, but may be carried by it', async () => {
  const relay = rpc.client(bearer(tokens.rack));
  const joins = info({ workerId: 'a', group: 'rack' });
  await expect(relay.call('Register', joins)).rejects.toMatchObject({
    code: status.PERMISSION_DENIED,
    details: expect.stringContaining('which must first register with its own token'),
  });
  expect(rpc.manager.groupOf('a')).toBeUndefined();
  await rpc.client(bearer(tokens.a)).call('Register', joins);
  await relay.sendHeartbeat({ workerId: 'a' });
});

test('a token that names fewer workers than before holds its stream to those that are left', async () => {
  const both = (...ids: string[]) =>
    parseWorkerTokens(ids.map((id) => workerTokenLine({ kind: 'worker', id }, hashOfToken(tokens.a))).join('\n'), '');
  authority.setTokens(both('a', 'c'));
  const stream = rpc.client(bearer(tokens.a)).stream();
  for (const workerId of ['a', 'c']) stream.send({ workerId, sequence: 1n });
  await eventually(() => stream.acked('a') === 1 && stream.acked('c') === 1);
  authority.setTokens(both('a', 'd'));
  rpc.server.recheckCallers();
  for (const workerId of ['a', 'c', 'd']) stream.send({ workerId, sequence: 2n });
  await eventually(() => stream.acked('a') === 2 && stream.acked('d') === 2 && stream.refusals.length === 1);
  expect(stream.refusals[0]).toMatchObject({ workerId: 'c', code: RefusalCode.PERMISSION_DENIED });
  expect(stream.error).toBeUndefined();
  stream.call.cancel();
});

test('a token that is taken back ends its stream, and leaves the others', async () => {
  const [a, b] = [rpc.client(bearer(tokens.a)).stream(), rpc.client(bearer(tokens.b)).stream()];
  a.send({ workerId: 'a', sequence: 1n });
  b.send({ workerId: 'b', sequence: 1n });
  await eventually(() => a.acked('a') === 1 && b.acked('b') === 1);
  authority.setTokens(tokensOf('b', 'rack'));
  rpc.server.recheckCallers();
  await eventually(() => a.error !== undefined);
  expect(a.error).toMatchObject({ code: status.UNAUTHENTICATED });
  b.send({ workerId: 'b', sequence: 2n });
  await eventually(() => b.acked('b') === 2);
  expect(b.error).toBeUndefined();
  await expect(rpc.client(bearer(tokens.a)).sendHeartbeat({ workerId: 'a' })).rejects.toMatchObject({
    code: status.UNAUTHENTICATED,
  });
  b.call.cancel();
});

test('a token that was made for an agent of this process outlives the reading of the file', async () => {
  const client = rpc.client(bearer(authority.issue('local')));
  authority.setTokens([]);
  await client.sendHeartbeat({ workerId: 'local' });
  await expect(client.sendHeartbeat({ workerId: 'a' })).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
});

test('health needs no token', async () => {
  const health = await rpc.client().call('Deregister', Buffer.alloc(0), '/grpc.health.v1.Health/Check');
  expect(health).toMatchObject({ $unknown: [{ no: 1, data: Buffer.of(1) }] });
  rpc.server.setServing(false);
  const after = await rpc.client().call('Deregister', Buffer.alloc(0), '/grpc.health.v1.Health/Check');
  expect(after).toMatchObject({ $unknown: [{ no: 1, data: Buffer.of(2) }] });
});

describe('a token that expires', () => {
  const EXPIRES_UNIX_MS = NOW_UNIX_MS + 30 * 24 * 3_600_000;
  const expired = {
    code: status.UNAUTHENTICATED,
    details: 'the token of a expired at 2026-12-26T12:00:00Z',
  };
  const expiring = () =>
    parseWorkerTokens(workerTokenLine({ kind: 'worker', id: 'a' }, hashOfToken(tokens.a), EXPIRES_UNIX_MS), '');

  test.each(CALLS)('%s is refused from that moment on, and told why', async (_, call) => {
    authority.setTokens(expiring());
    rpc.manager.registerWorker('a');
    const client = rpc.client(bearer(tokens.a));
    nowUnixMs = EXPIRES_UNIX_MS - 1;
    await call(client, 'a');
    nowUnixMs = EXPIRES_UNIX_MS;
    await expect(call(client, 'a')).rejects.toMatchObject(expired);
    expect(rpc.manager.internalState().refusals).toEqual({ unauthenticated: 1 });
  });

  test('ends the streams that it opened, and no new one begins', async () => {
    authority.setTokens([...expiring(), ...tokensOf('b')]);
    const client = rpc.client(bearer(tokens.a));
    const [stream, other] = [client.stream(), rpc.client(bearer(tokens.b)).stream()];
    for (const [one, workerId] of [
      [stream, 'a'],
      [other, 'b'],
    ] as const) {
      one.send({ workerId, sequence: 1n });
      await eventually(() => one.acked(workerId) === 1);
    }
    nowUnixMs = EXPIRES_UNIX_MS - 1;
    expect(rpc.server.recheckCallers()).toBe(0);
    nowUnixMs = EXPIRES_UNIX_MS;
    expect(rpc.server.recheckCallers()).toBe(1);
    await eventually(() => stream.error !== undefined);
    expect(stream.error).toMatchObject(expired);
    expect(other.error).toBeUndefined();
    const again = client.stream();
    await eventually(() => again.error !== undefined);
    expect(again.error).toMatchObject(expired);
    other.call.cancel();
  });
});
