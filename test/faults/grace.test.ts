/** A master that was killed and is away for a minute: real files, faked time. */
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { eventually } from '../support/eventually.ts';
import { FakeFleet, lanesAreUp, passing, SettableClock } from '../support/fake-fleet.ts';
import { inactivated, ofType, transitionsTo } from '../support/worker-events.ts';

const AWAY_MS = 60_000;
const GRACE_MS = 60_000;

const clock = new SettableClock();
/** Whom workers reach; undefined while it is away. */
let master: RunningMaster | undefined;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  master = undefined;
  for (const close of closing.splice(0).reverse()) await close();
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pulselane-grace-'));
  closing.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string): Promise<RunningMaster> {
  const lanes = { MAX_DEDICATED_LANES: '0', SHARED_LANES: '1', LANE_STALL: '1h' };
  const environment = { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'off', ALERTS: 'off', DATA_DIR: dataDir, ...lanes };
  const config = resolveOptions(masterOptions, { flags: {}, environment, dotenv: {} });
  const started = await passing(clock, startMaster(config, { logger: silentLogger, clock }));
  closing.push(() => passing(clock, started.stop()));
  await lanesAreUp(started.manager);
  return started;
}

/** All that is in its files. */
async function textIn(folder: string): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  // One that is not in its place yet is not what a killed master leaves behind.
  const files = entries.filter((file) => file.isFile() && !file.name.endsWith('.new'));
  // One that was about to be put in another's place is gone by now.
  const texts = files.map(({ name }) => readFile(join(folder, name), 'utf8').catch(() => ''));
  return (await Promise.all(texts)).join('\n');
}

test('killed, and started again after 60 s: nobody is inactive who lives, nobody is forgotten, the dead are found out', async () => {
  const before = await newFolder();
  master = await start(before);
  const fleet = new FakeFleet(clock, () => master?.manager);
  await fleet.add({ prefix: 'w', count: 100, intervalMs: 5000, group: 'rack' });
  clock.advance(1000);
  // Nothing more is needed: what is a second old is on its way to the disk.
  await eventually(async () => {
    const text = await textIn(before);
    return fleet.ids.every((id) => text.includes(`"${id}"`));
  });
  clock.advance(20_000);

  // What a killed master leaves behind is what is in its files at that moment; its lock alone would name this process.
  master = undefined;
  const after = await newFolder();
  await cp(before, after, { recursive: true, filter: (path) => !/lock|\.new$/.test(basename(path)) });
  clock.advance(AWAY_MS);
  const dead = ['w3', 'w50', 'w99'];
  fleet.silence(dead);

  master = await start(after);
  const startedUnixMs = clock.wallMs();
  const events = () => (master as RunningMaster).manager.events.all();
  expect(master.manager.directory.size).toBe(fleet.ids.length);
  expect(ofType('grace', events())).toHaveLength(1);
  expect(transitionsTo(['suspect', 'inactive', 'gone'], events())).toEqual([]);

  clock.advance(GRACE_MS - 1000);
  expect(transitionsTo(['suspect', 'inactive', 'gone'], events())).toEqual([]);
  expect(ofType('grace_over', events())).toEqual([]);

  clock.advance(60_000);
  expect(ofType('grace_over', events())).toHaveLength(1);
  expect(inactivated(events()).toSorted()).toEqual(dead.toSorted());
  for (const { to, atUnixMs } of events()) {
    if (to === 'inactive') expect(atUnixMs - startedUnixMs).toBeGreaterThanOrEqual(GRACE_MS - 1000);
  }
  expect(master.manager.directory.size).toBe(fleet.ids.length);
});
