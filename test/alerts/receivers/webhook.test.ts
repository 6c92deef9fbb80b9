import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { webhookBody, webhookPayload } from '../../../src/alerts/delivery/receivers/webhook-payload.ts';
import { HttpSink } from './http-sink.ts';
import { sendOnce } from './receiver-context.ts';
import { AT_UNIX_MS, EXTERNAL_URL, resolvedAlert, someAlert, someNotification } from './some-alerts.ts';

test("Alertmanager's payload, version 4, exactly", async () => {
  await using sink = await HttpSink.start();
  const other = resolvedAlert({
    id: 'fedcba9876543210',
    subject: { kind: 'worker', name: 'gpu-8' },
    closedBecause: 'worker_removed',
  });
  const notification = someNotification([someAlert(), other], { truncatedAlerts: 3 });
  expect(await sendOnce('webhook', { url: `${sink.url}/hook` }, { notification })).toEqual({ outcome: 'sent' });
  const runbook_url = 'https://wiki.example.org/hot?a=1&b=2';
  expect(sink.last).toEqual({
    version: '4',
    groupKey: '{}:{alertname="Hot"}',
    truncatedAlerts: 3,
    status: 'firing',
    receiver: 'pager',
    groupLabels: { alertname: 'Hot' },
    commonLabels: { alertname: 'Hot', severity: 'page' },
    commonAnnotations: { runbook_url },
    externalURL: EXTERNAL_URL,
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'Hot', severity: 'page', worker: 'gpu-7' },
        annotations: { runbook_url, summary: 'gpu-7 is hot' },
        startsAt: '2026-11-27T09:59:30.000Z',
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: `${EXTERNAL_URL}/#/workers/gpu-7?from=1&to=2&metric=cpu_usage`,
        fingerprint: '0123456789abcdef',
      },
      {
        status: 'resolved',
        labels: { alertname: 'Hot', severity: 'page', worker: 'gpu-8' },
        annotations: { runbook_url, summary: 'gpu-8 is hot', closed_because: 'worker_removed' },
        startsAt: '2026-11-27T09:59:30.000Z',
        endsAt: '2026-11-27T10:00:00.000Z',
        generatorURL: `${EXTERNAL_URL}/#/workers/gpu-8?from=1&to=2&metric=cpu_usage`,
        fingerprint: 'fedcba9876543210',
      },
    ],
  });
  const [got] = sink.got;
  expect(got).toMatchObject({ method: 'POST', path: '/hook' });
  expect(got?.headers).toMatchObject({ 'content-type': 'application/json', 'idempotency-key': 'pager%2F0%2F7' });
});

test('a group of which none fires is resolved, and missing values are said', () => {
  expect(webhookPayload(someNotification([resolvedAlert()]), EXTERNAL_URL).status).toBe('resolved');
  const [alert] = webhookPayload(someNotification([someAlert({ noDataSinceUnixMs: AT_UNIX_MS })]), EXTERNAL_URL).alerts;
  expect(alert?.annotations).toMatchObject({ no_data_since: '2026-11-27T10:00:00.000Z' });
});

test.each([
  [{ token: 'abc' }, 'Bearer abc'],
  [{ user: 'u', password: 'p:w' }, `Basic ${Buffer.from('u:p:w').toString('base64')}`],
  [{ headers: { authorization: 'Custom x', 'X-A': 'b' } }, 'Custom x'],
])('it authenticates with %j', async (fields, authorization) => {
  await using sink = await HttpSink.start();
  await sendOnce('webhook', { url: sink.url, ...fields });
  expect(sink.got[0]?.headers.authorization).toBe(authorization);
});

test('the signature is over the time and the body', async () => {
  await using sink = await HttpSink.start();
  const secret = 'a secret of some length';
  await sendOnce('webhook', { url: sink.url, secret });
  const { body = '', headers = {} } = sink.got[0] ?? {};
  const time = String(AT_UNIX_MS / 1000);
  expect(headers['x-pulselane-timestamp']).toBe(time);
  const digest = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  expect(headers['x-pulselane-signature-256']).toBe(`sha256=${digest}`);
});

test('values of any length are cut, so that two alerts never become the same', () => {
  const long = 'ü'.repeat(5000);
  const labelsOf = (end: string) =>
    webhookPayload(someNotification([someAlert({ labels: { task: long + end } })]), EXTERNAL_URL).alerts[0]?.labels;
  expect(labelsOf('a')?.task?.length).toBeLessThanOrEqual(1024);
  expect(labelsOf('a')).not.toEqual(labelsOf('b'));
});

test('what does not fit into a body is counted', () => {
  const alerts = Array.from({ length: 1000 }, (_, n) => someAlert({ id: String(n).padStart(16, '0') }));
  const body = webhookBody(someNotification(alerts, { truncatedAlerts: 5 }), EXTERNAL_URL, 100_000);
  expect(body.length).toBeLessThanOrEqual(100_000);
  const { alerts: kept, truncatedAlerts } = JSON.parse(body);
  expect(kept.length).toBeGreaterThan(100);
  expect(kept.length + truncatedAlerts).toBe(1005);
});
