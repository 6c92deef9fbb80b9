import fc from 'fast-check';
import { expect, test } from 'vitest';
import { alertsUrl, postedAlert } from '../../../src/alerts/delivery/receivers/alertmanager-alerts.ts';
import { validNames } from '../../../src/alerts/state/label-names.ts';
import { AlertmanagerServer } from '../../support/alertmanager-server.ts';
import { describeWith } from '../../support/debian.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { repetitions } from '../../support/repetitions.ts';
import { HttpSink } from './http-sink.ts';
import { senderOf, sendOnce, testContext } from './receiver-context.ts';
import { AT_UNIX_MS, resolvedAlert, someAlert, someNotification } from './some-alerts.ts';

test.each([
  [
    { worker: 'a', 'gpu.model': 'b' },
    { worker: 'a', gpu_model: 'b' },
  ],
  [{ '2nd': 'a' }, { _2nd: 'a' }],
  [{ größe: 'a' }, { gr__e: 'a' }],
  [{ '🔥': 'a' }, { _: 'a' }],
  [{ '': 'a' }, { _: 'a' }],
  // Who has the valid name keeps it, in whichever order they come.
  [
    { 'a.b': '1', a_b: '2', 'a-b': '3' },
    { a_b: '2', a_b_2: '3', a_b_3: '1' },
  ],
  [
    { 'a-b': '3', 'a.b': '1', a_b_2: '4', a_b: '2' },
    { a_b: '2', a_b_2: '4', a_b_3: '3', a_b_4: '1' },
  ],
])('names of %j', (labels, expected) => {
  expect(validNames(labels)).toEqual(expected);
});

test('names become valid, none is lost, and their order does not matter', () => {
  const name = fc.string({
    unit: fc.constantFrom('a', 'B', '.', '_', '2', '-', 'é', '🔥', '\n', '\ud800'),
    maxLength: 5,
  });
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 12 }), (names) => {
      const labels = Object.fromEntries(names.map((one, n) => [one, `${n}`]));
      const mapped = validNames(labels);
      expect(Object.keys(mapped)).toHaveLength(Object.keys(labels).length);
      expect(Object.values(mapped).sort()).toEqual(Object.values(labels).sort());
      for (const one of Object.keys(mapped)) expect(one).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
      const reversed = Object.fromEntries(Object.entries(labels).reverse());
      expect(validNames(reversed)).toEqual(mapped);
      // What is valid stays, so mapping twice changes nothing.
      expect(validNames(mapped)).toEqual(mapped);
    }),
    { numRuns: repetitions(100, 20_000) },
  );
});

test('the end of what fires lies ahead, that of what is over lies behind, also if the clock was set back', () => {
  const firing = postedAlert(someAlert(), AT_UNIX_MS);
  // Four times of being told each minute may be missed.
  expect(Date.parse(firing.endsAt) - AT_UNIX_MS).toBeGreaterThanOrEqual(4 * 60_000);
  expect(postedAlert(resolvedAlert({ resolvedUnixMs: AT_UNIX_MS - 5000 }), AT_UNIX_MS).endsAt).toBe(
    '2026-11-27T09:59:55.000Z',
  );
  for (const nowUnixMs of [AT_UNIX_MS - 3_600_000, AT_UNIX_MS, AT_UNIX_MS + 3_600_000]) {
    const { startsAt, endsAt } = postedAlert(resolvedAlert(), nowUnixMs);
    expect(Date.parse(endsAt)).toBeLessThan(nowUnixMs + 1);
    expect(startsAt <= endsAt).toBe(true);
  }
});

test.each([
  ['http://a:9093', 'http://a:9093/api/v2/alerts'],
  ['http://a:9093/', 'http://a:9093/api/v2/alerts'],
  ['https://a/am/', 'https://a/am/api/v2/alerts'],
  ['https://a/am/api/v2/alerts?x=1', 'https://a/am/api/v2/alerts?x=1'],
])('%s is reached at %s', (base, url) => {
  expect(alertsUrl(base)).toBe(url);
});

describeWith('prometheus-alertmanager')('a real Alertmanager', () => {
  /** It judges by the real time. */
  const context = () => ({ ...testContext(), clock: new FakeClock() });
  const nowUnixMs = Date.now();
  const times = { pendingSinceUnixMs: nowUnixMs - 20_000, firingSinceUnixMs: nowUnixMs - 10_000 };

  test('has alerts with their labels, tells who it is to tell, and hears that they are over', async () => {
    await using hook = await HttpSink.start();
    await using server = await AlertmanagerServer.start({ webhook: hook.url });
    const given = { alertname: 'Hot', worker: 'gpu-7 "ü" 🔥\n', 'gpu.model': 'H100', 'gpu-model': 'x', empty: '' };
    const labels = validNames(given);
    const alert = someAlert({ ...times, labels, annotations: { summary: 'hot', 'a.b': 'c' } });
    const sender = senderOf('alertmanager', { urls: [server.url] }, context());
    const send = (one = alert) => sender.send(someNotification([one]), new AbortController().signal);
    expect(await send()).toEqual({ outcome: 'sent' });
    const [seen] = await eventually(() => {
      const all = server.alerts();
      return all.length > 0 && all;
    });
    expect(seen).toMatchObject({
      labels: { alertname: 'Hot', worker: 'gpu-7 "ü" 🔥\n', gpu_model: 'x', gpu_model_2: 'H100' },
      annotations: { summary: 'hot', a_b: 'c', runbook_url: 'https://wiki.example.org/hot?a=1&b=2' },
      generatorURL: alert.link,
      startsAt: new Date(times.firingSinceUnixMs).toISOString(),
      status: { state: 'active' },
    });
    // Told again, it is the same alert.
    expect(await send()).toEqual({ outcome: 'sent' });
    expect(server.alerts()).toHaveLength(1);
    await hook.requests(1);
    // … and its own webhook has the format of ours.
    const own = await HttpSink.start();
    await sendOnce('webhook', { url: own.url });
    const keysOf = (value: unknown): unknown => Object.keys(value as object).sort();
    const [theirs, ours] = [hook.last, own.last] as { alerts: unknown[] }[];
    expect(keysOf(ours)).toEqual(keysOf(theirs));
    expect(keysOf(ours?.alerts[0])).toEqual(keysOf(theirs?.alerts[0]));
    await own[Symbol.asyncDispose]();
    const over = { ...alert, state: 'resolved', resolvedUnixMs: Date.now(), closedBecause: 'worker_removed' } as const;
    expect(await send(over)).toEqual({ outcome: 'sent' });
    await eventually(() => server.alerts().length === 0);
    const told = await eventually(() => (hook.last as { status: string }).status === 'resolved' && hook.last);
    expect(told).toMatchObject({ alerts: [{ annotations: { closed_because: 'worker_removed' } }] });
    await sender.close();
  });

  test('with a password', async () => {
    // bcrypt of "s3cret"
    const hash = '$2y$05$b4yPPrGb1rMUgYJHzSd5.eQWJJ0VWRdI0a5BT3H1fTGLnDW1pyUx6';
    await using server = await AlertmanagerServer.start({
      webConfig: JSON.stringify({ basic_auth_users: { pulselane: hash } }),
    });
    expect(await sendOnce('alertmanager', { urls: [server.url] })).toMatchObject({
      outcome: 'refused',
      detail: expect.stringMatching(/^http:\S+: HTTP 401/),
    });
  });
});
