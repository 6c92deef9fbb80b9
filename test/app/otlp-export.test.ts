/** OTLP export of a whole master: what its settings say, and what a receiver gets. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exportSettingsOf } from '../../src/app/exports.ts';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { OtlpSettings } from '../../src/metrics/export/otlp/settings.ts';
import { type Receiver, startGrpcReceiver, startHttpReceiver } from '../metrics/export/otlp/receivers.ts';
import { eventually } from '../support/eventually.ts';
import { keptLog } from '../support/kept-log.ts';
import { encodedBy, METRICS_RESPONSE } from '../support/otlp-protos.ts';

type Settings = Readonly<Record<string, string>>;

let folder: string;
let master: RunningMaster | undefined;
let receiver: Receiver | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-otlp-'));
});
afterEach(async () => {
  await master?.stop();
  master = undefined;
  receiver?.close();
  receiver = undefined;
  await rm(folder, { recursive: true, force: true });
});

const configOf = (settings: Settings, flags: Settings = {}) =>
  masterConfig({ flags, environment: settings, dotenv: {} });
const settingsOf = async (settings: Settings) =>
  (await exportSettingsOf(configOf(settings)))?.receivers[0] as OtlpSettings | undefined;

describe('settings', () => {
  test('port 4317 means gRPC, others HTTP, unless it is said', async () => {
    expect(await settingsOf({})).toBeUndefined();
    expect(await settingsOf({ OTLP_ENDPOINT: 'http://collector:4317' })).toMatchObject({
      protocol: 'grpc',
      signals: ['metrics', 'logs'],
      conventions: '1.45.0',
      intervalMs: 15_000,
      place: 'http://collector:4317',
    });
    expect(await settingsOf({ OTLP_ENDPOINT: 'http://collector:4318' })).toMatchObject({ protocol: 'http/protobuf' });
    expect(await settingsOf({ OTLP_ENDPOINT: 'https://collector', OTLP_PROTOCOL: 'grpc' })).toMatchObject({
      protocol: 'grpc',
    });
  });

  test('token and headers may stand in files', async () => {
    await writeFile(join(folder, 'token'), 'abc\n');
    await writeFile(join(folder, 'headers'), 'api-key=x%2Cy,X-Team=a\n');
    const settings = {
      OTLP_ENDPOINT: 'http://collector:4318',
      OTLP_TOKEN_FILE: join(folder, 'token'),
      OTLP_HEADERS_FILE: join(folder, 'headers'),
    };
    expect(await settingsOf(settings)).toMatchObject({
      authorization: 'Bearer abc',
      headers: { 'api-key': 'x,y', 'X-Team': 'a' },
    });
  });

  test.each([
    [{ OTLP_ENDPOINT: 'collector:4317' }, 'OTLP_ENDPOINT=collector:4317: expected a URL such as http://collector:4318'],
    [
      { OTLP_ENDPOINT: 'grpc://collector:4317' },
      'OTLP_ENDPOINT=grpc://collector:4317: expected a URL that begins with http:// or https://, such as http://collector:4318',
    ],
    [
      { OTLP_ENDPOINT: 'http://collector:4318/v1/metrics' },
      'OTLP_ENDPOINT=http://collector:4318/v1/metrics: expected a URL such as http://collector:4318, to which /v1/metrics and /v1/logs are appended',
    ],
    [
      { OTLP_ENDPOINT: 'http://collector:4317/otlp' },
      'OTLP_ENDPOINT=http://collector:4317/otlp: expected a URL without a path for gRPC, such as http://collector:4317',
    ],
    [{ OTLP_TOKEN: 's3cret' }, 'OTLP_TOKEN: expected OTLP_ENDPOINT to be set too'],
    [
      { OTLP_ENDPOINT: 'http://c', OTLP_TOKEN: 's3cret', OTLP_HEADERS: 'Authorization=s3cret' },
      'OTLP_TOKEN and Authorization in OTLP_HEADERS: expected only one way to authenticate',
    ],
    [
      { OTLP_ENDPOINT: 'http://c', OTLP_TOKEN: 's3cret', OTLP_TOKEN_FILE: 'f' },
      'OTLP_TOKEN_FILE: expected OTLP_TOKEN not to be set as well',
    ],
    [
      { OTLP_ENDPOINT: 'http://c', OTLP_HEADERS: 'key-bin=s3cret' },
      'OTLP_HEADERS: expected headers other than key-bin, which gRPC reserves',
    ],
    [
      { OTLP_ENDPOINT: 'http://c', OTLP_HEADERS: 'X!Key=s3cret' },
      'OTLP_HEADERS: expected names of letters, digits, "_", "-" and ".", which gRPC, too, can carry; X!Key is none',
    ],
    [
      { OTLP_ENDPOINT: 'http://c', OTLP_TOKEN: 's3cret-ü' },
      'OTLP_TOKEN: expected a token of ASCII characters, without spaces',
    ],
    [{ OTLP_SIGNALS: 'metrics,traces' }, 'OTLP_SIGNALS=metrics,traces: expected metrics, logs, or metrics,logs'],
    [{ OTLP_SEMANTIC_CONVENTIONS: '1.0' }, 'OTLP_SEMANTIC_CONVENTIONS=1.0: expected one of 1.45.0, off'],
    [
      { OTLP_RESOURCE_ATTRIBUTES: 'host.name=x' },
      'OTLP_RESOURCE_ATTRIBUTES=host.name=x: expected attributes other than host.name, which tells workers apart',
    ],
  ])('%j is an error that says what was expected', (settings, message) => {
    expect(() => configOf(settings as Settings)).toThrow(message);
    expect(() => configOf(settings as Settings)).not.toThrow(/s3cret/);
  });

  test('user and password in the URL are refused without repeating them', () => {
    const settings = { OTLP_ENDPOINT: 'http://u:s3cret@collector' };
    expect(() => configOf(settings)).toThrow('expected a URL without user and password');
    expect(() => configOf(settings)).not.toThrow(/s3cret/);
  });
});

interface Metrics {
  readonly resourceMetrics: {
    readonly resource: { readonly attributes: { key: string; value: { stringValue: string } }[] };
    readonly scopeMetrics: [{ readonly metrics: ({ name: string } & Record<string, { dataPoints: Point[] }>)[] }];
  }[];
}
type Point = { asDouble?: number; asInt?: string; flags?: number };

/** The last data points by worker (or master) and name of metric. */
function lastPoints({ received }: Receiver): Map<string, Point> {
  const points = new Map<string, Point>();
  for (const { signal, request } of received) {
    if (signal !== 'metrics') continue;
    for (const { resource, scopeMetrics } of (request as unknown as Metrics).resourceMetrics) {
      const of = resource.attributes.find(({ key }) => key === 'service.instance.id')?.value.stringValue;
      for (const metric of scopeMetrics[0].metrics) {
        const { dataPoints } = metric.gauge ?? metric.sum ?? metric.histogram ?? { dataPoints: [] };
        points.set(`${of} ${metric.name}`, dataPoints[0] as Point);
      }
    }
  }
  return points;
}

const eventNames = ({ received }: Receiver): unknown[] =>
  received
    .filter(({ signal }) => signal === 'logs')
    .flatMap(({ request }) => (request as unknown as { resourceLogs: LogsOfResource[] }).resourceLogs)
    .flatMap(({ scopeLogs }) => scopeLogs[0].logRecords.map(({ body }) => body.stringValue));
type LogsOfResource = { scopeLogs: [{ logRecords: { body: { stringValue: string } }[] }] };

async function startExport(endpoint: string, protocol: string, settings: Settings = {}) {
  const environment = {
    ALERTS: 'off',
    DATA_DIR: folder,
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: 'off',
    HISTORY: 'off',
    OTLP_ENDPOINT: endpoint,
    OTLP_PROTOCOL: protocol,
    OTLP_INTERVAL: '1s',
    ...settings,
  };
  const { logger, lines } = keptLog();
  const started = await startMaster(configOf(environment), { logger, clock: systemClock });
  master = started;
  return { started, lines };
}

test.each(['grpc', 'http/protobuf'])('a receiver gets values, events and the end of series by %s', async (protocol) => {
  const running =
    protocol === 'grpc'
      ? await startGrpcReceiver(() => Buffer.alloc(0))
      : await startHttpReceiver(() => ({ status: 200 }));
  receiver = running;
  const { started, lines } = await startExport(running.endpoint, protocol);
  expect(lines.map(({ msg }) => msg)).toContain(
    `metrics and logs are sent to ${running.endpoint} by OTLP (${protocol})`,
  );
  started.manager.processHeartbeat({ workerId: 'w1', cpuUsage: 12.5, metrics: { 'queue.länge': 7 } });
  await eventually(() => lastPoints(running).has('w1 system.cpu.utilization'));
  expect(lastPoints(running).get('w1 system.cpu.utilization')).toMatchObject({ asDouble: 0.125 });
  expect(lastPoints(running).get('w1 pulselane.custom.queue.länge')).toMatchObject({ asDouble: 7 });
  expect([...lastPoints(running).keys()].filter((key) => key.endsWith(' pulselane.heartbeats_accepted'))).toHaveLength(
    1,
  );
  await eventually(() => eventNames(running).includes('worker is active'));
  started.manager.unregisterWorker('w1');
  await eventually(() => lastPoints(running).get('w1 system.cpu.utilization')?.flags === 1);
  expect(lastPoints(running).get('w1 pulselane.worker.up')).toMatchObject({ flags: 1 });
  await eventually(() => eventNames(running).includes('worker unregistered'));
  expect(started.exports?.receivers).toMatchObject([{ kind: 'otlp', protocol, state: 'ok', failedAttempts: 0 }]);
});

test('logs alone: no series are collected, and events have the resources of their workers, to the last one', async () => {
  const running = await startHttpReceiver(() => ({ status: 200 }));
  receiver = running;
  const { started } = await startExport(running.endpoint, 'http/protobuf', {
    OTLP_SIGNALS: 'logs',
    METRICS_LABELS: 'zone',
  });
  const info = { workerId: 'w1', instanceId: 'i', group: 'rack-1', labels: { zone: 'a' } };
  started.manager.announceWorker(create(WorkerInfoSchema, info));
  started.manager.processHeartbeat({ workerId: 'w1', cpuUsage: 12.5 });
  await eventually(() => eventNames(running).includes('worker is active'));
  started.manager.unregisterWorker('w1');
  await eventually(() => eventNames(running).includes('worker unregistered'));
  const resources = running.received
    .flatMap(({ request }) => (request as unknown as { resourceLogs: Metrics['resourceMetrics'] }).resourceLogs)
    .map(({ resource }) => Object.fromEntries(resource.attributes.map(({ key, value }) => [key, value.stringValue])));
  const ofWorker = resources.filter((attributes) => attributes['service.instance.id'] === 'w1');
  expect(ofWorker.length).toBeGreaterThan(0);
  for (const attributes of ofWorker) {
    expect(attributes).toMatchObject({ 'pulselane.group': 'rack-1', 'pulselane.label.zone': 'a' });
  }
  expect(started.exports?.receivers).toMatchObject([{ series: 0, collectMs: 0 }]);
});

test('a part that is rejected is counted each time, logged once, and never sent again', async () => {
  const partial = { rejectedDataPoints: 2, errorMessage: 'too many labels' };
  const running = await startHttpReceiver(({ signal }) => {
    return { status: 200, body: signal === 'metrics' ? encodedBy(METRICS_RESPONSE, { partialSuccess: partial }) : '' };
  });
  receiver = running;
  const { started, lines } = await startExport(running.endpoint, 'http/protobuf');
  await eventually(() => (started.exports?.receivers[0]?.dropped.rejected ?? 0) >= 4);
  const [status] = started.exports?.receivers ?? [];
  expect(status).toMatchObject({ failedAttempts: 0, state: 'ok', dropped: { refused: 0 } });
  const warnings = lines.filter(({ msg }) => msg?.includes('too many labels'));
  expect(warnings).toMatchObject([
    {
      msg: expect.stringMatching(
        /^OTLP export to http:.*: the receiver rejected 2 of \d+: too many labels; it is not sent again/,
      ),
    },
  ]);
});
