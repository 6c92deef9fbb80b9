/** Worker ids are what workers chose: completing one must never run what stands in it. In the real shells, at a terminal. */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from '@lydell/node-pty';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shellFiles } from '../../scripts/shell-files.ts';
import { describeWith } from '../support/debian.ts';
import { eventually } from '../support/eventually.ts';

const IDS = [
  'a$(touch ran)',
  'b`touch ran`',
  'c";touch ran;"',
  "d';touch ran;'",
  'e;touch ran',
  'f|touch ran',
  'g&touch ran&',
  'h>ran',
  'i !! j',
  'k\\";touch ran;\\"',
];
const SHELLS = {
  bash: { args: ['--norc', '--noprofile', '-i'], file: 'completions/pulselane.bash' },
  zsh: { args: ['-f', '-i'], file: 'completions/_pulselane' },
} as const;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-completion-'));
  const files = shellFiles();
  for (const [shell, { file }] of Object.entries(SHELLS))
    await writeFile(join(folder, `script.${shell}`), String(files[file]));
  await writeFile(join(folder, 'ids'), `${IDS.join('\n')}\n`);
  // The command: tells ids as the real one does, and notes that it was called.
  const program = join(folder, 'pulselane');
  await writeFile(
    program,
    `#!/bin/sh\ncd '${folder}'\nif [ "$1" = completion-ids ]; then cat ids; else echo "$*" >> called; fi\n`,
  );
  await chmod(program, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Types each line with Tab and Enter, and waits until the shell has taken all of them. @returns the calls of the command */
async function completeAll(shell: keyof typeof SHELLS, setup: string): Promise<string> {
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, TERM: 'dumb', HOME: folder };
  const pty = spawn(shell, [...SHELLS[shell].args], {
    cols: 200,
    rows: 50,
    cwd: folder,
    env: env as Record<string, string>,
  });
  let output = '';
  pty.onData((data) => {
    output += data;
  });
  /** Sends it, and waits for the next prompt. @returns whether that is the one behind a quote that is still open */
  const answered = async (typed: string): Promise<boolean> => {
    const from = output.length;
    pty.write(typed);
    const prompt = await eventually(() => /(READY|CONT)> ?(?:\S{0,12})$/.exec(output.slice(from))?.[1]);
    return prompt === 'CONT';
  };
  try {
    await answered(`${setup}; PS2='CO''NT> '; PS1='REA''DY> '\r`);
    for (const quote of ['', '"', "'"]) {
      for (const id of IDS) {
        // A quote that is still open is closed. Ctrl-C would not do: one that comes while bash still draws its prompt is
        // kept, without an answer, until the next line.
        const isOpen = await answered(`pulselane status ${quote}${id[0]}\t\r`);
        if (isOpen && (await answered(`${quote}\r`))) throw new Error(`${quote}${id} leaves another quote open`);
      }
    }
    await answered('pulselane done\r');
    return await readFile(join(folder, 'called'), 'utf8');
  } finally {
    pty.kill('SIGKILL');
  }
}

const noneRan = () => expect(existsSync(join(folder, 'ran'))).toBe(false);

describe('bash', () => {
  test('runs nothing of an id', async () => {
    const called = await completeAll('bash', 'source ./script.bash');
    noneRan();
    // Bare and within both quotes it did complete what it may.
    expect(called.split('status e;touch ran\n')).toHaveLength(4);
    expect(called).toContain('status a$(touch ran)\n');
  });
});

describeWith('zsh')('zsh', () => {
  test('runs nothing of an id', async () => {
    await completeAll('zsh', 'autoload -U compinit; compinit -u -D; source ./script.zsh');
    noneRan();
  });
});
