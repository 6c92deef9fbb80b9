/** The families of custom metrics in one format: names that become the same by escaping are one family. */

import type { Family } from '../family.ts';
import { customFamily, customFamilyName, inOrderOfPreference } from '../workers/custom-names.ts';
import { type Block, blockOf, blockOfTexts } from './block.ts';
import type { Lines } from './lines.ts';
import type { SparseColumn } from './sparse-column.ts';
import type { WorkerValues } from './worker-values.ts';

export interface CustomFamily {
  readonly family: Family;
  /** As exposed. */
  readonly name: string;
  /** Names of the metrics in it, the one that wins first. */
  readonly metrics: readonly string[];
}

/** Groups metrics by the names of their families, as escaped, and in the order of these. */
export function customFamilies(metrics: Iterable<string>, escaped: (familyName: string) => string): CustomFamily[] {
  const byName = new Map<string, string[]>();
  for (const metric of metrics) {
    const plain = customFamilyName(metric);
    if (plain === undefined) continue;
    const name = escaped(plain);
    const others = byName.get(name);
    if (others === undefined) byName.set(name, [metric]);
    else others.push(metric);
  }
  const families = Array.from(byName, ([name, names]) => {
    const ordered = inOrderOfPreference(names, name);
    return { family: customFamily(customFamilyName(ordered[0] as string) as string), name, metrics: ordered };
  });
  return families.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** One family's text, which is made again when a value has changed. */
export class CustomText {
  readonly of: CustomFamily;
  readonly #columns: readonly SparseColumn[];
  #block: Block | undefined;
  #series: { readonly version: number; readonly count: number } | undefined;

  constructor(of: CustomFamily, { custom }: WorkerValues) {
    this.of = of;
    this.#columns = of.metrics.flatMap((metric) => custom.get(metric) ?? []);
  }

  /** Whether it is still about the same values. */
  isFor({ metrics }: CustomFamily, { custom }: WorkerValues): boolean {
    return (
      metrics.length === this.#columns.length && metrics.every((metric, at) => custom.get(metric) === this.#columns[at])
    );
  }

  get series(): number {
    const [only, ...others] = this.#columns;
    if (others.length === 0) return only?.series ?? 0;
    const version = this.#version;
    if (this.#series?.version !== version) this.#series = { version, count: this.#rows().length };
    return this.#series.count;
  }

  /** Series that have no line, because another metric of their worker has it. */
  get collisions(): number {
    return this.#columns.length === 1 ? 0 : this.#columns.reduce((sum, column) => sum + column.series, 0) - this.series;
  }

  block(lines: Lines, workerIn: (row: number) => string): Block {
    const version = this.#version;
    if (this.#block?.version !== version) this.#block = this.#newBlock(lines, workerIn, version);
    return this.#block;
  }

  #newBlock(lines: Lines, workerIn: (row: number) => string, version: number): Block {
    const [only, ...others] = this.#columns;
    if (only === undefined || others.length > 0) {
      return blockOfTexts(this.#texts(lines, workerIn), lines.encoding, version);
    }
    const write = lines.number(this.of.family);
    return blockOf(only, lines.encoding, (row, value) => write(workerIn(row), value), this.#block);
  }

  get #version(): number {
    return this.#columns.reduce((latest, { version }) => Math.max(latest, version), 0);
  }

  #rows(): readonly number[] {
    return [...new Set(this.#columns.flatMap(({ rows }) => rows))].sort((one, other) => one - other);
  }

  *#texts(lines: Lines, workerIn: (row: number) => string): Generator<string> {
    const write = lines.number(this.of.family);
    for (const row of this.#rows()) {
      for (const column of this.#columns) {
        const value = column.at(row);
        if (value === undefined) continue;
        yield write(workerIn(row), value);
        break;
      }
    }
  }
}
