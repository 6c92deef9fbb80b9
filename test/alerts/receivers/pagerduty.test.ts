import { expect, test } from 'vitest';
import { incidentKey } from '../../../src/alerts/delivery/receivers/pagerduty.ts';
import { HttpSink } from './http-sink.ts';
import { sendOnce } from './receiver-context.ts';
import { EXTERNAL_URL, resolvedAlert, someAlert, someNotification } from './some-alerts.ts';

const KEY = 'r'.repeat(32);

interface Event {
  readonly dedup_key: string;
  readonly event_action: string;
  readonly payload: {
    readonly severity: string;
    readonly summary: string;
    readonly custom_details: { firing: object[] };
  };
}

async function eventOf(notification = someNotification(), fields = {}): Promise<{ event: Event; bytes: number }> {
  await using sink = await HttpSink.start();
  expect(await sendOnce('pagerduty', { url: sink.url, routing_key: KEY, ...fields }, { notification })).toEqual({
    outcome: 'sent',
  });
  return { event: sink.last as Event, bytes: Buffer.byteLength(sink.got[0]?.body ?? '') };
}

test('an incident is triggered with what there is to know', async () => {
  const { event } = await eventOf();
  const link = `${EXTERNAL_URL}/#/workers/gpu-7?from=1&to=2&metric=cpu_usage`;
  expect(event).toEqual({
    routing_key: KEY,
    dedup_key: expect.stringMatching(/^pulselane-[0-9a-f]{40}$/),
    event_action: 'trigger',
    client: 'Pulselane',
    client_url: EXTERNAL_URL,
    links: [
      { href: 'https://wiki.example.org/hot?a=1&b=2', text: 'Runbook of Hot' },
      { href: link, text: 'gpu-7' },
    ],
    payload: {
      summary: 'FIRING: Hot: gpu-7: gpu-7 is hot',
      source: 'gpu-7',
      severity: 'critical',
      timestamp: '2026-11-27T09:59:30.000Z',
      class: 'Hot',
      custom_details: {
        firing: [
          {
            labels: { alertname: 'Hot', severity: 'page', worker: 'gpu-7' },
            annotations: { summary: 'gpu-7 is hot', runbook_url: 'https://wiki.example.org/hot?a=1&b=2' },
            expression: 'cpu_usage > 90.0',
            values: [{ text: 'cpu_usage', value: 97.123456789 }],
            since: '2026-11-27T09:59:30.000Z',
            link,
          },
        ],
        resolved: [],
      },
    },
  });
});

test('the incident of a group ends when none of its alerts fires', async () => {
  const { event: trigger } = await eventOf();
  const { event: still } = await eventOf(someNotification([someAlert(), resolvedAlert()], { dedupKey: 'other' }));
  const { event: over } = await eventOf(someNotification([resolvedAlert(), resolvedAlert()], { dedupKey: 'third' }));
  expect(still).toMatchObject({ event_action: 'trigger', dedup_key: trigger.dedup_key });
  expect(over).toEqual({ routing_key: KEY, dedup_key: trigger.dedup_key, event_action: 'resolve' });
});

test('an alert that was told and is not listed, because it is silenced or flaps, keeps the incident open', async () => {
  await using sink = await HttpSink.start();
  const notification = someNotification([resolvedAlert()], { openAlerts: 1 });
  const settings = { url: sink.url, routing_key: KEY };
  expect(await sendOnce('pagerduty', settings, { notification })).toEqual({ outcome: 'sent' });
  expect(sink.got).toEqual([]);
});

test('groups, receivers and trials have incidents of their own', () => {
  // A target that moves in the list of its receiver keeps its incidents.
  expect(incidentKey(someNotification([], { target: 3 }))).toBe(incidentKey(someNotification([])));
  const keys = [{}, { groupKey: 'g' }, { receiver: 'r' }, { targetKey: 'pagerduty#1' }, { isTrial: true }].map(
    (change) => incidentKey(someNotification([], change)),
  );
  expect(new Set(keys).size).toBe(5);
});

test.each([
  ['page', {}, 'critical'],
  ['warning', {}, 'warning'],
  ['info', {}, 'info'],
  ['ours', {}, 'error'],
  ['ours', { ours: 'info' }, 'info'],
])('severity %s with %j', async (severity, severities, expected) => {
  const { event } = await eventOf(someNotification([someAlert({ severity })]), { severities });
  expect(event.payload.severity).toBe(expected);
});

test('an event of a storm stays within 512 KB, and says what it leaves out', async () => {
  const alerts = Array.from({ length: 2000 }, (_, n) =>
    someAlert({ annotations: { summary: `${n} ${'x'.repeat(2000)}` } }),
  );
  const { event, bytes } = await eventOf(someNotification(alerts));
  expect(bytes).toBeLessThan(512_000);
  const { firing, truncated_alerts } = event.payload.custom_details as { firing: object[]; truncated_alerts?: number };
  expect(firing.length + (truncated_alerts ?? 0)).toBe(2000);
  expect(event.payload.summary.length).toBeLessThanOrEqual(1024);
});
