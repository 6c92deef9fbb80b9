/** An older instance of a worker, of which a later one reports to the same master. */
import { Metadata, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReasonOf } from '../../src/agent/sender/disconnect-reason.ts';
import { RefusalCode } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { eventually } from '../support/eventually.ts';
import { type Answer, FakeMaster } from '../support/fake-master.ts';

let master: FakeMaster;
let loop: LoopUnderTest;

beforeEach(async () => {
  master = await FakeMaster.start();
});

afterEach(async () => {
  await loop.stop();
  master.close();
});

const refusing = ({ workerId, sequence }: { workerId: string; sequence: bigint }): Answer => ({
  acks: [{ workerId, acceptedSequence: sequence }],
  refusals: [
    { workerId, sequence, code: RefusalCode.FAILED_PRECONDITION, reason: 'a later one', retryAfterMs: 60_000 },
  ],
});

const accepting = ({ workerId, sequence }: { workerId: string; sequence: bigint }): Answer => ({
  acks: [{ workerId, acceptedSequence: sequence }],
});

describe('an agent whose master takes a later instance', () => {
  const line = () =>
    `another instance of worker-1 reports to ${master.address}; this one waits 60 s before it tries again`;

  test('is refused in band: waits 60 s, then registers and sends again, and says why once', async () => {
    master.answer = refusing;
    loop = LoopUnderTest.fake({ workerId: 'worker-1', master: master.address });
    await loop.lineWith('another instance');
    await eventually(() => master.openStreams === 0);
    loop.clock.advance(59_999);
    expect(loop.meter.tries).toBe(1);
    loop.clock.advance(1);
    expect(loop.meter.tries).toBe(2);
    await eventually(() => master.heartbeats.length === 2);
    await eventually(() => master.openStreams === 0);
    loop.clock.advance(59_999);
    expect(loop.meter.tries).toBe(2);
    expect(master.heartbeats).toHaveLength(2);
    expect(loop.lines).toEqual([`reporting worker-1 to ${master.address} every 5s`, line()]);
    expect(loop.of('report').at(-1)).toMatchObject({ level: 'warn', fields: { reason: 'a later one' } });
  });

  test('says when it is taken again, and then why it is not, anew', async () => {
    master.answer = refusing;
    loop = LoopUnderTest.fake({ workerId: 'worker-1', master: master.address });
    await loop.lineWith('another instance');
    master.answer = accepting;
    loop.clock.advance(60_000);
    await loop.lineWith(`${master.address} takes heartbeats of this instance of worker-1 again`);
    master.answer = refusing;
    loop.clock.advance(5_000);
    await eventually(() => loop.lines.filter((text) => text === line()).length === 2);
  });

  test.each([undefined, 5_000, 60_000])('is refused at its registration, with a pushback of %s ms', async (asked) => {
    master.registerStatus = status.FAILED_PRECONDITION;
    master.pushbackMs = asked;
    loop = LoopUnderTest.fake({ workerId: 'worker-1', master: master.address });
    await loop.lineWith('another instance');
    loop.clock.advance(59_999);
    expect(loop.meter.tries).toBe(1);
    loop.clock.advance(1);
    await eventually(() => master.registrations.length === 2);
    expect(loop.lines).toEqual([line()]);
  });

  test('is refused at a single call', async () => {
    master.close();
    master = await FakeMaster.start({ onlyUnary: true });
    master.clusterStatus = status.FAILED_PRECONDITION;
    loop = LoopUnderTest.fake({ workerId: 'worker-1', master: master.address });
    await loop.lineWith('another instance');
    loop.clock.advance(59_999);
    expect(loop.meter.tries).toBe(1);
    loop.clock.advance(1);
    await eventually(() => master.clusterHeartbeats.length === 2);
  });

  test('says no farewell while it waits: the worker is there still', async () => {
    master.answer = refusing;
    loop = LoopUnderTest.fake({ workerId: 'worker-1', master: master.address });
    await loop.lineWith('another instance');
    await loop.stop();
    expect(master.heartbeats).toHaveLength(1);
    expect(loop.clock.pending).toBe(0);
  });

  test('tries the next master, and comes back to the refusing one after 60 s at the earliest', async () => {
    const other = await FakeMaster.start();
    master.answer = refusing;
    loop = LoopUnderTest.fake({ workerId: 'worker-1', master: [master.address, other.address] });
    await loop.lineWith(
      `another instance of worker-1 reports to ${master.address}; ` +
        `this one waits 60 s before it tries there again, and tries ${other.address} next`,
    );
    loop.clock.advance(500);
    await eventually(() => other.heartbeats.length === 1);
    other.registerStatus = status.PERMISSION_DENIED;
    other.tell({ refusals: [{ workerId: 'worker-1', code: RefusalCode.NOT_ADMITTED, reason: 'removed' }] });
    await loop.lineWith(`cannot report worker-1 to ${other.address} (removed); trying again`);
    // The other one is tried meanwhile, with time for it to answer; each try is heard by one of them.
    const startMs = loop.clock.monotonicMs();
    await eventually(() => {
      loop.clock.advance(500);
      return loop.clock.monotonicMs() - startMs >= 59_000;
    });
    await eventually(() => master.registrations.length + other.registrations.length === loop.meter.tries);
    expect(master.registrations).toHaveLength(1);
    expect(other.registrations.length).toBeGreaterThan(1);
    await eventually(() => {
      loop.clock.advance(1_000);
      return master.registrations.length === 2;
    });
    other.close();
  });
});

describe('a loss', () => {
  const failed = (code: status, pushback?: string) => {
    const metadata = new Metadata();
    if (pushback !== undefined) metadata.set('grpc-retry-pushback-ms', pushback);
    return disconnectReasonOf({ code, details: 'why', metadata });
  };

  test.each([
    [undefined, 60_000],
    ['90000', 90_000],
    ['99999999', 600_000],
    ['-1', 60_000],
    ['soon', 60_000],
  ])('with a pushback of %s keeps an older instance away for %i ms', (pushback, quietMs) => {
    const reason = 'FAILED_PRECONDITION: why';
    expect(failed(status.FAILED_PRECONDITION, pushback)).toEqual({
      isConflict: true,
      isDenied: false,
      reason,
      quietMs,
    });
  });

  test('of another kind leaves the wait to the back-off', () => {
    expect(failed(status.UNAVAILABLE, '90000')).toMatchObject({ isConflict: false, quietMs: 0 });
    expect(disconnectReasonOf(new Error('cut'))).toEqual({
      isConflict: false,
      isDenied: false,
      reason: 'cut',
      quietMs: 0,
    });
  });
});
