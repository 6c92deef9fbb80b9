import { afterEach, expect, test } from 'vitest';
import { Refusals } from '../../src/engine/refusals.ts';
import { IdentityViolations, REPORT_AGAIN_MS } from '../../src/engine/workers/identity-violations.ts';
import type { NewEvent } from '../../src/model/events.ts';
import { Directory } from '../../src/reading/directory.ts';
import { type FakedMaster, startFaked } from '../support/fake-fleet.ts';

const started: FakedMaster[] = [];
afterEach(async () => {
  for (const faked of started.splice(0)) await faked.stop();
});

async function start(options: { maxWorkerHeartbeatsPerS?: number; maxWorkers?: number }): Promise<FakedMaster> {
  const faked = await startFaked({ maxWorkers: 10, ...options });
  started.push(faked);
  return faked;
}

test('a worker that exceeds its rate is refused and counted, and others are not', async () => {
  const { manager, clock } = await start({ maxWorkerHeartbeatsPerS: 10 });
  const send = (workerId: string) => manager.processHeartbeat({ workerId });
  for (let i = 0; i < 10; i++) send('a');
  expect(() => send('a')).toThrow('more than 10 heartbeats a second (MAX_HEARTBEAT_RATE)');
  send('b');
  clock.advance(100);
  send('a');
  expect(() => send('a')).toThrow(expect.objectContaining({ code: 'rate_limited', retryAfterMs: 1000 }));
  expect(manager.internalState().refusals).toEqual({ worker_heartbeat_rate: 2 });
});

test('the engine has no rate limit by default', async () => {
  const { manager } = await start({});
  for (let i = 0; i < 2000; i++) manager.processHeartbeat({ workerId: 'a' });
  expect(manager.internalState().refusals).toEqual({});
});

test('refusals are published at most once a second, and to a new reader at once', async () => {
  const { manager, clock } = await start({ maxWorkers: 1 });
  const reader = new Directory(manager.directory.board);
  let told = 0;
  manager.onAnnouncement((announcement) => {
    if (announcement.type !== 'limits') return;
    told++;
    reader.apply(announcement);
  });
  manager.registerWorker('a');
  for (let i = 0; i < 3; i++) expect(() => manager.registerWorker('b')).toThrow('MAX_WORKERS');
  clock.advance(250);
  expect(reader.refusals).toEqual({ workers: 3 });
  expect(() => manager.registerWorker('b')).toThrow('MAX_WORKERS');
  clock.advance(750);
  expect(told).toBe(1);
  clock.advance(250);
  expect(told).toBe(2);
  clock.advance(5000);
  expect(told).toBe(2);
  const late = new Directory(manager.directory.board);
  for (const announcement of manager.announcements()) late.apply(announcement);
  expect(late.refusals).toEqual({ workers: 4 });
  expect(manager.directory.refusals).toEqual({ workers: 4 });
});

test('unchanged refusals are not published', () => {
  const refusals = new Refusals();
  expect(refusals.takeChanges(0)).toBeUndefined();
  refusals.count('identity');
  expect(refusals.takeChanges(0)).toEqual({ identity: 1 });
  expect(refusals.takeChanges(10_000)).toBeUndefined();
});

test('an identity violation is reported once a minute, and many of them do not fill the log', () => {
  const events: NewEvent[] = [];
  const impostors = new IdentityViolations((event) => events.push(event));
  const seen = (workerId: string, nowMs: number, speaker = 'the token of x') =>
    impostors.seen({ workerId, speaker, peer: '10.0.0.1', reason: 'it may not' }, nowMs);
  for (let ms = 0; ms < REPORT_AGAIN_MS; ms += 1000) seen('a', ms);
  expect(events).toEqual([{ type: 'identity', workerId: 'a', detail: 'the token of x, at 10.0.0.1: it may not' }]);
  seen('a', 0, 'the token of y');
  expect(events).toHaveLength(2);
  for (let i = 0; i < 10_000; i++) seen(`worker-${i}`, 1000);
  expect(events).toHaveLength(11);
  // It keeps nobody else from being told.
  for (let i = 0; i < 1000; i++) seen('a', 1000, `the token of z${i}`);
  expect(events).toHaveLength(100);
  seen('a', REPORT_AGAIN_MS);
  expect(events).toHaveLength(101);
});
