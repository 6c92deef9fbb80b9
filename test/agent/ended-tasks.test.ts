import { toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Agent } from '../../src/agent/agent.ts';
import { EndedTasks } from '../../src/agent/ended-tasks.ts';
import { LoadFitter } from '../../src/agent/load.ts';
import { heartbeatOf } from '../../src/agent/sender/compose.ts';
import { checkAgentOptions } from '../../src/agent/settings.ts';
import { Workload } from '../../src/agent/workload.ts';
import {
  EndedTaskOutcome,
  type Heartbeat,
  HeartbeatSchema,
  RefusalCode,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { decodeHeartbeat } from '../../src/lane/decode.ts';
import { heartbeatProblem } from '../../src/lane/validate.ts';
import { MAX_ENDED_TASKS, MAX_MESSAGE_BYTES } from '../../src/model/heartbeat-limits.ts';
import type { EndedTask } from '../../src/model/telemetry.ts';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';

const idsIn = (heartbeat: Heartbeat | undefined) => heartbeat?.endedTasks.map(({ taskId }) => taskId);

describe('what waits to be told to a master', () => {
  function queue() {
    const lines: string[] = [];
    const told: number[] = [];
    const ended = new EndedTasks(
      (_, line) => lines.push(line),
      (upTo) => told.push(upTo),
    );
    let number = 0;
    const add = (...ids: string[]) => {
      for (const taskId of ids) ended.add({ number: ++number, task: { taskId } });
    };
    return { ended, lines, told, add, ids: () => ended.waiting.map(({ taskId }) => taskId) };
  }

  test('is told once a second ack has come without a rejection in between', () => {
    const { ended, told, add, ids } = queue();
    add('a');
    ended.sent(5, 1);
    ended.accepted(4);
    expect(ids()).toEqual(['a']);
    ended.accepted(5);
    add('b');
    ended.sent(6, 2);
    expect(ids()).toEqual(['a', 'b']);
    ended.accepted(6);
    expect(ids()).toEqual(['b']);
    expect(told).toEqual([1]);
    // The rejection of the sixth comes after its ack.
    ended.refused(6);
    ended.accepted(6);
    ended.accepted(6);
    expect(ids()).toEqual(['b']);
    ended.sent(7, 1);
    ended.accepted(7);
    ended.accepted(8);
    expect([ids(), told]).toEqual([[], [1, 2]]);
  });

  test('without a number is what the hub has to keep, until it is told', () => {
    const { ended, add } = queue();
    add('of the host');
    expect([ended.ownWaiting, ended.ownChanges]).toEqual([[], 0]);
    ended.addOwn({ taskId: 'of the hub' });
    expect([ended.ownWaiting, ended.ownChanges]).toEqual([[{ taskId: 'of the hub' }], 1]);
    ended.sent(1, 2);
    ended.accepted(1);
    expect(ended.ownChanges).toBe(1);
    ended.accepted(2);
    expect([ended.ownWaiting, ended.ownChanges]).toEqual([[], 2]);
  });

  test('is told anew on another connection', () => {
    const { ended, add, ids } = queue();
    add('a');
    ended.sent(1, 1);
    ended.accepted(1);
    ended.reconnected();
    ended.accepted(2);
    ended.accepted(3);
    expect(ids()).toEqual(['a']);
  });

  test('what did not fit into a heartbeat waits for a later one', () => {
    const { ended, add, ids } = queue();
    add('a', 'b');
    ended.sent(1, 1);
    ended.accepted(1);
    ended.accepted(1);
    expect(ids()).toEqual(['b']);
  });

  test('is bounded: the oldest are dropped, counted, and that is said once', () => {
    const { ended, lines, told, add, ids } = queue();
    add(...Array.from({ length: MAX_ENDED_TASKS + 5 }, (_, n) => `${n}`));
    expect(ids()).toHaveLength(MAX_ENDED_TASKS);
    expect(ids()[0]).toBe('5');
    expect(told.at(-1)).toBe(5);
    ended.sent(1, MAX_ENDED_TASKS);
    ended.accepted(1);
    ended.accepted(2);
    expect(ids()).toEqual([]);
    expect(lines).toEqual([
      'more than 1000 ended tasks wait to be told to a master: it will not learn how the oldest of them ended',
      'the master was not told of 5 ended tasks: too many waited',
    ]);
  });

  test('nothing is lost or told before it can have arrived, whatever is acked, refused and reconnected', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('add' as const), count: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ type: fc.constant('beat' as const), isRejected: fc.boolean(), fits: fc.nat(4) }),
      fc.record({ type: fc.constantFrom('ack' as const, 'reconnect' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { ended, add, ids } = queue();
        // A master that acks at once what it got since the last ack, and tells rejections just before the ack after that.
        const arrived = new Set<string>();
        let sequence = 0;
        let unacked: { sequence: number; ids: string[]; isRejected: boolean }[] = [];
        let late: typeof unacked = [];
        let added = 0;
        for (const one of steps) {
          if (one.type === 'add') for (let n = 0; n < one.count; n++) add(`${added++}`);
          if (one.type === 'beat') {
            const given = ids().slice(0, one.fits);
            sequence++;
            ended.sent(sequence, given.length);
            unacked.push({ sequence, ids: given, isRejected: one.isRejected });
            if (!one.isRejected) for (const id of given) arrived.add(id);
          }
          if (one.type === 'ack' && unacked.length > 0) {
            for (const beat of late) if (beat.isRejected) ended.refused(beat.sequence);
            late = unacked;
            unacked = [];
            ended.accepted(sequence);
          }
          if (one.type === 'reconnect') {
            unacked = [];
            late = [];
            ended.reconnected();
          }
          for (let n = 0; n < added; n++) expect(arrived.has(`${n}`) || ids().includes(`${n}`)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('an agent whose host ends tasks', () => {
  let master: FakeMaster;
  let loop: LoopUnderTest;
  const workload = new Workload();

  beforeEach(async () => {
    master = await FakeMaster.start();
    master.answer = () => undefined;
    loop = LoopUnderTest.fake({ workerId: 'worker-1', master: master.address });
  });
  afterEach(async () => {
    await loop.stop();
    master.close();
  });

  const end = (taskId: string) => {
    workload.addTask({ taskId }, 900.4);
    loop.post({ type: 'task-ended', end: workload.endTask(taskId, {}, 1000) });
  };
  const beat = async () => {
    const count = master.heartbeats.length + 1;
    loop.clock.advance(5_000);
    await eventually(() => master.heartbeats.length >= count && loop.of('beat').length >= count);
    return master.heartbeats[count - 1] as Heartbeat;
  };
  /** The first heartbeat that tells it. */
  const beatWith = async (taskId: string) => {
    for (;;) {
      const heartbeat = await beat();
      if (idsIn(heartbeat)?.includes(taskId)) return heartbeat;
    }
  };
  const ack = async (acceptedSequence: bigint, refused?: bigint) => {
    const reason = `heard ${loop.lines.length}`;
    const refusal = { workerId: 'worker-1', code: RefusalCode.INVALID_ARGUMENT, reason, heard: true };
    master.tell({
      acks: [{ workerId: 'worker-1', acceptedSequence, heldMs: 0 }],
      refusals: refused === undefined ? [] : [{ ...refusal, sequence: refused }],
    });
    if (refused !== undefined) await loop.lineWith(reason);
  };

  test('tells a task that was shorter than a beat, until two acks have come', async () => {
    await eventually(() => master.heartbeats.length === 1 && loop.of('beat').length === 1);
    end('short');
    const first = await beatWith('short');
    expect(first).toMatchObject({
      runningTasks: [],
      endedTasks: [{ taskId: 'short', startedAtUnixMs: 900n, endedAtUnixMs: 1000n }],
    });
    await ack(first.sequence);
    const second = await beat();
    expect(idsIn(second)).toEqual(['short']);
    await ack(second.sequence);
    await eventually(() => loop.of('ended-told').some(({ upTo }) => upTo === workload.ended().at(-1)?.number));
    expect(idsIn(await beat())).toEqual([]);
  });

  test('tells it again after a rejection that came after the ack', async () => {
    await eventually(() => master.heartbeats.length === 1 && loop.of('beat').length === 1);
    end('late');
    const { sequence } = await beatWith('late');
    await ack(sequence);
    await beat();
    // Both in one answer: the second ack proves nothing.
    await ack(sequence + 1n, sequence + 1n);
    await ack(sequence + 1n);
    await ack(sequence + 1n);
    expect(idsIn(await beat())).toContain('late');
    expect(loop.of('ended-told')).toEqual([]);
  });

  test('tells it in its farewell', async () => {
    await eventually(() => master.heartbeats.length === 1 && loop.of('beat').length === 1);
    end('last');
    loop.post({ type: 'stop' });
    const farewell = await eventually(() => master.heartbeats.find(({ leaving }) => leaving));
    expect(idsIn(farewell)).toContain('last');
  });
});

test('an agent that stops before its first connection waits for it, to tell what ended', async () => {
  const master = await FakeMaster.start();
  const loop = LoopUnderTest.fake({ workerId: 'w', master: master.address });
  try {
    loop.post({ type: 'task-ended', end: { number: 1, task: { taskId: 'a' } } });
    await loop.stop();
    expect(master.heartbeats.map((heartbeat) => [heartbeat.leaving, idsIn(heartbeat)])).toEqual([[true, ['a']]]);
    expect(loop.lines.join()).not.toContain('no master was told');
  } finally {
    master.close();
  }
});

test('an agent that stops without a master says that nobody was told', async () => {
  const loop = LoopUnderTest.fake({ workerId: 'w', master: '127.0.0.1:1' });
  await loop.lineWith('127.0.0.1:1');
  loop.post({ type: 'task-ended', end: { number: 1, task: { taskId: 'a' } } });
  const stopped = loop.stop();
  await eventually(() => {
    loop.clock.advance(100);
    return loop.of('stopped')[0];
  });
  await stopped;
  expect(loop.lines).toContain('no master was told how 1 ended task ended');
});

test('another master is told what the first one has not acked', async () => {
  const first = await FakeMaster.start();
  const second = await FakeMaster.start();
  first.answer = () => undefined;
  const loop = LoopUnderTest.fake({ workerId: 'w', master: [first.address, second.address] });
  try {
    await eventually(() => first.heartbeats.length === 1);
    loop.post({ type: 'task-ended', end: { number: 1, task: { taskId: 'a', outcome: 'killed' } } });
    await eventually(() => {
      loop.clock.advance(1_000);
      return idsIn(first.heartbeats.at(-1))?.[0] === 'a';
    });
    first.close();
    const told = await eventually(() => {
      loop.clock.advance(500);
      return second.heartbeats.find(({ endedTasks }) => endedTasks.length > 0);
    });
    expect(told.endedTasks).toMatchObject([{ taskId: 'a', outcome: EndedTaskOutcome.KILLED }]);
  } finally {
    await loop.stop();
    first.close();
    second.close();
  }
});

test('a program ends its tasks through its agent’s thread', async () => {
  const master = await FakeMaster.start();
  const agent = new Agent({ workerId: 'w', master: master.address, intervalMs: 100 });
  try {
    // Ended before there is a thread.
    agent.addTask({ taskId: 'early', startedAtUnixMs: 5 });
    agent.endTask('early', { outcome: 'failed', exitCode: -9, cpuSeconds: 1.5, maxRssBytes: 4096 });
    await agent.start();
    agent.addTask({ taskId: 'late' });
    agent.endTask('late');
    await eventually(() => {
      const seen = master.heartbeats.flatMap(({ endedTasks }) => endedTasks);
      return seen.some(({ taskId }) => taskId === 'early') && seen.some(({ taskId }) => taskId === 'late');
    });
    expect(master.heartbeats.flatMap(({ endedTasks }) => endedTasks)[0]).toMatchObject({
      taskId: 'early',
      startedAtUnixMs: 5n,
      outcome: EndedTaskOutcome.FAILED,
      exitCode: -9,
      cpuSeconds: 1.5,
      maxRssBytes: 4096n,
    });
    await eventually(() => master.heartbeats.at(-1)?.endedTasks.length === 0);
    expect(() => agent.endTask('late')).toThrow('taskId "late" is not known');
  } finally {
    await agent.stop();
    master.close();
  }
});

test.each([
  [{ outcome: 'won' as never }, 'outcome of task "a" is "won"; expected one of finished, failed, killed, vanished'],
  [{ exitCode: 1.5 }, 'exitCode of task "a" is 1.5; expected a whole number of 32 bits'],
  [{ exitCode: 2 ** 31 }, 'exitCode of task "a" is 2147483648'],
  [{ cpuSeconds: Number.NaN }, 'cpuSeconds of task "a" is NaN; expected a finite number from 0'],
  [{ cpuSeconds: -1 }, 'cpuSeconds of task "a" is -1'],
  [{ maxRssBytes: 0.5 }, 'maxRssBytes of task "a" is 0.5; expected a whole number of bytes from 0'],
])('an end with %o is refused, and the task stays', (end, message) => {
  const workload = new Workload();
  workload.addTask({ taskId: 'a' }, 0);
  expect(() => workload.endTask('a', end, 1)).toThrow(message);
  expect([workload.tasks().length, workload.ended()]).toEqual([1, []]);
});

test('however much the host reports, ended tasks fit into the heartbeat, and some are always told', () => {
  const settings = checkAgentOptions({ workerId: 'w'.repeat(256), master: '127.0.0.1:1' });
  const workload = new Workload();
  expect(() => {
    for (let n = 0; ; n++) workload.addTask({ taskId: `${n}`.padEnd(256) }, 0);
  }).toThrow('a heartbeat would have more than');
  const tasks = new Map(workload.tasks().map((task) => [task.taskId, task]));
  const ended = Array.from({ length: MAX_ENDED_TASKS }, (_, n): EndedTask => {
    const times = { startedAtUnixMs: 1_795_456_495_000, endedAtUnixMs: 1_795_456_495_000 };
    return {
      taskId: `${n}`.padEnd(256),
      outcome: 'vanished',
      exitCode: -1,
      cpuSeconds: 1 / 3,
      maxRssBytes: 2 ** 52,
      ...times,
    };
  });
  const usages = { cpuPercent: 1 / 3, memoryPercent: 1 / 3, storagePercent: 1 / 3, gpuPercent: 1 / 3, gpus: [] };
  for (const fewTasks of [false, true]) {
    const load = new LoadFitter(() => {}).fit(fewTasks ? new Map() : tasks, new Map(), ended);
    const bytes = toBinary(
      HeartbeatSchema,
      heartbeatOf({
        settings,
        usages,
        ...load,
        sequence: Number.MAX_SAFE_INTEGER,
        sentAtUnixMs: 1_795_456_495_000,
        hostLoopLagMs: 1 / 3,
        lastRoundTripMs: 1 / 3,
        leaving: false,
      }),
    );
    expect(bytes.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
    expect(load.endedTasks.length).toBeGreaterThan(fewTasks ? MAX_ENDED_TASKS - 1 : 50);
    expect(heartbeatProblem(decodeHeartbeat(bytes))).toBeUndefined();
  }
});
