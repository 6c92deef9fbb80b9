import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import {
  leaveThreadsToProcessEnd,
  SupervisedThread,
  threadsLeftToProcessEnd,
} from '../../src/lib/supervised-thread.ts';

test('a thread that is stopped just before the process ends is left to that, and starts no more', async () => {
  const supervised = new SupervisedThread<unknown, unknown>({
    script: 'agent/thread',
    name: 'left',
    clock: systemClock,
    onMessage() {},
    onDeath: () => 0,
  });
  supervised.start();
  const { thread } = supervised;
  await once(thread as Worker, 'online');
  let hasEnded = false;
  thread?.once('exit', () => {
    hasEnded = true;
  });
  leaveThreadsToProcessEnd();
  await supervised.stop();
  expect([hasEnded, supervised.state, threadsLeftToProcessEnd()]).toEqual([false, 'stopped', 1]);
  await thread?.terminate();
});
