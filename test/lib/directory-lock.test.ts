import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { type DirectoryLock, type DirectoryLockOptions, lockDirectory } from '../../src/lib/directory-lock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { identityOfSelf } from '../../src/lib/process-identity.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

const TAKER = fileURLToPath(new URL('../support/lock-taker.ts', import.meta.url));

let dataDir: string;
let path: string;
const locks: DirectoryLock[] = [];
const children: ChildProcess[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-lock-'));
  path = join(dataDir, 'lock');
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await Promise.all(locks.splice(0).map((lock) => lock.release()));
  await rm(dataDir, { recursive: true, force: true });
});

async function take(
  directory = dataDir,
  clock = new FakeClock(),
  onLost = () => {},
  more: Partial<DirectoryLockOptions> = {},
): Promise<void> {
  locks.push(await lockDirectory(directory, { clock, logger: silentLogger, onLost, ...more }));
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}

/** A process that locks what it is told to. */
async function startTaker() {
  const child = spawn(process.execPath, [TAKER], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value as string;
  expect(await line()).toBe('ready');
  return {
    child,
    take: (directory: string) => {
      child.stdin.write(`${directory}\n`);
      return line();
    },
  };
}

test('a directory is made, locked, and given back', async () => {
  const directory = join(dataDir, 'new', 'one');
  await take(directory);
  expect(JSON.parse(await readFile(join(directory, 'lock'), 'utf8'))).toMatchObject(
    JSON.parse(JSON.stringify(identityOfSelf())),
  );
  await locks[0]?.release();
  await locks[0]?.release();
  expect(await readdir(directory)).toEqual([]);
});

test('two masters in one process exclude each other, by whatever name they call the directory', async () => {
  await take();
  const message = `DATA_DIR=${dataDir}/.: in use by this process (${process.pid}) (${path})`;
  await expect(take(`${dataDir}/.`)).rejects.toMatchObject({
    code: 'environment',
    message: expect.stringContaining(message),
  });
  await locks[0]?.release();
  await take();
});

test('a process that lives is named; when it was killed, its lock is taken over', async () => {
  const taker = await startTaker();
  expect(await taker.take(dataDir)).toBe('held');
  await expect(take()).rejects.toThrow(`DATA_DIR=${dataDir}: in use by process ${taker.child.pid} (${path})`);
  await kill(taker.child);
  await take();
  expect(await readdir(dataDir)).toEqual(['lock']);
});

test('a lock under a number that was given to another process since is stale', async () => {
  const self = identityOfSelf();
  await writeFile(path, JSON.stringify({ ...self, pid: process.ppid, startedAt: 1 }));
  await take();
});

test('a lock with this very process’s number that it does not hold is stale', async () => {
  await writeFile(path, JSON.stringify(identityOfSelf()));
  await take();
});

test('of many processes that find one stale lock exactly one gets it', async () => {
  const takers = await Promise.all(Array.from({ length: 5 }, startTaker));
  const stale = JSON.stringify({ ...identityOfSelf(), startedAt: 1 });
  for (let round = 0; round < 30; round++) {
    const directory = join(dataDir, String(round));
    await mkdir(directory);
    await writeFile(join(directory, 'lock'), stale);
    const outcomes = await Promise.all(takers.map((taker) => taker.take(directory)));
    const winners = takers.filter((_, index) => outcomes[index] === 'held');
    expect(winners, `round ${round}: ${outcomes.join('\n')}`).toHaveLength(1);
    const { pid } = JSON.parse(await readFile(join(directory, 'lock'), 'utf8'));
    expect(pid).toBe(winners[0]?.child.pid);
    expect(outcomes.filter((outcome) => outcome.includes('in use by process'))).toHaveLength(4);
    expect(await readdir(directory)).toEqual(['lock']);
  }
});

test('one that was killed while it took over a lock does not keep others from it', async () => {
  const self = identityOfSelf();
  const stale = JSON.stringify({ ...self, startedAt: 1 });
  await writeFile(path, stale);
  // The right to remove the stale lock, which is held by name of its content.
  const right = `${path}.${createHash('sha256').update(stale).digest('hex').slice(0, 12)}`;
  await writeFile(right, JSON.stringify({ ...self, pid: process.ppid, startedAt: undefined }));
  await expect(take()).rejects.toThrow(`in use by process ${process.ppid} (${path})`);
  await writeFile(right, JSON.stringify({ ...self, startedAt: 2 }));
  await take();
  expect(await readdir(dataDir)).toEqual(['lock']);
});

/** Lets time pass until the work is done. */
async function whileTimePasses(clock: FakeClock, work: Promise<unknown>): Promise<void> {
  let done = false;
  const end = () => {
    done = true;
  };
  work.then(end, end);
  await eventually(() => {
    // Not while it looks at the file.
    if (!done && clock.pending > 0) clock.advance(1000);
    return done;
  });
}

test.each([
  ['of another host', { pid: process.pid, host: 'elsewhere.example' }],
  ['of another container', { pid: process.pid, pidNamespace: 'pid:[1]' }],
  ['that nobody can read', undefined],
])('a lock %s that is not touched for 30 s is taken over', async (_, other) => {
  await writeFile(path, other === undefined ? '' : JSON.stringify({ ...identityOfSelf(), ...other }));
  const clock = new FakeClock();
  const taken = take(dataDir, clock);
  await whileTimePasses(clock, taken);
  await taken;
  expect(clock.monotonicMs()).toBe(30_000);
});

test('a lock from elsewhere that is touched is held', async () => {
  await writeFile(path, JSON.stringify({ pid: 7, host: 'elsewhere.example' }));
  const clock = new FakeClock();
  const taken = take(dataDir, clock);
  taken.catch(() => {});
  await eventually(() => clock.pending > 0);
  clock.advance(1000);
  await eventually(() => clock.pending > 0);
  await utimes(path, new Date(), new Date(1));
  await whileTimePasses(clock, taken);
  await expect(taken).rejects.toThrow(`in use by process 7 on elsewhere.example (${path})`);
});

test('whoever holds a lock touches it, but never one that was taken from it', async () => {
  const clock = new FakeClock(1_000_000_000_000);
  await take(dataDir, clock);
  const { mtimeMs: atFirst } = await stat(path);
  clock.advance(5000);
  await eventually(async () => (await stat(path)).mtimeMs !== atFirst);
  const theirs = JSON.stringify({ pid: 7, host: 'elsewhere.example' });
  await writeFile(path, theirs);
  const { mtimeMs: touched } = await stat(path);
  clock.advance(5000);
  await eventually(() => clock.pending === 0);
  await locks[0]?.release();
  expect(await readFile(path, 'utf8')).toBe(theirs);
  expect((await stat(path)).mtimeMs).toBe(touched);
});

test('a directory that cannot be made is named with its setting', async () => {
  await writeFile(join(dataDir, 'file'), '');
  const options = { clock: systemClock, logger: silentLogger, onLost: () => {} };
  await expect(lockDirectory(join(dataDir, 'file', 'below'), options)).rejects.toThrow(/^DATA_DIR=.*file\/below: /);
  const message = `DATA_DIR=${join(dataDir, 'file')}: expected a directory`;
  await expect(lockDirectory(join(dataDir, 'file'), options)).rejects.toThrow(message);
});

test('an owner whose lock somebody else has taken over is told, once', async () => {
  const clock = new FakeClock();
  let lost = 0;
  await take(dataDir, clock, () => lost++);
  clock.advance(5000);
  await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere' }));
  for (let touch = 0; touch < 3; touch++) {
    clock.advance(5000);
    await eventually(() => lost > 0);
  }
  expect(lost).toBe(1);
  // What is another's stays.
  await Promise.all(locks.splice(0).map((lock) => lock.release()));
  expect(await readFile(path, 'utf8')).toContain('elsewhere');
});

describe('a lock that is not there any more', () => {
  const LOSSES: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['was removed', () => rm(path)],
    ['went with its directory', () => rm(dataDir, { recursive: true })],
    ['is nonsense', () => writeFile(path, 'nonsense')],
    ['is empty', () => writeFile(path, '')],
    [
      'is that of a process that is gone',
      async () => writeFile(path, JSON.stringify({ ...identityOfSelf(), pid: 4_194_303 })),
    ],
    ['is one of this process', async () => writeFile(path, JSON.stringify(identityOfSelf()))],
  ];

  test.each(LOSSES)('since it %s, is made again by its owner', async (_, lose) => {
    const clock = new FakeClock();
    const held: boolean[] = [];
    let lost = 0;
    await take(dataDir, clock, () => lost++, { onHeld: (wasMade) => held.push(wasMade) });
    const text = await readFile(path, 'utf8');
    await lose();
    await eventually(() => {
      if (held.length === 0) clock.advance(5000);
      return held.length > 0;
    });
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(held[0]).toBe(true);
    expect(lost).toBe(0);
    const seen = held.length;
    clock.advance(5000);
    await eventually(() => held.length > seen);
    expect(held.at(-1)).toBe(false);
    await expect(take(dataDir, clock)).rejects.toThrow('in use');
  });

  test('is another’s where a process that lives has made one', async () => {
    const clock = new FakeClock();
    let lost = 0;
    await take(dataDir, clock, () => lost++);
    const theirs = JSON.stringify({ ...identityOfSelf(), pid: process.ppid, startedAt: undefined });
    await writeFile(path, theirs);
    clock.advance(5000);
    await eventually(() => lost === 1);
    await Promise.all(locks.splice(0).map((lock) => lock.release()));
    expect(await readFile(path, 'utf8')).toBe(theirs);
  });

  test.each(LOSSES)('since it %s, is not made again where another owner was there in between', async (_, lose) => {
    const clock = new FakeClock();
    let lost = 0;
    let asked = 0;
    const held: boolean[] = [];
    const isAsLeft = async () => {
      asked++;
      // Once, nobody can tell.
      if (asked === 1) throw new Error('EIO');
      return false;
    };
    await take(dataDir, clock, () => lost++, { isAsLeft, onHeld: (wasMade) => held.push(wasMade) });
    await lose();
    await eventually(() => {
      if (lost === 0) clock.advance(5000);
      return lost === 1;
    });
    expect({ asked, held }).toEqual({ asked: 2, held: [] });
    // It is nobody's.
    await Promise.all(locks.splice(0).map((lock) => lock.release()));
    await take(dataDir, clock);
  });

  test('and cannot be made again is told once, tried again, and told when it is back', async () => {
    const clock = new FakeClock();
    const failing: (string | undefined)[] = [];
    let lost = 0;
    await take(dataDir, clock, () => lost++, { onFailing: (reason) => failing.push(reason) });
    await rm(dataDir, { recursive: true });
    await writeFile(dataDir, 'a file in its place');
    for (const count of [1, 1]) {
      clock.advance(5000);
      await eventually(() => failing.length === count);
    }
    await rm(dataDir);
    await eventually(() => {
      clock.advance(5000);
      return failing.length === 2;
    });
    expect(failing).toEqual([expect.stringMatching(/EEXIST|ENOTDIR/), undefined]);
    expect(lost).toBe(0);
  });
});

test('a directory that cannot be made is an error at once, also where Node would try for ever', async () => {
  await expect(take('/proc/1/x/y')).rejects.toThrow(/^DATA_DIR=\/proc\/1\/x\/y: /);
  await writeFile(path, '');
  await expect(take(join(path, 'below'))).rejects.toThrow('a part of the path is a file');
  await take(join(dataDir, 'a', 'b', 'c'));
});
