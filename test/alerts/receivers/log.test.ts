import { expect, test } from 'vitest';
import { sendOnce, testContext } from './receiver-context.ts';
import { resolvedAlert, someAlert, someNotification } from './some-alerts.ts';

test('each alert is a line for people, with fields for programs', async () => {
  const context = testContext();
  const group = resolvedAlert({ rule: 'Silent', subject: { kind: 'group', name: 'a\nb' }, annotations: {} });
  await sendOnce('log', {}, { context, notification: someNotification([someAlert(), group]) });
  expect(context.logged).toEqual([
    {
      level: 'warn',
      message: 'alert firing: Hot: gpu-7 is hot',
      alert: 'Hot',
      alertId: '0123456789abcdef',
      state: 'firing',
      severity: 'page',
      worker: 'gpu-7',
      since: '2026-11-27T09:59:30.000Z',
      link: 'https://pulselane.example.org/#/workers/gpu-7?from=1&to=2&metric=cpu_usage',
    },
    expect.objectContaining({
      level: 'info',
      message: 'alert resolved: Silent: group a b',
      group: 'a b',
      closedBecause: 'recovered',
    }),
  ]);
});

test('a storm is not a storm of lines', async () => {
  const context = testContext();
  const alerts = Array.from({ length: 500 }, () => someAlert());
  await sendOnce('log', {}, { context, notification: someNotification(alerts, { truncatedAlerts: 100 }) });
  expect(context.logged.length).toBe(21);
  expect(context.logged.at(-1)?.message).toBe('580 more alerts of the same group, for the receiver pager');
});
