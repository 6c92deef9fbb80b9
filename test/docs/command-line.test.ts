/** docs/command-line.md has every command, of the prompt and of the shell. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { PROMPT_COMMANDS } from '../../src/cli/prompt/commands.ts';
import { DOCS, ROOT } from '../support/doc-pages.ts';

const page = DOCS.find(({ path }) => path === 'docs/command-line.md')?.text ?? '';

test('each command of the prompt is in its table', () => {
  const table = page.split('## The prompt')[1]?.split('\n## ')[0] ?? '';
  const missing = PROMPT_COMMANDS.map(({ names: [name] }) => name).filter(
    (name) => !new RegExp(`\`${name}\\b`).test(table),
  );
  expect(missing).toEqual([]);
});

test('each command of the shell is on the page', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [`${ROOT}bin/pulselane.js`, '--help']);
  const commands = Array.from(
    (stdout.split('Commands:')[1]?.split('Examples:')[0] ?? '').matchAll(/^ {2}([a-z-]+)/gm),
    ([, name]) => name,
  );
  expect(commands.length).toBeGreaterThan(8);
  const missing = commands.filter((name) => name !== 'help' && !new RegExp(`\`?pulselane ${name}\\b`).test(page));
  expect(missing).toEqual([]);
});
