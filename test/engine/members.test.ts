import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Members } from '../../src/engine/members.ts';
import { MembersFile } from '../../src/engine/members-file.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { FakeClock } from '../support/fake-clock.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-members-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

function open(clock = new FakeClock()) {
  const members = new Members({ mode: 'approved', maxPending: 2, clock });
  const file = new MembersFile({ dataDir, members, clock, logger: silentLogger });
  return { members, file, clock };
}

test('approvals and addresses are there after a restart, whatever the ids are', async () => {
  const first = open();
  await first.file.open();
  for (const id of ['__proto__', '../x', '🦊']) first.members.approve(id);
  first.members.setAddress('🦊', '10.0.0.5:6000');
  first.members.approve('gone');
  first.members.forget('gone');
  await first.file.close();

  const second = open();
  const kept = await second.file.open();
  second.members.restore(kept);
  expect(second.members.all()).toEqual(first.members.all());
  expect(second.members.admits('__proto__')).toBe(true);
  expect(second.members.admits('gone')).toBe(false);
  expect(second.members.addressOf('🦊')).toBe('10.0.0.5:6000');
});

test('changes are written together, soon after the first', async () => {
  const { members, file, clock } = open();
  await file.open();
  members.approve('a');
  members.approve('b');
  expect(await readdir(dataDir)).toEqual([]);
  clock.advance(200);
  await file.close();
  const text = await readFile(join(dataDir, 'members.json'), 'utf8');
  expect(JSON.parse(text).workers.map(({ id }: { id: string }) => id)).toEqual(['a', 'b']);
});

test.each(['{', '{"version":2,"workers":[]}', '{"version":1,"workers":[{"id":""}]}', 'null'])(
  'a damaged file (%s) is set aside, and the master starts without it',
  async (text) => {
    await writeFile(join(dataDir, 'members.json'), text);
    expect(await open().file.open()).toEqual([]);
    const [aside] = await readdir(dataDir);
    expect(aside).toMatch(/^members\.json\.damaged-/);
    expect(await readFile(join(dataDir, aside as string), 'utf8')).toBe(text);
  },
);

test('a data directory that cannot be used is named with its setting', async () => {
  await writeFile(join(dataDir, 'file'), '');
  dataDir = join(dataDir, 'file', 'below');
  await expect(open().file.open()).rejects.toThrow(/^DATA_DIR=.*below: /);
  dataDir = join(dataDir, '..', '..');
});

test('the list of those who wait is bounded: the one unheard for longest gives way', () => {
  const { members, clock } = open();
  members.turnAway('a');
  members.turnAway('b');
  clock.advance(1000);
  members.turnAway('a');
  members.turnAway('c');
  expect(members.pending().map(({ workerId, attempts }) => [workerId, attempts])).toEqual([
    ['a', 2],
    ['c', 1],
  ]);
  members.approve('c');
  expect(members.pending().map(({ workerId }) => workerId)).toEqual(['a']);
});
