/** Writes what docs/alert-runbooks.md says of each shipped rule into the program, which serves it as a page: `npm run generate`. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../docs/alert-runbooks.md', import.meta.url));
const MODULE = fileURLToPath(new URL('../src/http/docs/alert-runbooks.ts', import.meta.url));
const BIOME = fileURLToPath(new URL('../node_modules/.bin/biome', import.meta.url));

export interface Section {
  readonly alert: string;
  /** A line for each paragraph and each item of a list; code is in backticks. */
  readonly text: string;
}

/** @throws Error for Markdown that the page of the master does not show as it is meant */
export function runbooksIn(page: string): readonly Section[] {
  const [, ...sections] = page.split(/^## /m);
  return sections.map((section) => {
    const [alert = '', ...lines] = section.split('\n');
    const blocks = lines
      .join('\n')
      .trim()
      .split(/\n\n|\n(?=- )/);
    const text = blocks.map((block) => plain(block.replaceAll(/\s*\n\s*/g, ' '))).join('\n');
    if (/^ *(?:#|```|\||\d+\. )/m.test(text))
      throw new Error(`${alert}: a heading, table, numbered list or block of code`);
    return { alert, text };
  });
}

/** Links lead to other pages of the documentation, which the master does not serve. */
function plain(text: string): string {
  return text.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1').replaceAll('**', '');
}

if (import.meta.main) {
  const runbooks = JSON.stringify(runbooksIn(readFileSync(PAGE, 'utf8')));
  writeFileSync(
    MODULE,
    `/** What to do about each shipped alert. Generated from docs/alert-runbooks.md by \`npm run generate\`. */
export const ALERT_RUNBOOKS: readonly { readonly alert: string; readonly text: string }[] = ${runbooks};\n`,
  );
  execFileSync(BIOME, ['check', '--write', MODULE], { stdio: 'inherit' });
}
