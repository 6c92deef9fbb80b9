/** The text of all workers in one format: lines stay until their value changes, and families until one of their lines does. */
import type { Format } from '../exposition/format.ts';
import { escapeMetricName } from '../exposition/names.ts';
import { exposedName } from '../exposition/text.ts';
import type { Family, Label } from '../family.ts';
import { nameMetrics } from '../workers/custom-names.ts';
import type { WorkerCollection } from '../workers/families.ts';
import { type Block, blockOf, blockOfTexts } from './block.ts';
import { CustomText, customFamilies } from './custom-texts.ts';
import { type LabelsText, type Lines, linesIn, type WorkerText } from './lines.ts';
import type { DeviceValues, FamilyColumn, WorkerValues } from './worker-values.ts';

/** A family, as much of it as an answer may contain. */
export interface FamilyPiece {
  readonly family: Family;
  /** As exposed. */
  readonly name: string;
  readonly collection: WorkerCollection;
  readonly series: number;
  readonly block: () => Block;
}

export interface Collisions {
  /** Series that have no line. */
  readonly series: number;
  /** Names that became the same. */
  readonly names: readonly string[];
}

export class Flavour {
  readonly lines: Lines;
  readonly #format: Format;
  readonly #values: WorkerValues;
  readonly #fixed: readonly FixedText[];
  #custom: readonly CustomText[] = [];
  #namesVersion: number | undefined;
  /** By row: a worker and its text. */
  readonly #workers: { readonly id: string; readonly text: WorkerText }[] = [];

  constructor(format: Format, values: WorkerValues) {
    this.#format = format;
    this.#values = values;
    this.lines = linesIn(format);
    this.#fixed = values.columns.map((column) => new FixedText(column, format, this.lines));
  }

  /** All families with a series, in the order in which they are exposed. */
  pieces(): FamilyPiece[] {
    const fixed = this.#fixed.map((text) => ({
      ...text.piece,
      series: text.series,
      block: () => text.block(this.#workerIn),
    }));
    const custom = this.#customTexts().map((text) => ({
      family: text.of.family,
      name: text.of.name,
      collection: 'custom' as const,
      series: text.series,
      block: () => text.block(this.lines, this.#workerIn),
    }));
    return [...fixed, ...custom].filter(({ series }) => series > 0);
  }

  /** The same of some workers. Not kept. @param rows in ascending order */
  piecesOf(rows: readonly number[]): FamilyPiece[] {
    const fixed = this.#fixed.map((text) => ({
      ...text.piece,
      series: text.seriesIn(rows),
      block: () => text.blockOf(rows, this.#workerIn),
    }));
    return [...fixed, ...this.#customPiecesOf(rows)].filter(({ series }) => series > 0);
  }

  /** Custom metrics whose names become the same by escaping; the first few are named. */
  collisions(mostNames: number): Collisions {
    let series = 0;
    const names: string[] = [];
    for (const text of this.#customTexts()) {
      if (text.collisions === 0) continue;
      series += text.collisions;
      if (names.length < mostNames) names.push(...text.of.metrics);
    }
    return { series, names: names.slice(0, mostNames) };
  }

  #customTexts(): readonly CustomText[] {
    const { custom, namesVersion } = this.#values;
    if (this.#namesVersion === namesVersion) return this.#custom;
    const before = new Map(this.#custom.map((text) => [text.of.name, text]));
    this.#custom = customFamilies(custom.keys(), this.#escaped).map((family) => {
      const text = before.get(family.name);
      return text?.isFor(family, this.#values) ? text : new CustomText(family, this.#values);
    });
    this.#namesVersion = namesVersion;
    return this.#custom;
  }

  #customPiecesOf(rows: readonly number[]): FamilyPiece[] {
    const { custom } = this.#values;
    /** By the name of the family: rows, and which metric each shows. */
    const shown = new Map<string, { readonly row: number; readonly metric: string }[]>();
    for (const row of rows) {
      for (const [name, metric] of nameMetrics(this.#values.customNamesIn(row), this.#escaped).byFamily) {
        const those = shown.get(name);
        if (those === undefined) shown.set(name, [{ row, metric }]);
        else those.push({ row, metric });
      }
    }
    const metrics = new Set([...shown.values()].flatMap((those) => those.map(({ metric }) => metric)));
    return customFamilies(metrics, this.#escaped).map(({ family, name }) => {
      const those = shown.get(name) ?? [];
      const write = this.lines.number(family);
      const texts = () =>
        those.map(({ row, metric }) => write(this.#workerIn(row), custom.get(metric)?.at(row) as number));
      const block = () => blockOfTexts(texts(), this.lines.encoding, this.#values.version);
      return { family, name, collection: 'custom', series: those.length, block };
    });
  }

  readonly #escaped = (familyName: string) => escapeMetricName(familyName, this.#format.escaping);

  readonly #workerIn = (row: number): WorkerText => {
    const id = this.#values.workerIn(row) ?? '';
    const known = this.#workers[row];
    if (known?.id === id) return known.text;
    const text = this.lines.worker(id);
    this.#workers[row] = { id, text };
    return text;
  };
}

/** The text of a family that any worker may have. */
class FixedText {
  readonly piece: Pick<FamilyPiece, 'family' | 'name' | 'collection'>;
  readonly #of: FamilyColumn;
  readonly #lines: Lines;
  /** Labels of devices stay the same from one heartbeat to the next. */
  readonly #labels = new WeakMap<readonly Label[], LabelsText>();
  #block: Block | undefined;

  constructor(of: FamilyColumn, format: Format, lines: Lines) {
    this.#of = of;
    this.#lines = lines;
    const { family } = of;
    this.piece = { family, name: exposedName(family, format), collection: family.collection };
  }

  get series(): number {
    return this.#of.column.series;
  }

  seriesIn(rows: readonly number[]): number {
    return rows.reduce((sum, row) => sum + this.#of.column.seriesIn(row), 0);
  }

  block(workerIn: (row: number) => WorkerText): Block {
    const { column } = this.#of;
    if (this.#block?.version !== column.version) {
      this.#block = blockOf<unknown>(column, this.#lines.encoding, this.#writer(workerIn), this.#block);
    }
    return this.#block;
  }

  blockOf(rows: readonly number[], workerIn: (row: number) => WorkerText): Block {
    const { values, version } = this.#of.column;
    const write = this.#writer(workerIn);
    const texts = rows.map((row) => (values[row] === undefined ? '' : write(row, values[row])));
    return blockOfTexts(texts, this.#lines.encoding, version);
  }

  /** The value is one of the column's. */
  #writer(workerIn: (row: number) => WorkerText): (row: number, value: unknown) => string {
    const lines = this.#lines;
    const { family } = this.#of;
    switch (family.shape) {
      case 'number': {
        const write = lines.number(family);
        return (row, value) => write(workerIn(row), value as number);
      }
      case 'state': {
        const write = lines.states(family);
        return (row, value) => write(workerIn(row), value as number);
      }
      case 'info': {
        const write = lines.labelled(family);
        return (_, labels) => write(lines.labels(family, labels as readonly Label[]), 1);
      }
      case 'device': {
        const write = lines.labelled(family);
        const labelsText = (labels: readonly Label[]) => {
          const text = this.#labels.get(labels) ?? lines.labels(family, labels);
          this.#labels.set(labels, text);
          return text;
        };
        return (_, devices) =>
          (devices as DeviceValues).map(({ labels, value }) => write(labelsText(labels), value)).join('');
      }
      default:
        return family satisfies never;
    }
  }
}
