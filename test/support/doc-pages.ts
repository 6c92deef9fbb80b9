/** The pages that users read, and the blocks in them that tests run: those behind a comment `<!-- test:… -->`. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Page {
  /** Relative to the repository: `README.md`, `docs/api.md`. */
  readonly path: string;
  readonly text: string;
}

const docs = readdirSync(`${ROOT}docs`).filter((file) => file.endsWith('.md'));

export const README: Page = pageAt('README.md');
export const DOCS: readonly Page[] = docs.sort().map((file) => pageAt(`docs/${file}`));
export const PAGES: readonly Page[] = [README, ...DOCS, pageAt('deploy/README.md')];

/** The text of each block that is marked so, in the order of the pages. */
export function blocksOf(mark: string, language: string): string[] {
  const marked = new RegExp(`<!-- ${mark} -->\\s+\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g');
  return PAGES.flatMap(({ text }) => Array.from(text.matchAll(marked), ([, block]) => block as string));
}

/** The one block that is marked so. */
export function blockOf(mark: string, language: string): string {
  const [block, ...more] = blocksOf(mark, language);
  if (block === undefined || more.length > 0) throw new Error(`the docs have ${more.length + 1} or no blocks ${mark}`);
  return block;
}

/** The lines of all blocks of shell commands that are marked so, each once. */
export function commandsOf(mark: string): string[] {
  return [
    ...new Set(
      blocksOf(mark, 'sh').flatMap((block) =>
        block
          .trim()
          .replaceAll(/\\\n\s*/g, '')
          .split('\n'),
      ),
    ),
  ];
}

function pageAt(path: string): Page {
  return { path, text: readFileSync(`${ROOT}${path}`, 'utf8') };
}
