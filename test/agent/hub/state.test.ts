/** What the hub makes of lines: tasks and their owners, metrics and their time, and the bounds of both. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HubState } from '../../../src/agent/hub/hub-state.ts';
import { HUB_LIMITS, METRIC_KEEP_MS, TASK_KEEP_MS } from '../../../src/agent/hub/limits.ts';
import { RefusedLine } from '../../../src/agent/hub/line.ts';
import { LineRate } from '../../../src/agent/hub/line-rate.ts';
import type { Owner } from '../../../src/agent/hub/task-store.ts';
import type { EndedTask } from '../../../src/model/telemetry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { repetitions } from '../../support/repetitions.ts';

function start() {
  const clock = new FakeClock(1_000_000);
  const ended: EndedTask[] = [];
  const running = new Map<number, number | undefined>([[77, 5]]);
  const state = new HubState({
    clock,
    onEnded: (task) => ended.push(task),
    processes: {
      pidNamespace: 'pid:[1]',
      watch: (pid) => (running.has(pid) ? { pid, startedAt: running.get(pid) } : undefined),
      isRunning: ({ pid, startedAt }) => running.has(pid) && running.get(pid) === startedAt,
    },
  });
  const owner = (): Owner => ({ tasks: new Set(), endedByOthers: new Set() });
  const take = (line: object, from?: Owner) => state.takeValue(line, from);
  const refusal = (line: object, from?: Owner) => {
    try {
      take(line, from);
    } catch (error) {
      if (error instanceof RefusedLine) return error.reason;
    }
    return 'taken';
  };
  return { clock, ended, running, state, owner, take, refusal };
}

test('a task ends as vanished with its connection, and not with another one', () => {
  const { clock, ended, state, owner, take } = start();
  const [first, second] = [owner(), owner()];
  take({ task: { task_id: 'a', cpu_allocated: 2 } }, first);
  take({ task: { task_id: 'a', progress: 0.5 } }, second);
  expect(state.tasks.tasks.get('a')).toEqual({
    taskId: 'a',
    status: 'running',
    progress: 0.5,
    cpuAllocated: 2,
    memoryAllocated: 0,
    gpuAllocated: 0,
    startedAtUnixMs: 1_000_000,
  });
  clock.advance(2_000);
  expect(state.closed(second)).toBe(0);
  expect(state.closed(first)).toBe(1);
  expect(ended).toEqual([{ taskId: 'a', startedAtUnixMs: 1_000_000, endedAtUnixMs: 1_002_000, outcome: 'vanished' }]);
  expect(state.tasks.tasks.size).toBe(0);
});

test('what another connection says of a task does not detach it; its own connection may', () => {
  const { ended, state, owner, take } = start();
  const [first, second] = [owner(), owner()];
  take({ task: { task_id: 'a' } }, first);
  take({ task: { task_id: 'a', keep: true } }, second);
  expect(state.tasks.keptCount).toBe(0);
  take({ task: { task_id: 'b' } }, first);
  take({ task: { task_id: 'b', keep: true } }, first);
  expect(state.closed(first)).toBe(1);
  expect(ended.map(({ taskId }) => taskId)).toEqual(['a']);
  // And who comes back makes it its own.
  take({ task: { task_id: 'b', keep: false } }, second);
  expect(state.closed(second)).toBe(1);
  expect(state.tasks.tasks.size).toBe(0);
});

test('a kept task ends after its time without an update, each update begins it anew', () => {
  const { clock, ended, state, take } = start();
  take({ task: { task_id: 'day', keep: true } });
  take({ task: { task_id: 'minute', keep_seconds: 60 } });
  clock.advance(59_999);
  state.sweep();
  take({ task: { task_id: 'minute', progress: 0.1 } });
  clock.advance(59_999);
  state.sweep();
  expect(ended).toEqual([]);
  clock.advance(1);
  state.sweep();
  expect(ended.map(({ taskId, outcome }) => [taskId, outcome])).toEqual([['minute', 'vanished']]);
  clock.advance(TASK_KEEP_MS);
  state.sweep();
  expect(state.tasks.tasks.size).toBe(0);
  expect(state.counts.vanished).toBe(2);
});

test('a task with a process ends when that process is gone, also if its id is given to another one', () => {
  const { clock, ended, running, state, take, refusal } = start();
  expect(refusal({ task: { task_id: 'none', pid: 78 } })).toBe('no_such_process');
  take({ task: { task_id: 'a', pid: 77 } });
  expect(state.tasks.watchedCount).toBe(1);
  clock.advance(10 * TASK_KEEP_MS);
  state.sweep();
  expect(ended).toEqual([]);
  running.set(77, 6);
  state.sweep();
  expect(ended.map(({ taskId, outcome }) => [taskId, outcome])).toEqual([['a', 'vanished']]);
  expect(state.tasks.watchedCount).toBe(0);
});

test('a task whose process cannot be told from a later one ends after its time without an update, too', () => {
  const { clock, ended, running, state, take } = start();
  running.set(78, undefined);
  take({ task: { task_id: 'hidden', pid: 78, keep_seconds: 60 } });
  take({ task: { task_id: 'seen', pid: 77, keep_seconds: 60 } });
  clock.advance(59_999);
  state.sweep();
  take({ task: { task_id: 'hidden', progress: 0.5 } });
  clock.advance(59_999);
  state.sweep();
  expect(ended).toEqual([]);
  clock.advance(1);
  state.sweep();
  expect(ended.map(({ taskId, outcome }) => [taskId, outcome])).toEqual([['hidden', 'vanished']]);
});

test('a process of another pid namespace is refused, since its id is somebody else here', () => {
  const { refusal, state } = start();
  const task = { task_id: 'a', pid: 77 };
  expect(refusal({ task: { ...task, pid_namespace: 'pid:[2]' } })).toBe('foreign_process');
  expect(state.tasks.tasks.size).toBe(0);
  expect(refusal({ task: { ...task, pid_namespace: 'pid:[1]' } })).toBe('taken');
  expect(refusal({ task: { ...task, pid_namespace: 'pid:[2]' } })).toBe('foreign_process');
});

test('an end is recorded with what is known of it, also of a task that nobody knows', () => {
  const { ended, take, refusal } = start();
  take({ task: { task_id: 'a', started_at_unix_ms: 5 } });
  expect(refusal({ task: { task_id: 'a', new: true } })).toBe('task_exists');
  expect(
    take({ task: { task_id: 'a', status: 'failed', exit_code: 3, cpu_seconds: 1.5, max_rss_bytes: 4096 } }),
  ).toEqual({ id: undefined, wasUnknown: false });
  expect(take({ id: 'x', task: { task_id: 'b', status: 'finished', started_at_unix_ms: 9 } })).toEqual({
    id: 'x',
    wasUnknown: true,
  });
  expect(ended).toEqual([
    {
      taskId: 'a',
      startedAtUnixMs: 5,
      endedAtUnixMs: 1_000_000,
      outcome: 'failed',
      exitCode: 3,
      cpuSeconds: 1.5,
      maxRssBytes: 4096,
    },
    { taskId: 'b', startedAtUnixMs: 9, endedAtUnixMs: 1_000_000, outcome: 'finished' },
  ]);
});

test('of two ends of one task the first one counts: one within a wrapped command, and then the wrapper’s', () => {
  const { ended, owner, take } = start();
  const wrapper = owner();
  const ends = () => ended.map(({ outcome }) => outcome);
  take({ task: { task_id: 'a' } }, wrapper);
  take({ task: { task_id: 'a', status: 'failed' } }, owner());
  expect(take({ id: 1, task: { task_id: 'a', status: 'finished' } }, wrapper)).toEqual({ id: 1, wasUnknown: false });
  expect(ends()).toEqual(['failed']);
  // Another task of the same id has an end of its own.
  take({ task: { task_id: 'a' } }, wrapper);
  take({ task: { task_id: 'a', status: 'killed' } });
  take({ task: { task_id: 'a' } }, wrapper);
  take({ task: { task_id: 'a', status: 'finished' } }, wrapper);
  take({ task: { task_id: 'a', status: 'vanished' } }, wrapper);
  expect(ends()).toEqual(['failed', 'killed', 'finished', 'vanished']);
});

test('a metric is kept while its connection is open, and for its time after', () => {
  const { clock, state, owner, take } = start();
  const from = owner();
  take({ metrics: { open: 1 } }, from);
  take({ metrics: { request: 2 } });
  take({ metrics: { cron: 3 }, keep_seconds: 90_000 });
  clock.advance(METRIC_KEEP_MS);
  state.sweep();
  expect([...state.metrics.values]).toEqual([
    ['open', 1],
    ['cron', 3],
  ]);
  state.closed(from);
  clock.advance(METRIC_KEEP_MS - 1);
  state.sweep();
  expect(state.metrics.values.has('open')).toBe(true);
  clock.advance(1);
  state.sweep();
  expect([...state.metrics.values.keys()]).toEqual(['cron']);
  take({ metrics: { cron: null, never: null } });
  expect(state.metrics.values.size).toBe(0);
});

test('totals of deltas end with their metric, so that any number of names may come one after the other', () => {
  const { clock, state } = start();
  const send = (names: readonly string[]) => {
    const dataPoints = [{ asDouble: 2 }];
    const metrics = names.map((name) => ({ name, sum: { aggregationTemporality: 1, dataPoints } }));
    const body = Buffer.from(JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] }));
    const answer = state.otlpReceiver.receive({ 'content-type': 'application/json' }, body);
    state.otlpMetrics.set(answer.metrics, { keepMs: METRIC_KEEP_MS });
    return answer;
  };
  for (let round = 0; round < 6; round++) {
    expect(send(Array.from({ length: 2_000 }, (_, n) => `of ${round}: ${n}`)).rejected).toBe(0);
    send(['always']);
    clock.advance(METRIC_KEEP_MS - 1);
    state.sweep();
    send(['always']);
    clock.advance(1);
    state.sweep();
  }
  expect(Object.fromEntries(state.otlpMetrics.values)).toEqual({ always: 24 });
  clock.advance(METRIC_KEEP_MS);
  state.sweep();
  expect(send(['always']).metrics.get('always')).toBe(2);
});

test('neither connections nor requests keep the other from being read; one alone may use all', () => {
  const perS = 2_000;
  const run = (wishes: { readonly lines: boolean; readonly requestOf: number }) => {
    const clock = new FakeClock();
    const rate = new LineRate(clock, { perS, atOnce: 4_000 });
    const read = { lines: 0, requests: 0, refused: 0 };
    for (let ms = 0; ms < 20_000; ms++) {
      clock.advance(1);
      for (; wishes.lines && rate.hasLine(); read.lines++) rate.takeLine();
      if (ms % 150 !== 0) continue;
      for (let left = wishes.requestOf; left > 0; left -= 150) {
        if (rate.hasRequest()) {
          rate.spendRequest(150);
          read.requests += 150;
        } else read.refused++;
      }
    }
    return read;
  };
  const slow = run({ lines: true, requestOf: 150 });
  expect(slow.refused).toBe(0);
  expect(slow.lines).toBeGreaterThanOrEqual(19 * 1_000);
  const both = run({ lines: true, requestOf: 15_000 });
  expect(both.lines).toBeGreaterThanOrEqual(19 * 1_000);
  expect(both.requests).toBeGreaterThanOrEqual(19 * 1_000);
  expect(both.lines + both.requests).toBeLessThanOrEqual(20 * perS + 4_000 + 2 * 150);
  expect(run({ lines: true, requestOf: 0 }).lines).toBeGreaterThanOrEqual(19 * perS);
  expect(run({ lines: false, requestOf: 15_000 }).requests).toBeGreaterThanOrEqual(19 * perS);
});

test('a line that is refused changes nothing, whatever else is in it', () => {
  const { state, take, refusal, ended } = start();
  take({ task: { task_id: 'a', progress: 0.1 }, metrics: { m: 1 } });
  const before = [[...state.tasks.tasks], [...state.metrics.values]];
  expect(refusal({ task: { task_id: 'a', new: true }, metrics: { m: 2 } })).toBe('task_exists');
  expect(refusal({ task: { task_id: 'a', progress: 0.2 }, metrics: { m: 'x' } })).toBe('wrong_member');
  const many = Object.fromEntries(Array.from({ length: HUB_LIMITS.metrics }, (_, n) => [`n${n}`, 1]));
  expect(refusal({ task: { task_id: 'a', status: 'finished' }, metrics: many })).toBe('too_many_metrics');
  expect([[...state.tasks.tasks], [...state.metrics.values]]).toEqual(before);
  expect(ended).toEqual([]);
  expect(Object.fromEntries(state.counts.refused)).toEqual({ task_exists: 1, wrong_member: 1, too_many_metrics: 1 });
});

test('tasks of one connection, tasks in all, watched processes and metrics are bounded; those that are there go on', () => {
  const { state, owner, take, refusal } = start();
  const greedy = owner();
  for (let n = 0; n < HUB_LIMITS.tasksPerConnection; n++) take({ task: { task_id: `g${n}` } }, greedy);
  expect(refusal({ task: { task_id: 'one more' } }, greedy)).toBe('too_many_tasks');
  expect(refusal({ task: { task_id: 'g0', progress: 1 } }, greedy)).toBe('taken');
  for (let n = HUB_LIMITS.tasksPerConnection; n < HUB_LIMITS.tasks; n++) take({ task: { task_id: `k${n}` } });
  expect(refusal({ task: { task_id: 'one more' } }, owner())).toBe('too_many_tasks');
  expect(refusal({ task: { task_id: 'g0', status: 'finished' } }, greedy)).toBe('taken');
  expect(refusal({ task: { task_id: 'one more' } }, owner())).toBe('taken');
  for (let n = 0; n < HUB_LIMITS.metrics; n++) take({ metrics: { [`m${n}`]: n } });
  expect(refusal({ metrics: { 'one more': 1 } })).toBe('too_many_metrics');
  expect(refusal({ metrics: { m0: null, 'one more': 1, m1: 5 } })).toBe('taken');
  expect(state.metrics.values.size).toBe(HUB_LIMITS.metrics);
});

test('the number of watched processes is bounded', () => {
  const { refusal, take } = start();
  for (let n = 0; n < HUB_LIMITS.watchedProcesses; n++) take({ task: { task_id: `p${n}`, pid: 77 } });
  expect(refusal({ task: { task_id: 'one more', pid: 77 } })).toBe('too_many_processes');
  expect(refusal({ task: { task_id: 'p0', pid: 77, progress: 0.5 } })).toBe('taken');
});

test('kept tasks are taken up after a restart, as they were; those that have ended meanwhile vanish', () => {
  const before = start();
  before.take({ task: { task_id: 'owned' } }, before.owner());
  before.take({ task: { task_id: 'day', keep: true, progress: 0.5, status: 'paused', cpu_allocated: 2 } });
  before.take({ task: { task_id: 'hour', keep_seconds: 3600 } });
  before.take({ task: { task_id: 'watched', pid: 77 } });
  before.take({ task: { task_id: 'other', pid: 77 } });
  before.clock.advance(1_800_000);
  const lines = before.state.tasks.keptLines();
  expect(lines).toHaveLength(4);

  const after = start();
  after.clock.advance(1_800_000 + 1_799_999);
  after.take({ task: { task_id: 'other', progress: 0.9 } });
  expect(lines.map((line) => after.state.tasks.restore(line))).toEqual([true, true, true, true]);
  after.state.sweep();
  expect(after.ended).toEqual([]);
  expect(after.state.tasks.tasks.get('day')).toEqual(before.state.tasks.tasks.get('day'));
  expect(after.state.tasks.tasks.get('other')?.progress).toBe(0.9);
  expect(after.state.tasks.watchedCount).toBe(1);
  after.clock.advance(1);
  after.running.set(77, 6);
  after.state.sweep();
  expect(after.ended.map(({ taskId, outcome }) => [taskId, outcome])).toEqual([
    ['hour', 'vanished'],
    ['watched', 'vanished'],
  ]);
});

test.each([
  '',
  '{',
  'null',
  '{"line":{"task":{"task_id":""}},"heard_at_unix_ms":1}',
  '{"line":{"metrics":{}},"heard_at_unix_ms":1}',
  '{"line":{"task":{"task_id":"a"}}}',
])('a line %j of an earlier agent is left out', (line) => {
  const { state } = start();
  expect(state.tasks.restore(line)).toBe(false);
  expect(state.tasks.tasks.size).toBe(0);
});

test('lines that are refused change nothing: the others alone lead to the same', () => {
  const id = fc.constantFrom('a', 'b', 'c');
  const task = fc.oneof(
    fc.record({ task_id: id, progress: fc.constantFrom(0.1, 2), keep: fc.boolean() }, { requiredKeys: ['task_id'] }),
    fc.record({ task_id: id, new: fc.constant(true), pid: fc.constantFrom(77, 78) }, { requiredKeys: ['task_id'] }),
    fc.record(
      { task_id: id, status: fc.constantFrom('finished', 'killed', '', 'paused'), exit_code: fc.constantFrom(1, 0.5) },
      { requiredKeys: ['task_id', 'status'] },
    ),
  );
  const metrics = fc.dictionary(fc.constantFrom('x', 'y', ''), fc.constantFrom(1, 2, null, 'no'), { maxKeys: 2 });
  const line = fc.record({ task, metrics }, { requiredKeys: [] });
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ from: fc.constantFrom(0, 1, 2), line }) },
    { weight: 1, arbitrary: fc.record({ closes: fc.constantFrom(0, 1) }) },
    { weight: 1, arbitrary: fc.record({ passesMs: fc.constantFrom(1_000, METRIC_KEEP_MS) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const [all, some] = [start(), start()];
      const owners = [all, some].map(({ owner }) => [owner(), owner(), undefined]);
      for (const now of steps) {
        if ('line' in now) {
          const isTaken = all.refusal(now.line, owners[0]?.[now.from]) === 'taken';
          if (isTaken) some.take(now.line, owners[1]?.[now.from]);
        } else {
          for (const [at, { state, clock, owner }] of [all, some].entries()) {
            if ('passesMs' in now) {
              clock.advance(now.passesMs);
              state.sweep();
            } else {
              state.closed(owners[at]?.[now.closes] as Owner);
              (owners[at] as (Owner | undefined)[])[now.closes] = owner();
            }
          }
        }
        expect([...all.state.tasks.tasks]).toEqual([...some.state.tasks.tasks]);
        expect([...all.state.metrics.values]).toEqual([...some.state.metrics.values]);
        expect(all.ended).toEqual(some.ended);
        expect(all.state.tasks.watchedCount).toBe(some.state.tasks.watchedCount);
      }
    }),
    { numRuns: repetitions(100, 5_000) },
  );
});
