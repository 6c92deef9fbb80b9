/** Which columns a query selects for some metrics, and which keys their values belong to. */

import pg from 'pg';
import { BASE_METRICS, type MetricKey, type Tier } from '../samples.ts';
import { keyOf, OBJECT_COLUMNS, type ObjectColumn, placeOf, storable } from './metric-columns.ts';

/** What a bucket keeps of a metric, in this order. */
export const BUCKET_VALUES = ['min', 'max', 'sum', 'last', 'count'] as const;

export interface ReadColumns {
  /** Of a SELECT, each with a comma before. */
  readonly sql: string;
  /** Keys with a column for each of their values. */
  readonly keys: readonly MetricKey[];
  /** Columns of JSON whose members are keys, behind those; none if the keys are named. */
  readonly objects: readonly ObjectColumn[];
}

/** @param keys undefined: all */
export function readColumns(keys: readonly MetricKey[] | undefined, tier: Tier): ReadColumns {
  const named = [...new Set(keys ?? BASE_METRICS)];
  const objects = keys === undefined ? OBJECT_COLUMNS : [];
  const expressions = [...named.flatMap((key) => expressionsOf(key, tier)), ...objects];
  return { sql: expressions.map((expression) => `, ${expression}`).join(''), keys: named, objects };
}

function expressionsOf(key: MetricKey, tier: Tier): string[] {
  const place = placeOf(key);
  if (!('member' in place)) {
    return tier === 'raw' ? [place.column] : BUCKET_VALUES.map((value) => `${place.column}_${value}`);
  }
  const member = pg.escapeLiteral(storable(place.member));
  if (tier === 'raw') return [`${place.column}->>${member}`];
  return BUCKET_VALUES.map((value) => `${place.column}->${member}->>'${value}'`);
}

/** Members of an object as keys and their values. */
export function membersOf<T>(column: ObjectColumn, text: string | null | undefined): [MetricKey, T][] {
  if (text === null || text === undefined) return [];
  return Object.entries(JSON.parse(text) as Record<string, T>).map(([member, value]) => [keyOf(column, member), value]);
}
