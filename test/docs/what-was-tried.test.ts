/** docs/what-was-tried.md promises a test for each of its rows. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync('docs/what-was-tried.md', 'utf8');
/** Rows of tables, without their heads and rules. */
const rows = page.split('\n').filter((line) => line.startsWith('| ') && !/^\| (tried|-+) \|/.test(line));

test('the page has rows', () => {
  expect(rows.length).toBeGreaterThan(20);
});

test.each(rows)('%s', (row) => {
  const named = [...row.matchAll(/`(test\/[^:`]+\.ts): ([^`]+)`/g)];
  expect(named.length, 'a row names its test as `file: name`').toBeGreaterThan(0);
  for (const [, file = '', name = ''] of named) {
    expect(existsSync(file), file).toBe(true);
    // A name with a quotation mark in it is escaped in the source.
    const source = readFileSync(file, 'utf8').replaceAll("\\'", "'");
    expect(source.includes(name), `${file} has a test named "${name}"`).toBe(true);
  }
});
