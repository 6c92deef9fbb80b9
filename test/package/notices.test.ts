import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isAllowed, noticeOf, noticesText, productionPackages } from '../../scripts/package/notices.ts';
import { packagesOfThreads } from '../../scripts/package/parts.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('whatever users install with the package is under a licence that asks for no more than a notice', () => {
  const packages = productionPackages(ROOT);
  expect(packages.length).toBeGreaterThan(30);
  const refused = packages.map((folder) => noticeOf(ROOT, folder)).filter(({ licence }) => !isAllowed(licence));
  expect(refused.map(({ name, licence }) => `${name}: ${licence}`)).toEqual([]);
});

test('every one of them comes with the text of its licence', () => {
  for (const folder of productionPackages(ROOT)) {
    const { name, text } = noticeOf(ROOT, folder);
    expect(text, name).toMatch(/permission|redistribution|license/i);
    expect(text.length, name).toBeGreaterThan(500);
  }
});

test('what is bundled is a part of what is installed', () => {
  expect(productionPackages(ROOT)).toEqual(expect.arrayContaining(packagesOfThreads()));
});

test.each([
  ['MIT', true],
  ['(MIT OR Apache-2.0)', true],
  ['(Apache-2.0 AND BSD-3-Clause)', true],
  ['BlueOak-1.0.0', true],
  ['GPL-3.0-only', false],
  ['(MIT AND LGPL-2.1)', false],
  ['MIT-0', true],
  ['MIT-advertising', false],
  ['SEE LICENSE IN LICENSE', false],
  ['', false],
])('%s: allowed %s', (licence, allowed) => {
  expect(isAllowed(licence)).toBe(allowed);
});

test('the notices are in the order of names, each version once, and the same however they were found', () => {
  const folders = packagesOfThreads();
  const text = noticesText('It', ROOT, folders);
  expect(noticesText('It', ROOT, [...folders, ...folders].reverse())).toBe(text);
  const listed = [...text.matchAll(/^ {2}(\S+ \S+) \(/gm)].map(([, name]) => name);
  expect(listed).toEqual([...new Set(listed)].sort());
});

test('a package without the text of its licence is named', () => {
  expect(() => noticeOf(ROOT, 'node_modules/@hono/none')).toThrow('node_modules/@hono/none');
});
