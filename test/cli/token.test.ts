import { execFile } from 'node:child_process';
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { writeSecret } from '../../src/cli/token/secret-file.ts';
import { isSame, lineOf, revoked, rotated, type TokenLine, tokenLines } from '../../src/cli/token/token-lines.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { identityOfSelf } from '../../src/lib/process-identity.ts';
import { hashOfToken, parseApiTokens } from '../../src/lib/tokens.ts';
import { parseWorkerTokens } from '../../src/model/identity.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { repetitions } from '../support/repetitions.ts';
import { run as runProgram } from './run.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-token-'));
  file = join(folder, 'tokens');
});
afterEach(() => {
  vi.unstubAllEnvs();
  return rm(folder, { recursive: true, force: true });
});

const NOW_UNIX_MS = Date.parse('2026-11-26T12:00:00Z');

/** Whoever waits has waited at once. */
class HurriedClock extends FakeClock {
  override after(delayMs: number, fn: () => void) {
    setImmediate(() => this.advance(delayMs));
    return super.after(delayMs, fn);
  }
}

const run = (...args: string[]) => runTo({}, ...args);

function runTo(stdout: { readonly failure?: Error }, ...args: string[]) {
  return runProgram(['token', ...args], { isTTY: false, clock: new HurriedClock(NOW_UNIX_MS), ...stdout });
}

test('a worker token is printed alone on stdout, and its hash is kept for the owner of the file alone', async () => {
  const { stdout, stderr, exitCode } = await run('create', '--worker', 'a/b c', '--tokens-file', file);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^plt_[A-Za-z0-9_-]{43}\n$/);
  expect(stderr).not.toContain('plt_');
  expect(stderr).toContain(`Added to ${file}:\n  worker:a%2Fb%20c sha256:`);
  const kept = await readFile(file, 'utf8');
  expect(kept).not.toContain('plt_');
  const [token, ...others] = parseWorkerTokens(kept, file);
  expect(others).toEqual([]);
  expect(token?.hash).toBe(hashOfToken(stdout.trim()));
  expect([...(token?.grant.workers ?? [])]).toEqual(['a/b c']);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a token goes into a new file of its owner, and is not printed then', async () => {
  const out = join(folder, 'my.token');
  const made = await run('create', '--worker', 'a', '--tokens-file', file, '--out', out);
  expect(made).toMatchObject({ stdout: '', exitCode: 0 });
  expect(made.stderr).toContain(`The token is in ${out}, for its owner alone; an agent takes it by --token-file`);
  const token = await readFile(out, 'utf8');
  expect(made.stderr).not.toContain(token.trim());
  expect((await stat(out)).mode & 0o777).toBe(0o600);
  const kept = await readFile(file, 'utf8');
  expect(parseWorkerTokens(kept, file)[0]?.hash).toBe(hashOfToken(token.trim()));

  expect(await run('create', '--worker', 'b', '--tokens-file', file, '--out', out)).toMatchObject({
    stderr: `pulselane: ${out} is there already: expected a new file\n`,
    exitCode: 1,
  });
  expect([await readFile(out, 'utf8'), await readFile(file, 'utf8')]).toEqual([token, kept]);

  const unkept = join(folder, 'unkept.token');
  const failed = await run('create', '--worker', 'b', '--tokens-file', join(folder, 'no', 'tokens'), '--out', unkept);
  expect(failed.stderr).toContain('cannot be written');
  await expect(stat(unkept)).rejects.toThrow('ENOENT');
});

test('a file has the token before its hash is kept, and loses it only if that fails', async () => {
  const out = join(folder, 'my.token');
  await writeSecret(out, 'secret\n', async () => expect(await readFile(out, 'utf8')).toBe('secret\n'));
  expect(await readFile(out, 'utf8')).toBe('secret\n');
  await rm(out);
  await expect(writeSecret(out, 'secret\n', () => Promise.reject(new Error('full')))).rejects.toThrow('full');
  await expect(stat(out)).rejects.toThrow('ENOENT');
});

test('a token does not go into the file of its hash', async () => {
  const { exitCode, stderr } = await run('create', '--worker', 'a', '--tokens-file', file, '--out', file);
  expect([exitCode, stderr]).toEqual([2, `pulselane: --out ${file}: expected another file than that of the hashes\n`]);
  expect(await readdir(folder)).toEqual([]);
});

test('a token that cannot be printed is an error that names what was done', async () => {
  const closed = { failure: new Error('EPIPE: broken pipe') };
  const made = await runTo(closed, 'create', '--worker', 'a', '--tokens-file', file);
  expect(made.exitCode).toBe(1);
  expect(made.stderr).toContain(
    `pulselane: the token could not be printed (EPIPE: broken pipe) and is lost; create another, and take the line above out of ${file} again`,
  );
  expect((await runTo(closed, 'create', '--worker', 'a')).stderr).toContain('and is lost; create another\n');
});

test.each(['new', 'lock'])('a token whose file is named like the file of tokens with .%s is there', async (ending) => {
  await run('create', '--worker', 'a', '--tokens-file', file);
  const out = `${file}.${ending}`;
  const { exitCode } = await run('rotate', '--worker', 'a', '--keep-old', '0', '--tokens-file', file, '--out', out);
  const [kept] = parseWorkerTokens(await readFile(file, 'utf8'), file);
  // A lock there can be none beside it.
  if (ending === 'lock') expect([exitCode, await readdir(folder)]).toEqual([1, ['tokens']]);
  else expect([exitCode, hashOfToken((await readFile(out, 'utf8')).trim())]).toEqual([0, kept?.hash]);
});

test('commands that change a file at the same time wait for each other, and no change is lost', async () => {
  await writeFile(file, '');
  const program = fileURLToPath(new URL('../support/token-editor.ts', import.meta.url));
  const names = ['a', 'b', 'c'];
  const edits = names.map((name) => promisify(execFile)(process.execPath, [program, file, name, '20']));
  await Promise.all(edits);
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const expected = names.flatMap((name) => Array.from({ length: 20 }, (_, n) => `${name}${n}`));
  expect(lines.sort()).toEqual(expected.sort());
  expect(await readdir(folder)).toEqual(['tokens']);
});

test('the lock of a command that was killed is taken over; a file there that is none stays', async () => {
  await writeFile(`${file}.lock`, JSON.stringify({ ...identityOfSelf(), pid: 2 ** 30 }));
  expect((await run('create', '--worker', 'a', '--tokens-file', file)).exitCode).toBe(0);
  expect(await readdir(folder)).toEqual(['tokens']);
  await writeFile(`${file}.lock`, 'of a person');
  const refused = await run('revoke', '--worker', 'a', '--tokens-file', file);
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`${file}.lock is there: expected no`) });
  expect(await readFile(`${file}.lock`, 'utf8')).toBe('of a person');
});

test('what is in the file stays, also where its last line has no end', async () => {
  await writeFile(file, '# by hand');
  await chmod(file, 0o640);
  await run('create', '--group', 'rack', '--tokens-file', file);
  await run('create', '--worker', 'a', '--group', 'rack', '--tokens-file', file);
  const kept = await readFile(file, 'utf8');
  expect(kept.startsWith('# by hand\ngroup:rack sha256:')).toBe(true);
  expect(parseWorkerTokens(kept, file).map(({ name }) => name)).toEqual([
    'the token of group rack',
    'the token of a, group rack',
  ]);
  expect((await stat(file)).mode & 0o777).toBe(0o640);
});

test('an API token has a name of its own and scopes', async () => {
  const { stdout } = await run('create', '--api', 'ops', '--scope', 'operate', '--tokens-file', file);
  expect(parseApiTokens(await readFile(file, 'utf8'), file)).toEqual([
    { name: 'ops', scopes: ['read', 'operate'], hash: hashOfToken(stdout.trim()) },
  ]);
  const again = await run('create', '--api', 'ops', '--scope', 'read', '--tokens-file', file);
  expect(again).toMatchObject({
    stdout: '',
    stderr: `pulselane: ${file} has a token of ops already; "pulselane token rotate --api ops" makes a new one in its place\n`,
  });
  expect(parseApiTokens(await readFile(file, 'utf8'), file)).toHaveLength(1);
});

test('without a file the line to add is told', async () => {
  const { stdout, stderr } = await run('create', '--worker', 'a');
  expect(stderr).toContain(`Add to the file of WORKER_TOKENS_FILE:\n  worker:a sha256:${hashOfToken(stdout.trim())}`);
});

test.each([
  [['create'], 'expected --worker <id>, --group <name> or --api <name>'],
  [['create', '--worker', '..'], 'cannot be named in a URL'],
  [['create', '--group', ''], '--group "": expected a group that is not empty'],
  [['create', '--api', 'ops'], '--api: expected --scope read or --scope operate beside it'],
  [['create', '--api', 'o p', '--scope', 'read'], '--api "o p": expected a name of 1 to 64 letters'],
  [['create', '--api', 'ops', '--scope', 'write'], '--scope write: expected the scopes read or operate'],
  [['create', '--api', 'ops', '--scope', 'read', '--worker', 'a'], '--api: expected no --worker'],
  [['create', '--worker', 'a', '--scope', 'read'], '--scope: expected --api beside it'],
  [['create', '--wroker', 'a'], 'unknown option'],
])('%j is a wrong usage, and no token is made', async (args, message) => {
  const { stdout, stderr, exitCode } = await run(...args);
  expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
  expect(stderr).toContain(message);
});

test('a file that cannot be written, or that is none of ours, is an error', async () => {
  const missing = join(folder, 'no', 'such', 'folder');
  expect(await run('create', '--worker', 'a', '--tokens-file', missing)).toMatchObject({
    stdout: '',
    stderr: expect.stringContaining(`${missing} cannot be written: ENOENT`),
    exitCode: 1,
  });
  await writeFile(file, 'ops read sha256:abc\n');
  expect(await run('create', '--worker', 'a', '--tokens-file', file)).toMatchObject({
    stdout: '',
    stderr: expect.stringContaining(`${file}:1: expected "worker:<id> sha256:`),
  });
  expect(await readFile(file, 'utf8')).toBe('ops read sha256:abc\n');
});

describe('a token that expires', () => {
  test.each([
    ['30d', '2026-12-26T12:00:00Z'],
    ['90m', '2026-11-26T13:30:00Z'],
    ['1.5h', '2026-11-26T13:30:00Z'],
    ['2026-12-24', '2026-12-24T00:00:00Z'],
    ['2026-12-24T18:00+01:00', '2026-12-24T17:00:00Z'],
  ])('--expires %s is %s', async (when, instant) => {
    const { stderr, exitCode } = await run('create', '--worker', 'a', '--expires', when, '--tokens-file', file);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`It expires at ${instant}.`);
    expect(parseWorkerTokens(await readFile(file, 'utf8'), file)[0]?.expiresUnixMs).toBe(Date.parse(instant));
  });

  test.each([
    ['2026-11-26T12:00Z', 'expected a time in the future'],
    ['0', 'expected a time in the future'],
    ['2026-11-26T18:00', 'expected 30d, 12h, a date such as 2026-12-24'],
    ['tomorrow', 'expected 30d, 12h, a date such as 2026-12-24'],
    ['4000d', 'expected at most 3650 days from now, or never'],
    ['2206-11-26', 'expected at most 3650 days from now, or never'],
    ['', 'expected 30d, 12h'],
  ])('--expires %s is a wrong usage', async (when, message) => {
    const made = await run('create', '--worker', 'a', '--expires', when, '--tokens-file', file);
    expect(made).toMatchObject({ stdout: '', exitCode: 2, stderr: expect.stringContaining(message) });
    expect(made.stderr).toContain(`--expires ${JSON.stringify(when)}`);
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });
});

describe('token list', () => {
  test('shows whom each token is for, and until when, and never a token', async () => {
    const apiFile = join(folder, 'api');
    const made = await run('create', '--worker', 'a b', '--expires', '2h', '--tokens-file', file);
    await run('create', '--group', 'rack', '--tokens-file', file);
    await writeFile(file, `# by hand\nworker:gone expires:2026-11-26T11:00Z sha256:${hashOfToken('x')}\n`, {
      flag: 'a',
    });
    await run('create', '--api', 'ops', '--scope', 'operate', '--tokens-file', apiFile);
    vi.stubEnv('WORKER_TOKENS_FILE', file);
    vi.stubEnv('API_TOKENS_FILE', apiFile);
    const id = hashOfToken(made.stdout.trim()).slice(0, 8);
    const { stdout } = await run('list', '-o', 'table');
    expect(stdout.split('\n').map((line) => line.replace(/ +[0-9a-f]{8}$/, ''))).toEqual([
      'FOR     NAME  SCOPE         EXPIRES               STATE           ID',
      'worker  a b   –             2026-11-26T14:00:00Z  valid for 2h',
      'group   rack  –             never                 valid',
      'worker  gone  –             2026-11-26T11:00:00Z  expired 1h ago',
      'API     ops   read,operate  never                 valid',
      '',
    ]);
    expect(stdout).toContain(id);
    const { tokens } = JSON.parse((await run('list')).stdout);
    expect(tokens[0]).toEqual({
      kind: 'worker',
      name: 'a b',
      scopes: null,
      expires_at: '2026-11-26T14:00:00Z',
      state: 'valid',
      id,
      file,
    });
    expect(tokens[3]).toMatchObject({ kind: 'api', name: 'ops', scopes: ['read', 'operate'], expires_at: null });
    expect((await run('list', '-o', 'csv', '--tokens-file', file)).stdout).toContain(
      'worker,gone,,2026-11-26T11:00:00Z',
    );
    for (const text of [stdout, JSON.stringify(tokens)]) expect(text).not.toContain('plt_');
  });

  test('says which file it wants, and what is wrong with one', async () => {
    expect(await run('list')).toMatchObject({
      exitCode: 2,
      stderr: 'pulselane: expected --tokens-file <file>, or WORKER_TOKENS_FILE or API_TOKENS_FILE set\n',
    });
    const no = join(folder, 'no');
    expect((await run('list', '--tokens-file', no)).stderr).toBe(`pulselane: ${no} cannot be read: no such file\n`);
    expect((await run('revoke', '--worker', 'w', '--tokens-file', no)).stderr).toBe(
      `pulselane: ${no} cannot be changed: no such file\n`,
    );
    await writeFile(file, 'worker:a plt_secret\n');
    const { stderr } = await run('list', '--tokens-file', file);
    expect(stderr).toContain(`${file}:1: expected "worker:<id> sha256:`);
    expect(stderr).not.toContain('plt_secret');
  });
});

describe('token revoke', () => {
  beforeEach(async () => {
    for (const worker of ['a', 'b']) await run('create', '--worker', worker, '--tokens-file', file);
    await writeFile(file, '# the rack\n', { flag: 'a' });
    await run('create', '--group', 'b', '--tokens-file', file);
    await chmod(file, 0o640);
  });
  const names = async () => (await readFile(file, 'utf8')).split('\n').map((line) => line.split(' sha256')[0]);

  test('removes the lines of one, keeps all others, and says what is to be done', async () => {
    const { stdout, exitCode } = await run('revoke', '--worker', 'b', '--tokens-file', file);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Removed from ${file}:\n {2}worker:b sha256:.*\nA running master .* SIGHUP`));
    expect(await names()).toEqual(['worker:a', '# the rack', 'group:b', '']);
    expect((await stat(file)).mode & 0o777).toBe(0o640);
  });

  test('finds a name by itself where it is clear whose it is', async () => {
    expect(await run('revoke', 'b', '--tokens-file', file)).toMatchObject({
      exitCode: 2,
      stderr: 'pulselane: b may be worker b (--worker) or group b (--group): say which by its flag\n',
    });
    expect((await run('revoke', 'a', '--tokens-file', file)).exitCode).toBe(0);
    expect(await names()).toEqual(['worker:b', '# the rack', 'group:b', '']);
  });

  test('refuses what is not there, and to leave a file that a master would refuse', async () => {
    expect(await run('revoke', '--worker', 'c', '--tokens-file', file)).toMatchObject({
      exitCode: 1,
      stderr: `pulselane: ${file} holds no token for worker c; "pulselane token list" shows all\n`,
    });
    const alone = join(folder, 'alone');
    await run('create', '--worker', 'a', '--tokens-file', alone);
    const before = await readFile(alone, 'utf8');
    const refused = await run('revoke', 'a', '--tokens-file', alone);
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('would hold no token any more')]);
    expect(await readFile(alone, 'utf8')).toBe(before);
    expect((await run('revoke', '--tokens-file', file)).stderr).toContain('expected one of --worker <id>');
    expect((await run('revoke', 'a', '--worker', 'a', '--tokens-file', file)).exitCode).toBe(2);
  });

  test('follows a link, and leaves it one', async () => {
    const link = join(folder, 'link');
    await symlink(file, link);
    await run('revoke', '--worker', 'a', '--tokens-file', link);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await names()).toEqual(['worker:b', '# the rack', 'group:b', '']);
  });
});

describe('token rotate', () => {
  test('makes a new token for the same, and the old one stays valid for a while', async () => {
    await writeFile(file, '# grafana\n');
    const old = await run('create', '--api', 'grafana', '--scope', 'read', '--tokens-file', file);
    const made = await run('rotate', '--api', 'grafana', '--keep-old', '1h', '--tokens-file', file);
    expect(made.stdout).toMatch(/^plt_\S+\n$/);
    expect(made.stderr).toContain('The old token is valid until 2026-11-26T13:00:00Z.');
    const kept = await readFile(file, 'utf8');
    expect(kept.startsWith('# grafana\ngrafana read sha256:')).toBe(true);
    expect(parseApiTokens(kept, file)).toEqual([
      { name: 'grafana', scopes: ['read'], hash: hashOfToken(made.stdout.trim()) },
      {
        name: 'grafana',
        scopes: ['read'],
        hash: hashOfToken(old.stdout.trim()),
        expiresUnixMs: NOW_UNIX_MS + 3_600_000,
      },
    ]);
  });

  test('--keep-old 0 takes the old one away at once', async () => {
    await run('create', '--worker', 'a', '--tokens-file', file);
    const { stdout, stderr } = await run('rotate', '--worker', 'a', '--keep-old', '0', '--tokens-file', file);
    expect(stderr).toMatch(/Removed:\n {2}worker:a sha256:/);
    expect(parseWorkerTokens(await readFile(file, 'utf8'), file).map(({ hash }) => hash)).toEqual([
      hashOfToken(stdout.trim()),
    ]);
  });

  test('never makes one that lasts of one that expires without being told', async () => {
    await run('create', '--worker', 'a', '--expires', '30d', '--tokens-file', file);
    const before = await readFile(file, 'utf8');
    const out = join(folder, 'new.token');
    const refused = await run('rotate', '--worker', 'a', '--tokens-file', file, '--out', out);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('expected --expires <when>')]);
    expect(await readFile(file, 'utf8')).toBe(before);
    await expect(stat(out)).rejects.toThrow('ENOENT');
    await run('rotate', '--worker', 'a', '--expires', 'never', '--tokens-file', file, '--out', out);
    expect(parseWorkerTokens(await readFile(file, 'utf8'), file).map((token) => token.expiresUnixMs)).toEqual([
      undefined,
      NOW_UNIX_MS + 24 * 3_600_000,
    ]);
  });

  test('a token that is for a worker and a group is followed by one that is for both', async () => {
    await run('create', '--worker', 'a', '--group', 'rack', '--tokens-file', file);
    await run('rotate', '--group', 'rack', '--tokens-file', file);
    const [fresh, old, ...others] = parseWorkerTokens(await readFile(file, 'utf8'), file);
    expect(others).toEqual([]);
    expect(fresh?.subjects).toEqual(old?.subjects);
    await run('create', '--group', 'rack', '--tokens-file', file);
    expect((await run('rotate', '--group', 'rack', '--tokens-file', file)).stderr).toContain(
      'has tokens that are for different things (group rack, worker a; group rack)',
    );
  });

  test.each([
    [['--keep-old', '91d'], '--keep-old "91d": expected a duration such as 1h or 2d, at most 90d, or 0'],
    [['--keep-old', 'soon'], '--keep-old "soon": expected a duration'],
    [['--expires', '1h ago'], '--expires "1h ago": expected 30d'],
  ])('%j is a wrong usage', async (flags, message) => {
    await run('create', '--worker', 'a', '--tokens-file', file);
    const refused = await run('rotate', '--worker', 'a', '--tokens-file', file, ...flags);
    expect(refused).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});

const line = fc.record({
  subject: fc.record({
    kind: fc.constantFrom('worker' as const, 'group' as const),
    id: fc.constantFrom('a', 'b', 'ü c'),
  }),
  secret: fc.constantFrom('1', '2', '3', '4', '5'),
});

test('whatever is rotated and revoked, the file stays one that a master takes, and others keep their tokens', () => {
  const step = fc.record({
    subject: line.map(({ subject }) => subject),
    keepOldMs: fc.constantFrom(0, 1000, 3_600_000),
  });
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), fc.array(step, { maxLength: 6 }), (lines, steps) => {
      const unique = new Map(
        lines.map(({ subject, secret }) => [`${subject.kind}${subject.id}${secret}`, { subject, secret }]),
      );
      let text = [...unique.values()]
        .map(
          ({ subject, secret }) =>
            `# ${secret}\n${lineOf({ subject, hash: hashOfToken(secret), scopes: undefined, expiresUnixMs: undefined })}`,
        )
        .join('\n');
      let made = 0;
      let nowUnixMs = NOW_UNIX_MS;
      for (const { subject, keepOldMs } of steps) {
        nowUnixMs += 1_800_000;
        const before = tokenLines(text, 'file');
        const hashes = new Set(before.filter((one) => isSame(one.subject, subject)).map(({ hash }) => hash));
        const untouched = before.filter(({ hash }) => !hashes.has(hash));
        const rotation = {
          subject,
          hash: hashOfToken(`new ${made++}`),
          expires: { unixMs: undefined },
          keepOldMs,
          nowUnixMs,
        };
        const change = orRefusal(() => rotated(text, rotation, 'file'));
        if (change === undefined) continue;
        text = change.text;
        const after = tokenLines(text, 'file');
        const facts = ({ subject: of, hash, expiresUnixMs }: TokenLine) => ({ of, hash, expiresUnixMs });
        expect(after.filter(({ hash }) => !hashes.has(hash) && hash !== rotation.hash).map(facts)).toEqual(
          untouched.map(facts),
        );
        expect(after.some((one) => one.hash === rotation.hash && isSame(one.subject, subject))).toBe(true);
        for (const one of after) {
          if (hashes.has(one.hash)) expect(one.expiresUnixMs).toBeLessThanOrEqual(nowUnixMs + keepOldMs);
        }
        const without = orRefusal(() => revoked(text, subject, 'file'));
        if (without !== undefined) {
          expect(tokenLines(without.text, 'file').some((one) => isSame(one.subject, subject))).toBe(false);
        }
      }
      for (const { secret } of unique.values()) expect(text).toContain(`# ${secret}`);
    }),
    { numRuns: repetitions(100, 2000) },
  );
});

/** Of what may be refused for a reason of ours. */
function orRefusal<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof PulselaneError) return undefined;
    throw error;
  }
}
