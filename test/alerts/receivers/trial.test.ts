import { expect, test } from 'vitest';
import { sendersOf } from '../../../src/alerts/delivery/receivers/make-senders.ts';
import { TRIAL_TARGET_WITHIN_MS, trialReply } from '../../../src/alerts/delivery/trial.ts';
import { parseTarget, type ReceiverKindName } from '../../../src/alerts/rules/receivers/target.ts';
import type { Receiver } from '../../../src/alerts/rules/rule.ts';
import { AlertmanagerServer } from '../../support/alertmanager-server.ts';
import { describeWith } from '../../support/debian.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { answers, HttpSink } from './http-sink.ts';
import { testContext } from './receiver-context.ts';
import { EXTERNAL_URL } from './some-alerts.ts';

function receiver(name: string, ...kinds: [ReceiverKindName, Record<string, unknown>][]): Receiver {
  const context = { folder: '/', allowsCommands: true, readFile: () => '' };
  return {
    name,
    place: undefined,
    targets: kinds.flatMap(([kind, fields]) => parseTarget(kind, fields, context).targets ?? []),
  };
}

function partsOf(context = testContext(), isFiringOnly = false) {
  return { makeSender: sendersOf(context), clock: context.clock, externalUrl: EXTERNAL_URL, isFiringOnly };
}

test('each kind gets a firing and a resolved trial, and each says that it is none', async () => {
  await using sink = await HttpSink.start();
  const context = testContext();
  const url = sink.url;
  const all = receiver(
    'all',
    ['webhook', { url: `${url}/webhook` }],
    ['slack', { url: `${url}/slack` }],
    ['discord', { url: `${url}/discord` }],
    ['ntfy', { url: `${url}/ntfy`, topic: 'a' }],
    ['pagerduty', { url: `${url}/pagerduty`, routing_key: 'a'.repeat(32) }],
    ['alertmanager', { urls: [`${url}/one`, `${url}/two`] }],
    ['command', { path: '/bin/true' }],
    ['log', {}],
  );
  const reply = await trialReply([all], 'all', partsOf(context));
  expect(reply).toEqual({
    ok: true,
    message: 'The trial was sent to all.',
    trials: all.targets.map(({ kind }, target) => ({ kind, target, isSent: true, detail: '' })),
  });
  const byPath = Map.groupBy(sink.got, ({ path }) => path);
  expect([...byPath.values()].map((got) => got.length)).toEqual(Array.from({ length: 7 }, () => 2));
  for (const { path, body } of sink.got) {
    // To PagerDuty, the end of an incident has no text.
    if (!body.includes('"event_action":"resolve"')) expect(body, path).toMatch(/trial/i);
  }
  const keys = byPath.get('/pagerduty')?.map(({ body }) => JSON.parse(body).dedup_key);
  expect(keys?.[0]).toBe(keys?.[1]);
  expect(context.logged.filter(({ isTrial }) => isTrial === true)).toHaveLength(2);
});

test('what failed is said of each target', async () => {
  await using sink = await HttpSink.start();
  sink.answer = (response, got) => answers(got.path === '/no' ? 403 : 200, 'forbidden')(response, got);
  const some = receiver('some', ['webhook', { url: `${sink.url}/no` }], ['webhook', { url: `${sink.url}/yes` }]);
  expect(await trialReply([some], 'some', partsOf())).toEqual({
    ok: true,
    message: 'The trial was sent to 1 of 2 targets of some.',
    trials: [
      { kind: 'webhook', target: 0, isSent: false, detail: `${sink.url}/no: HTTP 403: forbidden` },
      { kind: 'webhook', target: 1, isSent: true, detail: '' },
    ],
  });
  // What was not opened is not closed.
  expect(sink.got.filter(({ path }) => path === '/no')).toHaveLength(1);
});

test('no end is sent if only the firing alert is asked for, or the receiver takes none', async () => {
  await using sink = await HttpSink.start();
  await trialReply([receiver('a', ['webhook', { url: sink.url }])], 'a', partsOf(testContext(), true));
  await trialReply([receiver('a', ['webhook', { url: sink.url, send_resolved: false }])], 'a', partsOf());
  expect(sink.got.map(({ body }) => JSON.parse(body).status)).toEqual(['firing', 'firing']);
});

test('a receiver that there is not', async () => {
  expect(await trialReply([receiver('a'), receiver('b')], 'c', partsOf())).toEqual({
    ok: false,
    code: 'not_found',
    message: 'there is no receiver c; there is a, b',
  });
});

test('a receiver that hangs is given up, while the others are told of', async () => {
  await using sink = await HttpSink.start();
  sink.answer = (response, { body }) => {
    if (!body.includes('resolved')) response.end();
  };
  const context = testContext();
  const reply = trialReply([receiver('a', ['webhook', { url: sink.url }], ['log', {}])], 'a', partsOf(context));
  await sink.requests(2);
  // Its own time-out comes first here.
  context.clock.advance(15_000);
  expect(TRIAL_TARGET_WITHIN_MS).toBeGreaterThan(15_000);
  expect(await reply).toMatchObject({
    trials: [{ isSent: false, detail: `its end was not taken: ${sink.url}: no answer within 15 s` }, { isSent: true }],
  });
});

describeWith('prometheus-alertmanager')('a trial at a real Alertmanager', () => {
  test('fires, with a label that says what it is', async () => {
    await using server = await AlertmanagerServer.start();
    const context = { ...testContext(), clock: new FakeClock() };
    const one = receiver('am', ['alertmanager', { urls: [server.url] }]);
    expect(await trialReply([one], 'am', partsOf(context, true))).toMatchObject({ trials: [{ isSent: true }] });
    const [seen] = await eventually(() => {
      const all = server.alerts();
      return all.length > 0 && all;
    });
    expect(seen?.labels).toEqual({
      alertname: 'PulselaneTrial',
      severity: 'info',
      trial: 'true',
      worker: 'trial-worker',
    });
    expect(await trialReply([one], 'am', partsOf(context))).toMatchObject({ trials: [{ isSent: true }] });
    await eventually(() => server.alerts().length === 0);
  });
});
