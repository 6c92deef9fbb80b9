/** docs/design.md names files: each must exist, or somebody is sent to a place that is not there. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync('docs/design.md', 'utf8');
const named = [...new Set(Array.from(page.matchAll(/`([\w.-]+\/[\w./-]*)`/g), ([, path]) => path as string))];
/** The rows of "A heartbeat's way" begin with the file that the heartbeat passes. */
const way = page.split("## A heartbeat's way")[1]?.split('\n## ')[0] ?? '';
const passed = Array.from(way.matchAll(/^\| `([^`]+)`/gm), ([, path]) => path as string);

test('the page names files, none that is not there', () => {
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((path) => !existsSync(path))).toEqual([]);
});

test('the way of a heartbeat that the page shows has eight files at most, none of them twice', () => {
  expect(passed.length).toBeGreaterThan(4);
  expect(passed.length).toBeLessThanOrEqual(8);
  expect(new Set(passed).size).toBe(passed.length);
});
