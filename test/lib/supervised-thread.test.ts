import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import type { LaneThreadData } from '../../src/lane/messages.ts';
import { backOffMs, SupervisedThread, type ThreadDeath, threadsLeftBehind } from '../../src/lib/supervised-thread.ts';
import type { ThreadScript } from '../../src/lib/threads.ts';
import { allocateApplyTimes } from '../../src/store/apply-times.ts';
import { newBell } from '../../src/store/bell.ts';
import { newByteRing } from '../../src/store/byte-ring.ts';
import { allocatePublications } from '../../src/store/publications.ts';
import { newAllowance } from '../../src/store/record-allowance.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** All that a lane needs to start. */
const LANE_DATA: LaneThreadData = {
  processor: undefined,
  ledger: undefined,
  bell: newBell(),
  ring: newByteRing(1024),
  allowance: newAllowance(0),
  publications: allocatePublications(1),
  applyTimes: allocateApplyTimes(),
  lane: 0,
};

const clean: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of clean.splice(0)) await stop();
});

function supervised(
  script: ThreadScript = 'lane/thread',
  problemOf = (_message: unknown): string | undefined => undefined,
  name = 'test',
) {
  const clock = new FakeClock();
  const deaths: ThreadDeath[] = [];
  const heard: unknown[] = [];
  let starts = 0;
  const thread = new SupervisedThread({
    script,
    name,
    data: LANE_DATA,
    clock,
    canAbandon: true,
    onStart: () => {
      starts++;
    },
    problemOf,
    onMessage: (message) => heard.push(message),
    onDeath: (death) => {
      deaths.push(death);
      return death.backOffMs;
    },
  });
  clean.push(() => thread.stop());
  return { clock, deaths, heard, thread, starts: () => starts };
}

test('a thread that dies is started again after a back-off that grows', async () => {
  const { clock, deaths, thread, starts } = supervised();
  thread.start();
  for (let death = 1; death <= 3; death++) {
    await eventually(() => thread.state === 'ready');
    thread.kill('as the test wants it');
    await eventually(() => deaths.length === death);
    const asked = { how: 'killed', isDisbelieved: false, abandoned: false };
    expect(deaths.at(-1)).toMatchObject({ inARow: death, ...asked, backOffMs: backOffMs(death) });
    clock.advance(backOffMs(death) - 1);
    expect(starts()).toBe(death);
    clock.advance(1);
    expect(starts()).toBe(death + 1);
  }
});

test('a thread that cannot even be made is a death like any other', async () => {
  const { clock, deaths, thread } = supervised('lane/missing' as ThreadScript);
  thread.start();
  expect(thread.state).toBe('waiting');
  expect(deaths).toMatchObject([{ inARow: 1, reason: expect.stringContaining('lane/missing') }]);
  clock.advance(backOffMs(1));
  expect(deaths).toHaveLength(2);
});

test('stop is for good, also while a back-off runs', async () => {
  const { clock, deaths, thread, starts } = supervised();
  thread.start();
  await eventually(() => thread.state === 'ready');
  thread.kill('as the test wants it');
  await eventually(() => deaths.length === 1);
  expect(await thread.stop()).toBe(true);
  clock.advance(60_000);
  expect(starts()).toBe(1);
  expect(thread.state).toBe('stopped');
});

test('a thread that says what it cannot mean is ended, and not heard', async () => {
  const { deaths, heard, thread } = supervised('lane/thread', () => 'it sent an invalid message');
  thread.start();
  await eventually(() => deaths.length === 1);
  expect(deaths).toMatchObject([{ reason: 'it sent an invalid message', how: 'killed', isDisbelieved: true }]);
  expect(heard).toEqual([]);
});

/** Of this process, as the kernel sees them. */
function hasThreadNamed(name: string): boolean {
  return readdirSync('/proc/self/task').some((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === name;
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

test('a thread that has ended is not left behind, however long the main thread is held up before it hears of it', async () => {
  const name = 'ends-unheard';
  const { clock, deaths, thread } = supervised('lane/thread', undefined, name);
  thread.start();
  await eventually(() => thread.state === 'ready');
  expect(hasThreadNamed(name)).toBe(true);
  thread.kill('as the test wants it');
  // Nothing of the event loop runs from here until the time is over.
  const giveUpMs = Date.now() + 30_000;
  while (hasThreadNamed(name) && Date.now() < giveUpMs);
  clock.advance(1000);
  await eventually(() => deaths.length === 1);
  expect(deaths).toMatchObject([{ reason: 'as the test wants it', abandoned: false }]);
  expect(threadsLeftBehind()).toBe(0);
});
