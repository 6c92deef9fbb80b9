import { readFileSync } from 'node:fs';
import * as official from '@opentelemetry/semantic-conventions/incubating';
import { describe, expect, test } from 'vitest';
import {
  attributesOf,
  CONVENTIONS,
  CONVENTIONS_VERSIONS,
  otlpNameOf,
} from '../../../../src/metrics/export/otlp/conventions.ts';
import type { Family } from '../../../../src/metrics/family.ts';
import { MASTER_FAMILIES } from '../../../../src/metrics/master/families.ts';
import { defaultMetrics, isProcessMetric } from '../../../../src/metrics/master/process-metrics.ts';
import { familyOf } from '../../../../src/metrics/master/prom-families.ts';
import { customFamily } from '../../../../src/metrics/workers/custom-names.ts';
import { WORKER_FAMILIES } from '../../../../src/metrics/workers/families.ts';
import type { PromMetric } from '../../../../src/model/prom-metric.ts';
import { DOCS } from '../../../support/doc-pages.ts';

const PROCESS = (await defaultMetrics(isProcessMetric).getMetricsAsJSON()) as unknown as readonly PromMetric[];
const FAMILIES: readonly Family[] = [...WORKER_FAMILIES, ...MASTER_FAMILIES, ...PROCESS.map(familyOf)].filter(
  ({ type }) => type !== 'info',
);
const OFFICIAL_VALUES = new Set<unknown>(Object.values(official));
const PACKAGE = new URL('../../../node_modules/@opentelemetry/semantic-conventions/package.json', import.meta.url);

/** As the specification of OpenTelemetry translates to Prometheus: dots become underscores, the unit and the type a suffix. */
function prometheusName(name: string, unit: string, isMonotonic: boolean, isGauge: boolean): string {
  const suffixes: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes', Cel: '_celsius', W: '_watts' };
  const unitSuffix = unit === '1' ? (isGauge ? '_ratio' : '') : (suffixes[unit] ?? '');
  return `${name.replaceAll('.', '_')}${unitSuffix}${isMonotonic ? '_total' : ''}`;
}

describe.each(CONVENTIONS_VERSIONS)('with the conventions %s', (version) => {
  const conventions = CONVENTIONS[version];

  test('each is of a family that exists, and no two metrics have one name', () => {
    const names = new Set(FAMILIES.map(({ name }) => name));
    for (const family of conventions.byFamily.keys()) expect(names).toContain(family);
    const metrics = FAMILIES.map((family) => otlpNameOf(family, conventions).name);
    expect(new Set(metrics).size).toBe(metrics.length);
  });

  test('a metric without a convention gets the name of GET /metrics where a receiver translates to Prometheus', () => {
    const own = FAMILIES.filter(({ name }) => !conventions.byFamily.has(name));
    for (const family of [...own, customFamily('pulselane_custom_queue_depth_bytes')]) {
      const { name, unit, instrument } = otlpNameOf(family, conventions);
      const translated = prometheusName(name, unit, instrument === 'counter', instrument === 'gauge');
      expect(translated).toBe(family.type === 'counter' ? `${family.name}_total` : family.name);
    }
  });
});

test('the table in docs/monitoring.md is what the conventions say', () => {
  const { text } = DOCS.find(({ path }) => path === 'docs/monitoring.md') as (typeof DOCS)[0];
  const conventions = CONVENTIONS['1.45.0'];
  const kinds = { gauge: 'gauge', updowncounter: 'sum', counter: 'monotonic sum', histogram: 'histogram' } as const;
  const rows = FAMILIES.filter(({ name }) => conventions.byFamily.has(name)).map((family) => {
    const { name, unit, instrument } = otlpNameOf(family, conventions);
    const attributes = conventions.byFamily.get(family.name)?.attributes ?? [];
    const shown = attributes.map(([key, value]) => `\`${key}="${value}"\``).join(', ');
    return `| \`${family.name}\` | \`${name}\` | \`${unit}\` | ${kinds[instrument]} | ${shown} |`;
  });
  const table = /<!-- test:conventions -->\n\n(?:\|.*\n){2}((?:\|.*\n)+)/.exec(text)?.[1];
  expect(table).toBe(`${rows.join('\n')}\n`);
});

test('what the pinned version is used for are its names and attributes', () => {
  expect(JSON.parse(readFileSync(PACKAGE, 'utf8')).version).toBe('1.45.0');
  expect(CONVENTIONS['1.45.0'].schemaUrl).toBe('https://opentelemetry.io/schemas/1.45.0');
  for (const { name, attributes } of CONVENTIONS['1.45.0'].byFamily.values()) {
    expect(OFFICIAL_VALUES).toContain(name);
    for (const [key, value] of attributes) {
      expect(OFFICIAL_VALUES).toContain(key);
      // `hw.gpu.task` names no values of its own in the package.
      if (key !== 'hw.gpu.task') expect(OFFICIAL_VALUES).toContain(value);
    }
  }
  for (const key of ['hw.id', 'hw.name', 'hw.parent', 'host.name', 'host.id', 'host.ip', 'service.instance.id']) {
    expect(OFFICIAL_VALUES).toContain(key);
  }
});

describe('attributes', () => {
  const family = (name: string) => WORKER_FAMILIES.find((one) => one.name === name) as Family;
  const GPU = family('pulselane_worker_gpu_utilization_ratio');
  const device = (...labels: [string, string][]) =>
    Object.fromEntries(attributesOf(GPU, [['worker', 'w'], ...labels], CONVENTIONS['1.45.0']));

  test('of a GPU: its uuid, or its index, and its device', () => {
    const common = { 'hw.type': 'gpu', 'hw.gpu.task': 'general' };
    expect(device(['gpu', '1'])).toEqual({ ...common, 'hw.id': 'gpu1', 'hw.name': 'gpu1' });
    expect(device(['gpu', '1'], ['uuid', 'GPU-1'])).toEqual({ ...common, 'hw.id': 'GPU-1', 'hw.name': 'gpu1' });
    expect(device(['gpu', '1'], ['uuid', 'GPU-1'], ['mig', 'MIG-2'])).toEqual({
      ...common,
      'hw.id': 'MIG-2',
      'hw.name': 'gpu1',
      'hw.parent': 'GPU-1',
    });
  });

  test('without a convention: the labels, but not the worker', () => {
    const labels = [
      ['worker', 'w'],
      ['gpu', '1'],
      ['uuid', 'GPU-1'],
    ] as const;
    expect(attributesOf(GPU, labels, CONVENTIONS.off)).toEqual(labels.slice(1));
    const state = family('pulselane_worker_state');
    expect(
      attributesOf(
        state,
        [
          ['worker', 'w'],
          ['state', 'active'],
        ],
        CONVENTIONS['1.45.0'],
      ),
    ).toEqual([['state', 'active']]);
  });
});
