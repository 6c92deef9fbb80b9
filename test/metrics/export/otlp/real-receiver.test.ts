/** A whole master sends OTLP to a real receiver, and its query language shows what came. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
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
