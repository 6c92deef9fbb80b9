import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ANSWER_WITHIN_MS } from '../../src/agent/sender/stream-sender.ts';
import { RefusalCode } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';

const INTERVAL_MS = 5_000;

let first: FakeMaster;
let second: FakeMaster;
let loop: LoopUnderTest;

beforeEach(async () => {
  first = await FakeMaster.start();
  second = await FakeMaster.start();
});

afterEach(async () => {
  await loop.stop();
  first.close();
  second.close();
});

function start(): void {
  loop = LoopUnderTest.fake({ workerId: 'worker-1', master: [first.address, second.address] });
}

const sent = (count: number) => eventually(() => loop.of('beat').length >= count);

async function startOnFirst(): Promise<void> {
  start();
  await eventually(() => first.heartbeats.length === 1);
  await sent(1);
}

describe('an agent with two masters', () => {
  test('reports to the first alone', async () => {
    await startOnFirst();
    expect(loop.lines).toEqual([`reporting worker-1 to ${first.address} every 5s`]);
    expect(second.registrations).toHaveLength(0);
  });

  test('goes to the next within one interval when the first is lost, and sends nothing late', async () => {
    await startOnFirst();
    loop.clock.advance(INTERVAL_MS);
    await eventually(() => first.heartbeats.length === 2);
    await sent(2);
    first.close();
    await loop.lineWith('cannot report');
    // One is measured while nobody listens: it must not come to the second master.
    loop.meter.now = { ...loop.meter.now, cpuPercent: 99 };
    const switchedAtMs = loop.clock.wallMs();
    loop.clock.advance(500);
    await eventually(() => second.heartbeats.length === 1);
    loop.clock.advance(INTERVAL_MS);
    await eventually(() => second.heartbeats.length === 2);
    expect(second.registrations).toHaveLength(1);
    expect(second.heartbeats.map(({ sequence }) => sequence)).toEqual([3n, 4n]);
    expect(second.heartbeats[0]?.instanceId).toBe(first.heartbeats[0]?.instanceId);
    for (const { sentAtUnixMs, cpuUsage } of second.heartbeats) {
      expect(Number(sentAtUnixMs)).toBeGreaterThanOrEqual(Math.round(switchedAtMs));
      expect(cpuUsage).toBe(99);
    }
    expect(loop.lines).toEqual([
      `reporting worker-1 to ${first.address} every 5s`,
      expect.stringMatching(`^cannot report worker-1 to ${first.address} \\(.*\\); trying ${second.address} next$`),
      `reporting worker-1 to ${second.address} every 5s`,
    ]);
  });

  test('sends what is measured after an outage of both, and nothing of the outage', async () => {
    await startOnFirst();
    const { port } = second;
    second.close();
    first.close();
    await loop.lineWith(`trying ${second.address} next`);
    // Heartbeats fall due and are dropped.
    await eventually(() => {
      loop.clock.advance(1_000);
      return loop.meter.looks >= 8;
    });
    await second.listen({ port });
    const backAtMs = loop.clock.wallMs();
    await eventually(() => {
      loop.clock.advance(500);
      return second.heartbeats.length > 0;
    });
    expect(second.heartbeats[0]?.sequence).toBe(2n);
    expect(Number(second.heartbeats[0]?.sentAtUnixMs)).toBeGreaterThanOrEqual(Math.round(backAtMs));
  });

  test('comes back to the first when the second is lost', async () => {
    await startOnFirst();
    const { port } = first;
    first.close();
    await loop.lineWith(`trying ${second.address} next`);
    loop.clock.advance(500);
    await eventually(() => second.heartbeats.length === 1);
    await sent(2);
    const before = first.heartbeats.length;
    await first.listen({ port });
    second.close();
    await loop.lineWith(`trying ${first.address} next`);
    loop.clock.advance(500);
    await eventually(() => first.heartbeats.length > before);
    expect(first.heartbeats.at(-1)?.sequence).toBe(3n);
  });

  test('tries both in turn while both refuse, and says so once of each', async () => {
    first.registerStatus = status.UNAVAILABLE;
    second.registerStatus = status.PERMISSION_DENIED;
    start();
    await eventually(() => {
      loop.clock.advance(100);
      return second.registrations.length >= 4;
    });
    expect(Math.abs(first.registrations.length - second.registrations.length)).toBeLessThanOrEqual(1);
    expect(loop.lines).toEqual([
      `cannot report worker-1 to ${first.address} (UNAVAILABLE: as the test wants it); trying ${second.address} next`,
      `cannot report worker-1 to ${second.address} (PERMISSION_DENIED: as the test wants it); trying ${first.address} next`,
    ]);
  });

  test('goes to the next when the first does not admit it', async () => {
    first.registerStatus = status.PERMISSION_DENIED;
    start();
    await loop.lineWith('PERMISSION_DENIED');
    loop.clock.advance(500);
    await eventually(() => second.heartbeats.length === 1);
  });

  test('goes to the next when the first admits it no more, in band', async () => {
    first.answer = ({ workerId, sequence }) => ({
      refusals: [{ workerId, sequence, code: RefusalCode.NOT_ADMITTED, reason: 'removed', retryAfterMs: 30_000 }],
    });
    start();
    await loop.lineWith(`(removed); trying ${second.address} next`);
    loop.clock.advance(500);
    await eventually(() => second.heartbeats.length === 1);
    expect(loop.lines.at(-1)).toBe(`reporting worker-1 to ${second.address} every 5s`);
  });

  test('takes what the first refused for no word of the second', async () => {
    first.answer = ({ workerId, sequence }) => ({
      refusals: [{ workerId, sequence, code: RefusalCode.RESOURCE_EXHAUSTED, reason: 'full' }],
    });
    second.answer = ({ workerId, sequence }) =>
      sequence === 2n
        ? { acks: [{ workerId, acceptedSequence: sequence }] }
        : { refusals: [{ workerId, sequence, code: RefusalCode.INVALID_ARGUMENT, reason: 'odd' }] };
    start();
    await loop.lineWith('the master refuses heartbeats: resource exhausted: full');
    first.close();
    await loop.lineWith(`trying ${second.address} next`);
    loop.clock.advance(500);
    await eventually(() => second.heartbeats.length === 1 && loop.of('beat').length === 2);
    loop.clock.advance(INTERVAL_MS);
    // Its ack of the heartbeat before has been heard by then.
    await loop.lineWith('invalid argument: odd');
    expect(loop.lines.filter((line) => line.includes('accepts heartbeats again'))).toEqual([]);
  });

  test('goes to the next when the stream to the first goes dead', async () => {
    first.answer = () => undefined;
    await startOnFirst();
    loop.clock.advance(ANSWER_WITHIN_MS);
    await loop.lineWith(`(no answer for 20 s); trying ${second.address} next`);
    loop.clock.advance(500);
    await eventually(() => second.heartbeats.length === 1);
  });

  test('goes from a master that knows single calls only to the next', async () => {
    first.close();
    first = await FakeMaster.start({ onlyUnary: true });
    start();
    await eventually(() => first.clusterHeartbeats.length === 1 && loop.of('beat').length === 1);
    first.close();
    await eventually(() => {
      loop.clock.advance(1_000);
      return second.heartbeats.length > 0;
    });
    expect(loop.lines.at(-1)).toBe(`reporting worker-1 to ${second.address} every 5s`);
  });

  test('says farewell to the one in use alone', async () => {
    await startOnFirst();
    await loop.stop();
    expect(first.heartbeats.at(-1)?.leaving).toBe(true);
    expect(second.registrations).toHaveLength(0);
    expect(loop.clock.pending).toBe(0);
  });
});

test('an agent does not keep to the pace of another master where nobody tells it one', async () => {
  first.nextIntervalMs = 60_000;
  second.close();
  second = await FakeMaster.start({ onlyUnary: true });
  await startOnFirst();
  first.close();
  await loop.lineWith('cannot report');
  loop.clock.advance(500);
  await loop.lineWith('one call per heartbeat');
  expect(loop.lines.at(-1)).toBe(`reporting worker-1 to ${second.address} every 5s, one call per heartbeat`);
  await eventually(() => second.clusterHeartbeats.length === 1);
  // One call at a time: the next heartbeat goes out when the answer to this one is here.
  await eventually(() => {
    loop.clock.advance(INTERVAL_MS);
    return second.clusterHeartbeats.length >= 2;
  });
});
