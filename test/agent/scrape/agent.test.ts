/** Agents as processes, and as a thread of a program, with exporters behind them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Agent } from '../../../src/agent/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { type TestExporter, testExporter } from '../../support/exporter.ts';
import { FakeMaster } from '../../support/fake-master.ts';
import { PulselaneProcess } from '../../support/processes.ts';

let master: FakeMaster;
let exporter: TestExporter;
const processes: PulselaneProcess[] = [];

beforeEach(async () => {
  master = await FakeMaster.start();
  master.nextIntervalMs = 100;
  exporter = await testExporter('node_load1 0.5\nDCGM_FI_DEV_GPU_TEMP{gpu="0"} 41\nother 1\n');
});
afterEach(async () => {
  for (const process of processes.splice(0)) await process.close();
  await exporter.close();
  master.close();
});

function agent(...args: string[]): PulselaneProcess {
  const started = new PulselaneProcess(['agent', '--master', master.address, '--id', 'w', '--socket', 'off', ...args]);
  processes.push(started);
  return started;
}

test('the chosen series of an exporter are custom metrics of its heartbeats', async () => {
  agent('--scrape', exporter.url, '--scrape-metrics', 'node_load1,DCGM_*');
  const expected = { node_load1: 0.5, 'DCGM_FI_DEV_GPU_TEMP{gpu=0}': 41 };
  await eventually(() => Object.keys(master.heartbeats.at(-1)?.metrics ?? {}).length === 2);
  expect(master.heartbeats.at(-1)?.metrics).toEqual(expected);
});

test('what a program sets itself comes before what an exporter has', async () => {
  const scrape = { urls: exporter.url, metrics: ['node_load1', 'other'] };
  const own = new Agent({ workerId: 'w', master: master.address, intervalMs: 100, scrape });
  await own.start();
  own.setMetric('other', 2);
  await eventually(() => master.heartbeats.at(-1)?.metrics.node_load1 === 0.5);
  await eventually(() => master.heartbeats.at(-1)?.metrics.other === 2);
  await own.stop();
});

test.each([
  [['--scrape', 'http://a/metrics'], '--scrape requires AGENT_SCRAPE_METRICS, such as node_load1,DCGM_FI_DEV_*'],
  [['--scrape-metrics', 'a'], '--scrape-metrics requires AGENT_SCRAPE, such as http://localhost:9100/metrics'],
  [
    ['--scrape', 'localhost:9100', '--scrape-metrics', 'a'],
    '--scrape localhost:9100: expected URLs such as http://localhost:9100/metrics, separated by commas; "localhost:9100" is none',
  ],
  [
    ['--scrape', 'http://u:secret@a/', '--scrape-metrics', 'a'],
    '--scrape http://********@a/: expected URLs without user and password',
  ],
  [
    ['--scrape', 'http://a/,http://a/', '--scrape-metrics', 'a'],
    '--scrape http://a/,http://a/: expected each URL only once, but http://a/ occurs twice',
  ],
  [['--scrape', 'http://a/', '--scrape-metrics', 'a', '--scrape-interval', '10ms'], '--scrape-interval 10ms: expected'],
])('%j is an error', async (args, message) => {
  const wrong = agent(...args);
  expect(await wrong.ended()).toBe(2);
  expect(wrong.stderr).toContain(`pulselane: ${message}`);
});

test('a program is told by the option’s name what is wrong with it', () => {
  const withScrape = (scrape: object) => () => new Agent({ workerId: 'w', master: 'a:1', scrape: scrape as never });
  expect(withScrape({ urls: 'ftp://a', metrics: 'a' })).toThrow('scrape.urls is "ftp://a"; expected URLs such as');
  expect(withScrape({ urls: 'http://a', metrics: [] })).toThrow('scrape.metrics is empty; expected the series to take');
  expect(withScrape({ urls: [], metrics: 'a' })).toThrow('scrape.urls is empty');
  expect(withScrape({ urls: 'http://a', metrics: 'a', intervalMs: 1 })).toThrow(
    'scrape.intervalMs is 1; expected 1000 to',
  );
  expect(withScrape({ urls: 'http://a', metrics: 'a', every: 1 })).toThrow('scrape: unknown option "every"');
});
