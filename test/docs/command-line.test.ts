/** docs/command-line.md has every command, of the prompt and of the shell. */
import { expect, test } from 'vitest';
import { PROMPT_COMMANDS } from '../../src/cli/prompt/commands.ts';
import { agentOptions } from '../../src/config/options.ts';
import { run } from '../cli/run.ts';
import { DOCS, PAGES } from '../support/doc-pages.ts';

const page = DOCS.find(({ path }) => path === 'docs/command-line.md')?.text ?? '';

/** Of the agent, whose command joins the others in main.ts, the flags of its settings. */
async function helpOf(command: string): Promise<string> {
  if (command === 'agent')
    return Object.values(agentOptions)
      .map(({ flag }) => flag)
      .join(' ');
  return (await run([...command.split(' '), '--help'])).stdout;
}

test('each command of the prompt is in its table', () => {
  const table = page.split('## The prompt')[1]?.split('\n## ')[0] ?? '';
  const missing = PROMPT_COMMANDS.map(({ names: [name] }) => name).filter(
    (name) => !new RegExp(`\`${name}(?![\\w-])`).test(table),
  );
  expect(missing).toEqual([]);
});

test('each command of the shell is on the page', async () => {
  const { stdout } = await run(['--help']);
  const commands = Array.from(
    (stdout.split('Commands:')[1]?.split('Examples:')[0] ?? '').matchAll(/^ {2}([a-z-]+)/gm),
    ([, name]) => name,
  );
  expect(commands.length).toBeGreaterThan(8);
  const missing = commands.filter((name) => name !== 'help' && !new RegExp(`\`?pulselane ${name}\\b`).test(page));
  expect(missing).toEqual([]);
});

test('each flag that a page gives to a command is one of its flags', async () => {
  const shell = PAGES.flatMap(({ text }) =>
    Array.from(text.matchAll(/```sh\n([\s\S]*?)```/g), ([, block]) => block ?? ''),
  );
  const uses = shell
    .flatMap((block) => block.replaceAll(/\\\n\s*/g, ' ').split('\n'))
    .flatMap((line) =>
      Array.from(
        line.matchAll(
          /(?:^|[;(] ?|-- |&& )pulselane ((?:token |task |silence |history (?=backup))?[a-z][a-z-]*)([^|;#)]*)/g,
        ),
      ),
    )
    // Behind ` -- ` stands another command.
    .map(([, command = '', rest = '']) => ({
      command,
      flags: rest.split(' -- ')[0]?.match(/(?<=\s)--?[a-z][a-z-]*/g) ?? [],
    }));
  expect(uses.length).toBeGreaterThan(20);
  const commands = [...new Set(uses.map(({ command }) => command))];
  const helps = new Map(await Promise.all(commands.map(async (name) => [name, await helpOf(name)] as const)));
  const unknown = uses.flatMap(({ command, flags }) =>
    flags
      .filter((flag) => !new RegExp(`${flag}(?![\\w-])`).test(helps.get(command) ?? ''))
      .map((flag) => `${command} ${flag}`),
  );
  expect(unknown).toEqual([]);
});
