import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exposition } from '../../../src/metrics/exposition/exposition.ts';
import { formatOf } from '../../../src/metrics/exposition/format.ts';
import {
  exposedName,
  familyHeader,
  numberText,
  seriesStart,
  uniqueLabels,
} from '../../../src/metrics/exposition/text.ts';
import type { Family, FamilyWithSeries } from '../../../src/metrics/family.ts';
import { describeWith } from '../../support/debian.ts';
import { promtool } from '../../support/prometheus-server.ts';
import { repetitions } from '../../support/repetitions.ts';
import { parseWithPython, readsQuotedNames } from './python-parsers.ts';
import { asWritten, families } from './samples.ts';

const FAMILIES: FamilyWithSeries[] = [
  {
    family: { name: 'pulselane_worker_cpu_usage_ratio', type: 'gauge', unit: 'ratio', help: 'A "quoted" \\ help.' },
    series: [
      { labels: [['worker', 'w"1\n']], value: 0.149 },
      { labels: [], value: Number.NEGATIVE_INFINITY },
    ],
  },
  {
    family: { name: 'pulselane_things', type: 'counter', help: 'Things.' },
    series: [{ labels: [], value: 3, createdUnixMs: 1_700_000_000_123 }],
  },
  {
    family: { name: 'pulselane_worker', type: 'info', help: 'About a worker.' },
    series: [
      {
        labels: [
          ['worker', 'a'],
          ['k8s.io/zone', 'b'],
          ['k8s-io/zone', 'c'],
        ],
        value: 1,
      },
    ],
  },
  {
    family: { name: 'pulselane_worker_state', type: 'stateset', help: 'State.' },
    series: [
      {
        labels: [
          ['worker', 'a'],
          ['state', 'active'],
        ],
        value: 1,
      },
    ],
  },
  {
    family: { name: 'pulselane_delay_seconds', type: 'histogram', unit: 'seconds', help: 'Delay.' },
    series: [
      {
        labels: [['thread', 'main']],
        value: { upperBounds: [0.5, 1], cumulativeCounts: [1, 2], count: 3, sum: 4.5 },
        createdUnixMs: 1000,
      },
    ],
  },
  {
    family: { name: 'pulselane_custom_temp.max', type: 'gauge', help: 'Temperature.' },
    series: [{ labels: [['worker', 'a']], value: 1 }],
  },
];

const textOf = (...[name, escaping]: Parameters<typeof formatOf>): string =>
  Buffer.from(exposition(FAMILIES, formatOf(name, escaping))).toString();

test('text 0.0.4', () => {
  expect(textOf('text004')).toBe(`# HELP pulselane_worker_cpu_usage_ratio A "quoted" \\\\ help.
# TYPE pulselane_worker_cpu_usage_ratio gauge
pulselane_worker_cpu_usage_ratio{worker="w\\"1\\n"} 0.149
pulselane_worker_cpu_usage_ratio -Inf
# HELP pulselane_things_total Things.
# TYPE pulselane_things_total counter
pulselane_things_total 3
# HELP pulselane_worker_info About a worker.
# TYPE pulselane_worker_info gauge
pulselane_worker_info{worker="a",k8s_io_zone="b"} 1
# HELP pulselane_worker_state State.
# TYPE pulselane_worker_state gauge
pulselane_worker_state{worker="a",state="active"} 1
# HELP pulselane_delay_seconds Delay.
# TYPE pulselane_delay_seconds histogram
pulselane_delay_seconds_bucket{thread="main",le="0.5"} 1
pulselane_delay_seconds_bucket{thread="main",le="1.0"} 2
pulselane_delay_seconds_bucket{thread="main",le="+Inf"} 3
pulselane_delay_seconds_sum{thread="main"} 4.5
pulselane_delay_seconds_count{thread="main"} 3
# HELP pulselane_custom_temp_max Temperature.
# TYPE pulselane_custom_temp_max gauge
pulselane_custom_temp_max{worker="a"} 1
`);
});

test('OpenMetrics 1.0 with quoted names', () => {
  expect(
    textOf('openmetrics100', 'allow-utf-8'),
  ).toBe(`# HELP pulselane_worker_cpu_usage_ratio A \\"quoted\\" \\\\ help.
# TYPE pulselane_worker_cpu_usage_ratio gauge
# UNIT pulselane_worker_cpu_usage_ratio ratio
pulselane_worker_cpu_usage_ratio{worker="w\\"1\\n"} 0.149
pulselane_worker_cpu_usage_ratio -Inf
# HELP pulselane_things Things.
# TYPE pulselane_things counter
pulselane_things_total 3
pulselane_things_created 1700000000.123
# HELP pulselane_worker About a worker.
# TYPE pulselane_worker info
pulselane_worker_info{worker="a","k8s.io/zone"="b","k8s-io/zone"="c"} 1
# HELP pulselane_worker_state State.
# TYPE pulselane_worker_state stateset
pulselane_worker_state{worker="a",state="active",pulselane_worker_state="active"} 1
# HELP pulselane_delay_seconds Delay.
# TYPE pulselane_delay_seconds histogram
# UNIT pulselane_delay_seconds seconds
pulselane_delay_seconds_bucket{thread="main",le="0.5"} 1
pulselane_delay_seconds_bucket{thread="main",le="1.0"} 2
pulselane_delay_seconds_bucket{thread="main",le="+Inf"} 3
pulselane_delay_seconds_sum{thread="main"} 4.5
pulselane_delay_seconds_count{thread="main"} 3
pulselane_delay_seconds_created{thread="main"} 1
# HELP "pulselane_custom_temp.max" Temperature.
# TYPE "pulselane_custom_temp.max" gauge
{"pulselane_custom_temp.max",worker="a"} 1
# EOF
`);
});

test('text 1.0.0 differs from 0.0.4 in quoted names alone', () => {
  expect(textOf('text100')).toBe(textOf('text004'));
  expect(textOf('text100', 'allow-utf-8')).toContain('\n{"pulselane_custom_temp.max",worker="a"} 1\n');
});

test('TYPE of OpenMetrics keeps what escaping made of the underscore before a suffix', () => {
  const family: Family = { name: 'pulselane_things', type: 'counter', help: '' };
  expect(familyHeader(family, formatOf('openmetrics100', 'dots'))).toContain('# TYPE pulselane__things_ counter\n');
  expect(seriesStart(family, [], formatOf('openmetrics100', 'dots'))).toBe('pulselane__things__total ');
});

test('numbers are the shortest that read back', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(numberText(value))).toBe(value);
    }),
  );
  expect([Number.NaN, Number.POSITIVE_INFINITY, 1e21, 5e-324, -0].map(numberText)).toEqual([
    'NaN',
    '+Inf',
    '1e+21',
    '5e-324',
    '-0',
  ]);
});

describeWith('python3-prometheus-client')('Prometheus’s Python library', () => {
  test('reads every output, and gets every name, label and value back', () => {
    const formats = (['text004', 'openmetrics100'] as const).flatMap((name) =>
      (['underscores', 'dots', 'values'] as const).map((escaping) => formatOf(name, escaping)),
    );
    if (readsQuotedNames()) formats.push(formatOf('text100', 'allow-utf-8'), formatOf('openmetrics100', 'allow-utf-8'));
    const cases = fc
      .sample(families, repetitions(60, 3000))
      .flatMap((all) =>
        formats.map((format) => ({ all, format, text: Buffer.from(exposition(all, format)).toString() })),
      );
    const parsed = parseWithPython(
      cases.map(({ format, text }) => ({ syntax: format.syntax === 'openmetrics' ? 'openmetrics' : 'plain', text })),
    );
    for (const [index, { all, format }] of cases.entries()) {
      const read = (parsed[index] ?? []).flatMap(({ samples }) => samples);
      for (const { family, series } of all) {
        for (const { labels, value } of series) {
          if (typeof value !== 'number') continue;
          const expected = Object.fromEntries(
            uniqueLabels(labels, format).map(([name, text]) => [name, asWritten(text)]),
          );
          const found = read.filter(
            ([name, its]) =>
              name === exposedName(family, format) &&
              Object.entries(expected).every(([label, text]) => its[label] === text),
          );
          expect(found.map(([, , text]) => Number(text.replace('inf', 'Infinity')))).toContain(value);
        }
      }
      const buckets = read.filter(([name]) => name.endsWith('_bucket'));
      expect(buckets).toHaveLength(4 * (all[2]?.series.length ?? 0));
    }
  });
});

describeWith('prometheus')('promtool', () => {
  test('finds nothing to better', () => {
    const plain = FAMILIES.filter(({ family }) => !family.name.includes('custom'));
    const text = Buffer.from(exposition(plain, formatOf('text004')));
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
  });
});
