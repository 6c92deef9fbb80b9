/** A real Prometheus scrapes every format, by its own negotiation and one by one. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exposition } from '../../../src/metrics/exposition/exposition.ts';
import { type Format, formatOf } from '../../../src/metrics/exposition/format.ts';
import { negotiate } from '../../../src/metrics/exposition/negotiation.ts';
import type { FamilyWithSeries } from '../../../src/metrics/family.ts';
import { COLLECTIONS } from '../../../src/metrics/scrape/collections.ts';
import { Scraper } from '../../../src/metrics/scrape/scraper.ts';
import { Directory } from '../../../src/reading/directory.ts';
import { takeIn } from '../../../src/reading/reader-thread.ts';
import { BoardReader } from '../../../src/store/board.ts';
import { newFleet } from '../../http/support.ts';
import { describeWith } from '../../support/debian.ts';
import { PrometheusServer, scrapeConfig } from '../../support/prometheus-server.ts';
import { HOSTILE_IDS, HOSTILE_NAMES } from './samples.ts';
import { unescapeValues } from './unescape.ts';

const FACTS = {
  totalCpu: 1,
  totalMemoryGib: 1,
  totalStorageGib: 1,
  totalGpu: 0,
  ip: '10.0.0.1',
  group: '',
  ephemeral: false,
  instanceId: 'i',
  agentVersion: '1',
};
const CREATED_UNIX_MS = 1_700_000_000_123;

const FAMILIES: FamilyWithSeries[] = [
  {
    family: { name: 'pulselane_worker_up', type: 'gauge', help: 'Whether the worker is active.' },
    series: HOSTILE_IDS.map((id, index) => ({ labels: [['worker', id]], value: index })),
  },
  {
    family: { name: 'pulselane_worker', type: 'info', help: 'About a worker.' },
    series: [
      { labels: [['worker', 'a'], ...HOSTILE_NAMES.map((name) => [name, `value of ${name}`] as const)], value: 1 },
    ],
  },
  ...HOSTILE_NAMES.map(
    (name): FamilyWithSeries => ({
      family: { name: `pulselane_custom_${name}`, type: 'gauge', help: 'Sent by workers.' },
      series: [{ labels: [['worker', name]], value: 1 }],
    }),
  ),
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
      {
        labels: [
          ['worker', 'a'],
          ['state', 'inactive'],
        ],
        value: 0,
      },
    ],
  },
  {
    family: { name: 'pulselane_heartbeats_applied', type: 'counter', help: 'Applied heartbeats.' },
    series: [{ labels: [], value: 7, createdUnixMs: CREATED_UNIX_MS }],
  },
  {
    family: { name: 'pulselane_heartbeat_apply_seconds', type: 'histogram', unit: 'seconds', help: 'Delay.' },
    series: [
      {
        labels: [],
        value: {
          upperBounds: [0.5, 1, 2],
          cumulativeCounts: [1, 3, 6],
          count: 7,
          sum: 9.5,
          exponential: {
            schema: 3,
            zeroThreshold: 2 ** -20,
            zeroCount: 0,
            firstIndex: -8,
            counts: [1, ...zeros(7), 2, ...zeros(7), 3, 1],
          },
        },
        createdUnixMs: CREATED_UNIX_MS,
      },
    ],
  },
];

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}

/** Ids that a worker may have. */
const WORKER_IDS = HOSTILE_IDS.filter((id) => !/\p{Cc}/u.test(id) && Buffer.byteLength(id) <= 1024);

/** The metrics thread's own code over workers with hostile ids, labels and metrics. */
function hostileScraper(): Scraper {
  const { fleet, clock } = newFleet(64);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => takeIn(directory, items);
  const labels = Object.fromEntries(HOSTILE_NAMES.map((name) => [name, `value of ${name}`]));
  for (const [index, workerId] of WORKER_IDS.entries()) {
    fleet.register(workerId);
    const facts = { ...FACTS, labels };
    fleet.onAnnounce([{ type: 'workerFacts', workerId, facts }]);
    fleet.beat(workerId, { cpuUsage: index, metrics: new Map(HOSTILE_NAMES.map((name, n) => [name, n])) });
  }
  return new Scraper({ directory, clock, isAllowed: () => true, maxSeries: 1e6, minGzipBytes: 0 });
}

describeWith('prometheus')('Prometheus', () => {
  /** What it asked for, by job. */
  const negotiated = new Map<string, Format>();
  const forced: Readonly<Record<string, Format>> = {
    text004: formatOf('text004'),
    values: formatOf('text004', 'values'),
    dots: formatOf('openmetrics100', 'dots'),
    openmetrics: formatOf('openmetrics100', 'values'),
    protobuf: formatOf('protobuf', 'values'),
  };
  /** Jobs that scrape whole answers. */
  const whole: Readonly<Record<string, Format>> = {
    'whole-text': formatOf('text004', 'values'),
    'whole-openmetrics': formatOf('openmetrics100', 'values'),
    'whole-protobuf': formatOf('protobuf', 'values'),
  };
  const scraper = hostileScraper();
  let exporter: Server;
  let plain: PrometheusServer;
  let native: PrometheusServer;

  beforeAll(async () => {
    exporter = createServer(({ url = '', headers }, response) => {
      const job = url.slice(1);
      const format = forced[job] ?? whole[job] ?? negotiate(headers.accept);
      negotiated.set(job, format);
      response.setHeader('content-type', format.contentType);
      const isWhole = whole[job] !== undefined;
      response.end(
        isWhole
          ? scraper.scrape({ format, collections: COLLECTIONS, gzip: false }).bytes
          : exposition(FAMILIES, format),
      );
    });
    exporter.listen(0, '127.0.0.1');
    await once(exporter, 'listening');
    const targets = [`127.0.0.1:${(exporter.address() as AddressInfo).port}`];
    const configOf = (...jobs: string[]): string =>
      scrapeConfig(
        [],
        {},
        {
          scrape_configs: jobs.map((job) => ({
            job_name: job,
            metrics_path: `/${job}`,
            static_configs: [{ targets }],
          })),
        },
      );
    [plain, native] = await Promise.all([
      PrometheusServer.start({ config: configOf('plain') }),
      PrometheusServer.start({
        config: configOf('native', ...Object.keys({ ...forced, ...whole })),
        features: ['native-histograms'],
      }),
    ]);
    await Promise.all([plain.scraped(), native.scraped()]);
  });
  afterAll(async () => {
    await Promise.all([plain?.close(), native?.close()]);
    exporter.closeAllConnections();
    exporter.close();
  });

  test('negotiates OpenMetrics, or protobuf for native histograms', () => {
    expect(negotiated.get('plain')).toEqual(formatOf('openmetrics100'));
    expect(negotiated.get('native')).toEqual(formatOf('protobuf'));
  });

  test.each(Object.keys(forced))('gets every worker id back from %s', async (job) => {
    const name = job === 'dots' ? 'pulselane__worker__up' : 'pulselane_worker_up';
    const samples = await native.query(`${name}{job="${job}"}`);
    const ids = samples.toSorted((a, b) => a.value - b.value).map(({ metric }) => metric.worker);
    expect(ids).toEqual(HOSTILE_IDS);
  });

  test.each(['values', 'openmetrics', 'protobuf'])('gets every name back from %s', async (job) => {
    const customs = await native.query(`{job="${job}",__name__=~".*custom.*"}`);
    const names = customs.map(({ metric }) => [unescapeValues(metric.__name__ as string), metric.worker]);
    expect(Object.fromEntries(names)).toEqual(
      Object.fromEntries(HOSTILE_NAMES.map((name) => [`pulselane_custom_${name}`, name])),
    );
    const [info] = await native.query(`pulselane_worker_info{job="${job}"}`);
    const labels = Object.entries(info?.metric ?? {}).map(([name, value]) => [unescapeValues(name), value] as const);
    for (const name of HOSTILE_NAMES) {
      const expected = name.startsWith('__') ? `exported_${name}` : name;
      expect(labels).toContainEqual([expected, `value of ${name}`]);
    }
  });

  test.each(Object.keys(whole))('gets every worker, label and metric back from %s', async (job) => {
    const ups = await native.query(`pulselane_worker_up{job="${job}"}`);
    expect(ups.map(({ metric, value }) => [metric.worker, value]).sort()).toEqual(
      WORKER_IDS.map((id) => [id, 1]).sort(),
    );
    const usages = await native.query(`pulselane_worker_cpu_usage_ratio{job="${job}"}`);
    const byUsage = usages.toSorted((a, b) => a.value - b.value);
    expect(byUsage.map(({ metric }) => metric.worker)).toEqual(WORKER_IDS);
    const customs = await native.query(`{job="${job}",__name__=~".*pulselane_.*custom_.*",worker="plain"}`);
    const values = customs.map(({ metric, value }) => [unescapeValues(metric.__name__ as string), value] as const);
    expect(Object.fromEntries(values)).toEqual(
      Object.fromEntries(HOSTILE_NAMES.map((name, index) => [`pulselane_custom_${name}`, index])),
    );
    const [info] = await native.query(`pulselane_worker_info{job="${job}",worker="plain"}`);
    const labels = Object.entries(info?.metric ?? {}).map(([name, value]) => [unescapeValues(name), value] as const);
    // The master has no place for a label `__name__`: it would take the family's name.
    for (const name of HOSTILE_NAMES.filter((one) => one !== '__name__')) {
      const expected = name.startsWith('__') ? `exported_${name}` : name;
      expect(labels).toContainEqual([expected, `value of ${name}`]);
    }
    const [applied] = await native.query(`pulselane_heartbeats_applied_total{job="${job}"}`);
    expect(applied?.value).toBe(0);
  });

  test('has the same series in every format', async () => {
    const names = async (job: string): Promise<string[]> => {
      const samples = await native.query(`{job="${job}",__name__=~"pulselane.+",__name__!~".+_created"}`);
      const of = samples
        .filter(({ histogram }) => histogram === undefined)
        .map(({ metric: { job: _, pulselane_worker_state: __, ...metric } }) =>
          JSON.stringify(Object.entries(metric).sort()),
        );
      return of.sort();
    };
    const [text, openmetrics, protobuf] = await Promise.all(['values', 'openmetrics', 'protobuf'].map(names));
    expect(openmetrics).toEqual(text);
    // With native buckets this version of Prometheus takes no classic ones.
    expect(protobuf).toEqual(text?.filter((series) => !series.includes('apply_seconds')));
  });

  test('has the histogram with classic buckets, and from protobuf with native ones', async () => {
    const buckets = await native.query('pulselane_heartbeat_apply_seconds_bucket{job="text004"}');
    expect(Object.fromEntries(buckets.map(({ metric, value }) => [metric.le, value]))).toEqual({
      '0.5': 1,
      '1.0': 3,
      '2.0': 6,
      '+Inf': 7,
    });
    const [histogram] = await native.query('pulselane_heartbeat_apply_seconds{job="protobuf"}');
    expect(histogram?.histogram).toMatchObject({ count: '7', sum: '9.5' });
    const native8ths = histogram?.histogram?.buckets as unknown[][] | undefined;
    expect(native8ths?.map((bucket) => bucket.at(-1))).toEqual(['1', '2', '3', '1']);
    const [half] = await native.query('histogram_quantile(0.5, pulselane_heartbeat_apply_seconds{job="protobuf"})');
    expect(half?.value).toBeGreaterThan(2 ** (7 / 8));
    expect(half?.value).toBeLessThanOrEqual(2);
  });

  test('has the state under its plain label in every format', async () => {
    const samples = await native.query('pulselane_worker_state{state="active",worker="a"}');
    expect(samples.map(({ metric, value }) => [metric.job, value]).sort()).toEqual([
      ['native', 1],
      ['openmetrics', 1],
      ['protobuf', 1],
      ['text004', 1],
      ['values', 1],
    ]);
  });

  test('knows when a counter began, and what a family is', async () => {
    const [created] = await plain.query('pulselane_heartbeats_applied_created');
    expect(created?.value).toBe(CREATED_UNIX_MS / 1000);
    const metadata = (await plain.api('metadata')) as Record<string, { type: string; help: string; unit: string }[]>;
    expect(metadata.pulselane_heartbeat_apply_seconds).toEqual([
      { type: 'histogram', help: 'Delay.', unit: 'seconds' },
    ]);
    expect(metadata.pulselane_worker_state?.[0]?.type).toBe('stateset');
    expect(metadata.pulselane_worker?.[0]?.type).toBe('info');
  });
});
