/** Exporters behind the agent: real ones, slow ones, broken ones, and what of them is in heartbeats. */
import { spawn } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
import { ExporterScraper } from '../../../src/agent/scrape/exporter-scraper.ts';
import { MAX_BODY_BYTES, MAX_SERIES_PER_TARGET } from '../../../src/agent/scrape/scrape-limits.ts';
import { seriesPatterns } from '../../../src/config/series-patterns.ts';
import { describeWith } from '../../support/debian.ts';
import { eventually } from '../../support/eventually.ts';
import { type TestExporter, testExporter } from '../../support/exporter.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/free-port.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function exporterOf(answer: TestExporter['answer']): Promise<TestExporter> {
  const exporter = await testExporter(answer);
  ends.push(() => exporter.close());
  return exporter;
}

function scraperOf(urls: readonly string[], patterns: readonly string[], clock = new FakeClock()) {
  const reports: string[] = [];
  const report = (level: string, message: string) => reports.push(`${level}: ${message}`);
  const settings = { urls, patterns: seriesPatterns.parse(patterns.join(',')), intervalMs: 15_000 };
  const scraper = new ExporterScraper(settings, { clock, report });
  ends.push(() => scraper.stop());
  scraper.start();
  const metrics = () => Object.fromEntries(scraper.metrics.flatMap((map) => [...map]));
  return { scraper, reports, clock, metrics };
}

test('takes the chosen series, and those alone', async () => {
  const exporter = await exporterOf('# TYPE a gauge\na 1\nb{x="1",a="/"} 2\nb{x="2"} 3\nc NaN\nd 4');
  const { metrics, scraper } = scraperOf([exporter.url], ['a', 'b{x=1}', 'c']);
  await eventually(() => scraper.status[0]?.metrics === 2);
  expect(metrics()).toEqual({ a: 1, 'b{a=/,x=1}': 2 });
  expect(scraper.status[0]).toMatchObject({ url: exporter.url, failures: 0, error: null, left_out: { not_finite: 1 } });
  expect(exporter.requests[0]?.headers['x-prometheus-scrape-timeout-seconds']).toBe('10');
});

test('what an exporter no longer has, or has not told for long, is not sent as if it were new', async () => {
  const exporter = await exporterOf('a 1\nb 2\n');
  const { metrics, clock, scraper, reports } = scraperOf([exporter.url], ['*']);
  await eventually(() => scraper.status[0]?.metrics === 2);
  exporter.answer = 'a 3\n';
  clock.advance(15_000);
  await eventually(() => metrics().a === 3);
  expect(metrics()).toEqual({ a: 3 });
  exporter.answer = (response) => response.writeHead(503).end();
  for (const failures of [1, 2]) {
    expect(metrics()).toEqual({ a: 3 });
    clock.advance(15_000);
    await eventually(() => scraper.status[0]?.failures === failures);
  }
  clock.advance(7_500);
  expect(metrics()).toEqual({});
  exporter.answer = 'a 4\n';
  clock.advance(7_500);
  await eventually(() => metrics().a === 4);
  expect(reports).toEqual([
    `warn: metrics of ${exporter.url} cannot be scraped: it answers 503; expected 200`,
    `info: metrics of ${exporter.url} can be scraped again`,
  ]);
});

test.each<[string, TestExporter['answer'], string]>([
  ['a page', '<html>no</html>\n', 'line 1 is no sample: expected the name of a metric first: "<html>no</html>"'],
  [
    'a line too long',
    `a 1\n${'x'.repeat(70_000)}`,
    'line 2 has 70000 bytes; expected at most 65536 of the text format',
  ],
  ['a redirect', (r) => r.writeHead(302, { location: '/b' }).end(), 'it answers 302 and leads to "/b"; name that'],
  ['an encoding', (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end('x'), 'answers in the encoding "gzip"'],
  [
    'too much',
    `# ${'x'.repeat(60_000)}\n`.repeat(MAX_BODY_BYTES / 60_000 + 1),
    `its answer has more than ${MAX_BODY_BYTES} bytes`,
  ],
  ['a lost connection', (r) => r.write('a 1\n', () => r.destroy()), 'its connection was lost within the answer'],
])('of an exporter that answers %s nothing is taken, and one line says why', async (_, answer, message) => {
  const exporter = await exporterOf(answer);
  const { scraper, reports, clock, metrics } = scraperOf([exporter.url], ['*']);
  await eventually(() => scraper.status[0]?.failures === 1);
  clock.advance(15_000);
  await eventually(() => scraper.status[0]?.failures === 2);
  expect(metrics()).toEqual({});
  expect(reports).toEqual([expect.stringContaining(message)]);
});

test('an exporter that never answers costs its own metrics, after its time', async () => {
  const silent = await exporterOf(() => {});
  const other = await exporterOf('b 1\n');
  const { scraper, reports, clock, metrics } = scraperOf([silent.url, other.url], ['*']);
  await eventually(() => silent.requests.length === 1 && metrics().b === 1);
  clock.advance(10_000);
  await eventually(() => scraper.status[0]?.failures === 1);
  expect(reports).toEqual([`warn: metrics of ${silent.url} cannot be scraped: it did not answer within 10 s`]);
  expect(metrics()).toEqual({ b: 1 });
});

test('series above the limit are left out, counted, and said once', async () => {
  const lines = Array.from({ length: MAX_SERIES_PER_TARGET + 5 }, (_, i) => `a{i="${i}"} ${i}\n`);
  const exporter = await exporterOf(`${lines.join('')}long{x="${'y'.repeat(300)}"} 1\n`);
  const { scraper, reports, clock } = scraperOf([exporter.url], ['*']);
  await eventually(() => scraper.status[0]?.metrics === MAX_SERIES_PER_TARGET);
  clock.advance(15_000);
  await eventually(() => exporter.requests.length === 2);
  expect(scraper.status[0]?.left_out).toEqual({ above_limit: 5, name_too_long: 1, not_finite: 0 });
  expect(reports).toEqual([
    `warn: metrics of ${exporter.url}: series are left out: those above the 1000 that one exporter may add, and those with a name and labels of more than 256 bytes`,
  ]);
});

test('says so when no pattern chooses anything', async () => {
  const exporter = await exporterOf('a 1\n');
  const { reports } = scraperOf([exporter.url], ['node_*']);
  await eventually(() => reports.length === 1);
  expect(reports).toEqual(['warn: no series of an exporter matches "node_*"']);
});

describeWith('prometheus-node-exporter')('node_exporter', () => {
  test('is taken from as it is', async () => {
    const port = await freePort();
    const exporter = spawn('prometheus-node-exporter', [`--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
    ends.push(() => exporter.kill());
    const url = `http://127.0.0.1:${port}/metrics`;
    await eventually(() => fetch(url).then(({ ok }) => ok, () => false)); // biome-ignore format: one thought
    const patterns = ['node_load*', 'node_memory_MemTotal_bytes', 'node_cpu_seconds_total{mode="idle"}'];
    const { metrics, scraper } = scraperOf([url], patterns);
    await eventually(() => (scraper.status[0]?.metrics ?? 0) >= 5);
    expect(metrics()).toMatchObject({
      node_load1: expect.any(Number),
      node_load15: expect.any(Number),
      node_memory_MemTotal_bytes: expect.any(Number),
      'node_cpu_seconds_total{cpu=0,mode=idle}': expect.any(Number),
    });
  });
});
