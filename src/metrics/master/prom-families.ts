/** Metrics of prom-client as families of ours. */
import type { PromMetric, PromValue } from '../../model/prom-metric.ts';
import type { Family, FamilyType, FamilyWithSeries, Histogram, Label, Series } from '../family.ts';

const SUFFIXES: Readonly<Partial<Record<FamilyType, string>>> = { counter: '_total', info: '_info' };

/** @param createdUnixMs when counts began */
export function promFamilies(metrics: readonly PromMetric[], createdUnixMs: number): FamilyWithSeries[] {
  return metrics.flatMap((metric) => {
    const family = familyOf(metric);
    const series =
      family.type === 'histogram' ? histograms(metric, createdUnixMs) : plain(metric, family, createdUnixMs);
    return series.length === 0 ? [] : [{ family, series }];
  });
}

export function familyOf({ name, help, type }: Omit<PromMetric, 'values'>): Family {
  const ownType = name.endsWith('_info') ? 'info' : (type as FamilyType);
  const suffix = SUFFIXES[ownType];
  const ownName = suffix !== undefined && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
  const [, unit] = /_(seconds|bytes)$/.exec(ownName) ?? [];
  return { name: ownName, type: ownType, help, ...(unit === undefined ? {} : { unit }) };
}

function plain({ values }: PromMetric, { type }: Family, createdUnixMs: number): Series[] {
  return values.map(({ labels, value }) => ({
    labels: labelsOf(labels),
    value,
    ...(type === 'counter' ? { createdUnixMs } : {}),
  }));
}

/** prom-client hands out one value per bucket, with the sum and the count of the same labels after them. */
function histograms({ name, values }: PromMetric, createdUnixMs: number): Series[] {
  const byLabels = new Map<string, PromValue[]>();
  for (const value of values) {
    const { le: _, ...labels } = value.labels;
    const key = JSON.stringify(labelsOf(labels));
    byLabels.set(key, [...(byLabels.get(key) ?? []), value]);
  }
  return Array.from(byLabels, ([labels, ofLabels]) => ({
    labels: JSON.parse(labels) as Label[],
    value: histogramOf(name, ofLabels),
    createdUnixMs,
  }));
}

function histogramOf(name: string, values: readonly PromValue[]): Histogram {
  const buckets = values.filter(({ labels: { le } }) => typeof le === 'number');
  const of = (suffix: string) => values.find(({ metricName }) => metricName === name + suffix)?.value ?? 0;
  return {
    upperBounds: buckets.map(({ labels: { le } }) => le as number),
    cumulativeCounts: buckets.map(({ value }) => value),
    count: of('_count'),
    sum: of('_sum'),
  };
}

function labelsOf(labels: PromValue['labels']): Label[] {
  return Object.entries(labels).map(([name, value]) => [name, String(value)]);
}
