/** Plans, the file and the queue together, over restarts and new rules. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { WebhookPayload } from '../../src/alerts/delivery/receivers/webhook-payload.ts';
import { parseMatcher } from '../../src/model/label-matchers.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { routeOf } from '../support/notify-rules.ts';
import { DeliveryScene, webhooks } from './delivery/delivery-scene.ts';
import { answers, HttpSink } from './receivers/http-sink.ts';
import { type FoundOf, rule, ruleSet } from './rules.ts';

let folder: string;
let path: string;
let hook: HttpSink;
const clock = new FakeClock();
let found: FoundOf = {};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-notices-'));
  path = join(folder, 'alerts.db');
  hook = await HttpSink.start();
  found = {};
});
afterEach(async () => {
  await hook[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const rulesTo = (receiver: string) =>
  ruleSet([rule('Hot')], { receivers: webhooks({ [receiver]: hook.url }), route: routeOf({ receiver }) });

async function started(): Promise<DeliveryScene> {
  const scene = new DeliveryScene({ path, clock, found: () => found });
  onTestFinished(() => scene.stop());
  await scene.cycle.load(rulesTo('hook'));
  return scene;
}

async function pass(seconds: number): Promise<void> {
  for (let s = 0; s < seconds; s++) {
    clock.advance(1000);
    for (let turn = 0; turn < 10; turn++) await nextTurn();
  }
}

function idOf(scene: DeliveryScene): string {
  const [record] = scene.states.all();
  if (record === undefined) throw new Error('there is no alert');
  return record.id;
}

test('the answer to a silence says what it matches, so that a typing error is seen', async () => {
  const scene = await started();
  found = { a: 'holds' };
  await pass(5);
  const now = { unixMs: clock.wallMs(), attentiveMs: clock.monotonicMs() };
  const answerTo = (...texts: string[]) => {
    const [startsUnixMs, endsUnixMs] = [now.unixMs, now.unixMs + 1000];
    const silence = {
      matchers: texts.map(parseMatcher),
      startsUnixMs,
      endsUnixMs,
      createdBy: 'me',
      comment: 'moving it',
    };
    return scene.cycle.change(() => scene.notices.change({ type: 'silence', silence }, now));
  };
  const answers = (message: string) => ({ ok: true, message: `The silence is set. ${message}` });
  expect(await answerTo('worker="a"', 'alertname="Hot"')).toMatchObject(answers('It matches 1 alert now.'));
  expect(await answerTo('wrker="a"')).toMatchObject(answers('It matches no alert now.'));
  const misspelt = answers('It matches no alert now. There is no rule "Hto".');
  expect(await answerTo('worker="a"', 'alertname="Hto"')).toMatchObject(misspelt);
  expect(await answerTo('worker="a"', 'alertname!="Hto"')).toMatchObject(answers('It matches 1 alert now.'));
});

test('a silence is set, shown with its alerts, outlives a restart, and can be ended', async () => {
  const scene = await started();
  const now = () => ({ unixMs: clock.wallMs(), attentiveMs: clock.monotonicMs() });
  const silence = {
    matchers: [parseMatcher('worker="a"')],
    startsUnixMs: clock.wallMs(),
    endsUnixMs: clock.wallMs() + 3_600_000,
    createdBy: 'me',
    comment: 'moving it',
  };
  const reply = await scene.cycle.change(() => scene.notices.change({ type: 'silence', silence }, now()));
  expect(reply).toMatchObject({
    ok: true,
    silenceId: expect.any(String),
    message: 'The silence is set. It matches no alert now.',
  });
  const { id } = scene.notices.silences[0] ?? {};
  expect(scene.log.join()).toMatch(
    new RegExp(`silence ${id} is set for worker="a" from .*Z to .*Z by "me": "moving it"`),
  );
  found = { a: 'holds' };
  await pass(5);
  expect(scene.notices.suppressionOf(idOf(scene)).silencedBy).toEqual([scene.notices.silences[0]?.id]);
  await scene.stop();
  expect(hook.got).toEqual([]);

  const next = await started();
  await pass(5);
  expect(next.notices.silences).toMatchObject([{ comment: 'moving it' }]);
  expect(hook.got).toEqual([]);
  const silenceId = next.notices.silences[0]?.id ?? '';
  const ended = await next.cycle.change(() => next.notices.change({ type: 'expire-silence', silenceId }, now()));
  expect(ended).toMatchObject({ ok: true, message: `The silence ${silenceId} has ended.` });
  expect(next.log.join()).toContain(`silence ${silenceId} has ended`);
  await eventually(() => hook.got.length === 1);
  expect(next.notices.suppressionOf(idOf(next)).silencedBy).toEqual([]);
});

test('what was delivered is off the disk at once', async () => {
  found = { a: 'holds' };
  const scene = await started();
  await eventually(() => scene.notices.receivers[0]?.sent === 1);
  const db = new DatabaseSync(path, { readOnly: true });
  onTestFinished(() => db.close());
  await eventually(() => db.prepare('SELECT count(*) AS count FROM notifications').get()?.count === 0);
});

test('an end that is refused is told anew; a changed rule ends its alert, also if it holds already', async () => {
  found = { a: 'holds' };
  const scene = await started();
  const told = () => hook.got.map(({ body }) => JSON.parse(body) as WebhookPayload);
  const last = () =>
    told()
      .at(-1)
      ?.alerts.map(({ status, annotations }) => [status, annotations.closed_because]);
  await pass(5);
  await eventually(() => hook.got.length === 1);
  hook.answer = answers(403);
  found = {};
  await pass(10);
  await eventually(() => scene.notices.deadLetters.length === 1);
  hook.answer = answers(200);
  await pass(5 * 60 + 10);
  await eventually(() => hook.got.length === 3);
  expect(last()).toEqual([['resolved', 'recovered']]);

  found = { a: 'holds' };
  await pass(20);
  await eventually(() => hook.got.length === 4);
  const changed = ruleSet([rule('Hot', { digest: 'changed', forMs: 3_600_000 })], {
    receivers: webhooks({ hook: hook.url }),
    route: routeOf(),
  });
  await scene.cycle.load(changed);
  await pass(20);
  await eventually(() => hook.got.length === 5);
  expect(last()).toEqual([['resolved', 'rule_changed']]);
});

test('what waits, and what was given up, outlives a restart; for a receiver that is gone it is given up, and said', async () => {
  hook.answer = answers(403);
  found = { a: 'holds' };
  const scene = await started();
  await eventually(() => scene.notices.deadLetters.length === 1);
  hook.answer = answers(500);
  await pass(5 * 60);
  await eventually(() => (scene.notices.receivers[0]?.failedAttempts ?? 0) > 1);
  await scene.stop();
  const next = await started();
  expect(next.notices.deadLetters).toMatchObject([{ because: 'refused', receiver: 'hook' }]);
  expect(next.notices.receivers[0]).toMatchObject({ queued: 1, deadLetters: 1 });
  await eventually(() => (next.notices.receivers[0]?.failedAttempts ?? 0) > 0);
  hook.answer = answers(200);
  await next.cycle.load(rulesTo('other'));
  expect(next.notices.deadLetters).toMatchObject([
    { because: 'refused' },
    { because: 'receiver_gone', receiver: 'hook' },
  ]);
  expect(next.log.join()).toContain('for receiver hook (webhook) was given up');
  // The new receiver is told, of course.
  await eventually(() => next.notices.receivers[0]?.sent === 1);
});
