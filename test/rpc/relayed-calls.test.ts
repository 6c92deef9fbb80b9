/** Calls of workers that came over HTTP are treated as over gRPC, over a real engine. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { parseWorkerTokens, workerTokenLine } from '../../src/model/identity.ts';
import { Authority } from '../../src/rpc/authority.ts';
import type {
  HeartbeatNote,
  RelayedAnswer,
  RelayedCall,
  RelayedCaller,
  RelayedHeartbeats,
} from '../../src/rpc/relayed-calls.ts';
import { eventually } from '../support/eventually.ts';
import { type HeartbeatInit, heartbeatBytes } from '../support/grpc-client.ts';
import { type RpcTestOptions, type RunningRpc, startRpc } from '../support/rpc-server.ts';

let rpc: RunningRpc;
afterEach(() => rpc.stop());

type Sent = HeartbeatInit & { info?: MessageInitShape<typeof WorkerInfoSchema> };

function callOf(sent: readonly Sent[], more: Partial<RelayedHeartbeats> = {}): RelayedHeartbeats {
  const parts: Uint8Array[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const { info, ...heartbeat } of sent) {
    const bytes = heartbeatBytes(heartbeat);
    const registration =
      info === undefined ? new Uint8Array() : toBinary(WorkerInfoSchema, create(WorkerInfoSchema, info));
    parts.push(bytes, registration);
    ends.push(at + bytes.length, at + bytes.length + registration.length);
    at += bytes.length + registration.length;
  }
  const bytes = new Uint8Array(Buffer.concat(parts));
  return {
    type: 'heartbeats',
    caller: { address: '10.0.0.1' },
    intervalMs: 0,
    bytes,
    ends,
    unread: 0,
    tooLarge: 0,
    ...more,
  };
}

async function start(options: RpcTestOptions = {}): Promise<void> {
  rpc = await startRpc(options);
}

/** To the end, without a pause. */
function answerTo(call: RelayedCall): RelayedAnswer {
  const steps = rpc.server.relayed.answering(call);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

function send(
  sent: readonly Sent[],
  more: Partial<RelayedHeartbeats> = {},
): { accepted: number; notes: readonly HeartbeatNote[] } {
  const answer = answerTo(callOf(sent, more));
  if (answer.type !== 'heartbeats') throw new Error(JSON.stringify(answer));
  const { accepted, notes } = answer;
  return { accepted, notes };
}

function leave(
  workerId: string,
  { instanceId = '', caller = { address: '10.0.0.1' } as RelayedCaller } = {},
): RelayedAnswer {
  return answerTo({ type: 'farewell', caller, workerId, instanceId });
}

const totals = () => rpc.manager.directory.board.figures().totals;
const view = (workerId: string) => {
  const { row } = rpc.manager.directory.get(workerId) as { row: number };
  return rpc.manager.directory.board.view(row, systemClock.monotonicMs());
};
const isActive = (workerId: string) => eventually(() => rpc.manager.getWorkerTelemetry(workerId)?.isActive);

test('heartbeats of several workers are taken, counted by their transport, and shown', async () => {
  await start();
  expect(
    send([
      { workerId: 'a', cpuUsage: 5 },
      { workerId: 'b', metrics: { fps: 24 } },
    ]),
  ).toEqual({ accepted: 2, notes: [] });
  await isActive('a');
  await isActive('b');
  expect(rpc.manager.getWorkerTelemetry('b')).toMatchObject({ metrics: { fps: 24 } });
  await eventually(() => totals().acceptedBy.http === 2);
  expect(totals().acceptedBy).toMatchObject({ grpc_unary: 0, grpc_stream: 0, library: 0 });
});

test('one that is refused keeps no other from being taken', async () => {
  await start();
  const { accepted, notes } = send([
    { workerId: 'a' },
    { workerId: '.' },
    { workerId: 'b', instanceId: 'x'.repeat(200) },
    { workerId: 'c' },
  ]);
  expect(accepted).toBe(2);
  expect(notes).toEqual([
    { at: 1, workerId: '', code: 'invalid_argument', detail: 'worker_id "." cannot be named in a URL' },
    { at: 2, workerId: '', code: 'invalid_argument', detail: expect.stringContaining('instance_id has 200 bytes') },
  ]);
  await eventually(() => totals().refusedBy.invalid_argument === 2);
});

test('values that are wrong are told with the same answer or the next one, and the worker is alive', async () => {
  await start();
  send([{ workerId: 'a', cpuUsage: 5 }]);
  await isActive('a');
  expect(send([{ workerId: 'a', cpuUsage: -1 }])).toEqual({
    accepted: 1,
    notes: [
      {
        at: 0,
        workerId: 'a',
        code: 'invalid_argument',
        detail: 'cpu_usage is -1, expected a finite number that is not negative',
        heard: true,
      },
    ],
  });
  expect(send([{ workerId: 'a', sequence: 7n, metrics: { x: Number.NaN } }])).toEqual({ accepted: 1, notes: [] });
  const rejected = () => rpc.manager.directory.get('a')?.slot.rejected;
  await eventually(() => rejected() === 2);
  expect(send([{ workerId: 'b' }, { workerId: 'a', sequence: 8n }])).toEqual({
    accepted: 2,
    notes: [
      {
        at: 1,
        workerId: 'a',
        code: 'invalid_argument',
        detail: 'metrics["x"] is NaN, expected a finite number',
        heard: true,
        earlier: 1,
        sequence: 7,
      },
    ],
  });
  expect(send([{ workerId: 'a', sequence: 9n }]).notes).toEqual([]);
  expect(rpc.manager.getWorkerTelemetry('a')).toMatchObject({ isActive: true });
});

test('a repeated sequence number is a sign of life and nothing more, as over gRPC', async () => {
  await start();
  expect(
    send([
      { workerId: 'a', sequence: 1n },
      { workerId: 'a', sequence: 1n },
    ]),
  ).toEqual({ accepted: 2, notes: [] });
  expect(view('a').replacedBy.duplicate).toBe(1);
});

test('with approved admission, unknown workers wait', async () => {
  await start({ engine: { admission: 'approved' } });
  expect(send([{ workerId: 'a' }]).notes).toMatchObject([
    { code: 'not_admitted', detail: 'worker a waits for approval by an operator' },
  ]);
  rpc.manager.approve('a');
  expect(send([{ workerId: 'a' }])).toEqual({ accepted: 1, notes: [] });
});

test('addresses share their rate with gRPC, and what could not be read counts, too', async () => {
  await start({ limits: { maxPeerHeartbeatsPerS: 5 } });
  const caller = { address: '127.0.0.1' };
  await rpc.client().sendHeartbeat({ workerId: 'g' });
  expect(send([], { caller, unread: 2 })).toEqual({ accepted: 0, notes: [] });
  const { accepted, notes } = send([{ workerId: 'a' }, { workerId: 'b' }, { workerId: 'c' }], { caller });
  expect(accepted).toBe(2);
  expect(notes).toEqual([
    {
      at: 2,
      workerId: 'c',
      code: 'rate_limited',
      detail: expect.stringContaining('MAX_PEER_HEARTBEAT_RATE'),
      retryAfterMs: 1000,
    },
  ]);
  expect(send([{ workerId: 'd' }]).accepted).toBe(1);
  expect(rpc.manager.refusals.counts()).toMatchObject({ peer_heartbeat_rate: 1 });
});

test('each worker has its rate', async () => {
  await start({ engine: { maxWorkerHeartbeatsPerS: 1 } });
  const { accepted, notes } = send([{ workerId: 'a' }, { workerId: 'a' }, { workerId: 'b' }]);
  expect(accepted).toBe(2);
  expect(notes).toMatchObject([{ at: 1, workerId: 'a', code: 'rate_limited', retryAfterMs: 1000 }]);
});

test('heartbeats that the HTTP thread refused are counted by reason', async () => {
  await start();
  send([{ workerId: 'a' }], { unread: 3, tooLarge: 1 });
  await eventually(() => totals().refusedBy.too_large === 1 && totals().refusedBy.invalid_argument === 2);
  expect(rpc.manager.refusals.counts()).toMatchObject({ message_size: 1 });
});

test('a master that stops takes none', async () => {
  await start();
  await rpc.manager.shutdown();
  expect(answerTo(callOf([{ workerId: 'a' }]))).toMatchObject({
    type: 'refused',
    code: 'unavailable',
  });
  expect(leave('a')).toMatchObject({ type: 'refused', code: 'unavailable' });
});

test('many are answered in steps, and what a stopping master no longer takes is said of each', async () => {
  await start();
  const steps = rpc.server.relayed.answering(callOf(Array.from({ length: 40 }, (_, n) => ({ workerId: `w${n}` }))));
  expect(steps.next().done).toBe(false);
  const taken = rpc.manager.directory.size;
  expect(taken).toBe(16);
  await rpc.manager.shutdown();
  const { done, value } = steps.next();
  expect(done).toBe(true);
  expect(value).toMatchObject({ type: 'heartbeats', accepted: taken });
  const { notes } = value as Extract<RelayedAnswer, { type: 'heartbeats' }>;
  expect(notes.map(({ at, code }) => [at, code])).toEqual(
    Array.from({ length: 40 - taken }, (_, n) => [taken + n, 'unavailable']),
  );
});

describe('an interval', () => {
  test('is known from the first heartbeat on, keeps what was registered, and costs nothing while it is the same', async () => {
    await start();
    send([{ workerId: 'a', info: { workerId: 'a', group: 'g', labels: { zone: 'x' } } }]);
    expect(send([{ workerId: 'a' }], { intervalMs: 600_000 })).toEqual({ accepted: 1, notes: [] });
    const info = rpc.manager.members.get('a')?.info;
    expect(info).toMatchObject({ group: 'g', labels: { zone: 'x' }, intervalMs: 600_000 });
    send([{ workerId: 'a' }], { intervalMs: 600_000 });
    expect(rpc.manager.members.get('a')?.info).toBe(info);
    send([{ workerId: 'a' }]);
    expect(rpc.manager.members.get('a')?.info).toBe(info);
    await isActive('a');
    await eventually(() => view('a').intervalMs === 600_000);
  });

  test('stays when a registration comes without one, and then costs nothing, too', async () => {
    await start();
    const registered = { workerId: 'a', info: { workerId: 'a', group: 'g' } };
    send([{ workerId: 'a', info: { ...registered.info, intervalMs: 600_000 } }], { intervalMs: 600_000 });
    send([registered]);
    const info = rpc.manager.members.get('a')?.info;
    expect(info).toMatchObject({ group: 'g', intervalMs: 600_000 });
    send([registered]);
    expect(rpc.manager.members.get('a')?.info).toBe(info);
    send([{ workerId: 'a', info: { workerId: 'a', group: 'h' } }]);
    expect(rpc.manager.members.get('a')?.info).toMatchObject({ group: 'h', intervalMs: 600_000 });
    await isActive('a');
    await eventually(() => view('a').intervalMs === 600_000);
  });

  test('comes from the present instance, whoever registered before', async () => {
    await start();
    send([{ workerId: 'a', instanceId: 'one', info: { workerId: 'a', instanceId: 'one', group: 'g' } }]);
    expect(send([{ workerId: 'a', instanceId: 'two' }], { intervalMs: 60_000 })).toEqual({ accepted: 1, notes: [] });
    expect(rpc.manager.members.get('a')?.info).toMatchObject({ instanceId: 'two', group: 'g', intervalMs: 60_000 });
  });
});

test('each new registration and each new interval counts as a call of its address, those that are known do not', async () => {
  await start({ limits: { maxPeerCallsPerS: 1 } });
  const registering = Array.from({ length: 30 }, (_, n) => ({ workerId: `w${n}`, info: { workerId: `w${n}` } }));
  const first = send(registering);
  expect(first.accepted).toBe(30);
  expect(first.notes.length).toBeGreaterThanOrEqual(4);
  expect(first.notes.at(-1)).toMatchObject({ at: 29, code: 'rate_limited', heard: true, retryAfterMs: 1000 });
  expect(rpc.manager.members.get('w29')?.info).toBeUndefined();
  expect(send(registering.slice(0, 20)).notes).toEqual([]);
  const caller = { address: '10.0.0.2' };
  const plain = registering.map(({ workerId }) => ({ workerId }));
  const { notes } = send(plain, { caller, intervalMs: 60_000 });
  expect(notes.at(-1)).toMatchObject({ at: 29, code: 'rate_limited', heard: true });
  expect(send(plain.slice(0, 20), { caller, intervalMs: 60_000 }).notes).toEqual([]);
});

describe('a farewell', () => {
  test('needs no heartbeat: the worker has left at once, with its last values, and its next heartbeat brings it back', async () => {
    await start();
    send([{ workerId: 'a', cpuUsage: 5 }], { intervalMs: 600_000 });
    await isActive('a');
    expect(leave('a')).toEqual({ type: 'farewell' });
    expect(view('a')).toMatchObject({ state: 'left', cause: 'farewell', isActive: false });
    expect(rpc.manager.getWorkerTelemetry('a')).toMatchObject({ cpuUsage: 5, isActive: false });
    const before = rpc.manager.events.all();
    expect(leave('a')).toEqual({ type: 'farewell' });
    expect(rpc.manager.events.all()).toEqual(before);
    send([{ workerId: 'a' }]);
    expect(view('a')).toMatchObject({ state: 'active' });
  });

  test('right after the first heartbeat counts, too', async () => {
    await start();
    send([{ workerId: 'a' }]);
    leave('a');
    await eventually(() => view('a').state === 'left');
  });

  test('of a worker that is not known is not found', async () => {
    await start();
    expect(leave('a')).toMatchObject({ type: 'refused', code: 'not_found', detail: 'no worker is called a' });
    expect(leave('\n')).toMatchObject({ type: 'refused', code: 'invalid_argument' });
  });

  test('of an instance is for that one alone', async () => {
    await start();
    send([{ workerId: 'a', instanceId: 'two' }]);
    await isActive('a');
    expect(leave('a', { instanceId: 'one' })).toMatchObject({ type: 'refused', code: 'failed_precondition' });
    expect(view('a').state).toBe('active');
    expect(leave('a', { instanceId: 'two' })).toEqual({ type: 'farewell' });
  });

  test('counts as a call of its address', async () => {
    await start({ limits: { maxPeerCallsPerS: 1 } });
    const answers = Array.from({ length: 30 }, () => leave('a'));
    expect(answers.at(-1)).toMatchObject({ type: 'refused', code: 'rate_limited', retryAfterMs: 1000 });
  });
});

describe('with authentication', () => {
  const hashes = { a: hashOfToken('plt_a'), rack: hashOfToken('plt_rack') };
  const lines = [
    workerTokenLine({ kind: 'worker', id: 'a' }, hashes.a),
    workerTokenLine({ kind: 'group', id: 'rack' }, hashes.rack),
  ];
  const withTokens = () =>
    start({ authority: new Authority(parseWorkerTokens(lines.join('\n'), 'tokens'), systemClock) });
  const by = (caller: Omit<RelayedCaller, 'address'>) => ({ caller: { address: '10.0.0.1', ...caller } });

  test('a token speaks for its worker alone, within one request, too', async () => {
    await withTokens();
    const { accepted, notes } = send([{ workerId: 'b' }, { workerId: 'a' }], by({ tokenHash: hashes.a }));
    expect(accepted).toBe(1);
    expect(notes).toEqual([
      {
        at: 0,
        workerId: 'b',
        code: 'permission_denied',
        detail: 'the caller is identified by the token of a: it may not speak for b',
      },
    ]);
    expect(rpc.manager.events.all().filter(({ type }) => type === 'identity')).toHaveLength(1);
    expect(leave('a', by({ tokenHash: hashes.rack }))).toMatchObject({ code: 'permission_denied' });
    expect(leave('a', by({ tokenHash: hashes.a }))).toEqual({ type: 'farewell' });
  });

  test('a certificate speaks for whom it names', async () => {
    await withTokens();
    const caller = by({ subjects: [{ kind: 'worker', id: 'c' }] });
    expect(send([{ workerId: 'c' }], caller).accepted).toBe(1);
    expect(send([{ workerId: 'a' }], caller).notes).toMatchObject([
      { detail: 'the caller is identified by the certificate of c: it may not speak for a' },
    ]);
  });

  test('a token of a group speaks for a new worker that registers in the group, and for no other', async () => {
    await withTokens();
    const caller = by({ tokenHash: hashes.rack });
    expect(send([{ workerId: 'n' }], caller).notes).toMatchObject([
      { detail: expect.stringContaining('must first be registered in its group') },
    ]);
    const { identity } = rpc.manager.refusals.counts();
    expect(send([{ workerId: 'n', info: { workerId: 'n', group: 'other' } }], caller)).toMatchObject({ accepted: 0 });
    expect(rpc.manager.refusals.counts()).toMatchObject({ identity: (identity ?? 0) + 1 });
    expect(send([{ workerId: 'n', info: { workerId: 'n', group: 'rack' } }], caller)).toEqual({
      accepted: 1,
      notes: [],
    });
    expect(send([{ workerId: 'n' }], caller)).toEqual({ accepted: 1, notes: [] });
    // A heartbeat is not lost for its registration.
    const { accepted, notes } = send([{ workerId: 'n', info: { workerId: 'n', group: 'other' } }], caller);
    expect(accepted).toBe(1);
    expect(notes).toMatchObject([{ code: 'permission_denied', heard: true }]);
  });

  test('whoever is not known is refused as a whole, and counted', async () => {
    await withTokens();
    for (const caller of [{}, { tokenHash: hashOfToken('plt_gone') }]) {
      expect(answerTo(callOf([{ workerId: 'a' }], by(caller)))).toMatchObject({
        type: 'refused',
        code: 'unauthenticated',
      });
    }
    expect(rpc.manager.refusals.counts()).toMatchObject({ unauthenticated: 2 });
    expect(rpc.manager.directory.get('a')).toBeUndefined();
  });
});
