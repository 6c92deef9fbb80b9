import { register } from 'prom-client';
import { expect, test } from 'vitest';
import type { FamilyWithSeries, Histogram } from '../../../src/metrics/family.ts';
import { NodeMetrics } from '../../../src/metrics/master/node-metrics.ts';
import { ProcessMetrics } from '../../../src/metrics/master/process-metrics.ts';
import { promFamilies } from '../../../src/metrics/master/prom-families.ts';
import type { PromMetric } from '../../../src/model/prom-metric.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function familyIn(families: readonly FamilyWithSeries[], name: string): FamilyWithSeries {
  return families.find(({ family }) => family.name === name) ?? expect.unreachable(`no family ${name}`);
}

test('the process is that of all threads, and the same for each thread that shows it', async () => {
  const before = process.cpuUsage();
  const metrics = new ProcessMetrics();
  await metrics.read();
  const families = promFamilies(metrics.metrics, 5000);
  const cpu = familyIn(families, 'process_cpu_seconds');
  expect(cpu.family).toMatchObject({ type: 'counter', unit: 'seconds' });
  expect(cpu.series[0]?.createdUnixMs).toBe(5000);
  // Since the start of the process, not of the thread.
  expect(cpu.series[0]?.value).toBeGreaterThanOrEqual((before.user + before.system) / 1e6);
  expect(familyIn(families, 'process_resident_memory_bytes').series[0]?.value).toBeGreaterThan(10 * 1024 ** 2);
  expect(familyIn(families, 'process_open_fds').series[0]?.value).toBeGreaterThan(2);
  const started = familyIn(families, 'process_start_time_seconds').series[0]?.value as number;
  expect(Math.abs(started - (Date.now() / 1000 - process.uptime()))).toBeLessThan(2);
  expect(families.map(({ family }) => family.name).filter((name) => !name.startsWith('process_'))).toEqual([]);
  const again = new ProcessMetrics();
  await again.read();
  const later = familyIn(promFamilies(again.metrics, 5000), 'process_cpu_seconds').series[0]?.value as number;
  expect(later).toBeGreaterThanOrEqual(cpu.series[0]?.value as number);
});

test('main’s heap and collections are read at the start and every 5 s, until the end', async () => {
  const clock = new FakeClock();
  const published: (readonly PromMetric[])[] = [];
  const metrics = new NodeMetrics(clock, (read) => published.push(read));
  await eventually(() => published.length === 1);
  clock.advance(5000);
  await eventually(() => published.length === 2);
  const families = promFamilies(published[1] as readonly PromMetric[], 0);
  expect(familyIn(families, 'nodejs_heap_size_used_bytes').series[0]?.value).toBeGreaterThan(1024 ** 2);
  expect(familyIn(families, 'nodejs_version').family.type).toBe('info');
  expect(familyIn(families, 'nodejs_heap_space_size_used_bytes').series.length).toBeGreaterThan(3);
  metrics.stop();
  clock.advance(60_000);
  expect(published).toHaveLength(2);
});

test('histograms are put together by their labels', () => {
  const value = (labels: object, count: number, metricName: string) => ({
    labels: { ...labels },
    value: count,
    metricName,
  });
  const [gc] = promFamilies(
    [
      {
        name: 'gc_seconds',
        help: 'Times.',
        type: 'histogram',
        values: ['major', 'minor'].flatMap((kind, of) => [
          value({ le: 0.5, kind }, 1 + of, 'gc_seconds_bucket'),
          value({ le: 2, kind }, 3 + of, 'gc_seconds_bucket'),
          value({ le: '+Inf', kind }, 4 + of, 'gc_seconds_bucket'),
          value({ kind }, 9.5 + of, 'gc_seconds_sum'),
          value({ kind }, 4 + of, 'gc_seconds_count'),
        ]),
      },
    ],
    7,
  );
  expect(gc?.family).toEqual({ name: 'gc_seconds', type: 'histogram', help: 'Times.', unit: 'seconds' });
  const histogramOf = (of: number): Histogram => ({
    upperBounds: [0.5, 2],
    cumulativeCounts: [1 + of, 3 + of],
    count: 4 + of,
    sum: 9.5 + of,
  });
  expect(gc?.series).toEqual([
    { labels: [['kind', 'major']], value: histogramOf(0), createdUnixMs: 7 },
    { labels: [['kind', 'minor']], value: histogramOf(1), createdUnixMs: 7 },
  ]);
});

test('prom-client’s global registry stays empty', async () => {
  await new ProcessMetrics().read();
  expect(register.getMetricsAsArray()).toEqual([]);
});
