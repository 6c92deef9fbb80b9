import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VERSION } from '../../../../src/lib/version.ts';
import type { ExportSeries, Point } from '../../../../src/metrics/export/exporter.ts';
import { attributesOf, CONVENTIONS, otlpNameOf } from '../../../../src/metrics/export/otlp/conventions.ts';
import { MetricHeads, type OtlpSeries } from '../../../../src/metrics/export/otlp/metric-heads.ts';
import { type EncodedRequest, MetricsEncoder } from '../../../../src/metrics/export/otlp/metrics-encoder.ts';
import { REQUEST_BYTES } from '../../../../src/metrics/export/otlp/otlp-limits.ts';
import { resourceField, schemaUrlField, scopeField } from '../../../../src/metrics/export/otlp/wire.ts';
import type { Family, Histogram, Label } from '../../../../src/metrics/family.ts';
import { decodedBy, METRICS_REQUEST } from '../../../support/otlp-protos.ts';
import { repetitions } from '../../../support/repetitions.ts';

const CONVENTION = CONVENTIONS['1.45.0'];
const AT_MS = 1_795_000_000_123;
const nanos = (ms: number) => String(BigInt(Math.round(ms)) * 1_000_000n);

const encoder = () =>
  new MetricsEncoder(new MetricHeads(CONVENTION), scopeField(), schemaUrlField(CONVENTION.schemaUrl));
const keyValue = ([key, stringValue]: readonly [string, string]) => ({ key, value: { stringValue } });

type Source = { resource: [string, string][]; points: Point<OtlpSeries>[]; ended: ExportSeries<OtlpSeries>[] };

const seriesOf = (family: Family, labels: Label[], createdUnixMs?: number): ExportSeries<OtlpSeries> => {
  return { family, labels, createdUnixMs, kept: undefined };
};

function encode(sources: readonly Source[], with_ = encoder(), atUnixMs = AT_MS): EncodedRequest[] {
  const full = sources.flatMap(({ resource, points, ended }) =>
    with_.add(resourceField(resource), points, ended, atUnixMs),
  );
  const last = with_.finish();
  return last === undefined ? full : [...full, last];
}

const text = fc.string({ maxLength: 8, unit: 'grapheme' });
const labels = fc.uniqueArray(fc.tuple(text, text), { maxLength: 3, selector: ([name]) => name });
const number = fc.oneof(fc.double(), fc.maxSafeInteger());
const histogram = fc
  .record({
    upperBounds: fc.uniqueArray(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 20 }),
    counts: fc.array(fc.nat(1_000_000), { minLength: 21, maxLength: 21 }),
    sum: fc.double(),
  })
  .map(({ upperBounds, counts, sum }): Histogram => {
    let total = 0;
    const cumulativeCounts = upperBounds.map((_, n) => {
      total += counts[n] as number;
      return total;
    });
    return { upperBounds, cumulativeCounts, count: total + (counts[20] as number), sum };
  });

const NAMES = [
  'pulselane_a',
  'pulselane_worker_b_bytes',
  'pulselane_custom_ü.x',
  'pulselane_c',
  'pulselane_d',
] as const;
/** A family has one type, wherever it occurs. */
const TYPES: Readonly<Record<string, Family['type']>> = {
  pulselane_a: 'counter',
  pulselane_c: 'histogram',
  pulselane_d: 'stateset',
};
const typed = fc.constantFrom(...NAMES).chain((name) => {
  const unit = name.endsWith('_bytes') ? { unit: 'bytes' } : {};
  const full: Family = { name, help: `help of ${name}`, type: TYPES[name] ?? 'gauge', ...unit };
  return fc.record({
    family: fc.constant(full),
    series: fc.array(
      fc.record({
        labels,
        value: full.type === 'histogram' ? histogram : number,
        createdUnixMs: fc.option(fc.integer({ min: 0, max: AT_MS }), { nil: undefined }),
        isEnded: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  });
});
const source = fc.record({
  resource: fc.uniqueArray(fc.tuple(text, text), { maxLength: 3, selector: ([name]) => name }),
  families: fc.uniqueArray(typed, { maxLength: 4, selector: (one) => one.family.name }),
});

/** What the official decoder must find, made without ours. */
function expected(sources: readonly Source[]): object {
  const resourceMetrics = sources
    .filter(({ points, ended }) => points.length + ended.length > 0)
    .map(({ resource, points, ended }) => {
      const values = new Map<ExportSeries<OtlpSeries>, number | Histogram | undefined>();
      for (const { series, value } of points) values.set(series, value);
      for (const series of ended) values.set(series, undefined);
      const metrics = [...Map.groupBy(values, ([series]) => series.family)].map(([one, all]) => {
        const { name, unit, instrument, isInteger } = otlpNameOf(one, CONVENTION);
        const dataPoints = all.map(([series, value]) => {
          const attributes = attributesOf(one, series.labels, CONVENTION).map(keyValue);
          const start = instrument === 'gauge' ? {} : { startTimeUnixNano: nanos(series.createdUnixMs ?? AT_MS) };
          const common = {
            ...(attributes.length === 0 ? {} : { attributes }),
            ...start,
            timeUnixNano: nanos(AT_MS),
          };
          if (value === undefined) return { ...common, flags: 1 };
          if (typeof value !== 'number') {
            const counts = [...value.cumulativeCounts, value.count].map((count, n, list) => count - (list[n - 1] ?? 0));
            return {
              ...common,
              count: String(value.count),
              sum: value.sum,
              bucketCounts: counts.map(String),
              ...(value.upperBounds.length === 0 ? {} : { explicitBounds: value.upperBounds }),
            };
          }
          return isInteger && Number.isSafeInteger(Math.round(value))
            ? { ...common, asInt: String(BigInt(Math.round(value))) }
            : { ...common, asDouble: value };
        });
        const data =
          instrument === 'gauge'
            ? { gauge: { dataPoints } }
            : instrument === 'histogram'
              ? { histogram: { dataPoints, aggregationTemporality: 2 } }
              : {
                  sum: {
                    dataPoints,
                    aggregationTemporality: 2,
                    ...(instrument === 'counter' ? { isMonotonic: true } : {}),
                  },
                };
        return { name, description: one.help, ...(unit === '' ? {} : { unit }), ...data };
      });
      const attributes = resource.map(keyValue);
      return {
        resource: attributes.length === 0 ? {} : { attributes },
        scopeMetrics: [{ scope: { name: 'pulselane', version: VERSION }, metrics, schemaUrl: CONVENTION.schemaUrl }],
        schemaUrl: CONVENTION.schemaUrl,
      };
    });
  return resourceMetrics.length === 0 ? {} : { resourceMetrics };
}

describe('the official decoder finds', () => {
  test('every point, attribute, start and end of any sources', () => {
    fc.assert(
      fc.property(fc.array(source, { maxLength: 4 }), (described) => {
        const with_ = encoder();
        const sources = described.map(({ resource, families }): Source => {
          const all = families.flatMap(({ family: one, series }) =>
            series.map(({ labels: some, value, createdUnixMs, isEnded }) => {
              const made = seriesOf(one, some, createdUnixMs);
              return { series: made, value, isEnded };
            }),
          );
          return {
            resource,
            points: all.filter(({ isEnded }) => !isEnded),
            ended: all.filter(({ isEnded }) => isEnded).map(({ series }) => series),
          };
        });
        // Only what was sent once can end.
        encode(
          sources.map((one) => ({ ...one, points: one.ended.map((series) => ({ series, value: 0 })), ended: [] })),
          with_,
        );
        // The order in a request is that of the points, then that of the ends: compare by name.
        const requests = encode(sources, with_);
        expect(requests.length).toBeLessThanOrEqual(1);
        const [request] = requests;
        const decoded = decodedBy(METRICS_REQUEST, request?.body ?? Buffer.alloc(0));
        expect(decoded).toEqual(expected(sources));
        const points = sources.reduce((sum, one) => sum + one.points.length + one.ended.length, 0);
        expect(request?.points ?? 0).toBe(points);
      }),
      { numRuns: repetitions(100, 10_000) },
    );
  });
});

const GAUGE: Family = { name: 'pulselane_g', type: 'gauge', help: 'x'.repeat(500) };
const COUNTER: Family = { name: 'pulselane_c', type: 'counter', help: '' };

function pointsOf(request: EncodedRequest): Record<string, unknown>[] {
  type Decoded = {
    resourceMetrics: { scopeMetrics: { metrics: Record<string, { dataPoints: Record<string, unknown>[] }>[] }[] }[];
  };
  const { resourceMetrics } = decodedBy(METRICS_REQUEST, request.body) as Decoded;
  return resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric) => (metric.gauge ?? metric.sum ?? metric.histogram)?.dataPoints ?? []),
    ),
  );
}

test('requests are closed before they become too large, also within a worker, and nothing is lost', () => {
  const worker = (n: number, metrics: number): Source => ({
    resource: [['service.instance.id', `w${n}`]],
    points: Array.from({ length: metrics }, (_, m) => ({
      series: seriesOf({ ...GAUGE, name: `pulselane_custom_m${m}` }, []),
      value: n * 10_000 + m,
    })),
    ended: [],
  });
  const sources = [
    worker(0, 10),
    worker(1, 5000),
    worker(2, 10),
    ...Array.from({ length: 300 }, (_, n) => worker(n + 3, 10)),
  ];
  const requests = encode(sources);
  expect(requests.length).toBeGreaterThan(3);
  for (const { body } of requests) expect(body.length).toBeLessThanOrEqual(REQUEST_BYTES + 1000);
  const values = requests.flatMap(pointsOf).map(({ asDouble }) => asDouble);
  expect(values).toEqual(sources.flatMap(({ points }) => points.map(({ value }) => value)));
  expect(requests.reduce((sum, { points }) => sum + points, 0)).toBe(values.length);
});

test('a counter without a known start begins with its first sample, and again when it was set back', () => {
  const with_ = encoder();
  const series = seriesOf(COUNTER, []);
  const startAt = (atMs: number) => {
    const [request] = encode([{ resource: [], points: [{ series, value: 1 }], ended: [] }], with_, atMs);
    return pointsOf(request as EncodedRequest)[0]?.startTimeUnixNano;
  };
  expect(startAt(1000)).toBe(nanos(1000));
  expect(startAt(2000)).toBe(nanos(1000));
  series.createdUnixMs = 2500;
  expect(startAt(3000)).toBe(nanos(2500));
});

test('a series that was never sent is not ended', () => {
  expect(encode([{ resource: [], points: [], ended: [seriesOf(GAUGE, [])] }])).toEqual([]);
});

test('the families of a worker that end at once cost no more than those that stay', () => {
  const with_ = encoder();
  // Compared with one another, these would take longer than a test may.
  const all = Array.from({ length: 100_000 }, (_, n) =>
    seriesOf({ name: `pulselane_custom_m${n}`, type: 'gauge', help: '' }, []),
  );
  encode([{ resource: [], points: all.map((series) => ({ series, value: 1 })), ended: [] }], with_);
  const requests = encode([{ resource: [], points: [], ended: all }], with_);
  expect(requests.reduce((sum, { points }) => sum + points, 0)).toBe(all.length);
});
