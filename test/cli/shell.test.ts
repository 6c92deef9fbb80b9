/** Completion scripts and the man page, in the real shells and in `man`. */
import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spawn } from '@lydell/node-pty';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shellFiles } from '../../scripts/shell-files.ts';
import { newServer } from '../http/support.ts';
import { describeWith } from '../support/debian.ts';
import { TestTerminal } from '../support/terminal.ts';

const BIN = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));
const run = promisify(execFile);
const files = shellFiles();
const scripts = {
  bash: files['completions/pulselane.bash'] as string,
  zsh: files['completions/_pulselane'] as string,
  fish: files['completions/pulselane.fish'] as string,
};
const page = files['man/man1/pulselane.1'] as string;

let folder: string;
let served: Awaited<ReturnType<typeof newServer>>;
/** A machine on which `pulselane` is installed, and a master runs. */
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-shell-'));
  served = await newServer();
  for (const id of ["web'1", 'web 2', 'rack:7', 'db-1']) served.fleet.register(id);
  const program = join(folder, 'pulselane');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`);
  await chmod(program, 0o755);
  for (const [shell, script] of Object.entries(scripts)) await writeFile(join(folder, `script.${shell}`), script);
  await writeFile(join(folder, 'pulselane.1'), page);
  env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, TERM: 'xterm', PULSELANE_URL: served.url };
});
afterAll(async () => {
  await served.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Lines as they stand before Tab is pressed, and what may stand there. `<files>` are those of the folder. */
const LINES: readonly (readonly [line: string, candidates: readonly string[]])[] = [
  ['pulselane tok', ['token']],
  ['pulselane token r', ['revoke', 'rotate']],
  ['pulselane token create --work', ['--worker']],
  ['pulselane token create --tokens-file script.b', ['script.bash']],
  ['pulselane workers -o js', ['json', 'jsonl']],
  ['pulselane master --admission ', ['approved', 'open']],
  ['pulselane isolate db-1 ', ['auto', 'dedicated', 'shared']],
  ['pulselane isolate -o json d', ['db-1']],
  ['pulselane status web', ["web'1", 'web 2']],
  ['pulselane status db-1 ', []],
  ['pulselane completion ', ['bash', 'fish', 'zsh']],
  ['pulselane history web', ["web'1", 'web 2']],
  ['pulselane history ba', ['backup']],
  ['pulselane history backup script.b', ['script.bash']],
  ['pulselane export --format p', ['parquet']],
];

/** What a shell printed of several lines: before the answer to each stands a line with `#`. */
function answersIn(stdout: string): string[][] {
  const [, ...answers] = stdout.split(/^#$/m);
  return answers.map((answer) => answer.split('\n').filter((line) => line !== ''));
}

/** Candidates with the line that they are of, so that a difference shows it; shells may list them in any order. */
function byLine(answers: readonly (readonly string[])[]) {
  return answers.map((candidates, index) => [LINES[index]?.[0], candidates.toSorted()]);
}

describe('bash', () => {
  /** As readline calls the function, which takes words apart at colons and equals signs; one process completes all lines. */
  async function completed(lines: readonly (readonly string[])[], url = served.url): Promise<string[][]> {
    const script = `source script.bash
      complete_line() {
        COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=(); echo '#'; _pulselane 2>&1
        for reply in "\${COMPREPLY[@]}"; do eval "printf '%s\\n' $reply"; done
      }
      ${lines.map((words) => `complete_line ${words.map((word) => `'${word}'`).join(' ')}`).join('\n')}`;
    const { stdout } = await run('bash', ['--norc', '-c', script], {
      cwd: folder,
      env: { ...env, PULSELANE_URL: url },
    });
    return answersIn(stdout);
  }

  test('completes each line', async () => {
    const answers = await completed(LINES.map(([line]) => line.split(' ')));
    expect(byLine(answers)).toEqual(byLine(LINES.map(([, candidates]) => candidates)));
  });

  test('asks the master that the line names, also with a URL, and ids with colons', async () => {
    const { port } = served;
    const url = ['http', ':', '//127.0.0.1', ':', String(port)];
    const dead = 'http://127.0.0.1:1';
    const named = ['pulselane', 'status', '--url', ...url, 'd'];
    expect(await completed([['pulselane', 'status', 'd'], named], dead)).toEqual([[], ['db-1']]);
    // What stands before the last colon is there already.
    expect(await completed([['pulselane', 'status', 'rack', ':', '']])).toEqual([['7']]);
  });
});

describeWith('fish')('fish', () => {
  test('completes each line', async () => {
    const asked = LINES.map(([line]) => `echo '#'; complete -C '${line}'`);
    const script = ['source script.fish', ...asked].join('\n');
    const { stdout } = await run('fish', ['--no-config', '-c', script], { cwd: folder, env });
    const answers = answersIn(stdout).map((texts) => texts.map((text) => text.split('\t')[0] as string));
    expect(byLine(answers)).toEqual(byLine(LINES.map(([, candidates]) => candidates)));
  });
});

describeWith('zsh')('zsh', () => {
  test('completes in a terminal what it is sourced for', async () => {
    const terminal = new TestTerminal({ columns: 100, rows: 30 });
    const pty = spawn('zsh', ['-f', '-i'], { cols: 100, rows: 30, cwd: folder, env: env as Record<string, string> });
    pty.onData((data) => void terminal.write(data));
    try {
      pty.write("PS1='z> '; autoload -U compinit; compinit -u -D; source ./script.zsh; clear\r");
      await terminal.until(() => terminal.text === 'z>', 'a prompt alone');
      for (const [typed, line] of [
        ['pulselane tok', 'z> pulselane token'],
        ['ro', 'z> pulselane token rotate'],
        ['--keep', 'z> pulselane token rotate --keep-old'],
        ['\u0015pulselane isolate d', 'z> pulselane isolate db-1'],
        ['ded', 'z> pulselane isolate db-1 dedicated'],
        ['\u0015pulselane master --admission ap', 'z> pulselane master --admission approved'],
      ] as const) {
        pty.write(`${typed}\t`);
        await terminal.until(() => terminal.text.split('\n')[0] === line, line);
      }
      pty.write('\u0015pulselane token \t');
      await terminal.shows(/revoke +-- remove the tokens/);
    } finally {
      pty.kill('SIGKILL');
    }
  });
});

test('every script is one that its shell can read', () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    if (spawnSync(shell, ['-c', 'true']).error !== undefined) continue;
    const { status, stderr } = spawnSync(shell, ['-n', join(folder, `script.${shell}`)], { encoding: 'utf8' });
    expect([shell, status, stderr]).toEqual([shell, 0, '']);
  }
});

test('ids are asked for quickly, and nothing is said where there are none', async () => {
  const ask = (url: string) => run(process.execPath, [BIN, 'completion-ids', 'workers', '--', '--url', url]);
  expect((await ask(served.url)).stdout.split('\n').sort()).toEqual(['', 'db-1', 'rack:7', "web'1", 'web 2'].sort());
  expect(await ask('http://127.0.0.1:1')).toEqual({ stdout: '', stderr: '' });
  expect(await ask('nonsense')).toEqual({ stdout: '', stderr: '' });
});

describeWith('man-db')('the man page', () => {
  test('is one that man shows without a warning', async () => {
    const file = join(folder, 'pulselane.1');
    const { stdout, stderr } = await run('man', ['--warnings', '-l', file], {
      env: { ...env, MANWIDTH: '100', MAN_KEEP_FORMATTING: '', LC_ALL: 'C.UTF-8' },
    });
    expect(stderr).toBe('');
    const text = stdout;
    for (const part of ['pulselane token rotate', '--keep-old <duration>', 'WORKER_TOKEN', 'EXIT STATUS']) {
      expect(text).toContain(part);
    }
    // Nothing of roff is left over.
    expect(text).not.toMatch(/\\|\[u[0-9A-F]{4}\]/);
  });
});
