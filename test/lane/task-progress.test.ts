import fc from 'fast-check';
import { expect, test } from 'vitest';
import { oldestOf, TaskProgress } from '../../src/lane/task-progress.ts';
import { taskHashOf } from '../../src/model/task-hash.ts';
import { MAX_PROGRESS_ENTRIES } from '../../src/store/slot-progress.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { checkableRecord } from '../store/threads/checkable-record.ts';

const taskOf = (taskId: string, progress: number | undefined, status = 'running') => ({
  taskId,
  cpuAllocated: 0,
  memoryAllocated: 0,
  gpuAllocated: 0,
  status,
  ...(progress === undefined ? {} : { progress }),
});

/** Heartbeats of a worker: the progress of each of its tasks; and whether its lane is started again before. */
const heartbeats = fc.array(
  fc.record({
    restarts: fc.boolean(),
    tasks: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'ä'), fc.constantFrom(0, 0.25, 0.5)),
  }),
  { maxLength: 30 },
);

test('a restarted lane knows since when tasks have made no progress, like one that was not restarted', () => {
  fc.assert(
    fc.property(heartbeats, (beats) => {
      const steady = new TaskProgress();
      const memory = newSlot('w', 2);
      let writer = new SlotWriter(memory);
      let restarted = new TaskProgress(writer.progress());
      for (const [index, { restarts, tasks }] of beats.entries()) {
        if (restarts) {
          writer = new SlotWriter(memory);
          writer.mend();
          restarted = new TaskProgress(writer.progress());
        }
        const running = Object.entries(tasks).map(([taskId, progress]) => taskOf(taskId, progress));
        const nowMs = 1000 + index;
        steady.note(running, nowMs);
        restarted.note(running, nowMs);
        expect(restarted.stoodStillSinceMs).toBe(steady.stoodStillSinceMs);
        writer.publish(checkableRecord(index + 1).numbers, '{', restarted.oldest);
      }
    }),
  );
});

test('of many tasks, those without progress for longest survive a restart; the others are detected later', () => {
  const progress = new TaskProgress();
  const many = (moved: number) =>
    Array.from({ length: 100 }, (_, task) => taskOf(`task-${task}`, task < 90 ? moved : 0.5));
  progress.note(many(0), 1000);
  progress.note(many(0.1), 2000);
  progress.note(many(0.2), 3000);
  expect(progress.stoodStillSinceMs).toBe(1000);
  const writer = new SlotWriter(newSlot('w', 2));
  writer.publish(checkableRecord(1).numbers, '{', progress.oldest);
  expect(writer.progress()).toHaveLength(MAX_PROGRESS_ENTRIES);
  const restarted = new TaskProgress(writer.progress());
  expect(restarted.stoodStillSinceMs).toBe(1000);
  restarted.note(many(0.3), 4000);
  expect(restarted.stoodStillSinceMs).toBe(1000);
  // Only running tasks that tell their progress count.
  restarted.note([taskOf('task-95', 0.5, 'paused'), taskOf('task-96', undefined)], 5000);
  expect(restarted.stoodStillSinceMs).toBe(0);
});

test('the oldest entries are those with the earliest times, in order, as many as requested', () => {
  const entry = fc.record({ taskHash: fc.nat(), progress: fc.constant(0), sinceMs: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(entry), fc.nat(8), (entries, most) => {
      const times = entries.map(({ sinceMs }) => sinceMs).sort((a, b) => a - b);
      expect(oldestOf(entries, most).map(({ sinceMs }) => sinceMs)).toEqual(times.slice(0, most));
    }),
  );
});

test('each id has its own hash', () => {
  const hashes = new Set<number>();
  for (let task = 0; task < 50_000; task++) hashes.add(taskHashOf(`task-${task}`));
  expect(hashes.size).toBe(50_000);
});
