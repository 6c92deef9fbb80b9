/** Agents as processes, and as a thread of a program, with exporters behind them. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Agent } from '../../../src/agent/agent.ts';
import { Beater } from '../../../src/agent/beater.ts';
import type { MachineMeter } from '../../../src/agent/measure/machine.ts';
import { checkAgentOptions } from '../../../src/agent/settings.ts';
import { eventually } from '../../support/eventually.ts';
import { type TestExporter, testExporter } from '../../support/exporter.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeMaster } from '../../support/fake-master.ts';
import { freePort } from '../../support/free-port.ts';
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

test.each(['it measures', 'it listens', 'its hub opens'])(
  'stopped while %s, an agent leaves nothing running',
  async (when) => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-agent-'));
    const port = await freePort();
    const settings = checkAgentOptions(
      {
        workerId: 'w',
        listen: `127.0.0.1:${port}`,
        hub: { socket: join(folder, 'agent.sock') },
        scrape: { urls: exporter.url, metrics: 'node_load1', intervalMs: 1_000 },
      },
      {},
    );
    let stopped: Promise<void> | undefined;
    const stopAt = (now: string) => {
      if (now === when) queueMicrotask(() => (stopped = beater.stop({ saysFarewell: false })));
    };
    const beater: Beater = new Beater({
      settings,
      clock: new FakeClock(),
      meter: {
        async usages() {
          stopAt('it measures');
          return {};
        },
        capacity: async () => ({ cpuCores: 1, memoryGb: 1, storageGb: 1, gpus: [] }),
      } as unknown as MachineMeter,
      report: (_, message) => {
        if (message.startsWith('waiting on')) stopAt('it listens');
        if (message.startsWith('programs of this machine')) stopAt('its hub opens');
      },
    });
    await beater.start();
    await eventually(() => stopped !== undefined);
    await stopped;
    expect(await beater.stop()).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    // The port can be had.
    const again = createServer().listen(port, '127.0.0.1');
    await once(again, 'listening');
    again.close();
    await once(again, 'close');
    // A scrape would have come before this request.
    await fetch(exporter.url);
    expect(exporter.requests).toHaveLength(1);
    rmSync(folder, { recursive: true });
  },
);

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
