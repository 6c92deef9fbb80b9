import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lib/clock.ts';
import { VERSION } from '../../../../src/lib/version.ts';
import { SEND_WITHIN_MS } from '../../../../src/metrics/export/export-limits.ts';
import type { ExportSeries, Outcome, SourceRound } from '../../../../src/metrics/export/exporter.ts';
import type { OtlpSeries } from '../../../../src/metrics/export/otlp/metric-heads.ts';
import { Otlp } from '../../../../src/metrics/export/otlp/otlp-exporter.ts';
import type { OtlpSettings } from '../../../../src/metrics/export/otlp/settings.ts';
import type { Family, Label } from '../../../../src/metrics/family.ts';
import type { WorkerEvent } from '../../../../src/model/events.ts';
import { CertificateAuthority } from '../../../support/certificates.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { encodedBy, METRICS_RESPONSE } from '../../../support/otlp-protos.ts';
import { type Receiver, startGrpcReceiver, startHttpReceiver } from './receivers.ts';

const SETTINGS: OtlpSettings = {
  kind: 'otlp',
  protocol: 'http/protobuf',
  endpoint: '',
  place: 'http://collector',
  signals: ['metrics', 'logs'],
  compression: 'gzip',
  intervalMs: 15_000,
  authorization: 'Bearer s3cret-token',
  headers: { 'X-Scope-OrgID': 'fleet' },
  ca: undefined,
  resourceAttributes: { 'deployment.environment.name': 'test' },
  masterInstance: 'host-1:50051',
  conventions: '1.45.0',
  families: undefined,
};

const AT_MS = 1_795_000_000_000;
const UP: Family = { name: 'pulselane_worker_up', type: 'gauge', help: 'Up.' };
const INFO: Family = { name: 'pulselane_worker_info', type: 'info', help: 'Info.' };
const seriesOf = (family: Family, ...labels: Label[]): ExportSeries<OtlpSeries> => {
  return { family, labels, createdUnixMs: undefined, kept: undefined };
};
const up = seriesOf(UP, ['worker', 'w1']);

let open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open) one.close();
  open = [];
});

function opened<T extends { close(): void }>(one: T): T {
  open.push(one);
  return one;
}

const infoOf = (workerId: string): Label[] => [
  ['worker', workerId],
  ['group', 'rack-1'],
];
const exporterTo = (endpoint: string, settings: Partial<OtlpSettings> = {}, clock = systemClock) =>
  opened(new Otlp({ ...SETTINGS, endpoint, ...settings }, clock, infoOf));

/** Sends what one round has, and the result of the last message. */
async function sendRound(exporter: Otlp, sources: SourceRound<OtlpSeries>[], atUnixMs = AT_MS): Promise<Outcome> {
  const messages = [...exporter.encode({ atUnixMs, sources }), ...exporter.endRound()];
  let outcome: Outcome = { type: 'again' };
  for (const message of messages) outcome = await exporter.send(message, new AbortController().signal);
  return outcome;
}

const worker = (...series: ExportSeries<OtlpSeries>[]): SourceRound<OtlpSeries> => {
  return { workerId: 'w1', worker: undefined, points: series.map((one) => ({ series: one, value: 1 })), ended: [] };
};

async function sendUp(exporter: Otlp): Promise<Outcome> {
  return sendRound(exporter, [worker(up)]);
}

const attributesOf = (holder: unknown): Record<string, unknown> => {
  const { attributes = [] } = holder as { attributes?: { key: string; value: Record<string, unknown> }[] };
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
};

type Resourced = Record<'resourceMetrics' | 'resourceLogs', { resource: unknown }[]>;

const partial = (rejectedDataPoints: number, errorMessage: string) =>
  encodedBy(METRICS_RESPONSE, { partialSuccess: { rejectedDataPoints, errorMessage } });

/** A `google.rpc.Status` whose details are RetryInfo. */
function retryInfo(seconds: number, nanos: number): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(3, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string('type.googleapis.com/google.rpc.RetryInfo');
  writer.tag(2, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.Varint).int64(seconds).tag(2, WireType.Varint).int32(nanos);
  return writer.join().join().join().finish();
}

describe.each(['http/protobuf', 'grpc'] as const)('by %s', (protocol) => {
  const start = (): Promise<Receiver> =>
    protocol === 'grpc' ? startGrpcReceiver(() => Buffer.alloc(0)) : startHttpReceiver(() => ({ status: 200 }));

  test.each(['gzip', 'none'] as const)('a receiver gets metrics and headers, compression %s', async (compression) => {
    const receiver = opened(await start());
    const exporter = exporterTo(receiver.endpoint, { protocol, compression });
    expect(await sendUp(exporter)).toEqual({ type: 'taken', rejected: 0 });
    const [{ headers, request, signal }] = receiver.received as [Receiver['received'][0]];
    expect(signal).toBe('metrics');
    expect(headers).toMatchObject({
      authorization: 'Bearer s3cret-token',
      'x-scope-orgid': 'fleet',
      'user-agent': expect.stringContaining(`pulselane/${VERSION}`),
    });
    expect(request).toMatchObject({
      resourceMetrics: [
        {
          scopeMetrics: [{ metrics: [{ name: 'pulselane.worker.up', gauge: { dataPoints: [{ asDouble: 1 }] } }] }],
        },
      ],
    });
    if (protocol === 'http/protobuf') {
      expect(headers['content-type']).toBe('application/x-protobuf');
      expect(headers['content-encoding']).toBe(compression === 'gzip' ? 'gzip' : undefined);
    }
  });

  test('events arrive as logs, each worker’s under its resource', async () => {
    const receiver = opened(await start());
    const exporter = exporterTo(receiver.endpoint, { protocol });
    await sendRound(exporter, [worker(seriesOf(INFO, ['worker', 'w1'], ['group', 'rack-1']), up)]);
    const events: WorkerEvent[] = [
      { id: 7, atUnixMs: AT_MS, type: 'state', workerId: 'w1', from: 'active', to: 'inactive', cause: 'silence' },
      { id: 8, atUnixMs: AT_MS, type: 'fault', detail: 'disk full' },
      { id: 9, atUnixMs: AT_MS, type: 'state', workerId: 'w2', to: 'active' },
    ];
    const [message] = exporter.encodeEvents(events);
    expect(message).toMatchObject({ samples: 3, atUnixMs: AT_MS, signal: 'logs' });
    expect(await exporter.send(message as NonNullable<typeof message>, new AbortController().signal)).toEqual({
      type: 'taken',
      rejected: 0,
    });
    const { resourceLogs } = (receiver.received[1] as Receiver['received'][0]).request as Resourced;
    expect(resourceLogs.map(({ resource }) => attributesOf(resource)['service.instance.id'])).toEqual([
      'w1',
      'host-1:50051',
      'w2',
    ]);
    expect(attributesOf(resourceLogs[0]?.resource)['pulselane.group']).toBe('rack-1');
    const timeUnixNano = `${AT_MS}000000`;
    const [one, fault] = resourceLogs.map(
      (logs) =>
        (logs as unknown as { scopeLogs: [{ logRecords: [Record<string, unknown>] }] }).scopeLogs[0].logRecords[0],
    );
    expect(one).toMatchObject({
      timeUnixNano,
      observedTimeUnixNano: timeUnixNano,
      severityNumber: 13,
      severityText: 'WARN',
      eventName: 'pulselane.state',
      body: { stringValue: 'worker is inactive' },
    });
    expect(attributesOf(one)).toEqual({
      'pulselane.event.id': '7',
      'pulselane.worker.id': 'w1',
      'pulselane.from': 'active',
      'pulselane.to': 'inactive',
      'pulselane.cause': 'silence',
    });
    expect(fault).toMatchObject({ severityNumber: 17, body: { stringValue: 'the master has a fault: disk full' } });
  });

  test('a part that was rejected is counted, and a warning is not', async () => {
    const answers = [partial(1, 'too many labels'), partial(0, 'deprecated'), partial(99, '')];
    const receiver = opened(
      await (protocol === 'grpc'
        ? startGrpcReceiver(() => answers.shift() ?? Buffer.alloc(0))
        : startHttpReceiver(() => ({ status: 200, body: answers.shift() ?? '' }))),
    );
    const exporter = exporterTo(receiver.endpoint, { protocol });
    expect(await sendUp(exporter)).toEqual({
      type: 'taken',
      rejected: 1,
      detail: 'the receiver rejected 1 of 1: too many labels',
    });
    expect(await sendUp(exporter)).toEqual({
      type: 'taken',
      rejected: 0,
      detail: 'the receiver warns: deprecated',
    });
    // More than were sent cannot be rejected.
    expect(await sendUp(exporter)).toMatchObject({ type: 'taken', rejected: 1 });
  });

  test('logs that a receiver does not take: the message says how to send none', async () => {
    const receiver = opened(
      await (protocol === 'grpc'
        ? startGrpcReceiver(() => ({ code: status.UNIMPLEMENTED, details: 'unknown service' }))
        : startHttpReceiver(() => ({ status: 404 }))),
    );
    const exporter = exporterTo(receiver.endpoint, { protocol });
    const [message] = exporter.encodeEvents([{ id: 1, atUnixMs: AT_MS, type: 'stall' }]);
    const outcome = await exporter.send(message as NonNullable<typeof message>, new AbortController().signal);
    expect(outcome).toMatchObject({ type: 'refused', detail: expect.stringContaining('OTLP_SIGNALS=metrics') });
  });

  test('nothing listens there', async () => {
    const receiver = await start();
    receiver.close();
    expect(await sendUp(exporterTo(receiver.endpoint, { protocol }))).toMatchObject({
      type: 'retry',
      code: 'unreachable',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('the port of the other protocol: the message says which setting to change', async () => {
    const receiver = opened(
      await (protocol === 'grpc'
        ? startHttpReceiver(() => ({ status: 200 }))
        : startGrpcReceiver(() => Buffer.alloc(0))),
    );
    expect(await sendUp(exporterTo(receiver.endpoint, { protocol }))).toMatchObject({
      type: 'retry',
      detail: expect.stringContaining(protocol === 'grpc' ? 'OTLP_PROTOCOL=http/protobuf' : 'OTLP_PROTOCOL=grpc'),
    });
  });

  test('new credentials break no attempt that is under way', async () => {
    const held: (() => void)[] = [];
    const hold = new Promise<void>((resolve) => held.push(resolve));
    const receiver = opened(
      await (protocol === 'grpc'
        ? startGrpcReceiver(() => Buffer.alloc(0), { before: () => hold })
        : startHttpReceiver(() => ({ status: 200 }), { before: () => hold })),
    );
    const exporter = exporterTo(receiver.endpoint, { protocol });
    const sent = sendUp(exporter);
    await expect.poll(() => receiver.received.length).toBe(1);
    exporter.renew({ ...SETTINGS, endpoint: receiver.endpoint, protocol, authorization: 'Bearer new' });
    for (const release of held) release();
    expect(await sent).toEqual({ type: 'taken', rejected: 0 });
    expect(await sendUp(exporter)).toEqual({ type: 'taken', rejected: 0 });
    expect(receiver.received.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer s3cret-token',
      'Bearer new',
    ]);
  });

  test('an attempt that is given up ends', async () => {
    const receiver = opened(
      await (protocol === 'grpc' ? startGrpcReceiver(() => 'hang') : startHttpReceiver(() => 'hang')),
    );
    const exporter = exporterTo(receiver.endpoint, { protocol });
    const [message] = [...exporter.encode({ atUnixMs: AT_MS, sources: [worker(up)] }), ...exporter.endRound()];
    const givenUp = new AbortController();
    const sent = exporter.send(message as NonNullable<typeof message>, givenUp.signal);
    givenUp.abort();
    expect((await sent).type).toBe('retry');
  });

  test('TLS: a certificate of the given authority, and no other', async () => {
    const authority = await CertificateAuthority.create();
    const { certPem: cert, keyPem: key } = await authority.server();
    const receiver = opened(
      protocol === 'grpc'
        ? await startGrpcReceiver(() => Buffer.alloc(0), {
            credentials: ServerCredentials.createSsl(null, [
              { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) },
            ]),
          })
        : await startHttpReceiver(() => ({ status: 200 }), { tls: { cert, key } }),
    );
    const endpoint = receiver.endpoint.replace('http:', 'https:');
    expect(await sendUp(exporterTo(endpoint, { protocol, ca: authority.pem }))).toEqual({ type: 'taken', rejected: 0 });
    expect(await sendUp(exporterTo(endpoint, { protocol }))).toMatchObject({ type: 'retry', code: 'unreachable' });
    await authority.remove();
  });
});

describe('by HTTP', () => {
  test.each([
    [429, { 'retry-after': '7' }, { type: 'retry', code: 'throttled', retryAfterMs: 7000 }],
    [502, {}, { type: 'retry', code: 'failed' }],
    [503, { 'retry-after': '2' }, { type: 'retry', code: 'failed', retryAfterMs: 2000 }],
    [504, {}, { type: 'retry', code: 'failed' }],
    [301, { location: 'http://127.0.0.1:1/' }, { type: 'refused' }],
    [400, {}, { type: 'refused' }],
    [401, {}, { type: 'refused' }],
    [408, {}, { type: 'refused' }],
    [413, {}, { type: 'refused' }],
    [500, {}, { type: 'refused' }],
  ])('status %i', async (code, headers, outcome) => {
    const receiver = opened(await startHttpReceiver(() => ({ status: code, headers })));
    expect(await sendUp(exporterTo(receiver.endpoint))).toMatchObject({ ...outcome, detail: `HTTP ${code}` });
    expect(receiver.received).toHaveLength(1);
  });

  test('the message of an error is shown, and no secret in it', async () => {
    const body = new BinaryWriter()
      .tag(2, WireType.LengthDelimited)
      .string('bad token s3cret-token\n of fleet')
      .finish();
    const receiver = opened(await startHttpReceiver(() => ({ status: 401, body })));
    expect(await sendUp(exporterTo(receiver.endpoint))).toEqual({
      type: 'refused',
      detail: 'HTTP 401: bad token ******** of ********',
    });
  });

  test('values of parameters of the URL are shown neither as they are written nor as they are meant', async () => {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(404).end(`Cannot POST ${request.url}: no t0p/secret here`);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = opened(server).address() as AddressInfo;
    expect(await sendUp(exporterTo(`http://127.0.0.1:${port}/otlp?token=t0p%2Fsecret&v=1`))).toEqual({
      type: 'refused',
      detail: 'HTTP 404: Cannot POST /otlp/v1/metrics?token=********&v=1: no ******** here',
    });
  });

  test('an answer of success that is no message counts as success', async () => {
    const receiver = opened(await startHttpReceiver(() => ({ status: 200, body: '{"partialSuccess":{}}' })));
    expect(await sendUp(exporterTo(receiver.endpoint))).toEqual({ type: 'taken', rejected: 0 });
  });

  test('a receiver that hangs is given up in time, one that closes is tried again', async () => {
    const clock = new FakeClock();
    const hanging = opened(await startHttpReceiver(() => 'hang'));
    const sent = sendRound(exporterTo(hanging.endpoint, {}, clock as never), [worker(up)]);
    clock.advance(SEND_WITHIN_MS);
    expect(await sent).toMatchObject({ type: 'retry', code: 'timeout' });
    const closing = opened(await startHttpReceiver(() => 'disconnect'));
    expect(await sendUp(exporterTo(closing.endpoint))).toMatchObject({ type: 'retry', code: 'unreachable' });
  });

  test('the path of the endpoint comes before that of the signal', async () => {
    const receiver = opened(await startHttpReceiver(() => ({ status: 200 }), { prefix: '/opentelemetry' }));
    expect(await sendUp(exporterTo(`${receiver.endpoint}/`))).toEqual({ type: 'taken', rejected: 0 });
  });
});

describe('by gRPC', () => {
  const again = (code: string) => ({ type: 'retry', code });

  test.each([
    ['CANCELLED', again('failed')],
    ['UNKNOWN', { type: 'refused' }],
    ['INVALID_ARGUMENT', { type: 'refused' }],
    ['DEADLINE_EXCEEDED', again('timeout')],
    ['NOT_FOUND', { type: 'refused' }],
    ['ALREADY_EXISTS', { type: 'refused' }],
    ['PERMISSION_DENIED', { type: 'refused' }],
    ['UNAUTHENTICATED', { type: 'refused' }],
    ['RESOURCE_EXHAUSTED', { type: 'refused' }],
    ['FAILED_PRECONDITION', { type: 'refused' }],
    ['ABORTED', again('failed')],
    ['OUT_OF_RANGE', again('failed')],
    ['UNIMPLEMENTED', { type: 'refused' }],
    ['INTERNAL', { type: 'refused' }],
    ['UNAVAILABLE', again('unreachable')],
    ['DATA_LOSS', again('failed')],
  ] as const)('status %s', async (code, outcome) => {
    const receiver = opened(await startGrpcReceiver(() => ({ code: status[code], details: 's3cret-token says no' })));
    const result = await sendUp(exporterTo(receiver.endpoint, { protocol: 'grpc' }));
    expect(result).toEqual({ ...outcome, detail: `gRPC ${code}: ******** says no` });
    expect(receiver.received).toHaveLength(1);
  });

  test.each(['RESOURCE_EXHAUSTED', 'UNAVAILABLE'] as const)('status %s with RetryInfo waits as asked', async (code) => {
    const statusDetails = retryInfo(3, 500_000_000);
    const receiver = opened(await startGrpcReceiver(() => ({ code: status[code], statusDetails })));
    expect(await sendUp(exporterTo(receiver.endpoint, { protocol: 'grpc' }))).toMatchObject({
      type: 'retry',
      code: 'throttled',
      retryAfterMs: 3500,
    });
  });

  test('RetryInfo does not make other codes worth another attempt, nor do bytes that are none', async () => {
    const answers = [
      { code: status.INVALID_ARGUMENT, statusDetails: retryInfo(1, 0) },
      { code: status.RESOURCE_EXHAUSTED, statusDetails: Buffer.from('nonsense') },
    ];
    const receiver = opened(await startGrpcReceiver(() => answers.shift() ?? Buffer.alloc(0)));
    const exporter = exporterTo(receiver.endpoint, { protocol: 'grpc' });
    expect((await sendUp(exporter)).type).toBe('refused');
    expect((await sendUp(exporter)).type).toBe('refused');
  });

  test('what the library refuses is a failure of this receiver, told without secrets', async () => {
    const receiver = opened(await startGrpcReceiver(() => Buffer.alloc(0)));
    const exporter = exporterTo(receiver.endpoint, { protocol: 'grpc', authorization: 'Bearer s3cret-ü' });
    const outcome = await sendUp(exporter);
    expect(outcome).toEqual({ type: 'retry', code: 'failed', detail: expect.stringContaining('********') });
    expect((outcome as { detail: string }).detail).not.toContain('s3cret');
    exporter.renew({ ...SETTINGS, endpoint: receiver.endpoint, protocol: 'grpc' });
    expect(await sendUp(exporter)).toEqual({ type: 'taken', rejected: 0 });
  });

  test('the same exporter reaches a receiver that comes back', async () => {
    const first = await startGrpcReceiver(() => Buffer.alloc(0));
    const exporter = exporterTo(first.endpoint, { protocol: 'grpc' });
    expect((await sendUp(exporter)).type).toBe('taken');
    first.close();
    expect((await sendUp(exporter)).type).toBe('retry');
    const port = Number(new URL(first.endpoint).port);
    opened(await startGrpcReceiver(() => Buffer.alloc(0), { port }));
    await expect.poll(async () => (await sendUp(exporter)).type, { timeout: 10_000 }).toBe('taken');
  });
});

describe('resources', () => {
  const resourcesOf = ({ received }: Receiver) =>
    received.map(({ request }) => (request as Resourced).resourceMetrics.map(({ resource }) => attributesOf(resource)));

  test('of a worker and of the master', async () => {
    const receiver = opened(await startHttpReceiver(() => ({ status: 200 })));
    const info = seriesOf(
      INFO,
      ['worker', 'w1'],
      ['version', '1.2.3'],
      ['host', '10.0.0.1'],
      ['group', 'rack-1'],
      ['instance_id', 'i-1'],
      ['zone', 'a'],
      ['host.name', 'render-7'],
      ['service.instance.id', 'w2'],
    );
    const master: Family = { name: 'pulselane_workers', type: 'gauge', help: '' };
    await sendRound(exporterTo(receiver.endpoint), [
      { workerId: undefined, worker: undefined, points: [{ series: seriesOf(master), value: 1 }], ended: [] },
      worker(info, up),
    ]);
    expect(resourcesOf(receiver)).toEqual([
      [
        {
          'deployment.environment.name': 'test',
          'service.name': 'pulselane-master',
          'service.instance.id': 'host-1:50051',
          'service.version': VERSION,
          'host.name': hostname(),
          'process.runtime.name': 'nodejs',
          'process.runtime.version': process.versions.node,
        },
        {
          'deployment.environment.name': 'test',
          'host.name': 'render-7',
          'service.name': 'pulselane-worker',
          'service.instance.id': 'w1',
          'service.version': '1.2.3',
          'host.id': 'w1',
          'host.ip': { values: [{ stringValue: '10.0.0.1' }] },
          'pulselane.group': 'rack-1',
          'pulselane.label.zone': 'a',
          // Not another worker.
          'pulselane.label.service.instance.id': 'w2',
        },
      ],
    ]);
  });

  test('a worker that becomes another one ends its series under the old resource; a new instance does not', async () => {
    const receiver = opened(await startHttpReceiver(() => ({ status: 200 })));
    const exporter = exporterTo(receiver.endpoint);
    const info = (...labels: Label[]) => seriesOf(INFO, ['worker', 'w1'], ...labels);
    await sendRound(exporter, [worker(info(['instance_id', 'a'], ['version', '1']), up)]);
    await sendRound(exporter, [worker(info(['instance_id', 'b'], ['version', '1']), up)]);
    const again = info(['instance_id', 'b'], ['version', '1']);
    const gone = seriesOf({ name: 'pulselane_custom_gone', type: 'gauge', help: '' }, ['worker', 'w1']);
    await sendRound(exporter, [worker(again, up, gone)]);
    const last = { ...worker(info(['instance_id', 'b'], ['version', '2']), up), ended: [again, gone] };
    await sendRound(exporter, [last], AT_MS + 15_000);
    const versions = resourcesOf(receiver).map((all) => all.map((one) => one['service.version']));
    expect(versions).toEqual([['1'], ['1'], ['1'], ['1', '2']]);
    const { resourceMetrics } = (receiver.received[3] as Receiver['received'][0]).request as {
      resourceMetrics: {
        scopeMetrics: [{ metrics: { name: string; gauge: { dataPoints: [Record<string, unknown>] } }[] }];
      }[];
    };
    const metrics = resourceMetrics.map(({ scopeMetrics }) =>
      scopeMetrics[0].metrics.map(({ name, gauge }) => ({ name, ...gauge.dataPoints[0] })),
    );
    // The ends come first, and are older: for Prometheus, the series under both resources is one.
    const timeUnixNano = `${AT_MS + 14_999}000000`;
    expect(metrics).toMatchObject([
      [
        { name: 'pulselane.worker.up', flags: 1, timeUnixNano },
        { name: 'pulselane.custom.gone', flags: 1, timeUnixNano },
      ],
      [{ name: 'pulselane.worker.up', asDouble: 1, timeUnixNano: `${AT_MS + 15_000}000000` }],
    ]);
  });

  test('the series of a worker that has gone end under its resource', async () => {
    const receiver = opened(await startHttpReceiver(() => ({ status: 200 })));
    const exporter = exporterTo(receiver.endpoint);
    await sendRound(exporter, [worker(seriesOf(INFO, ['worker', 'w1'], ['version', '1']), up)]);
    await sendRound(exporter, [{ workerId: 'w1', worker: undefined, points: [], ended: [up] }]);
    expect(resourcesOf(receiver)[1]).toEqual(resourcesOf(receiver)[0]);
  });
});

test('signals that are not wanted are not sent', () => {
  const event: WorkerEvent = { id: 1, atUnixMs: AT_MS, type: 'stall' };
  const metrics = exporterTo('http://127.0.0.1:1', { signals: ['metrics'] });
  expect(metrics.encodeEvents([event])).toEqual([]);
  const logs = exporterTo('http://127.0.0.1:1', { signals: ['logs'] });
  expect([metrics.wantsRounds, logs.wantsRounds]).toEqual([true, false]);
  expect(logs.encodeEvents([event])).toHaveLength(1);
});
