import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventIdsFile } from '../../src/engine/persistence/event-ids-file.ts';
import { EventLog } from '../../src/model/events.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { keptLog } from '../support/kept-log.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-ids-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

async function master(clock: FakeClock) {
  const events = new EventLog();
  const { logger, lines } = keptLog();
  const file = new EventIdsFile({ dataDir, events, clock, logger });
  await file.open();
  return { events, file, lines, add: () => events.append({ type: 'stall' }, clock.wallMs()).id };
}

const kept = async () => Number(await readFile(join(dataDir, 'event-ids'), 'utf8').catch(() => '0'));

test('ids go on after a stop and after a kill, also when the wall clock was set back by a year', async () => {
  const clock = new FakeClock(1.8e12);
  const ids: number[] = [];
  for (let life = 0; life < 6; life++) {
    const { file, add } = await master(clock);
    for (let n = 0; n < 5; n++) ids.push(add());
    clock.advance(1000);
    await eventually(async () => (await kept()) > (ids.at(-1) as number));
    // Every other master is killed.
    if (life % 2 === 0) await file.close();
    clock.stepWall(-31_536_000_000);
  }
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  expect(ids).toHaveLength(30);
});

test('what is written is ahead by a block, so an event never waits for the disk', async () => {
  const clock = new FakeClock(1000);
  const { events, add, file } = await master(clock);
  add();
  clock.advance(1000);
  await eventually(async () => (await kept()) === 101_000);
  for (let n = 0; n < 49_000; n++) add();
  clock.advance(1000);
  expect(await kept()).toBe(101_000);
  for (let n = 0; n < 2000; n++) add();
  await eventually(async () => {
    // A look while the former write ends changes nothing: the next one does.
    clock.advance(1000);
    return (await kept()) === events.lastId + 100_000;
  });
  await file.close();
  expect(await kept()).toBe(events.lastId);
});

test('a damaged file is told of, and ids begin at the time; one that cannot be read is an error', async () => {
  await writeFile(join(dataDir, 'event-ids'), 'x');
  const { add, lines } = await master(new FakeClock(5000));
  expect(add()).toBe(5000);
  expect(lines).toMatchObject([{ msg: expect.stringContaining('is damaged') }]);
});
