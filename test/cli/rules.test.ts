import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from './run.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-rules-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe('pulselane rules lint', () => {
  test('says that a file is right, and what is in it', async () => {
    const file = await fileOf('rules.yaml', 'rules: [{ alert: Hot, when: "cpu_usage > 90" }]');
    const { stdout, exitCode } = await run(['rules', 'lint', file]);
    expect(stdout).toBe(`${file}: ok, 1 rule and 13 shipped, 1 receiver\n`);
    expect(exitCode).toBe(0);
  });

  test('names all problems of all files, with their places, and fails', async () => {
    const first = await fileOf('a.yaml', 'ruls: []\nrules: [{ alert: Hot, when: "cpu_usge > 90" }]');
    const second = await fileOf('b.yaml', 'disable: [Anomaly]');
    const missing = join(folder, 'c.yaml');
    const { stdout, exitCode } = await run(['rules', 'lint', first, second, missing], { columns: 1_000 });
    expect(stdout.split('\n')).toEqual([
      `${first}:1:1: file: unknown field "ruls"; did you mean rules?`,
      `${first}:2:30: rule Hot, when: unknown name cpu_usge; did you mean cpu_usage?`,
      `${first}: 2 problems`,
      `${second}: ok, 0 rules and 12 shipped, 1 receiver`,
      `${missing}: cannot be read: no such file`,
      `${missing}: 1 problem`,
      '',
    ]);
    expect(exitCode).toBe(1);
  });

  test('prints the same for programs', async () => {
    const file = await fileOf('rules.yaml', 'rules: [{ alert: Hot, when: \'avg_over("cpu_usag", "5m") > tasks\' }]');
    const { stdout, exitCode } = await run(['rules', 'lint', '-o', 'json', file]);
    expect(JSON.parse(stdout)).toMatchObject({
      files: [
        {
          file,
          ok: true,
          problems: [],
          warnings: [{ line: 1, column: 39, message: expect.stringContaining('did you mean cpu_usage?') }],
          receivers: ['log'],
        },
      ],
    });
    expect(exitCode).toBe(0);
  });

  test('knows whether commands are on', async () => {
    const file = await fileOf('rules.yaml', 'receivers: [{ name: run, command: { path: /bin/true } }]');
    expect((await run(['rules', 'lint', file])).exitCode).toBe(1);
    expect((await run(['rules', 'lint', '--alert-commands', 'on', file])).exitCode).toBe(0);
  });
});
