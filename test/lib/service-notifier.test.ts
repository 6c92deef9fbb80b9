import { expect, test } from 'vitest';
import { ServiceNotifier, type Vitality } from '../../src/lib/service-notifier.ts';
import { FakeClock } from '../support/fake-clock.ts';

const PERIOD_MS = 60_000;

function notifier({ isWatched = true, isManaged = true } = {}) {
  const clock = new FakeClock();
  const sent: (readonly string[])[] = [];
  const warnings: string[] = [];
  let answer = () => Promise.resolve();
  const service = new ServiceNotifier({
    manager: isManaged ? { socket: '/run/notify', watchdogMs: isWatched ? PERIOD_MS : undefined, path: '' } : undefined,
    clock,
    logger: { warn: (text: string) => void warnings.push(text) } as never,
    send: (assignments) => {
      sent.push(assignments);
      return answer();
    },
  });
  return {
    service,
    clock,
    sent,
    warnings,
    answerWith: (make: () => Promise<void>) => {
      answer = make;
    },
  };
}

/** Lets all that is ready to run do so. */
const settled = () => new Promise(setImmediate);

test('states go out in order, each with what the protocol asks for', async () => {
  const { service, clock, sent } = notifier();
  clock.advance(1234.5678);
  for (const tell of [
    () => service.ready('listening: gRPC on\n:50051'),
    () => service.reloading(),
    () => service.ready('again'),
    () => service.stopping(),
  ]) {
    tell();
    await settled();
  }
  expect(sent).toEqual([
    ['READY=1', 'STATUS=listening: gRPC on :50051'],
    ['RELOADING=1', 'MONOTONIC_USEC=1234567'],
    ['READY=1', 'STATUS=again'],
    ['STOPPING=1'],
  ]);
});

test('a ping is sent four times in a period, with the present status', async () => {
  const { service, clock, sent } = notifier();
  let workers = 0;
  service.watch(() => ({ status: `${workers} workers`, stuck: undefined }));
  for (; workers < 4; workers++) {
    clock.advance(workers === 0 ? 0 : PERIOD_MS / 4);
    await settled();
  }
  expect(sent.map(([first, status]) => `${first} ${status}`)).toEqual([
    'WATCHDOG=1 STATUS=0 workers',
    'WATCHDOG=1 STATUS=1 workers',
    'WATCHDOG=1 STATUS=2 workers',
    'WATCHDOG=1 STATUS=3 workers',
  ]);
});

test('no ping is sent while something is stuck; the next follows as soon as it responds, and the log names it once', async () => {
  const { service, clock, sent, warnings } = notifier();
  let stuck: Vitality['stuck'] = 'the HTTP thread does not answer';
  service.watch(() => ({ status: '', stuck }));
  clock.advance(20_000);
  await settled();
  expect(sent).toEqual([]);
  expect(warnings).toEqual(['sending no watchdog pings to the service manager: the HTTP thread does not answer']);
  stuck = undefined;
  clock.advance(1000);
  await settled();
  expect(sent).toHaveLength(1);
  clock.advance(PERIOD_MS / 4);
  await settled();
  expect(sent).toHaveLength(2);
});

test('one notification is sent at a time: meanwhile the newest four states and one ping wait', async () => {
  const { service, clock, sent, answerWith } = notifier();
  const first = Promise.withResolvers<void>();
  answerWith(() => first.promise);
  service.ready('1');
  service.watch(() => ({ status: 'alive', stuck: undefined }));
  clock.advance(10 * PERIOD_MS);
  for (let i = 2; i < 100; i++) service.ready(String(i));
  await settled();
  expect(sent).toHaveLength(1);
  answerWith(() => Promise.resolve());
  first.resolve();
  await settled();
  expect(sent.slice(1)).toEqual([
    ...[96, 97, 98, 99].map((i) => ['READY=1', `STATUS=${i}`]),
    ['WATCHDOG=1', 'STATUS=alive'],
  ]);
});

test('a reload that is over before it was sent is sent all the same; a stop overtakes what waits', async () => {
  const { service, sent, answerWith } = notifier();
  const first = Promise.withResolvers<void>();
  answerWith(() => first.promise);
  service.ready('');
  service.reloading();
  service.ready('again');
  answerWith(() => Promise.resolve());
  first.resolve();
  await settled();
  expect(sent.map(([state]) => state)).toEqual(['READY=1', 'RELOADING=1', 'READY=1']);
  service.reloading();
  service.ready('once more');
  service.stopping();
  await settled();
  expect(sent.slice(3).map(([state]) => state)).toEqual(['RELOADING=1', 'STOPPING=1']);
});

test('nothing is sent after STOPPING=1', async () => {
  const { service, clock, sent } = notifier();
  service.watch(() => ({ status: '', stuck: undefined }));
  service.stopping();
  service.ready('too late');
  service.watch(() => ({ status: '', stuck: undefined }));
  clock.advance(10 * PERIOD_MS);
  await settled();
  expect(sent).toEqual([['STOPPING=1']]);
  expect(clock.pending).toBe(0);
});

test('STOPPING=1 does not wait for one that is under way: the process may end before', async () => {
  const { service, clock, sent, answerWith } = notifier();
  answerWith(() => new Promise(() => {}));
  service.watch(() => ({ status: '', stuck: undefined }));
  clock.advance(0);
  service.stopping();
  service.stopping();
  await settled();
  expect(sent.map(([state]) => state)).toEqual(['WATCHDOG=1', 'STOPPING=1']);
});

test('a ping that fails is sent again after a second, one at a time, and each outage is logged once', async () => {
  const { service, clock, sent, warnings, answerWith } = notifier();
  service.watch(() => ({ status: '', stuck: undefined }));
  const passed = async (ms: number) => {
    clock.advance(ms);
    await settled();
    return sent.length;
  };
  expect(await passed(0)).toBe(1);
  for (let outage = 1; outage <= 2; outage++) {
    answerWith(() => Promise.reject(new Error('spawn systemd-notify EAGAIN')));
    const before = await passed(PERIOD_MS / 4);
    expect(await passed(999)).toBe(before);
    expect(await passed(1)).toBe(before + 1);
    answerWith(() => Promise.resolve());
    expect(await passed(1000)).toBe(before + 2);
    expect(await passed(1000)).toBe(before + 2);
    expect(warnings).toHaveLength(outage);
    expect(warnings.at(-1)).toContain('systemd-notify EAGAIN');
    clock.advance(PERIOD_MS / 4 - 3000);
    await settled();
  }
});

test('a ping that failed is not sent again once something is stuck', async () => {
  const { service, clock, sent, answerWith } = notifier();
  let stuck: Vitality['stuck'];
  const first = Promise.withResolvers<void>();
  answerWith(() => first.promise);
  service.watch(() => ({ status: '', stuck }));
  clock.advance(0);
  stuck = 'the HTTP thread does not answer';
  clock.advance(PERIOD_MS / 4);
  first.reject(new Error('EAGAIN'));
  await settled();
  clock.advance(10_000);
  await settled();
  expect(sent).toHaveLength(1);
});

test('a state that fails is sent again a few times, before later ones; a stop is not kept waiting', async () => {
  const { service, clock, sent, warnings, answerWith } = notifier({ isWatched: false });
  answerWith(() => Promise.reject(new Error('spawn systemd-notify ENOENT')));
  service.ready('a');
  service.reloading();
  for (let second = 0; second < 20; second++) {
    await settled();
    clock.advance(1000);
  }
  await settled();
  const tries = (state: string) => Array.from({ length: 6 }, () => state);
  expect(sent.map(([state]) => state)).toEqual([...tries('READY=1'), ...tries('RELOADING=1')]);
  expect(warnings).toHaveLength(1);
  service.ready('again');
  await settled();
  service.stopping();
  await settled();
  expect(sent.slice(12).map(([state]) => state)).toEqual(['READY=1', 'STOPPING=1']);
  expect(clock.pending).toBe(0);
});

test('without a manager, or without a watchdog, there is nothing to do', async () => {
  const alone = notifier({ isManaged: false });
  alone.service.ready('');
  alone.service.watch(() => ({ status: '', stuck: undefined }));
  alone.service.stopping();
  const unwatched = notifier({ isWatched: false });
  unwatched.service.watch(() => ({ status: '', stuck: undefined }));
  await settled();
  expect([alone.sent, unwatched.sent]).toEqual([[], []]);
  expect([alone.clock.pending, unwatched.clock.pending]).toEqual([0, 0]);
});
