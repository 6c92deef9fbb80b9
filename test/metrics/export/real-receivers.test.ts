/** A whole master writes to real receivers, and their query languages show what it wrote. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../../support/debian.ts';
import { eventually } from '../../support/eventually.ts';
import { PrometheusServer } from '../../support/prometheus-server.ts';
import { ExportingMaster } from './exporting-master.ts';
import { VictoriaMetrics } from './victoria-metrics.ts';

let exporting: ExportingMaster | undefined;
afterEach(async () => {
  await exporting?.close();
  exporting = undefined;
});

async function startExport(url: string, settings: Record<string, string> = {}): Promise<ExportingMaster> {
  exporting = await ExportingMaster.start({
    REMOTE_WRITE_URL: url,
    HEARTBEAT_INTERVAL: '100ms',
    INACTIVITY_TIMEOUT: '1s',
    ...settings,
  });
  return exporting;
}

/** A worker that keeps sending until the returned function is called. */
function keepSending({ master: { manager } }: ExportingMaster, workerId: string): () => void {
  const beat = () =>
    manager.processHeartbeat({ workerId, cpuUsage: 14.9, metrics: { 'queue.depth': 7 }, runningTasks: [] });
  beat();
  const timer = setInterval(beat, 100);
  return () => clearInterval(timer);
}

describeWith('prometheus')('Prometheus', () => {
  let prometheus: PrometheusServer;
  beforeAll(async () => {
    prometheus = await PrometheusServer.start({ receivesRemoteWrite: true });
  });
  afterAll(() => prometheus.close());

  const valueNow = async (expression: string): Promise<number | undefined> =>
    (await prometheus.query(expression))[0]?.value;

  test('it has the series of workers and of the master, which end when they end', async () => {
    const running = await startExport(`${prometheus.url}/api/v1/write`, { REMOTE_WRITE_LABELS: 'cluster=one' });
    const stopA = keepSending(running, 'a');
    const stopB = keepSending(running, 'worker/ü"2');
    try {
      await eventually(async () => (await valueNow('pulselane_worker_up{worker="a",cluster="one"}')) === 1);
      expect(await valueNow('pulselane_worker_cpu_usage_ratio{worker="a"}')).toBe(0.149);
      expect(await valueNow('pulselane_custom_queue_depth{worker="worker/ü\\"2"}')).toBe(7);
      expect(await valueNow('pulselane_worker_state{worker="a",state="active"}')).toBe(1);
      expect(await valueNow('pulselane_worker_info{worker="a"}')).toBe(1);
      await eventually(async () => ((await valueNow('pulselane_heartbeats_applied_total{cluster="one"}')) ?? 0) > 2);
      const slowest = 'histogram_quantile(1, pulselane_heartbeat_apply_seconds_bucket{cluster="one"})';
      await eventually(async () => ((await valueNow(slowest)) ?? 0) > 0);
      expect(await valueNow('pulselane_build_info{cluster="one"}')).toBe(1);
      await eventually(
        async () => ((await valueNow('pulselane_export_samples_sent_total{receiver="remote_write"}')) ?? 0) > 0,
      );

      // Silent: what nobody measures any more ends, its state does not.
      stopA();
      await eventually(async () => (await valueNow('pulselane_worker_up{worker="a"}')) === 0);
      await eventually(async () => (await valueNow('pulselane_worker_cpu_usage_ratio{worker="a"}')) === undefined);
      expect(await valueNow('pulselane_worker_state{worker="a",state="inactive"}')).toBe(1);
      // Forgotten: everything ends.
      running.master.manager.unregisterWorker('a');
      await eventually(async () => (await prometheus.query('{worker="a"}')).length === 0);
      // The others are untouched.
      expect(await valueNow('pulselane_worker_up{worker="worker/ü\\"2"}')).toBe(1);
    } finally {
      stopA();
      stopB();
    }
    const [status] = running.master.exports?.receivers ?? [];
    // Debian 12's is a receiver of 1.0. With a newer one in front on the PATH the same is proven of 2.0.
    const { version } = (await prometheus.api('status/buildinfo')) as { version: string };
    const protocol = Number.parseInt(version, 10) >= 3 ? '2.0' : '1.0';
    expect(status).toMatchObject({ state: 'ok', protocol, dropped: { refused: 0, rejected: 0, full: 0 } });
  });

  test('a restart of the master ends no series, and samples go on in order', async () => {
    const running = await startExport(`${prometheus.url}/api/v1/write`, { REMOTE_WRITE_LABELS: 'cluster=two' });
    const up = 'pulselane_worker_up{worker="stays",cluster="two"}';
    running.master.manager.registerWorker('stays');
    await eventually(async () => (await valueNow(up)) !== undefined);
    await running.stop();
    expect(await valueNow(up)).toBeDefined();
    const counted = async () => (await valueNow(`count_over_time(${up}[5m])`)) ?? 0;
    const before = await counted();
    await running.start();
    await eventually(async () => (await counted()) > before);
    const [status] = running.master.exports?.receivers ?? [];
    expect(status?.dropped).toMatchObject({ refused: 0, rejected: 0 });
  });

  test('only chosen families are sent', async () => {
    const running = await startExport(`${prometheus.url}/api/v1/write`, {
      REMOTE_WRITE_LABELS: 'cluster=three',
      REMOTE_WRITE_FAMILIES: 'pulselane_worker_up,pulselane_build*',
    });
    running.master.manager.registerWorker('a');
    await eventually(async () => (await valueNow('pulselane_worker_up{cluster="three"}')) !== undefined);
    const names = (await prometheus.query('count by (__name__) ({cluster="three"})')).map(
      ({ metric }) => metric.__name__,
    );
    expect(names.toSorted()).toEqual(['pulselane_build_info', 'pulselane_worker_up']);
  });
});

describeWith('victoria-metrics')('VictoriaMetrics', () => {
  let victoria: VictoriaMetrics;
  beforeAll(async () => {
    victoria = await VictoriaMetrics.start();
  });
  afterAll(() => victoria.close());

  test('it has the series of workers, which end when they are forgotten', async () => {
    const running = await startExport(`${victoria.url}/api/v1/write`);
    for (const workerId of ['a', 'b']) running.master.manager.registerWorker(workerId);
    const shown = (workers: readonly string[]) => async () => {
      const values = await victoria.values('pulselane_worker_up');
      return JSON.stringify(Object.keys(values).toSorted()) === JSON.stringify(workers);
    };
    await eventually(shown(['a', 'b']));
    running.master.manager.unregisterWorker('a');
    await eventually(shown(['b']));
  });
});
