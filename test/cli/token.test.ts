import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { failureOf } from '../../src/cli/exit-codes.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { StopSignals } from '../../src/cli/stop-signals.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { hashOfToken, parseApiTokens } from '../../src/lib/tokens.ts';
import { parseWorkerTokens } from '../../src/model/identity.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-token-'));
  file = join(folder, 'tokens');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(...args: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const unused = () => Promise.reject(new Error('not in this test'));
  const streams = { stdin: new PassThrough(), stdout, stderr };
  const program = buildProgram({
    streams,
    clock: systemClock,
    master: {
      streams,
      clock: systemClock,
      signals: new StopSignals(() => {}, systemClock),
      startMaster: unused,
      startLocalAgent: unused,
    },
    extraCommands: [],
  });
  let failure = { exitCode: 0, text: '' };
  try {
    await program.parseAsync(['token', ...args], { from: 'user' });
  } catch (error) {
    failure = failureOf(error, false);
  }
  stdout.end();
  stderr.end(failure.text);
  return { stdout: await text(stdout), stderr: await text(stderr), exitCode: failure.exitCode };
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
    stderr: `pulselane: ${file}: expected each name only once, but ops occurs twice\n`,
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
