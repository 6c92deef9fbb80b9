import type { MessageInitShape } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ANSWER_WITHIN_MS } from '../../src/agent/sender/stream-sender.ts';
import { Workload } from '../../src/agent/workload.ts';
import { RefusalCode, type WorkerAckSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { VERSION } from '../../src/lib/version.ts';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';

type WorkerAckInit = MessageInitShape<typeof WorkerAckSchema>;

let master: FakeMaster;
let loop: LoopUnderTest;

beforeEach(async () => {
  master = await FakeMaster.start();
  loop = LoopUnderTest.fake({
    workerId: 'worker-1',
    master: master.address,
    labels: { zone: 'a' },
    group: 'rack-7',
    ephemeral: true,
    isolate: true,
  });
});

afterEach(async () => {
  await loop.stop();
  master.close();
});

const beats = (count: number) => eventually(() => master.heartbeats.length >= count && master.heartbeats);
const sent = (count: number) => eventually(() => loop.of('beat').length >= count);

/** One more heartbeat, from sending to its arrival. */
async function nextBeat(intervalMs = 5_000) {
  const count = master.heartbeats.length + 1;
  loop.clock.advance(intervalMs);
  await beats(count);
  await sent(count);
  return master.heartbeats[count - 1];
}

/** Says something to the agent; resolves when it has heard it, which a harmless refusal makes visible. */
async function tell(answer: { acks?: WorkerAckInit[]; nextIntervalMs?: number }): Promise<void> {
  const reason = `heard ${loop.lines.length}`;
  master.tell({
    acks: answer.acks ?? [],
    nextIntervalMs: answer.nextIntervalMs ?? 0,
    refusals: [{ workerId: 'worker-1', code: RefusalCode.INVALID_ARGUMENT, reason }],
  });
  await loop.lineWith(reason);
}

describe('an agent with a master that takes less than usual', () => {
  test('sends what fits, lives, and says once what it leaves out', async () => {
    const small = await FakeMaster.start();
    small.maxMessageBytes = 2048;
    const agent = LoopUnderTest.fake({ workerId: 'worker-2', master: small.address });
    const workload = new Workload();
    for (let n = 0; n < 100; n++) agent.post({ type: 'task', task: workload.addTask({ taskId: `task-${n}` }, 0) });
    try {
      for (let beat = 1; beat <= 3; beat++) {
        await eventually(() => small.heartbeats.length >= beat && agent.of('beat').length >= beat);
        agent.clock.advance(5000);
      }
      const [heartbeat] = small.heartbeats;
      expect(heartbeat?.runningTasks.length).toBeGreaterThan(5);
      expect(heartbeat?.runningTasks.length).toBeLessThan(30);
      const told = agent.lines.filter((line) => line.includes('tasks and'));
      expect(told).toHaveLength(1);
      expect(told[0]).toMatch(
        /takes heartbeats of at most 2048 bytes, 8388608 as JSON .*: \d+ of 100 tasks and 0 of 0 metrics are left out/,
      );
    } finally {
      await agent.stop();
      small.close();
    }
  });
});

describe('an agent with a master that knows streams', () => {
  test('registers with all that it knows of itself, then streams at once', async () => {
    const [beat] = await beats(1);
    expect(master.registrations).toHaveLength(1);
    expect(master.registrations[0]).toMatchObject({
      workerId: 'worker-1',
      workerIp: '127.0.0.1',
      totalCpu: 4,
      totalMemory: 16,
      totalStorage: 100,
      totalGpu: 1,
      labels: { zone: 'a', 'pulselane.isolation': 'dedicated' },
      group: 'rack-7',
      ephemeral: true,
      agentVersion: VERSION,
      intervalMs: 5_000,
    });
    expect(beat).toMatchObject({ workerId: 'worker-1', cpuUsage: 12.5, memoryUsage: 25, sequence: 1n, leaving: false });
    expect(beat?.instanceId).toBe(master.registrations[0]?.instanceId);
    expect(beat?.instanceId).toMatch(/^[0-9a-f-]{36}$/);
    expect(loop.lines).toEqual([`reporting worker-1 to ${master.address} every 5s`]);
  });

  test('sends one heartbeat per interval, each measured anew, with sequences from 1', async () => {
    await beats(1);
    await sent(1);
    loop.meter.now = { ...loop.meter.now, cpuPercent: 77 };
    const second = await nextBeat();
    expect(second).toMatchObject({ sequence: 2n, cpuUsage: 77 });
    loop.clock.advance(4_999);
    expect(loop.of('beat')).toHaveLength(2);
    await nextBeat(1);
    expect(master.heartbeats.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n]);
  });

  test('measures the round trip without the time that the master held its answer', async () => {
    master.answer = () => undefined;
    await beats(1);
    await sent(1);
    loop.clock.advance(1_000);
    await tell({ acks: [{ workerId: 'worker-1', acceptedSequence: 1n, heldMs: 970 }] });
    const second = await nextBeat(4_000);
    expect(second?.lastRoundTripMs).toBeCloseTo(30, 6);
  });

  test('obeys the interval of an answer, within bounds', async () => {
    master.answer = () => undefined;
    await beats(1);
    await sent(1);
    await tell({ nextIntervalMs: 1_000 });
    loop.clock.advance(999);
    expect(loop.meter.looks).toBe(2);
    await nextBeat(1);
    // Every millisecond would be a flood: 100 ms is the least.
    await tell({ nextIntervalMs: 1 });
    loop.clock.advance(99);
    expect(loop.meter.looks).toBe(3);
    await nextBeat(1);
  });

  test('does not make up for heartbeats that were missed in a stall', async () => {
    await beats(1);
    await sent(1);
    // All timers of 60 s fire at once, as after SIGCONT: the measuring of the first is still under way then.
    loop.clock.advance(60_000);
    await beats(2);
    await sent(2);
    expect(await nextBeat()).toMatchObject({ sequence: 3n });
    expect(master.heartbeats).toHaveLength(3);
  });

  test('whose values are rejected says so once, and keeps its master', async () => {
    master.answer = ({ workerId, sequence }) => ({
      // The rejection comes after the ack, as it may.
      acks: [{ workerId, acceptedSequence: sequence, heldMs: 0 }],
      refusals:
        sequence === 1n
          ? []
          : [
              {
                workerId,
                sequence: sequence - 1n,
                code: RefusalCode.INVALID_ARGUMENT,
                reason: `cpu_usage is -${sequence}`,
                heard: true,
                count: 1,
              },
            ],
    });
    for (let beat = 0; beat < 4; beat++) await nextBeat(5_000);
    await loop.lineWith('the master rejects the values of heartbeats: invalid argument: cpu_usage is -2');
    master.answer = ({ workerId, sequence }) => ({ acks: [{ workerId, acceptedSequence: sequence, heldMs: 0 }] });
    for (let beat = 0; beat < 3; beat++) await nextBeat(5_000);
    await loop.lineWith('the master accepts heartbeats again');
    expect(loop.lines.filter((line) => line.includes('rejects'))).toHaveLength(1);
    expect(loop.lines.filter((line) => line.includes('again'))).toHaveLength(1);
    expect(master.streamsOpened).toBe(1);
  });

  test('is refused in band: says so once, waits as told, and the stream lives on', async () => {
    master.answer = ({ workerId, sequence }) => ({
      refusals: [
        { workerId, sequence, code: RefusalCode.NOT_ADMITTED, reason: 'wait for approval', retryAfterMs: 12_000 },
      ],
    });
    await loop.lineWith('the master refuses heartbeats: not admitted: wait for approval');
    // The next two are due while it has to wait.
    loop.clock.advance(5_000);
    await new Promise(setImmediate);
    loop.clock.advance(5_000);
    await new Promise(setImmediate);
    const second = await nextBeat();
    expect(second?.sequence).toBe(2n);
    expect(Number((second?.sentAtUnixMs ?? 0n) - (master.heartbeats[0]?.sentAtUnixMs ?? 0n))).toBe(15_000);
    master.answer = ({ workerId, sequence }) => ({ acks: [{ workerId, acceptedSequence: sequence }] });
    await nextBeat(15_000);
    await loop.lineWith('the master accepts heartbeats again');
    expect(master.streamsOpened).toBe(1);
    expect(loop.lines.filter((line) => line.includes('refuses'))).toHaveLength(1);
  });

  test('takes a stream without answers for dead and opens another', async () => {
    master.answer = () => undefined;
    await beats(1);
    await sent(1);
    loop.clock.advance(ANSWER_WITHIN_MS);
    await loop.lineWith('no answer for 20 s');
    loop.clock.advance(10_000);
    await eventually(() => master.streamsOpened === 2);
  });

  test('says farewell, and waits for the master to end the stream', async () => {
    await beats(1);
    await sent(1);
    await loop.stop();
    expect(master.heartbeats.at(-1)).toMatchObject({ leaving: true, sequence: 2n });
    expect(master.streamsEnded).toBe(1);
    expect(loop.clock.pending).toBe(0);
  });

  test('waits for a master that does not answer its farewell for 2 s and no longer', async () => {
    master.endsStreams = false;
    await beats(1);
    await sent(1);
    const stopped = loop.stop();
    await eventually(() => master.streamsEnded === 1);
    loop.clock.advance(1_999);
    expect(loop.of('stopped')).toHaveLength(0);
    loop.clock.advance(1);
    await stopped;
    expect(loop.clock.pending).toBe(0);
  });

  test('finds a master again that was restarted on the same port', async () => {
    await beats(1);
    await sent(1);
    const { port } = master;
    master.close();
    await loop.lineWith('cannot report worker-1');
    for (let attempt = 0; attempt < 5; attempt++) {
      const told = loop.lines.length;
      loop.clock.advance(10_000);
      await eventually(() => loop.lines.length > told || loop.lines.some((line) => line.includes('ECONNREFUSED')));
    }
    const told = loop.lines.filter((line) => line.includes('ECONNREFUSED'));
    expect(told).toEqual([expect.stringContaining(`cannot report worker-1 to ${master.address}`)]);
    const before = master.heartbeats.length;
    await master.listen({ port });
    await eventually(() => {
      loop.clock.advance(1_000);
      return master.heartbeats.length > before;
    });
    // Nothing of the outage was kept to be sent late: the next number, measured now.
    expect(master.heartbeats[before]?.sequence).toBe(BigInt(before + 1));
    expect(master.heartbeats[before]?.instanceId).toBe(master.heartbeats[0]?.instanceId);
    expect(loop.lines.at(-1)).toContain('reporting worker-1');
  });
});

test('an agent that is not admitted keeps trying and says why, once', async () => {
  await loop.stop();
  const strict = await FakeMaster.start();
  strict.registerStatus = status.PERMISSION_DENIED;
  loop = LoopUnderTest.fake({ workerId: 'worker-1', master: strict.address });
  await eventually(() => {
    loop.clock.advance(2_000);
    return strict.registrations.length >= 4;
  });
  expect(loop.lines).toEqual([expect.stringContaining('PERMISSION_DENIED: as the test wants it')]);
  strict.registerStatus = status.OK;
  await eventually(() => {
    loop.clock.advance(2_000);
    return strict.heartbeats.length > 0;
  });
  strict.close();
});

test('an agent whose registration is refused for what it says sends heartbeats all the same, and says why once', async () => {
  await loop.stop();
  const strict = await FakeMaster.start();
  strict.registerStatus = status.INVALID_ARGUMENT;
  loop = LoopUnderTest.fake({ workerId: 'worker-1', master: strict.address });
  await eventually(() => strict.heartbeats.length > 0);
  strict.close();
  await strict.listen({ port: strict.port });
  await eventually(() => {
    loop.clock.advance(2_000);
    return strict.registrations.length > 1 && strict.heartbeats.length > 1;
  });
  const refusals = loop.lines.filter((line) => line.includes('as the test wants it'));
  expect(refusals).toEqual([
    `${strict.address} does not take what worker-1 says of itself (INVALID_ARGUMENT: as the test wants it); ` +
      'only heartbeats are sent',
  ]);
  strict.close();
});
