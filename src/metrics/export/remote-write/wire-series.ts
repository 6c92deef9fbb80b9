/** The series of remote write that one of ours becomes: a histogram becomes several. */
import { escapeLabelName } from '../../exposition/names.ts';
import { upperBoundText } from '../../exposition/text.ts';
import { describedName, type FamilyType, type Histogram, type Label } from '../../family.ts';
import type { ExportSeries } from '../exporter.ts';
import type { SharedLabel, Symbols, Text } from './symbols.ts';

/** The same numbers in `MetricMetadata.MetricType` of 1.0 and `Metadata.MetricType` of 2.0. */
export const METRIC_TYPES: Readonly<Record<FamilyType, number>> = {
  counter: 1,
  gauge: 2,
  histogram: 3,
  info: 6,
  stateset: 7,
};

export interface WireSeries {
  /** Sorted by name. */
  readonly labels: readonly SharedLabel[];
  readonly type: number;
  readonly help: Text;
  readonly unit: Text;
  /** Of what only grows: when it began at zero, in Unix ms; 0: unknown, or none. */
  readonly createdUnixMs: number;
  /** Of its labels in a message of version 1.0, which is the longer one. */
  readonly v1Bytes: number;
  /** Memory that is there for this series alone, roughly: with texts and labels that it was the first to have. */
  readonly ownBytes: number;
}

/** Memory of a series besides its labels, roughly. */
const SERIES_BYTES = 160;

export class WireSeriesMaker {
  readonly #symbols: Symbols;
  readonly #externalLabels: readonly Label[];

  constructor(symbols: Symbols, externalLabels: Readonly<Record<string, string>>) {
    this.#symbols = symbols;
    this.#externalLabels = Object.entries(externalLabels).filter(([, value]) => value !== '');
  }

  /** In the order of {@link valuesOf}. */
  make(series: ExportSeries<unknown>, value: number | Histogram): WireSeries[] {
    const { name } = series.family;
    if (typeof value !== 'number') {
      const buckets = [...value.upperBounds, Number.POSITIVE_INFINITY].map(upperBoundText);
      return [
        ...buckets.map((bound) => this.#one(series, `${name}_bucket`, [['le', bound]])),
        this.#one(series, `${name}_sum`),
        this.#one(series, `${name}_count`),
      ];
    }
    return [this.#one(series, describedName(series.family))];
  }

  #one(
    { family, labels, createdUnixMs }: ExportSeries<unknown>,
    name: string,
    more: readonly Label[] = [],
  ): WireSeries {
    const madeBytes = this.#symbols.madeBytes;
    const own = new Map<string, string>();
    // Of two that are written alike, the first counts.
    for (const [label, value] of [...labels, ...more].reverse()) own.set(escapeLabelName(label, 'underscores'), value);
    const all = withExternal(own, this.#externalLabels);
    all.set('__name__', name);
    const shared = [...all]
      // An empty value is the same as no label, and must not be sent.
      .filter(([, value]) => value !== '')
      .sort(([a], [b]) => compareBytes(a, b))
      .map(([label, value]) => this.#symbols.label(label, value));
    return {
      labels: shared,
      type: METRIC_TYPES[family.type],
      help: this.#symbols.text(family.help),
      unit: this.#symbols.text(family.unit ?? ''),
      createdUnixMs: Math.floor(createdUnixMs ?? 0),
      v1Bytes: shared.reduce((sum, { v1 }) => sum + v1.length, 0),
      ownBytes: SERIES_BYTES + 8 * shared.length + this.#symbols.madeBytes - madeBytes,
    };
  }
}

/**
 * What the master is told to add wins, as labels of a target do when it is scraped: otherwise a worker could pass for another
 * master's. A label of the same name gets the prefix that Prometheus would give it.
 */
function withExternal(own: ReadonlyMap<string, string>, external: readonly Label[]): Map<string, string> {
  const all = new Map(external);
  for (const [name, value] of own) {
    let free = name;
    while (all.has(free) || (free !== name && own.has(free))) free = `exported_${free}`;
    all.set(free, value);
  }
  return all;
}

/** The same for two series that a receiver takes for one. */
export function identityOf({ labels }: WireSeries): string {
  return Buffer.concat(labels.map(({ v1 }) => v1)).toString('latin1');
}

export function valuesOf(value: number | Histogram): readonly number[] {
  if (typeof value === 'number') return [value];
  const { cumulativeCounts, count, sum } = value;
  return [...cumulativeCounts, count, sum, count];
}

/** Labels are sorted by their bytes in UTF-8; JavaScript compares UTF-16 units, which differs above U+FFFF. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
