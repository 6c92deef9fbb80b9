import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Member, Members } from '../../src/engine/persistence/members.ts';
import { MembersFile } from '../../src/engine/persistence/members-file.ts';
import { JOURNAL_HEADER, journalLine } from '../../src/engine/persistence/members-journal.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { ISOLATIONS } from '../../src/model/isolation.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { keptLog } from '../support/kept-log.ts';

let dataDir: string;
let path: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-members-'));
  path = join(dataDir, 'members.jsonl');
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** A master's life with the directory; `members` hold what the one before it kept. */
async function open(clock = new FakeClock()) {
  const opened = openOnly(clock);
  opened.members.restore(await opened.file.open());
  return opened;
}

/** Before it has read anything. */
function openOnly(clock = new FakeClock()) {
  const members = new Members({ mode: 'open', maxPending: 2, clock });
  const { logger, lines: log } = keptLog();
  const failing: boolean[] = [];
  const onFailing = (fails: boolean) => void failing.push(fails);
  const file = new MembersFile({ dataDir, members, onFailing, clock, logger });
  return { members, file, clock, log, failing };
}
type Opened = ReturnType<typeof openOnly>;

const linesIn = async () => (await readFile(path, 'utf8')).trimEnd().split('\n').slice(1);
const idsIn = async () => (await linesIn()).map((line) => JSON.parse(line).id);

test('all members survive a restart, whatever their ids', async () => {
  const first = await open();
  for (const id of ['__proto__', '../x', '🦊', 'line\u2028separator']) first.members.approve(id);
  first.members.setAddress('🦊', '10.0.0.5:6000');
  first.members.join('🦊');
  first.members.setInstances('🦊', ['2', '1']);
  const info = create(WorkerInfoSchema, {
    workerId: '🦊',
    workerIp: '10.0.0.5',
    totalCpu: 8,
    totalMemory: Number.POSITIVE_INFINITY,
    instanceId: '2',
    labels: { zone: 'a "b"', '': '\n' },
    group: 'rack-1',
    ephemeral: true,
    intervalMs: 5000,
  });
  first.members.describe('🦊', info);
  first.members.approve('gone');
  first.members.forget('gone');
  await first.file.close();

  const second = await open();
  expect(second.members.all()).toEqual(first.members.all());
  expect(second.members.get('🦊')?.info).toEqual(info);
  expect(second.members.get('gone')).toBeUndefined();
  expect(second.log).toEqual([]);
});

test('changes are written together, soon after the first', async () => {
  const { members, file, clock } = await open();
  members.approve('a');
  members.approve('b');
  expect(await readdir(dataDir)).toEqual([]);
  clock.advance(200);
  await eventually(async () => (await readdir(dataDir)).includes('members.jsonl'));
  expect(await idsIn()).toEqual(['a', 'b']);
  members.join('b');
  clock.advance(199);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  await eventually(async () => (await idsIn()).length === 3);
  expect(await idsIn()).toEqual(['a', 'b', 'b']);
  await file.close();
});

test('history is dropped at the start, and when most of the file is history', async () => {
  const first = await open();
  first.members.join('stays');
  await first.file.close();
  const before = await open();
  const flap = (members: Members) => {
    members.setAddress('flaps', '10.0.0.5:1');
    members.forget('flaps');
  };
  for (let i = 0; i < 500; i++) flap(before.members);
  await before.file.close();
  expect(await linesIn()).toHaveLength(1001);
  const { members, file } = await open();
  expect(await idsIn()).toEqual(['stays']);

  for (let i = 0; i < 501; i++) flap(members);
  await file.close();
  // 1 + 1002 + the next two are more than 2 × 1 + 1000.
  expect(await idsIn()).toEqual(['stays']);
});

test('10,000 workers that register at the same time are written within a second, at little cost', async () => {
  const { members, file, clock } = await open();
  const beganMs = performance.now();
  for (let i = 0; i < 10_000; i++) members.join(`worker-${i}`);
  const tookMs = performance.now() - beganMs;
  clock.advance(200);
  await file.close();
  expect(await linesIn()).toHaveLength(10_000);
  // 10 ms on a slow core; a second would be felt by every worker.
  expect(tookMs).toBeLessThan(1000);
});

test('an incomplete last line after a kill is ignored, and the next change is whole', async () => {
  const first = await open();
  first.members.join('a');
  await first.file.close();
  await appendFile(path, '{"id":"b","appr');
  const second = await open();
  expect(second.members.all().map(({ workerId }) => workerId)).toEqual(['a']);
  expect(second.log).toMatchObject([{ level: 'warn', msg: expect.stringContaining('is incomplete') }]);
  second.members.join('c');
  await second.file.close();
  expect((await open()).members.all().map(({ workerId }) => workerId)).toEqual(['a', 'c']);
  expect(await readdir(dataDir)).toEqual(['members.jsonl']);
});

test.each([
  ['text that is no JSON', 'nonsense', 2],
  ['another shape', '{"id":"b","approved":"yes","known":true}', 2],
  ['an id that cannot be one', '{"id":"","gone":true}', 2],
  ['a decision that is none', '{"id":"b","approved":true,"known":true,"isolation":"dedicatd"}', 2],
  ['an info that is none', '{"id":"b","approved":true,"known":true,"info":{"totalCpu":"many"}}', 2],
])('%s in the middle: the file is set aside, and everything else is kept', async (_, damage, kept) => {
  const good = ['a', 'c'].map((workerId) => journalLine({ workerId, member: memberOf(workerId) }));
  const text = `${JOURNAL_HEADER}${good[0]}${damage}\n${good[1]}`;
  await writeFile(path, text);
  const { members, log } = await open();
  expect(members.all()).toEqual(['a', 'c'].map(memberOf));
  expect(log).toMatchObject([{ level: 'error', recovered: kept, lostLines: 1, file: path }]);
  const aside = (await readdir(dataDir)).find((name) => name.startsWith('members.jsonl.damaged-')) as string;
  expect(log[0]?.aside).toBe(join(dataDir, aside));
  expect(await readFile(join(dataDir, aside), 'utf8')).toBe(text);
  // Once: what is left is sound.
  expect((await open()).log).toEqual([]);
});

test.each(['garbage\n', '\n', '{"format":"another","version":2}\n', Buffer.from([0xff, 0xfe, 10])])(
  'a file that is none of ours (%j) is set aside, and the master starts',
  async (content) => {
    await writeFile(path, content);
    const { members, file, log } = await open();
    expect(members.all()).toEqual([]);
    expect(log).toMatchObject([{ level: 'error', recovered: 0, lostLines: 1 }]);
    members.join('a');
    await file.close();
    expect((await open()).members.all()).toHaveLength(1);
  },
);

test('an empty file is reported', async () => {
  await writeFile(path, '');
  expect((await open()).log).toMatchObject([{ level: 'error', msg: expect.stringContaining('is empty') }]);
});

test('a lost header loses no member', async () => {
  await writeFile(path, journalLine({ workerId: 'a', member: memberOf('a') }));
  const { members } = await open();
  expect(members.all()).toEqual([memberOf('a')]);
  expect((await readFile(path, 'utf8')).startsWith(JOURNAL_HEADER)).toBe(true);
});

test('a file of a newer version is left as it is, and the master says so', async () => {
  const text = '{"format":"pulselane-members","version":3}\nsomething new\n';
  await writeFile(path, text);
  await expect(open()).rejects.toMatchObject({
    code: 'environment',
    message: expect.stringContaining(
      `DATA_DIR=${dataDir}: ${path} has version 3, but this master supports versions up to 2`,
    ),
  });
  expect(await readFile(path, 'utf8')).toBe(text);
  expect(await readdir(dataDir)).toEqual(['members.jsonl']);
});

test('the file of the earlier format is migrated once', async () => {
  const old = join(dataDir, 'members.json');
  const workers = [
    { id: 'a', approved: true },
    { id: 'b', approved: false, address: '10.0.0.5:6000' },
  ];
  await writeFile(old, JSON.stringify({ version: 1, workers }));
  const first = await open();
  expect(first.members.all()).toEqual([
    { ...memberOf('a'), approved: true, known: false },
    { ...memberOf('b'), address: '10.0.0.5:6000', known: false },
  ]);
  expect((await readdir(dataDir)).sort()).toEqual(['members.json.migrated', 'members.jsonl']);
  first.members.forget('a');
  await first.file.close();
  // As if somebody had put it back.
  await rename(`${old}.migrated`, old);
  expect((await open()).members.all().map(({ workerId }) => workerId)).toEqual(['b']);
});

test.each(['{', '{"version":2,"workers":[]}', '{"version":1,"workers":[{"id":""}]}', 'null'])(
  'a damaged file of a master before the journal (%s) is set aside, and the master starts without it',
  async (text) => {
    await writeFile(join(dataDir, 'members.json'), text);
    expect((await open()).members.all()).toEqual([]);
    const [aside] = await readdir(dataDir);
    expect(aside).toMatch(/^members\.json\.damaged-/);
    expect(await readFile(join(dataDir, aside as string), 'utf8')).toBe(text);
  },
);

test('a failed write is logged once and retried, and nothing is lost', async () => {
  const { members, file, clock, log, failing } = await open();
  members.join('a');
  clock.advance(200);
  await eventually(async () => (await readdir(dataDir)).includes('members.jsonl'));
  // Nothing can be written there, by whatever user.
  await rm(path);
  await mkdir(path);
  members.join('b');
  clock.advance(200);
  await eventually(() => log.length === 1);
  members.join('c');
  clock.advance(5000);
  await eventually(() => clock.pending === 1);
  clock.advance(5000);
  await eventually(() => clock.pending === 1);
  await rmdir(path);
  clock.advance(5000);
  await eventually(() => log.length === 2);
  expect(log).toMatchObject([
    { level: 'error', file: path, msg: expect.stringContaining('could not be written') },
    { level: 'info', msg: 'members file can be written again' },
  ]);
  expect(failing).toEqual([true, false]);
  expect(await idsIn()).toEqual(['a', 'b', 'c']);
  await file.close();
});

test('a directory that cannot be read is named with its setting', async () => {
  await writeFile(join(dataDir, 'file'), '');
  const outer = dataDir;
  dataDir = join(dataDir, 'file', 'below');
  await expect(open()).rejects.toThrow(/^DATA_DIR=.*below: /);
  dataDir = outer;
});

const ids = fc.constantFrom('a', '🦊', '__proto__', 'ü');
const change: fc.Arbitrary<(members: Members) => void> = fc.oneof(
  ids.map((id) => (members: Members) => members.join(id)),
  ids.map((id) => (members: Members) => members.approve(id)),
  ids.map((id) => (members: Members) => members.forget(id)),
  ids.map((id) => (members: Members) => members.expire(id)),
  fc.tuple(ids, fc.nat(9)).map(([id, port]) => {
    return (members: Members) => members.setAddress(id, `[::1]:${port}`);
  }),
  fc.tuple(ids, fc.constantFrom(...ISOLATIONS)).map(([id, isolation]) => {
    return (members: Members) => void members.setIsolation(id, isolation);
  }),
  fc.tuple(ids, fc.array(fc.string(), { maxLength: 9 })).map(([id, instances]) => {
    return (members: Members) => members.setInstances(id, instances);
  }),
  fc.tuple(ids, fc.string({ unit: ANY_CHARACTER, maxLength: 5 }), fc.double()).map(([id, text, totalCpu]) => {
    const info = create(WorkerInfoSchema, { workerId: id, group: text.toWellFormed(), totalCpu });
    return (members: Members) => members.describe(id, info);
  }),
);

test('wherever the journal is truncated, a prefix of the history is restored', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 12 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (all, at) => {
        await rm(path, { force: true });
        await writeFile(path, JOURNAL_HEADER);
        const { members, file } = await open();
        const history: (readonly Member[])[] = [[]];
        for (const apply of all) {
          apply(members);
          history.push(members.all());
        }
        await file.close();
        const journal = await readFile(path);
        const cut = Math.round(at * journal.length);
        await writeFile(path, journal.subarray(0, cut));
        const second = await open();
        const restored = second.members.all();
        expect(history).toContainEqual(restored);
        // No more is lost than the change that was cut.
        if (cut === journal.length) expect(restored).toEqual(history.at(-1));
        // No master leaves a header that is cut.
        const isDamaged = cut > 0 && cut < JOURNAL_HEADER.length - 1;
        const aside = (await readdir(dataDir)).filter((name) => name.includes('damaged'));
        expect(aside).toHaveLength(isDamaged ? 1 : 0);
        for (const name of aside) await rm(join(dataDir, name));
      },
    ),
    { numRuns: 150 },
  );
});

test.each([
  ['without any line feed', (text: string) => text.replaceAll('\n', ''), ['a', 'b', 'c'], 0],
  ['whose header is cut', (text: string) => text.slice(9), ['a', 'b', 'c'], 1],
  ['with NULs at its end', (text: string) => `${text}${'\0'.repeat(4096)}`, ['a', 'b', 'c'], 1],
  ['with NULs in the middle of a line', (text: string) => text.replace('"b","a', '"b"\0\0\0'), ['a', 'c'], 1],
  ['with a line cut, and the next joined to it', (text: string) => text.replace(/"b",.*\n/, '"b","app'), ['a', 'c'], 1],
  ['with a line of 100 MB', (text: string) => text.replace('\n', `\n${'x'.repeat(100_000_000)}`), ['a', 'b', 'c'], 1],
  ['with 100 MB in an object', (text: string) => text.replace('"b"', `"${'b'.repeat(100_000_000)}"`), ['a', 'c'], 1],
])('of a file %s, a copy is set aside and the readable part is kept', async (_, damage, kept, lostLines) => {
  const lines = ['a', 'b', 'c'].map((workerId) => journalLine({ workerId, member: memberOf(workerId) }));
  await writeFile(path, damage(`${JOURNAL_HEADER}${lines.join('')}`));
  const { members, file, log } = await open();
  expect(members.all()).toEqual(kept.map(memberOf));
  if (lostLines > 0) {
    expect(log).toMatchObject([{ level: 'error', recovered: kept.length, lostLines, lostBytes: expect.any(Number) }]);
    expect(log[0]?.lostBytes).toBeGreaterThan(0);
    expect(await readdir(dataDir)).toContain(basename(String(log[0]?.aside)));
  }
  members.approve('d');
  await file.close();
  const next = await open();
  expect(next.members.all().map(({ workerId }) => workerId)).toEqual([...kept, 'd']);
  expect(next.log).toEqual([]);
});

test('a disk that damages the file at each start is not filled with copies', async () => {
  for (let i = 0; i < 8; i++) {
    await appendFile(path, `nonsense ${i}\n`);
    await open(new FakeClock(1_795_456_495_000 + i));
  }
  const copies = (await readdir(dataDir)).filter((name) => name.includes('damaged')).sort();
  expect(copies).toHaveLength(5);
  expect(await readFile(join(dataDir, copies.at(-1) as string), 'utf8')).toContain('nonsense 7');
});

test('a write that fails at the start is retried, even without further changes', async () => {
  const line = journalLine({ workerId: 'a', member: memberOf('a') });
  await writeFile(path, `${JOURNAL_HEADER}${line}${line}`);
  await mkdir(`${path}.new`);
  const { members, clock, failing, log } = await open();
  expect(failing).toEqual([true]);
  members.join('a');
  clock.advance(5000);
  await eventually(() => clock.pending === 1);
  await rmdir(`${path}.new`);
  clock.advance(5000);
  await eventually(() => failing.length === 2);
  expect(failing).toEqual([true, false]);
  expect(log.at(-1)).toMatchObject({ level: 'info', msg: 'members file can be written again' });
  expect(await idsIn()).toEqual(['a']);
  expect(clock.pending).toBe(0);
});

test.each([
  ['tries again', async ({ clock }: Opened) => void clock.advance(5000)],
  ['ends', ({ file }: Opened) => file.close()],
])(
  'a master whose first write failed, and that %s before the members are taken over, loses no member',
  async (_, go) => {
    const line = journalLine({ workerId: 'a', member: memberOf('a') });
    await writeFile(path, `${JOURNAL_HEADER}${line}${line}`);
    await mkdir(`${path}.new`);
    const opened = openOnly();
    const kept = await opened.file.open();
    await rmdir(`${path}.new`);
    await go(opened);
    await eventually(() => opened.failing.length === 2);
    expect(await idsIn()).toEqual(['a']);
    opened.members.restore(kept);
    opened.members.join('b');
    await opened.file.close();
  },
);

test.each([
  [
    'owed',
    async ({ members, clock, failing }: Opened) => {
      await mkdir(`${path}.new`);
      members.approve('mine');
      clock.advance(200);
      await eventually(() => failing.length === 1);
      await rmdir(`${path}.new`);
    },
  ],
  [
    'under way',
    async ({ members, file, clock }: Opened) => {
      const last = {
        ...memberOf('b'),
        get workerId() {
          file.abandon();
          return 'b';
        },
      };
      vi.spyOn(members, 'all').mockReturnValue([memberOf('a'), last]);
      members.approve('mine');
      clock.advance(200);
    },
  ],
])(
  'a master that lost the directory while a write is %s leaves the file of the next one as it is',
  async (_, begin) => {
    const opened = await open();
    const theirs = `${JOURNAL_HEADER}${journalLine({ workerId: 'theirs', member: memberOf('theirs') })}`;
    await writeFile(path, theirs);
    await begin(opened);
    await opened.file.look();
    opened.file.abandon();
    opened.members.approve('late');
    await opened.file.look();
    await opened.file.close();
    expect(await readFile(path, 'utf8')).toBe(theirs);
    expect(await readdir(dataDir)).toEqual(['members.jsonl']);
    expect(opened.clock.pending).toBe(0);
  },
);

test('a master that lost the directory during a write appends nothing more', async () => {
  const { members, file, clock } = await open();
  members.approve('a');
  clock.advance(200);
  await file.look();
  const last = {
    ...memberOf('b'),
    get approved() {
      file.abandon();
      return true;
    },
  };
  vi.spyOn(members, 'get').mockReturnValueOnce(last);
  members.approve('b');
  clock.advance(200);
  await file.look();
  const before = await readFile(path, 'utf8');
  members.approve('late');
  clock.advance(5000);
  await file.close();
  expect(await readFile(path, 'utf8')).toBe(before);
});

test('isAsLeft is true until another process writes the file, also if the file is gone', async () => {
  const { members, file, clock, failing } = await open();
  expect(await file.isAsLeft()).toBe(true);
  for (const id of ['a', 'b']) {
    members.approve(id);
    clock.advance(200);
    await eventually(async () => (await readFile(path, 'utf8').catch(() => '')).includes(id));
    expect(await file.isAsLeft()).toBe(true);
  }
  const text = await readFile(path, 'utf8');
  await rm(path);
  expect(await file.isAsLeft()).toBe(true);
  await writeFile(path, text);
  expect(await file.isAsLeft()).toBe(false);

  // Nothing is added to what another has written: what is there stays until it is known whose the directory is.
  await appendFile(path, 'theirs');
  members.approve('c');
  clock.advance(200);
  await eventually(() => failing.length === 1);
  expect(await readFile(path, 'utf8')).toBe(`${text}theirs`);
  expect(await file.isAsLeft()).toBe(false);
  clock.advance(5000);
  await eventually(() => failing.length === 2);
  expect(await idsIn()).toEqual(['a', 'b', 'c']);
  expect(await file.isAsLeft()).toBe(true);
  await file.close();
});

function memberOf(workerId: string): Member {
  return { workerId, approved: false, address: undefined, known: true, instanceIds: [], info: undefined };
}
