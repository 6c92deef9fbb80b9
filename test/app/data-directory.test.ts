/** A data directory that goes away under a master. */
import { appendFile, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DataDirectory } from '../../src/app/data-directory.ts';
import { Lifecycle } from '../../src/app/lifecycle.ts';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { keptLog } from '../support/kept-log.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-directory-'));
});
const clean: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const undo of clean.splice(0)) await undo();
  await rm(dataDir, { recursive: true, force: true });
});

async function start() {
  const clock = new FakeClock(1_795_456_495_000);
  const { logger } = keptLog();
  const manager = new TelemetryManager({ maxWorkers: 10, maxDedicatedLanes: 0, sharedLanes: 1, clock });
  const failing: boolean[] = [];
  const errors: Error[] = [];
  const directory = new DataDirectory({
    dataDir,
    manager,
    onFailing: (fails) => failing.push(fails),
    onLost: (error) => errors.push(error),
    clock,
    logger,
  });
  const lifecycle = new Lifecycle(clock, logger);
  await directory.lock(lifecycle);
  directory.keep(new Uint8Array(32).fill(7));
  const members = await directory.members.open();
  lifecycle.onStop('members', () => directory.members.close());
  const values = await directory.values.read();
  lifecycle.onStop('values', () => directory.values.close());
  await manager.start();
  lifecycle.onStop('lanes', () => manager.shutdown());
  clean.push(() => lifecycle.stop(8000));
  manager.restore(members, values);
  directory.values.start(() => manager.savedValues());
  const has = async (name: string, text: string) =>
    (await readFile(join(dataDir, name), 'utf8').catch(() => '')).includes(text);
  return { clock, manager, failing, errors, has, stop: () => lifecycle.stop(8000) };
}

test('is made again with all that is known, and the master goes on', async () => {
  const { clock, manager, failing, errors, has } = await start();
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 12.5 });
  manager.registerWorker('b');
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 12.5);
  clock.advance(200);
  await eventually(() => has('members.jsonl', '"id":"b"'));
  await rm(dataDir, { recursive: true });
  const files = ['event-ids', 'lock', 'members.jsonl', 'session-key', 'values.jsonl', 'version'];
  await eventually(async () => {
    clock.advance(5000);
    return (await readdir(dataDir).catch(() => [])).sort().join() === files.join();
  });
  for (const id of ['a', 'b']) expect(await has('members.jsonl', `"id":"${id}"`)).toBe(true);
  expect(await has('values.jsonl', '12.5')).toBe(true);
  expect(manager.events.all().filter(({ type }) => type === 'fault')).toMatchObject([
    { detail: expect.stringContaining('was removed') },
  ]);
  expect(failing).toEqual([]);
  expect(errors).toEqual([]);
});

test.each([
  ['removed', (path: string) => rm(path)],
  ['cut', (path: string) => truncate(path, 60)],
])('a members file that was %s is written anew, though nothing changes', async (_, harm) => {
  const { clock, manager, has } = await start();
  manager.registerWorker('a');
  clock.advance(200);
  await eventually(() => has('members.jsonl', '"id":"a"'));
  await harm(join(dataDir, 'members.jsonl'));
  await eventually(async () => {
    clock.advance(5000);
    return has('members.jsonl', '"id":"a"');
  });
  expect(manager.events.all().filter(({ type }) => type === 'fault')).toEqual([]);
});

test('another master that took it over and gave it back while this one stood still is noticed by what it left', async () => {
  const { clock, manager, errors, has, stop } = await start();
  const path = join(dataDir, 'members.jsonl');
  manager.registerWorker('a');
  clock.advance(200);
  await eventually(() => has('members.jsonl', '"id":"a"'));
  await rm(join(dataDir, 'lock'));
  await appendFile(path, '{"id":"theirs","approved":true,"known":false}\n');
  const left = await readFile(path, 'utf8');
  // A change is due at the same moment at which the lock is.
  manager.registerWorker('b');
  clock.advance(5000);
  await eventually(() => errors.length === 1);
  await stop();
  expect(await readFile(path, 'utf8')).toBe(left);
  expect(errors[0]?.message).toContain('another master has taken it over');
});
