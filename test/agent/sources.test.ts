/** What goes into a heartbeat of several sources, and what there is no room for. */
import { expect, test } from 'vitest';
import { LoadFitter } from '../../src/agent/load.ts';
import { merged, NO_TASKS, type Source } from '../../src/agent/sources.ts';
import { MAX_TASKS_AND_METRICS } from '../../src/model/heartbeat-limits.ts';
import type { RunningTask } from '../../src/model/telemetry.ts';

const taskOf = (taskId: string, status = 'running'): RunningTask => ({
  taskId,
  cpuAllocated: 0,
  memoryAllocated: 0,
  gpuAllocated: 0,
  status,
});
const tasks = (...ids: string[]) => new Map(ids.map((id) => [id, taskOf(id)]));
const source = (ids: string[], metrics: Record<string, number>): Source => ({
  tasks: tasks(...ids),
  metrics: new Map(Object.entries(metrics)),
});

test('the earlier source has a name, and what is shadowed is counted', () => {
  const {
    tasks: all,
    metrics,
    shadowed,
  } = merged([
    source(['a'], { x: 1 }),
    source(['a', 'b'], { x: 2, y: 2 }),
    {
      tasks: NO_TASKS,
      metrics: new Map([
        ['y', 3],
        ['z', 3],
      ]),
    },
  ]);
  expect([...all.keys()]).toEqual(['a', 'b']);
  expect([...metrics]).toEqual([
    ['x', 1],
    ['y', 2],
    ['z', 3],
  ]);
  expect(shadowed).toBe(3);
});

test('a single source is not copied', () => {
  const only = source(['a'], { x: 1 });
  const all = merged([source([], {}), only]);
  expect(all.tasks).toBe(only.tasks);
  expect(all.metrics).toBe(only.metrics);
});

test('what is more than a heartbeat holds is left out, told once, and never makes it too large', () => {
  const lines: string[] = [];
  const load = new LoadFitter((_, message) => lines.push(message));
  const many = tasks(...Array.from({ length: MAX_TASKS_AND_METRICS }, (_, n) => `t${n}`));
  const metrics = new Map([
    ['a', 1],
    ['b', 2],
  ]);
  const fits = load.fit(many, metrics, [], false);
  expect([fits.tasks.length, [...fits.metrics].length]).toEqual([MAX_TASKS_AND_METRICS, 0]);
  expect(load.leftOut).toEqual({ tasks: 0, metrics: 2 });
  load.fit(many, metrics, [], false);
  expect(lines).toEqual([
    expect.stringContaining(`0 of ${MAX_TASKS_AND_METRICS} tasks and 2 of 2 metrics are left out`),
  ]);
  load.fit(tasks('a'), metrics, [], false);
  expect(load.leftOut).toEqual({ tasks: 0, metrics: 0 });
});
