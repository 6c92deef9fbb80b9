/** Generates the tables of docs/configuration.md from the options: `npm run generate`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { agentOptions, clientOptions, masterOptions, type Options } from '../src/config/options.ts';

const PAGE = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));
const BEGIN = '<!-- generated:settings -->';
const END = '<!-- /generated:settings -->';

/** Returns the page with its tables of settings replaced by those of the options. */
export function withSettings(page: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error(`docs/configuration.md has no ${BEGIN} … ${END}`);
  const tables = [
    ['The master', 'Of `pulselane master` and `npm start`.', masterOptions],
    ['The agent', 'Of `pulselane agent`.', agentOptions],
    [
      'Client commands',
      'Of `pulselane workers`, `status`, `events` and the other commands that ask a master.',
      clientOptions,
    ],
  ] as const;
  const text = tables.map(([title, whose, options]) => `## ${title}\n\n${whose}\n\n${tableOf(options)}`).join('\n\n');
  return `${page.slice(0, from)}${BEGIN}\n\n${text}\n\n${page.slice(to)}`;
}

function tableOf(options: Options): string {
  const rows = Object.values(options).map(({ env, flag, fallback, fallbackShown = fallback, meaning }) => [
    `\`${env}\``,
    flag === '' ? '' : `\`${flag}\``,
    fallbackShown === undefined || fallbackShown === ''
      ? ''
      : fallbackShown === fallback
        ? `\`${fallback}\``
        : fallbackShown,
    meaning.replaceAll('<', '&lt;'),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(['variable', 'flag', 'default', 'meaning']), line(Array(4).fill('---')), ...rows.map(line)].join('\n');
}

if (import.meta.main) writeFileSync(PAGE, withSettings(readFileSync(PAGE, 'utf8')));
