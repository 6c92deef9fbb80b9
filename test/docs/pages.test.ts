/** What readers rely on in every page: its links lead somewhere, its opening says what they get, its commands are ours. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { DOCS, PAGES, README, ROOT } from '../support/doc-pages.ts';

/** The text without code, in which `[x](y)` is no link and `#` no heading. */
const prose = (text: string) =>
  text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''));

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  const headings = text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#+ (.*)$/gm);
  return Array.from(headings, ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test.each(PAGES)('each link of $path leads to a file and a heading that exist', ({ path, text }) => {
  const links = Array.from(prose(text).matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target as string);
  const dead = links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : normalize(join(dirname(path), file));
    if (!existsSync(join(ROOT, target))) return true;
    if (anchor === undefined) return false;
    return (
      statSync(join(ROOT, target)).isDirectory() ||
      !anchorsOf(readFileSync(join(ROOT, target), 'utf8')).includes(anchor)
    );
  });
  expect(dead).toEqual([]);
});

test('every page of docs is found from its index', () => {
  const index = DOCS.find(({ path }) => path === 'docs/README.md')?.text ?? '';
  const missing = DOCS.map(({ path }) => path.replace('docs/', '')).filter(
    (file) => file !== 'README.md' && !index.includes(`(${file})`),
  );
  expect(missing).toEqual([]);
});

test.each(DOCS.filter(({ path }) => path !== 'docs/README.md'))('$path opens with what its reader gets', ({ text }) => {
  expect(text).toMatch(/^# .+\n\nAfter this page you (can|know) /);
});

test('nobody is told to fetch a package of our name from a registry', () => {
  const telling = PAGES.filter(({ text }) =>
    /npx pulselane|npm (install|i) (-\S+ )*(--\S+ (\S+ )?)*pulselane\b/.test(text),
  );
  expect(telling.map(({ path }) => path)).toEqual([]);
});

test('the README takes ten minutes, not an hour', () => {
  expect(Buffer.byteLength(README.text)).toBeLessThanOrEqual(12 * 1024);
});
