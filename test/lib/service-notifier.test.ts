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

test('a sign of life comes twice in a period, with what is new', async () => {
  const { service, clock, sent } = notifier();
  let workers = 0;
  service.watch(() => ({ status: `${workers} workers`, stuck: undefined }));
  for (; workers < 4; workers++) {
    clock.advance(workers === 0 ? 0 : PERIOD_MS / 2);
    await settled();
  }
  expect(sent.map(([first, status]) => `${first} ${status}`)).toEqual([
    'WATCHDOG=1 STATUS=0 workers',
    'WATCHDOG=1 STATUS=1 workers',
    'WATCHDOG=1 STATUS=2 workers',
    'WATCHDOG=1 STATUS=3 workers',
  ]);
});

test('while something is stuck none comes; it comes as soon as it is mended, and the log names it once', async () => {
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
  clock.advance(PERIOD_MS / 2);
  await settled();
  expect(sent).toHaveLength(2);
});

test('one is sent at a time: meanwhile the newest four states and one sign of life wait', async () => {
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

test('whoever stops says nothing more', async () => {
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

test('what cannot be sent is logged once, and ends nothing', async () => {
  const { service, sent, warnings, answerWith } = notifier();
  answerWith(() => Promise.reject(new Error('spawn systemd-notify ENOENT')));
  for (let i = 0; i < 3; i++) {
    service.ready('');
    await settled();
  }
  expect(sent).toHaveLength(3);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('systemd-notify ENOENT');
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
