/** When series begin and end: as a real Prometheus sees it, which scrapes a real master. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../../support/debian.ts';
import { eventually } from '../../support/eventually.ts';
import { PulselaneProcess, portOf } from '../../support/processes.ts';
import { PrometheusServer, promtool, scrapeConfig } from '../../support/prometheus-server.ts';

/** Text is quoted as in PromQL. */
const ID = 'quote" back\\slash µ/{}';
const OF_IT = `{worker=${JSON.stringify(ID)}}`;

describeWith('prometheus')('the series of a worker', () => {
  let master: PulselaneProcess;
  let url: string;
  let prometheus: PrometheusServer;

  beforeAll(async () => {
    master = new PulselaneProcess(['master'], {
      HTTP_PORT: '127.0.0.1:0',
      GRPC_PORT: '127.0.0.1:0',
      HEARTBEAT_INTERVAL: '200ms',
      INACTIVITY_TIMEOUT: '400ms',
      HISTORY: 'off',
      MAX_DEDICATED_LANES: '0',
    });
    const port = await portOf(master, 'http');
    url = `http://127.0.0.1:${port}`;
    prometheus = await PrometheusServer.start({ config: scrapeConfig([`127.0.0.1:${port}`]) });
  });
  afterAll(async () => {
    await prometheus?.close();
    await master?.close();
  });

  async function beat(): Promise<void> {
    const response = await fetch(`${url}/api/v1/heartbeats`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ worker_id: ID, cpu_usage: 14.9, metrics: { 'queue.depth': 7 } }),
    });
    expect(await response.json()).toMatchObject({ accepted: 1 });
  }
  const valueNow = async (series: string) => (await prometheus.query(series))[0]?.value;

  test('begin with a heartbeat, partly end when it is inactive, and all end when it is removed', async () => {
    await eventually(async () => {
      await beat();
      return (await valueNow(`pulselane_worker_cpu_usage_ratio${OF_IT}`)) === 0.149;
    });
    await eventually(async () => {
      await beat();
      const custom = await prometheus.query(`{__name__=~"pulselane_custom_queue.depth",worker=${JSON.stringify(ID)}}`);
      return custom[0]?.value === 7 && (await valueNow(`pulselane_worker_up${OF_IT}`)) === 1;
    });

    await eventually(async () => (await valueNow(`pulselane_worker_up${OF_IT}`)) === 0);
    await eventually(
      async () => (await prometheus.query(`{worker=${JSON.stringify(ID)},__name__=~".*usage.*"}`)).length === 0,
    );
    expect(await valueNow(`pulselane_worker_state{state="inactive",worker=${JSON.stringify(ID)}}`)).toBe(1);
    expect(await prometheus.query(`{worker=${JSON.stringify(ID)},__name__=~"pulselane_custom.*"}`)).toEqual([]);
    expect(await valueNow(`pulselane_worker_info${OF_IT}`)).toBe(1);

    await fetch(`${url}/api/v1/workers/${encodeURIComponent(ID)}`, { method: 'DELETE' });
    await eventually(async () => (await prometheus.query(`{worker=${JSON.stringify(ID)}}`)).length === 0);
    expect(await valueNow('up{job="pulselane"}')).toBe(1);
    expect(await valueNow('pulselane_metrics_worker_series')).toBe(0);
  });

  test('pass the checks of promtool', async () => {
    await beat();
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toContain('pulselane_worker_up{');
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
  });
});
