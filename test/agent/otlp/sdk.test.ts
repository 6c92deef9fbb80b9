/** The real OpenTelemetry SDK sends to the agent's receiver over HTTP. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type MetricsAnswer, MetricsReceiver } from '../../../src/agent/otlp/metrics-receiver.ts';

const load = createRequire(new URL('../../', import.meta.url));
const { MeterProvider, PeriodicExportingMetricReader, AggregationTemporality } = load('@opentelemetry/sdk-metrics');
const { OTLPMetricExporter } = load('@opentelemetry/exporter-metrics-otlp-proto');

let server: Server;
let answers: MetricsAnswer[];

beforeEach(async () => {
  answers = [];
  const receiver = new MetricsReceiver();
  server = createServer(async (request, response) => {
    const answer = receiver.receive(request.headers, await buffer(request));
    answers.push(answer);
    response.writeHead(answer.status, { ...answer.headers }).end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function send(temporalityPreference: number, compression: string): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const exporter = new OTLPMetricExporter({
    url: `http://127.0.0.1:${port}/v1/metrics`,
    temporalityPreference,
    compression,
  });
  const provider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  });
  const meter = provider.getMeter('test');
  const jobs = meter.createCounter('jobs');
  jobs.add(2, { queue: 'render' });
  meter.createGauge('loss').record(0.25);
  meter.createHistogram('wait', { unit: 's' }).record(1.5, { gpu: 0 });
  await provider.forceFlush();
  jobs.add(3, { queue: 'render' });
  await provider.forceFlush();
  await provider.shutdown();
}

test.each([
  ['cumulative', AggregationTemporality.CUMULATIVE, 'none'],
  ['delta, with gzip', AggregationTemporality.DELTA, 'gzip'],
])('its counters, gauges and histograms become custom metrics: %s', async (_, temporality, compression) => {
  await send(temporality, compression);
  expect(answers.map(({ status, rejected }) => [status, rejected])).toEqual(answers.map(() => [200, 0]));
  const metrics = new Map(answers.flatMap((answer) => [...answer.metrics]));
  expect(Object.fromEntries(metrics)).toEqual({
    'jobs{queue=render}': 5,
    loss: 0.25,
    'wait.count{gpu=0}': 1,
    'wait.sum{gpu=0}': 1.5,
  });
});
