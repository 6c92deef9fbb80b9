/**
 * Where a metric stands in a row: base metrics have columns, custom ones are members of `metrics` by their name, values of devices
 * members of `gpus` by index and field, reasons of anomalies members of `anomaly` by reason and metric.
 */
import { BASE_METRICS, type MetricKey } from '../samples.ts';

export type MetricPlace =
  | { readonly column: (typeof BASE_METRICS)[number] }
  | { readonly column: ObjectColumn; readonly member: string };

const PREFIXES = { metrics: 'metrics.', gpus: 'gpus.', anomaly: 'anomaly.' } as const;
/** Columns of JSON, whose members are metrics. */
export const OBJECT_COLUMNS = ['metrics', 'gpus', 'anomaly'] as const;
export type ObjectColumn = (typeof OBJECT_COLUMNS)[number];

export function placeOf(key: MetricKey): MetricPlace {
  const base = BASE_METRICS.find((metric) => metric === key);
  if (base !== undefined) return { column: base };
  const column = OBJECT_COLUMNS.find((name) => key.startsWith(PREFIXES[name])) ?? 'metrics';
  return { column, member: key.slice(PREFIXES[column].length) };
}

export function keyOf(column: ObjectColumn, member: string): MetricKey {
  return PREFIXES[column] + member;
}

/** What PostgreSQL takes for a text: it knows no zero character, and no half of a pair of surrogates. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}
