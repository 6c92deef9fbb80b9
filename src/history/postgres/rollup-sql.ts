/**
 * SQL that makes buckets of samples: for the rollup tables, and for answers about hours that are not rolled up yet.
 *
 * Sums are made of decimals, so that 0.1 + 0.2 is 0.3, whatever the order. The way there is text, because the cast from `float8` to
 * `numeric` keeps 15 digits only.
 */
import pg from 'pg';
import { BASE_METRICS, type MetricKey, type RollupTier } from '../samples.ts';
import { OBJECT_COLUMNS, placeOf, storable } from './metric-columns.ts';
import { TABLES } from './tables.ts';

const STEPS: Readonly<Record<RollupTier, string>> = { '1m': '1 minute', '1h': '1 hour' };

/** PostgreSQL refuses to cast a decimal beyond it: as a double, it is infinite. */
const MAX_DOUBLE = '1.7976931348623157e308';

const BASE_COLUMNS = BASE_METRICS.flatMap((metric) =>
  ['min', 'max', 'sum', 'last', 'count'].map((what) => `${metric}_${what}`),
);
const BUCKET_COLUMNS = ['worker', 'start', 'samples', ...BASE_COLUMNS, ...OBJECT_COLUMNS];

/**
 * Buckets with the columns of a rollup table, as far as these metrics need them.
 * @param samples what follows FROM, with the columns of `samples`
 * @param keys undefined: all
 */
export function bucketsOf(samples: string, tier: RollupTier, keys?: readonly MetricKey[]): string {
  const base = BASE_METRICS.filter((metric) => keys === undefined || keys.includes(metric));
  const members = keys === undefined ? ALL_MEMBERS : membersOf(keys);
  const read = [
    'run::float8 AS run',
    'number::float8 AS number',
    ...base,
    ...(members === undefined ? [] : OBJECT_COLUMNS),
  ];
  const source = `source AS MATERIALIZED (
      SELECT worker, date_bin('${STEPS[tier]}', at, to_timestamp(0)) AS start, ${read.join(', ')} FROM ${samples})`;
  const bases = `base AS (
      SELECT ${['worker, start, count(*)::int AS samples', ...base.map(baseAggregates)].join(', ')}
      FROM source GROUP BY worker, start)`;
  if (members === undefined) {
    const none = OBJECT_COLUMNS.map((column) => `NULL::jsonb AS ${column}`).join(', ');
    return `WITH ${source}, ${bases} SELECT base.*, ${none} FROM base`;
  }
  return `
    WITH ${source}, ${bases},
    member AS (
      SELECT worker, start, kind, jsonb_object_agg(name, jsonb_build_object(
        'min', min, 'max', max, 'sum', sum, 'last', last, 'count', count)) AS members
      FROM (
        SELECT worker, start, kind, name, min(value), max(value), count(*), ${lastOf('value')} AS last,
          ${doubleOf('sum(value::text::numeric)')} AS sum
        FROM source CROSS JOIN LATERAL (${members}) AS single (kind, name, value)
        WHERE value IS NOT NULL GROUP BY worker, start, kind, name) AS named
      GROUP BY worker, start, kind)
    SELECT base.*, ${OBJECT_COLUMNS.map((column) => `of_${column}.members AS ${column}`).join(', ')} FROM base
    ${OBJECT_COLUMNS.map(joinOf).join(' ')}`;
}

function joinOf(column: string): string {
  const of = `of_${column}`;
  return `LEFT JOIN member AS ${of} ON (${of}.worker, ${of}.start, ${of}.kind) = (base.worker, base.start, '${column}')`;
}

const ALL_MEMBERS = OBJECT_COLUMNS.map(
  (kind) => `SELECT '${kind}', key, value::float8 FROM jsonb_each_text(${kind})`,
).join(' UNION ALL ');

/** Undefined: none of the metrics is a member of an object. */
function membersOf(keys: readonly MetricKey[]): string | undefined {
  const rows = keys.flatMap((key) => {
    const place = placeOf(key);
    if (!('member' in place)) return [];
    const name = pg.escapeLiteral(storable(place.member));
    return [`('${place.column}', ${name}, (${place.column}->>${name})::float8)`];
  });
  return rows.length === 0 ? undefined : `VALUES ${rows.join(', ')}`;
}

/**
 * Puts buckets into the tier's table.
 * @param known what becomes of a bucket that is there: it is replaced by one of all its samples, or gets further samples
 */
export function insertBuckets(tier: RollupTier, buckets: string, known: 'replaced' | 'extended'): string {
  const columns = BUCKET_COLUMNS.slice(2);
  const set = columns.map((column) => `${column} = ${known === 'replaced' ? `new.${column}` : extended(column)}`);
  // EXCLUDED is the name that SQL gives to the row which was not inserted.
  const sets = set.join(', ').replaceAll('new.', 'EXCLUDED.');
  return `INSERT INTO ${TABLES[tier].name} AS old (${BUCKET_COLUMNS.join(', ')}) ${buckets}
    ON CONFLICT (worker, start) DO UPDATE SET ${sets}`;
}

function baseAggregates(metric: string): string {
  return `min(${metric}) AS ${metric}_min, max(${metric}) AS ${metric}_max, sum(${metric}::text::numeric)::float8 AS ${metric}_sum,
    ${lastOf(metric)} AS ${metric}_last, count(${metric})::int AS ${metric}_count`;
}

/** @param sum an expression: a decimal, infinite, or NaN, which is larger than all others */
function doubleOf(sum: string): string {
  return `CASE WHEN ${sum} = 'NaN' THEN 'NaN' WHEN ${sum} > ${MAX_DOUBLE} THEN 'Infinity' WHEN ${sum} < -${MAX_DOUBLE} THEN '-Infinity'
    ELSE (${sum})::float8 END`;
}

/** Arrays compare by their first elements: of the largest, the value came last. */
function lastOf(value: string): string {
  return `(max(ARRAY[run, number, ${value}]) FILTER (WHERE ${value} IS NOT NULL))[3]`;
}

function extended(column: string): string {
  if (column === 'samples' || column.endsWith('_count')) return `old.${column} + new.${column}`;
  if (column.endsWith('_min')) return `least(old.${column}, new.${column})`;
  if (column.endsWith('_max')) return `greatest(old.${column}, new.${column})`;
  if (column.endsWith('_sum')) return `coalesce(old.${column} + new.${column}, old.${column}, new.${column})`;
  if (column.endsWith('_last')) return `coalesce(new.${column}, old.${column})`;
  const number = (of: 'a' | 'b', what: string) => `(${of}->>'${what}')::float8`;
  return `(SELECT jsonb_object_agg(name, CASE WHEN a IS NULL THEN b WHEN b IS NULL THEN a ELSE jsonb_build_object(
      'min', least(${number('a', 'min')}, ${number('b', 'min')}),
      'max', greatest(${number('a', 'max')}, ${number('b', 'max')}),
      'sum', ${doubleOf(`((a->>'sum')::numeric + (b->>'sum')::numeric)`)},
      'last', b->'last', 'count', (a->>'count')::bigint + (b->>'count')::bigint) END)
    FROM jsonb_each(old.${column}) AS x (name, a) FULL JOIN jsonb_each(new.${column}) AS y (name, b) USING (name))`;
}
