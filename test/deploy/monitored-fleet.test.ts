/**
 * A real master with workers, scraped by a real Prometheus with the configuration and the rules of deploy/prometheus/: every
 * expression of rules and dashboards runs there. Then a worker dies, and then the master.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { describeWith } from '../support/debian.ts';
import { eventually } from '../support/eventually.ts';
import { type HeartbeatInit, WorkerClient } from '../support/grpc-client.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';
import { PrometheusServer } from '../support/prometheus-server.ts';
import { Alertmanager } from './alertmanager.ts';
import { type Json, type Query, queriesOf } from './dashboards.ts';
import { type Choice, promqlOf } from './grafana-variables.ts';
import { EXPOSED, metricsIn, PROMETHEUS_FOLDER, RECORDED, RULE_FILES, RULES } from './prometheus-rules.ts';

const WORKERS: readonly MessageInitShape<typeof WorkerInfoSchema>[] = [
  { workerId: 'a.b', group: 'rack', labels: { 'eu-west': '1' }, workerIp: '127.0.0.1', totalGpu: 1 },
  { workerId: 'dies', group: 'rack', workerIp: '127.0.0.1' },
  { workerId: 'c', group: 'rack', workerIp: '127.0.0.1' },
  { workerId: 'elsewhere', workerIp: 'no address' },
];

const GPU = {
  index: 0,
  uuid: 'GPU-1',
  name: 'n',
  utilizationPercent: 40,
  memoryUsedBytes: 2 ** 30,
  memoryTotalBytes: 2 ** 33,
  temperatureCelsius: 60,
  powerWatts: 90,
};

/** What dashboards are asked with. */
const CHOICE: Choice = {
  values: { instance: '.*', group: ['rack'], worker: ['a.b', 'dies'], metric: 'pulselane_custom_queue_depth' },
  interval: '10s',
  range: '1m',
};

/** Queries that need no answer in this fleet, and why. */
const EMPTY: Readonly<Record<string, string>> = {
  'Pulselane / Fleet: annotation Brake': 'no brake is active',
  'Pulselane / Fleet: annotation Master started': 'the master started before the first scrape',
  'Pulselane / Fleet: Refusals, A': 'no worker was refused',
  'Pulselane / Fleet: Refusals, B': 'no request was refused',
  'Pulselane / Worker: annotation Restart': 'no worker was restarted',
};

/** Metrics of the rules that this fleet does not have, and why. */
const MISSING: Readonly<Record<string, string>> = {};

describeWith('prometheus', 'prometheus-alertmanager')('a monitored fleet', () => {
  let master: PulselaneProcess;
  let client: WorkerClient;
  let alertmanager: Alertmanager;
  let prometheus: PrometheusServer;
  let exporter: Server;
  const beating = new Set(WORKERS.map(({ workerId = '' }) => workerId));
  let timer: NodeJS.Timeout;

  beforeAll(async () => {
    master = new PulselaneProcess(['master'], {
      HTTP_PORT: '127.0.0.1:0',
      ALERTS: 'on',
      GRPC_PORT: '127.0.0.1:0',
      HEARTBEAT_INTERVAL: '500ms',
      INACTIVITY_TIMEOUT: '2s',
      MAX_DEDICATED_LANES: '0',
      // Nobody listens: what the master tells of its exports is looked at.
      REMOTE_WRITE_URL: 'http://127.0.0.1:9/api/v1/write',
    });
    exporter = createServer((_, response) => response.end('machine_answers 1\n'));
    await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
    alertmanager = await Alertmanager.start();
    // Prometheus takes seconds until its first scrape: the workers come meanwhile.
    prometheus = await startPrometheus({
      master: `127.0.0.1:${await portOf(master, 'http')}`,
      exporterPort: (exporter.address() as AddressInfo).port,
      alertmanager: alertmanager.address,
    });
    client = new WorkerClient(await portOf(master, 'grpc'));
    for (const info of WORKERS) {
      const whole = { totalMemory: 16, totalStorage: 100, instanceId: 'i', agentVersion: '1', ...info };
      await client.call('Register', toBinary(WorkerInfoSchema, create(WorkerInfoSchema, whole)));
    }
    timer = setInterval(() => {
      for (const workerId of beating) {
        // One that comes after the end is refused.
        client.sendHeartbeat(heartbeatOf(workerId)).catch(() => undefined);
      }
    }, 300);
    await eventually(async () => (await prometheus.query('pulselane_worker_up == 1')).length === WORKERS.length);
  });
  afterAll(async () => {
    clearInterval(timer);
    exporter?.close();
    client?.close();
    await Promise.all([prometheus?.close(), alertmanager?.close(), master?.close()]);
  });

  test('its machines are found by what the master tells of them', async () => {
    const found = await eventually(async () => {
      const samples = await prometheus.query('machine_answers{job="pulselane-machines"}');
      return samples.length === 3 && samples;
    });
    expect(found.map(({ metric }) => [metric.worker, metric.group]).sort()).toEqual([
      ['a.b', 'rack'],
      ['c', 'rack'],
      ['dies', 'rack'],
    ]);
  });

  test('one worker dies', async () => {
    beating.delete('dies');
    await eventually(
      async () => (await prometheus.query('worker:pulselane_inactive:held{worker="dies"}'))[0]?.value === 1,
    );
  });

  test('every rule runs, and has the metrics that it names', async () => {
    const { groups } = (await prometheus.api('rules')) as Json;
    const rules = groups.flatMap((group: Json) => group.rules);
    expect(rules).toHaveLength(RULES.length);
    expect(rules.filter(({ health }: Json) => health !== 'ok')).toEqual([]);
    const names = new Set(RULES.flatMap(({ expr }) => metricsIn(expr)).filter((name) => EXPOSED.has(name)));
    let missing: string[] = [];
    // The alerts thread starts last: a first scrape may be too early for it.
    await eventually(async () => {
      missing = [];
      for (const name of names) if ((await prometheus.query(name)).length === 0) missing.push(name);
      return missing.length <= Object.keys(MISSING).length;
    }).catch(() => undefined);
    expect(missing.sort()).toEqual(Object.keys(MISSING).sort());
    for (const name of RECORDED) expect((await prometheus.query(name)).length, name).toBeGreaterThan(0);
  });

  test('every query of the dashboards has an answer', async () => {
    const queries = queriesOf('prometheus');
    const mayBeEmpty = Object.keys(EMPTY);
    expect(queries.map(({ where }) => where)).toEqual(expect.arrayContaining(mayBeEmpty));
    let empty: string[] = [];
    // Rates need a second scrape.
    await eventually(async () => {
      empty = [];
      for (const query of queries) if (!(await hasAnswer(query))) empty.push(query.where);
      return empty.every((where) => mayBeEmpty.includes(where));
    }).catch(() => undefined);
    expect(empty.filter((where) => !mayBeEmpty.includes(where))).toEqual([]);
  });

  test('it makes one alert, which the death of the master does not end', async () => {
    const aboutIt = ({ labels }: { labels: Readonly<Record<string, string>> }) => labels.worker === 'dies';
    await eventually(() => alertmanager.sent.some(aboutIt));
    // Others may be late on a busy machine; then the alert of the group stands for it for a moment.
    const active = await eventually(async () => {
      const alerts = (await alertmanager.alerts()).filter(aboutIt);
      return alerts.every(({ status }) => typeof status === 'object' && status.state === 'active') && alerts;
    });
    expect(active.map(({ labels }) => labels)).toMatchObject([
      { alertname: 'PulselaneWorkerDown', group: 'rack', severity: 'warning' },
    ]);
    clearInterval(timer);
    master.process.kill('SIGKILL');
    await eventually(() => alertmanager.sent.some(({ labels }) => labels.alertname === 'PulselaneMasterDown'));
    const suppressed = await eventually(async () => {
      const [alert] = (await alertmanager.alerts()).filter(aboutIt);
      return alert !== undefined && typeof alert.status === 'object' && alert.status.state === 'suppressed' && alert;
    });
    expect(suppressed.labels.alertname).toBe('PulselaneWorkerDown');
    const stillFiring = await prometheus.query('ALERTS{alertstate="firing",worker="dies"}');
    expect(stillFiring.map(({ metric }) => metric.alertname)).toEqual(['PulselaneWorkerDown']);
    const sent = alertmanager.sent.filter(aboutIt).map(({ status, labels }) => `${status} ${labels.alertname}`);
    expect(new Set(sent)).toEqual(new Set(['firing PulselaneWorkerDown']));
  });

  async function hasAnswer({ where, text, isInstant, kind }: Query): Promise<boolean> {
    try {
      if (kind === 'variable') {
        const [, expr = '', label = ''] = /^label_values\((.+), (\w+)\)$/s.exec(text) ?? [];
        const values = await prometheus.api(`label/${label}/values`, { 'match[]': promqlOf(expr, CHOICE) });
        return (values as string[]).length > 0;
      }
      const expr = promqlOf(text, CHOICE);
      if (isInstant) return (await prometheus.query(expr)).length > 0;
      const nowS = Date.now() / 1000;
      return (await prometheus.range(expr, nowS - 20, nowS, '1s')).length > 0;
    } catch (error) {
      throw new Error(`${where}: ${(error as Error).message}\n${text}`);
    }
  }
});

function heartbeatOf(workerId: string): HeartbeatInit {
  return {
    workerId,
    cpuUsage: 40,
    memoryUsage: 50,
    storageUsage: 60,
    instanceId: 'i',
    sentAtUnixMs: BigInt(Date.now()),
    ...(workerId === 'elsewhere' ? {} : { gpuUsage: 40, gpus: [GPU], metrics: { queue_depth: 3 } }),
  };
}

/** With the files of deploy/prometheus/, other addresses, and all waiting times short. */
function startPrometheus(addresses: { master: string; exporterPort: number; alertmanager: string }) {
  const read = (name: string) => readFileSync(PROMETHEUS_FOLDER + name, 'utf8');
  const config = parse(read('prometheus.yml')) as Json;
  config.global = { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' };
  config.alerting.alertmanagers[0].static_configs[0].targets = [addresses.alertmanager];
  const [ofMaster, ofMachines] = config.scrape_configs;
  ofMaster.static_configs[0].targets = [addresses.master];
  ofMachines.http_sd_configs = [
    { url: `http://${addresses.master}/sd/prometheus?port=${addresses.exporterPort}`, refresh_interval: '500ms' },
  ];
  const files = Object.fromEntries(
    RULE_FILES.map((name) => [name, read(name).replaceAll(/^( +)((?:keep_firing_)?for): .*$/gm, '$1$2: 1s')]),
  );
  return PrometheusServer.start({ config: stringify(config), files });
}
