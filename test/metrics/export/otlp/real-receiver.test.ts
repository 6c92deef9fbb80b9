/** A whole master sends OTLP to real receivers, which show what came. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { blockOf } from '../../../support/doc-pages.ts';
import { eventually } from '../../../support/eventually.ts';
import { freePort } from '../../../support/free-port.ts';
import { ExportingMaster } from '../exporting-master.ts';
import { VictoriaMetrics } from '../victoria-metrics.ts';

/** That of Debian 12 is too old; see test/support/fetch-victoria-metrics.sh. Whether that can be had depends on others, so CI does without it, too. */
const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const PROGRAM = join(cache, 'pulselane-tests/victoria-metrics/usr/bin/victoria-metrics');
const isThere = existsSync(PROGRAM);
if (!isThere) console.warn('Skipped: OTLP to VictoriaMetrics (bash test/support/fetch-victoria-metrics.sh)');

describe.runIf(isThere)('VictoriaMetrics', () => {
  let victoria: VictoriaMetrics;
  let exporting: ExportingMaster | undefined;
  beforeAll(async () => {
    victoria = await VictoriaMetrics.start(PROGRAM);
  });
  afterEach(async () => {
    await exporting?.close();
    exporting = undefined;
  });
  afterAll(() => victoria.close());

  test('it has the series of workers and of the master, which end when they end', async () => {
    exporting = await ExportingMaster.start({
      OTLP_ENDPOINT: `${victoria.url}/opentelemetry`,
      OTLP_SIGNALS: 'metrics',
      OTLP_INTERVAL: '1s',
      OTLP_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    });
    const { manager } = exporting.master;
    manager.processHeartbeat({ workerId: 'worker/ü"2', cpuUsage: 14.9, metrics: { 'queue.länge': 7 } });
    const query = (name: string) => victoria.query(`{__name__="${name}"}`);
    await eventually(async () => (await query('system.cpu.utilization')).length === 1);
    expect(await query('system.cpu.utilization')).toMatchObject([
      { labels: { 'service.instance.id': 'worker/ü"2', 'deployment.environment.name': 'test' }, value: 0.149 },
    ]);
    expect(await query('pulselane.custom.queue.länge')).toMatchObject([{ value: 7 }]);
    await eventually(async () => (await query('pulselane.heartbeats_applied'))[0]?.value === 1);
    await eventually(async () => (await query('pulselane.heartbeat_apply_bucket')).some(({ value }) => value === 1));
    manager.unregisterWorker('worker/ü"2');
    await eventually(async () => (await query('system.cpu.utilization')).length === 0);
    expect(exporting.master.exports?.receivers).toMatchObject([{ kind: 'otlp', failedAttempts: 0 }]);
  });
});

/**
 * An OpenTelemetry collector, if the machine has one. Neither npm nor Debian 12 has a program; Debian's library golang-opentelemetry-collector-dev,
 * built with the OTLP receiver and the debug exporter, is one that passes.
 */
const COLLECTORS = ['otelcol', 'otelcol-contrib'];
const collectorProgram = COLLECTORS.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
if (collectorProgram === undefined)
  console.warn('Skipped: OTLP to an OpenTelemetry collector (no otelcol on the PATH)');

describe.runIf(collectorProgram !== undefined)('an OpenTelemetry collector', () => {
  let folder: string;
  let collector: ChildProcess;
  let printed = '';
  let grpcPort: number;
  let httpPort: number;
  let exporting: ExportingMaster | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pulselane-collector-'));
    grpcPort = await freePort();
    httpPort = await freePort();
    // That of docs/monitoring.md, without the collector's own metrics.
    const config = blockOf('test:collector', 'yaml')
      .replace('localhost:4317', `127.0.0.1:${grpcPort}`)
      .replace('localhost:4318', `127.0.0.1:${httpPort}`)
      .replace('service:', 'service:\n  telemetry: {metrics: {level: none}}');
    await writeFile(join(folder, 'config.yaml'), config);
    collector = spawn(collectorProgram as string, ['--config', join(folder, 'config.yaml')]);
    for (const output of [collector.stdout, collector.stderr]) output?.on('data', (text) => (printed += text));
    await eventually(() => printed.includes('Everything is ready'));
  });
  afterEach(async () => {
    await exporting?.close();
    exporting = undefined;
  });
  afterAll(async () => {
    collector.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  test.each(['grpc', 'http/protobuf'])('it understands metrics, their end, and events by %s', async (protocol) => {
    printed = '';
    exporting = await ExportingMaster.start({
      OTLP_ENDPOINT: `http://127.0.0.1:${protocol === 'grpc' ? grpcPort : httpPort}`,
      OTLP_PROTOCOL: protocol,
      OTLP_INTERVAL: '1s',
    });
    const { manager } = exporting.master;
    manager.processHeartbeat({ workerId: 'w/ü', cpuUsage: 12.5 });
    const has = (...texts: string[]) => eventually(() => texts.every((text) => printed.includes(text)));
    await has(
      '-> service.instance.id: Str(w/ü)',
      '-> Name: system.cpu.utilization',
      'Value: 0.125',
      '-> DataType: Histogram',
    );
    await has('EventName: pulselane.state', 'Body: Str(worker is active)');
    manager.unregisterWorker('w/ü');
    await has('Body: Str(worker unregistered)');
    // It prints no flags; a point that ends its series has no value.
    await eventually(() => /Name: system\.cpu\.utilization(?:\n.*){5}\nTimestamp: .*\n(?!Value)/.test(printed));
    expect(exporting.master.exports?.receivers).toMatchObject([{ kind: 'otlp', failedAttempts: 0, protocol }]);
  });
});
