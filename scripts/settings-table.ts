/** Writes the tables of docs/configuration.md from the options: `npm run generate`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { agentOptions, clientOptions, masterOptions, type Options } from '../src/config/options.ts';

const PAGE = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));
const BEGIN = '<!-- generated:settings -->';
const END = '<!-- /generated:settings -->';

/** The page's text with its tables of settings as the options have them. */
export function withSettings(page: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error(`docs/configuration.md has no ${BEGIN} … ${END}`);
  const tables = [
    ['The master (`pulselane master`, `npm start`):', masterOptions],
    ['The agent (`pulselane agent`):', agentOptions],
    ['`pulselane workers`, `pulselane status`:', clientOptions],
  ] as const;
  const text = tables.map(([title, options]) => `${title}\n\n${tableOf(options)}`).join('\n\n');
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
  const all = [['variable', 'flag', 'default', 'meaning'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => (row[column] as string).length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] as number)).join(' | ')} |`;
  const [head, ...body] = all.map(line);
  return [head, line(widths.map((width) => '-'.repeat(width))), ...body].join('\n');
}

if (import.meta.main) writeFileSync(PAGE, withSettings(readFileSync(PAGE, 'utf8')));
