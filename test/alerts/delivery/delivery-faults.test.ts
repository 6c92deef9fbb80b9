/** Real receivers, sockets, files and kills: what is told in the end, and that one fault does not become another. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Route } from '../../../src/alerts/rules/rule.ts';
import type { AlertRecord } from '../../../src/alerts/state/record.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/free-port.ts';
import { routeOf } from '../../support/notify-rules.ts';
import { repetitions } from '../../support/repetitions.ts';
import { answers, HttpSink } from '../receivers/http-sink.ts';
import { type FoundOf, rule, ruleSet } from '../rules.ts';
import { DeliveryScene, webhooks } from './delivery-scene.ts';

let folder: string;
let path: string;
let clock: FakeClock;
let found: FoundOf;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-delivery-'));
  path = join(folder, 'alerts.db');
  clock = new FakeClock();
  found = {};
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function sceneWith(urls: Readonly<Record<string, string>>, route: Route = routeOf()): Promise<DeliveryScene> {
  const scene = new DeliveryScene({ path, clock, found: () => found });
  onTestFinished(async () => {
    let isStopped = false;
    const stopped = scene.stop().finally(() => {
      isStopped = true;
    });
    // What is under way, such as a slow look-up of a name, is given up after a while.
    await eventually(async () => {
      await pass(1);
      return isStopped;
    });
    await stopped;
  });
  await scene.cycle.load(ruleSet([rule('Hot')], { receivers: webhooks(urls), route }));
  return scene;
}

/** To all of the receivers. */
function toAll(...names: string[]): Route {
  return routeOf({ routes: names.map((receiver) => routeOf({ receiver, continues: true })) });
}

async function sink(): Promise<HttpSink> {
  const started = await HttpSink.start();
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

/** Lets time pass, second by second, with everything that follows. */
async function pass(seconds: number): Promise<void> {
  for (let s = 0; s < seconds; s++) {
    clock.advance(1000);
    for (let turn = 0; turn < 10; turn++) await nextTurn();
  }
}

/** `+a -b` for each notification. */
function told({ got }: HttpSink): string[] {
  return got.map(({ body }) => {
    const { alerts } = JSON.parse(body) as { alerts: { status: string; labels: { worker: string } }[] };
    return alerts.map(({ status, labels }) => `${status === 'firing' ? '+' : '-'}${labels.worker}`).join(' ');
  });
}

function statusOf(scene: DeliveryScene, receiver: string) {
  const status = scene.notices.receivers.find((one) => one.receiver === receiver);
  if (status === undefined) throw new Error(`there is no receiver ${receiver}`);
  return status;
}

test('receivers that hang, refuse, fail or have no address do not hold up another one, and get everything later', async () => {
  const [good, hanging, failing] = [await sink(), await sink(), await sink()];
  hanging.answer = () => {};
  failing.answer = answers(500);
  const port = await freePort();
  const urls = {
    good: good.url,
    hanging: hanging.url,
    failing: failing.url,
    refusing: `http://127.0.0.1:${port}`,
    nowhere: 'http://nowhere.invalid',
  };
  found = { a: 'holds' };
  const scene = await sceneWith(urls, toAll(...Object.keys(urls)));
  await eventually(() => good.got.length === 1 && hanging.got.length === 1);
  for (const name of ['failing', 'refusing', 'nowhere'])
    await eventually(() => statusOf(scene, name).failedAttempts > 0);
  found = {};
  await pass(15);
  // The one that hangs is given up by its time-out; the good one got the end meanwhile.
  await eventually(() => statusOf(scene, 'hanging').failedAttempts === 1);
  await eventually(() => told(good).length === 2);
  expect(told(good)).toEqual(['+a', '-a']);
  expect(scene.notices.problem).toBeUndefined();
  for (let minute = 0; minute < 4; minute++) await pass(60);
  // A name that does not exist may take long to be found out; what is under way then still counts as queued.
  const failingOnes = ['hanging', 'failing', 'refusing', 'nowhere'];
  await eventually(async () => {
    await pass(1);
    const all = failingOnes.map((name) => statusOf(scene, name));
    return all.every(({ queued, failedAttempts }) => queued === 1 && failedAttempts > 1);
  });
  const problem = scene.notices.problem?.detail ?? '';
  for (const name of failingOnes) {
    expect(problem).toContain(`receiver ${name} (webhook) gets no notifications`);
    expect(statusOf(scene, name)).toMatchObject({
      sent: 0,
      // Its beginning may have arrived, but is not sent again: it is over.
      queued: 1,
      deadLetters: 0,
      lastError: { detail: expect.any(String) },
    });
  }
  expect(statusOf(scene, 'good')).toMatchObject({ sent: 2, queued: 0, failedAttempts: 0, lastError: null });
  hanging.answer = answers(200);
  failing.answer = answers(200);
  await eventually(async () => {
    await pass(5);
    return statusOf(scene, 'failing').queued === 0 && statusOf(scene, 'hanging').queued === 0;
  });
  for (const one of [failing, hanging]) expect(told(one).join(' ')).toMatch(/^(\+a ?)+(-a ?)+$/);
  expect(scene.notices.problem?.detail).not.toContain('failing');
});

test('a receiver that answers 429 is asked again when it says, and one that answers 403 is not', async () => {
  const [busy, closed] = [await sink(), await sink()];
  busy.answer = answers(429, '', { 'Retry-After': '30' });
  closed.answer = answers(403);
  found = { a: 'holds' };
  const scene = await sceneWith({ busy: busy.url, closed: closed.url }, toAll('busy', 'closed'));
  await eventually(() => statusOf(scene, 'busy').failedAttempts === 1 && statusOf(scene, 'closed').deadLetters === 1);
  // What was refused is lost: that is said at once.
  expect(scene.notices.problem?.detail).toMatch(/^receiver closed \(webhook\) gets no notifications: [^;]*403[^;]*$/);
  busy.answer = answers(200);
  await pass(29);
  expect(busy.got.length).toBe(1);
  await pass(1);
  await eventually(() => statusOf(scene, 'busy').sent === 1);
  expect(scene.notices.deadLetters).toMatchObject([
    {
      receiver: 'closed',
      kind: 'webhook',
      because: 'refused',
      alerts: [{ rule: 'Hot', state: 'firing' }],
      alertCount: 1,
      attempts: 1,
    },
  ]);
  expect(scene.log.join()).toContain('a notification for receiver closed (webhook) was given up after 1 attempt: ');
  // It still fires: once the receiver takes it, it is told.
  closed.answer = answers(200);
  await pass(5 * 60);
  await eventually(() => statusOf(scene, 'closed').sent === 1);
  expect(told(closed)).toEqual(['+a', '+a']);
});

test('a full disk keeps nobody from being told, and what was told is stored once there is room', async () => {
  const hook = await sink();
  const scene = await sceneWith({ hook: hook.url });
  scene.store.isFull = true;
  scene.store.close();
  found = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`w${i}`, 'holds' as const]));
  await pass(5);
  await eventually(() => hook.got.length === 1);
  expect(scene.store.problem?.detail).toContain('full');
  await pass(10);
  scene.store.isFull = false;
  await pass(10);
  expect(scene.store.problem).toBeUndefined();
  await scene.stop();
  expect(hook.got.length).toBe(1);
  // Another master knows what was told.
  await sceneWith({ hook: hook.url });
  await pass(30);
  expect(hook.got.length).toBe(1);
});

/** A storm of so many alerts. */
const ALERTS = repetitions(2000, 10_000);

test(`${ALERTS} alerts at once are one notification, and their end is another; little is on disk`, async () => {
  const hook = await sink();
  hook.answer = () => {};
  const scene = await sceneWith({ hook: hook.url });
  found = Object.fromEntries(Array.from({ length: ALERTS }, (_, i) => [`w${i}`, 'holds' as const]));
  await pass(5);
  await eventually(() => hook.got.length === 1);
  await pass(10);
  const first = JSON.parse(hook.got[0]?.body ?? '') as { alerts: unknown[]; truncatedAlerts: number };
  expect([first.alerts.length, first.truncatedAlerts]).toEqual([100, ALERTS - 100]);
  expect(statusOf(scene, 'hook')).toMatchObject({ queued: 1 });
  const db = new DatabaseSync(path, { readOnly: true });
  const bytes = db.prepare(
    'SELECT sum(length(record)) AS bytes FROM (SELECT record FROM notifications UNION ALL SELECT record FROM told_groups)',
  );
  expect(bytes.get()?.bytes).toBeLessThan(100 * ALERTS);
  db.close();
  hook.answer = answers(200);
  found = {};
  await eventually(async () => {
    await pass(5);
    return statusOf(scene, 'hook').sent === 2;
  });
  const last = JSON.parse(hook.got.at(-1)?.body ?? '') as { status: string; truncatedAlerts: number };
  expect(last).toMatchObject({ status: 'resolved', truncatedAlerts: ALERTS - 100 });
});

const PROGRAM = fileURLToPath(new URL('delivering-process.ts', import.meta.url));

/** What was told, without what was sent twice; `+a` for the first time that `a` is told to fire. */
function heardBy({ got }: HttpSink): {
  readonly heard: string[];
  readonly firing: Set<string>;
  readonly twice: number;
} {
  const keys = new Set<string>();
  const firing = new Set<string>();
  const heard: string[] = [];
  for (const { body, headers } of got) {
    const key = String(headers['idempotency-key']);
    if (keys.has(key)) continue;
    keys.add(key);
    const { alerts } = JSON.parse(body) as { alerts: { status: string; labels: { worker: string } }[] };
    for (const { status, labels } of alerts) {
      if (status === 'firing' && firing.has(labels.worker)) continue;
      heard.push(`${status === 'firing' ? '+' : '-'}${labels.worker}`);
      if (status === 'firing') firing.add(labels.worker);
      else firing.delete(labels.worker);
    }
  }
  return { heard, firing, twice: got.length - keys.size };
}

/** Notifications on disk. */
function waiting(): unknown {
  const db = new DatabaseSync(path, { readOnly: true });
  const count = db.prepare('SELECT count(*) AS count FROM notifications').get()?.count;
  db.close();
  return count;
}

/** What the file says of each alert that there was. */
function beginningsAndEnds(): string[] {
  const db = new DatabaseSync(path, { readOnly: true });
  const records = db.prepare('SELECT record FROM alerts').all();
  db.close();
  return records.flatMap(({ record }) => {
    const { subject, transitions } = JSON.parse(String(record)) as AlertRecord;
    return transitions.flatMap(({ to }) =>
      to === 'firing' ? [`+${subject.name}`] : to === 'resolved' ? [`-${subject.name}`] : [],
    );
  });
}

test('killed in the middle of a delivery: it is sent again with the same key, once, and nothing is lost', async () => {
  const hook = await sink();
  const rounds = repetitions(2, 40);
  let kill = () => {};
  /** The number of the request that is not answered. */
  let last = 0;
  hook.answer = (response) => {
    if (hook.got.length === last) kill();
    else response.writeHead(200).end();
  };
  const run = async (name: string, isOver: (changes: readonly string[]) => boolean) => {
    const child = spawn(process.execPath, [PROGRAM, path, hook.url, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    kill = () => void child.kill('SIGKILL');
    onTestFinished(kill);
    const evaluations: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => evaluations.push(line));
    await eventually(() => isOver(evaluations));
    kill();
    await exited;
  };
  for (let round = 0; round < rounds; round++) {
    last = hook.got.length + 4 + (round % 7);
    await run(`r${round}`, () => hook.got.length >= last);
  }
  last = 0;
  // The last answer was seen, too: a kill before that would be one more in the middle of a delivery.
  await run('none', (evaluations) => evaluations.length > 2 && heardBy(hook).firing.size === 0 && waiting() === 0);
  const { heard, twice } = heardBy(hook);
  expect(twice).toBe(rounds);
  expect(heard.length).toBeGreaterThan(4 * rounds);
  // Each beginning and each end, once.
  expect(heard.toSorted()).toEqual(beginningsAndEnds().toSorted());
});
