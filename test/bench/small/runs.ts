/** Runs the benches of one folder of bench/ at the small size: a test file for each folder, so that they share the workers. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BENCHES } from '../../../bench/benches.ts';
import { type Bench, SMALL } from '../../../bench/lib/bench.ts';

const readme = readFileSync(new URL('../../../bench/README.md', import.meta.url), 'utf8');

/** The ids that the README lists for a bench, its braces expanded. */
function listedIds(bench: string): string[] {
  const line = readme.split('\n').find((text) => text.startsWith(`| \`${bench}\``)) ?? '';
  const ids = line.split('|').at(3) ?? '';
  return Array.from(ids.matchAll(/`([^`]+)`/g), ([, pattern]) => pattern as string).flatMap(expanded);
}

/** `a.{b,c}` is `a.b` and `a.c`, as in a shell. */
function expanded(pattern: string): string[] {
  const braces = /\{([^}]*)\}/.exec(pattern);
  if (braces === null) return [pattern];
  const [all, choices = ''] = braces;
  return choices.split(',').flatMap((choice) => expanded(pattern.replace(all, choice)));
}

/** Those that a file of the folder exports, in the order of running. Other files may be programs. */
export async function benchesIn(folder: string): Promise<Bench[]> {
  const files = readdirSync(new URL(`../../../bench/${folder}/`, import.meta.url)).flatMap((name) => {
    const text = readFileSync(new URL(`../../../bench/${folder}/${name}`, import.meta.url), 'utf8');
    return name.endsWith('.ts') && /^export const .*\bBench\b/m.test(text) ? [name.slice(0, -'.ts'.length)] : [];
  });
  const modules = await Promise.all(files.map((file) => import(`../../../bench/${folder}/${file}.ts`)));
  const exported = new Set<unknown>(modules.flatMap((module) => Object.values(module).flat()));
  return BENCHES.filter((bench) => exported.has(bench));
}

/** Most of their time is waiting; more than these at once would wait for one another. */
const AT_ONCE = 2;

export async function testBenchesIn(folder: string): Promise<void> {
  const benches = await benchesIn(folder);
  for (let from = 0; from < benches.length; from += AT_ONCE) {
    const some = benches.slice(from, from + AT_ONCE);
    describe(some.map(({ name }) => name).join(' and '), () => {
      test.concurrent.each(some)('$name still runs, and its rows are those that the README lists', run);
    });
  }
}

async function run(bench: Bench): Promise<void> {
  if (bench.sameAs !== undefined) {
    const { bench: other, idOf } = bench.sameAs;
    expect(BENCHES.some(({ name, sameAs }) => name === other && sameAs === undefined)).toBe(true);
    expect(listedIds(bench.name)).not.toEqual([]);
    expect(listedIds(bench.name)).toEqual(listedIds(other).map(idOf));
    return;
  }
  const figures = await bench.run({ size: SMALL, progress: () => {}, note: () => {} });
  const listed = listedIds(bench.name);
  const ids = figures.map(({ id }) => id);
  const needed = listed.filter((id) => ids.includes(id) || !bench.optional?.includes(id));
  // The small size asks the promises of one fleet only.
  if (bench.name === 'promises') expect(listed).toEqual(expect.arrayContaining(ids));
  else expect(ids.toSorted()).toEqual(needed.toSorted());
  for (const figure of figures) expect(Number.isFinite(figure.median), figure.id).toBe(true);
}
