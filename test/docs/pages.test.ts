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

test('the README takes ten minutes, not an hour', () => {
  expect(Buffer.byteLength(README.text)).toBeLessThanOrEqual(12 * 1024);
});

/** Words of docs/words.md that no reader can know: a page explains one in bold, or links it, where it first uses it. */
const OWN_WORDS = ['lane', 'slot', 'board', 'mailbox', 'processor', 'farewell', 'brake', 'quarantine', 'penalty lane'];
/** The list itself, the index, and pages for who changes Pulselane, which name the list at their start. */
const WITHOUT_LINKS = new Set(['docs/words.md', 'docs/README.md', 'docs/design.md', 'docs/what-was-tried.md']);

/** Own words whose first use on a page neither links the list nor is bold. */
function unexplained(text: string): string[] {
  // Headings, code and the targets of links are no uses; the labels of links are.
  const used = prose(text)
    .replaceAll(/^#+ .*$/gm, '')
    .replaceAll(/`[^`\n]*`/g, '');
  return OWN_WORDS.filter((word) => {
    const uses = Array.from(
      used.matchAll(new RegExp(`(?<![\\w./#-])${word}s?(?![\\w./-]\\w)`, 'gi')),
      ({ index }) => index,
    );
    const [first] = uses.filter((index) => !/\]\([^)]*$/.test(used.slice(Math.max(0, index - 200), index)));
    if (first === undefined) return false;
    const before = used.slice(Math.max(0, first - 40), first);
    const after = used.slice(first, first + 60);
    return (
      !(/\[[^\]]*$/.test(before) && /^[^\]]*\]\([^)]*(?:words|isolation|who-is-alive)\.md/.test(after)) &&
      !/\*\*[^*]*$/.test(before)
    );
  });
}

test.each(PAGES.filter(({ path }) => !WITHOUT_LINKS.has(path)))(
  '$path explains words of our own where they first appear',
  ({ text }) => {
    expect(unexplained(text)).toEqual([]);
  },
);

test('each of our own words is on the list, which the other pages name', () => {
  const list = DOCS.find(({ path }) => path === 'docs/words.md')?.text ?? '';
  expect(OWN_WORDS.filter((word) => !list.includes(`| ${word} |`))).toEqual([]);
  const silent = DOCS.filter(({ path, text }) => WITHOUT_LINKS.has(path) && !text.includes('(words.md)'));
  expect(silent.map(({ path }) => path)).toEqual(['docs/words.md']);
});
