import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from '../../../src/alerts/delivery/backoff.ts';
import type { GivenUp } from '../../../src/alerts/delivery/dead-letter.ts';
import {
  LEAST_ATTEMPTS,
  MAX_AGE_MS,
  MAX_ATTEMPTS,
  MAX_BACKOFF_MS,
  MAX_UNDER_WAY,
  QUEUE_LIMITS,
  type QueueLimits,
  SEND_WITHIN_MS,
  UNDER_WAY_PER_TARGET,
} from '../../../src/alerts/delivery/delivery-limits.ts';
import type { Sender } from '../../../src/alerts/delivery/notification.ts';
import { DeliveryQueue } from '../../../src/alerts/delivery/queue.ts';
import { CommandTurns } from '../../../src/alerts/delivery/receivers/command.ts';
import type { PlannedNotification } from '../../../src/alerts/notify/plan.ts';
import type { Receiver, ReceiverTarget } from '../../../src/alerts/rules/rule.ts';
import type { Alert } from '../../../src/model/alert.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeSenders, REFUSED, RETRY, SENT, settled } from '../../support/fake-senders.ts';
import { alertFor, targetOf } from '../../support/notify-rules.ts';
import { repetitions } from '../../support/repetitions.ts';

interface BenchOptions {
  readonly limits?: QueueLimits;
  readonly random?: () => number;
  readonly takeTurns?: NonNullable<Sender['inTurn']>;
}

class Bench {
  readonly clock = new FakeClock(1_000_000_000_000);
  readonly senders = new FakeSenders();
  readonly sent: number[] = [];
  readonly givenUp: GivenUp[] = [];
  readonly queue: DeliveryQueue;
  #lastId = 0;

  constructor({ limits = QUEUE_LIMITS, random = () => 0, takeTurns }: BenchOptions = {}) {
    this.queue = new DeliveryQueue({
      clock: this.clock,
      random,
      makeSender: (target) => ({ ...this.senders.make(target), ...(takeTurns && { inTurn: takeTurns }) }),
      onSent: (ids) => this.sent.push(...ids),
      onGivenUp: (given) => this.givenUp.push(given),
      limits,
    });
    this.queue.load(receivers({ hook: [targetOf('webhook')] }));
  }

  add(
    group: string,
    over: Partial<PlannedNotification> & { alerts?: readonly Alert[]; openAlerts?: number; receiver?: string } = {},
  ): number {
    const { alerts = [alertFor('a')], openAlerts = 0, receiver = 'hook', ...others } = over;
    const id = ++this.#lastId;
    const notification = {
      id,
      receiver,
      target: 0,
      targetKey: 'webhook#0',
      groupKey: group,
      groupLabels: {},
      alerts,
      openAlerts,
      truncatedAlerts: 0,
      dedupKey: String(id),
      isTrial: false,
      createdUnixMs: this.clock.wallMs(),
    };
    this.queue.add([{ notification, targetKey: 'webhook#0', fresh: [], isResend: false, ...others }]);
    return id;
  }

  /** Ids under way. */
  get underWay(): number[] {
    return this.senders.underWay.map(({ notification }) => notification.id);
  }

  async answer(id: number, outcome: Parameters<FakeSenders['underWay'][0]['answer']>[0]): Promise<void> {
    const send = this.senders.underWay.find(({ notification }) => notification.id === id);
    if (send === undefined) throw new Error(`${id} is not under way`);
    await send.answer(outcome);
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settled();
  }

  target(receiver = 'hook') {
    const found = [...this.queue.targets].find((target) => target.receiver === receiver);
    if (found === undefined) throw new Error('there is no such target');
    return found;
  }
}

function receivers(targets: Readonly<Record<string, readonly ReceiverTarget[]>>): Receiver[] {
  return Object.entries(targets).map(([name, of]) => ({ name, targets: of, place: undefined }));
}

test('one at a time per group, in order; groups beside each other, up to a bound', async () => {
  const bench = new Bench();
  for (let i = 0; i < UNDER_WAY_PER_TARGET + 2; i++) {
    bench.add(`g${i}`);
    bench.add(`g${i}`);
  }
  expect(bench.underWay).toEqual([1, 3, 5, 7]);
  await bench.answer(3, SENT);
  // The groups that have waited longest come first.
  expect(bench.underWay).toEqual([1, 5, 7, 9]);
  await bench.answer(5, SENT);
  await bench.answer(1, SENT);
  await bench.answer(7, SENT);
  expect(bench.underWay).toEqual([9, 11, 4, 6]);
  expect(bench.sent).toEqual([3, 5, 1, 7]);
  expect(bench.queue.isWaiting('hook', 'webhook#0', 'g0')).toBe(true);
  expect(bench.queue.isWaiting('hook', 'webhook#0', 'g9')).toBe(false);
});

test('a failed one is tried again with longer waits, and what follows in its group waits for it', async () => {
  const bench = new Bench();
  bench.add('g');
  bench.add('g');
  const waits: number[] = [];
  for (let attempt = 0; attempt < 9; attempt++) {
    await bench.answer(1, RETRY);
    let waitedMs = 0;
    while (bench.underWay.length === 0) {
      await bench.advance(500);
      waitedMs += 500;
    }
    waits.push(waitedMs);
    expect(bench.underWay).toEqual([1]);
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  await bench.answer(1, SENT);
  expect(bench.underWay).toEqual([2]);
  expect(bench.target()).toMatchObject({ sent: 1, failedAttempts: 9, failures: 0, failingSinceMs: undefined });
});

test('a sender that rejects, or says nothing, has failed', async () => {
  const bench = new Bench();
  bench.senders.ignoresAbort = true;
  bench.add('g');
  await bench.answer(1, new Error('a bug'));
  expect(bench.target().lastError?.detail).toBe('a bug');
  await bench.advance(1000);
  const [hanging] = bench.senders.underWay;
  await bench.advance(SEND_WITHIN_MS);
  expect(hanging?.signal.aborted).toBe(true);
  await bench.advance(2000);
  expect(bench.target().lastError?.detail).toBe('no result within 60 s');
  expect(bench.target().failedAttempts).toBe(2);
  // What it says later counts no more.
  await hanging?.answer(SENT);
  expect(bench.target().sent).toBe(0);
});

test('Retry-After holds up the whole target, but not for longer than a bound', async () => {
  const bench = new Bench();
  bench.add('g');
  await bench.answer(1, { ...RETRY, afterMs: 120_000 });
  bench.add('other');
  await bench.advance(119_999);
  expect(bench.underWay).toEqual([]);
  await bench.advance(1);
  expect(bench.underWay.length).toBe(1);
  await bench.answer(bench.underWay[0] as number, { ...RETRY, afterMs: 24 * 3_600_000 });
  await bench.advance(3_599_999);
  expect(bench.underWay).toEqual([]);
  await bench.advance(1);
  expect(bench.underWay.length).toBe(1);
});

test('a receiver that asks for no wait, again and again, is tried no more often than one that says nothing', async () => {
  const bench = new Bench({ random: () => 1 });
  bench.senders.always = { ...RETRY, afterMs: 0 };
  bench.add('g');
  await settled();
  expect(bench.senders.begun.length).toBe(1);
  // With the shortest waits that there are.
  while (bench.givenUp.length === 0) await bench.advance(MAX_BACKOFF_MS / 2);
  expect(bench.givenUp).toMatchObject([{ because: 'too_old' }]);
});

test('the time of a delivery begins with its turn', async () => {
  const turns = new CommandTurns();
  const bench = new Bench({ takeTurns: (deliver) => turns.take(deliver) });
  bench.add('g');
  bench.add('h');
  await settled();
  expect(bench.underWay).toEqual([1]);
  await bench.advance(SEND_WITHIN_MS - 1000);
  await bench.answer(1, SENT);
  expect(bench.underWay).toEqual([2]);
  await bench.advance(SEND_WITHIN_MS - 1000);
  await bench.answer(2, SENT);
  expect(bench.sent).toEqual([1, 2]);
  expect(bench.target().failedAttempts).toBe(0);

  // A stop does not begin what waits for its turn.
  bench.add('g');
  bench.add('h');
  await settled();
  const stopped = bench.queue.stop();
  await bench.answer(3, SENT);
  await stopped;
  expect(bench.sent).toEqual([1, 2, 3]);
  expect(bench.senders.begun.length).toBe(3);
});

test('a target that fails gets one attempt at a time, whatever its groups; others are unaffected', async () => {
  const bench = new Bench();
  bench.queue.load(receivers({ hook: [targetOf('webhook')], other: [targetOf('webhook')] }));
  for (let i = 0; i < 20; i++) bench.add(`g${i}`);
  const hanging = bench.underWay;
  expect(hanging.length).toBe(UNDER_WAY_PER_TARGET);
  for (const id of hanging) await bench.answer(id, RETRY);
  await bench.advance(MAX_BACKOFF_MS);
  expect(bench.underWay.length).toBe(1);
  const id = bench.add('g', { receiver: 'other' });
  expect(bench.underWay).toContain(id);
  await bench.answer(id, SENT);
  expect(bench.target('other').sent).toBe(1);
  // It is back: the others follow, several at a time again.
  await bench.answer(bench.underWay[0] as number, SENT);
  expect(bench.underWay.length).toBe(UNDER_WAY_PER_TARGET);
});

test('deliveries are bounded, but a target without one gets one', () => {
  const bench = new Bench();
  const names = Array.from({ length: 40 }, (_, i) => `r${i}`);
  bench.queue.load(receivers(Object.fromEntries(names.map((name) => [name, [targetOf('webhook')]]))));
  for (const receiver of names.slice(0, 16)) for (let i = 0; i < 10; i++) bench.add(`g${i}`, { receiver });
  expect(bench.underWay.length).toBe(MAX_UNDER_WAY);
  for (const receiver of names.slice(16)) bench.add('g', { receiver });
  expect(bench.underWay.length).toBe(MAX_UNDER_WAY + 24);
});

test('one that is refused is given up at once, and does not hold up the rest', async () => {
  const bench = new Bench();
  bench.add('g', { fresh: ['a'] });
  const next = bench.add('g', { alerts: [alertFor('b')] });
  await bench.answer(1, REFUSED);
  expect(bench.givenUp).toMatchObject([
    { notification: { id: 1 }, because: 'refused', detail: '403 Forbidden', attempts: 1, lost: { fresh: ['a'] } },
  ]);
  expect(bench.underWay).toEqual([next]);
  expect(bench.sent).toEqual([]);
});

test('one that is too old is given up, but not before a few attempts; and one that was tried too often', async () => {
  const bench = new Bench();
  bench.senders.always = RETRY;
  bench.add('g');
  await settled();
  // The clock is set forward: that is no reason yet.
  bench.clock.stepWall(MAX_AGE_MS + 1);
  await bench.advance(1000);
  expect(bench.givenUp).toEqual([]);
  for (let i = 0; i < LEAST_ATTEMPTS; i++) await bench.advance(MAX_BACKOFF_MS);
  expect(bench.givenUp).toMatchObject([{ because: 'too_old', attempts: LEAST_ATTEMPTS }]);
  bench.clock.stepWall(-10 * MAX_AGE_MS);
  bench.add('g');
  bench.clock.stepWall(-10 * MAX_AGE_MS);
  for (let i = 0; i < MAX_ATTEMPTS + 5; i++) await bench.advance(MAX_BACKOFF_MS);
  expect(bench.givenUp).toMatchObject([{}, { because: 'attempts', attempts: MAX_ATTEMPTS }]);
});

test('a full queue gives up the oldest of the target that fills it', async () => {
  const perTarget = { notifications: 3, size: 1e9 };
  const bench = new Bench({ limits: { notifications: 4, size: 1e9, perTarget } });
  bench.queue.load(receivers({ hook: [targetOf('webhook')], other: [targetOf('webhook')] }));
  for (let i = 0; i < 5; i++) bench.add('g');
  // The first is under way, and is never dropped.
  expect(bench.givenUp.map(({ notification, because }) => [notification.id, because])).toEqual([
    [2, 'queue_full'],
    [3, 'queue_full'],
  ]);
  bench.add('g', { receiver: 'other' });
  bench.add('g', { receiver: 'other' });
  expect(bench.givenUp.map(({ notification }) => notification.id)).toEqual([2, 3, 4]);
  expect(bench.target('other').count).toBe(2);
});

test('nobody is told of the end of an alert whose beginning was given up', async () => {
  const bench = new Bench();
  const ended = (id: string) => alertFor(id, { state: 'resolved' });
  bench.add('g', { alerts: [alertFor('a'), alertFor('b')], fresh: ['a'] });
  bench.add('g', { alerts: [ended('a'), ended('b')] });
  bench.add('g', { alerts: [ended('a')] });
  const again = bench.add('g', { alerts: [alertFor('a')], fresh: ['a'] });
  await bench.answer(1, REFUSED);
  expect(bench.senders.underWay[0]?.notification).toMatchObject({ id: 2, alerts: [{ id: 'b' }] });
  await bench.answer(2, SENT);
  const end = bench.add('g', { alerts: [ended('a')] });
  await bench.answer(again, SENT);
  await bench.answer(end, SENT);
  expect(bench.senders.begun.map(({ notification }) => notification.id)).toEqual([1, 2, again, end]);
  // What was withheld is off the disk, too.
  expect(bench.sent.toSorted()).toEqual([2, 3, again, end]);
});

test('what was given up is lost, but for what waits after it and tells the same', async () => {
  const bench = new Bench();
  const ended = (id: string) => alertFor(id, { state: 'resolved' });
  const alerts = ['a', 'b', 'c', 'd'].map((id) => alertFor(id));
  bench.add('g', { alerts: [...alerts, ended('e'), ended('f')], fresh: ['a', 'b'] });
  bench.add('g', { alerts: [alertFor('b'), alertFor('f'), ended('d')], fresh: ['f'] });
  await bench.answer(1, REFUSED);
  expect(bench.givenUp[0]?.lost).toMatchObject({ fresh: ['a'], again: ['c'], ended: [{ id: 'e' }] });
});

test('a receiver that was away is not told of what began and ended meanwhile', async () => {
  const bench = new Bench();
  const ended = (id: string) => alertFor(id, { state: 'resolved' });
  bench.add('g', { alerts: [alertFor('x')], fresh: ['x'], openAlerts: 1 });
  const gone = bench.add('g', { alerts: [alertFor('a'), alertFor('x')], fresh: ['a'], openAlerts: 2 });
  const end = bench.add('g', { alerts: [alertFor('a'), ended('x')], openAlerts: 1 });
  const last = bench.add('g', { alerts: [ended('a')] });
  await bench.answer(1, SENT);
  expect(bench.underWay).toEqual([gone]);
  expect(bench.senders.underWay[0]?.notification).toMatchObject({ alerts: [{ id: 'x' }], openAlerts: 1 });
  await bench.answer(gone, SENT);
  // Nothing is open any more: an incident is closed.
  expect(bench.senders.underWay[0]?.notification).toMatchObject({ id: end, alerts: [{ id: 'x' }], openAlerts: 0 });
  await bench.answer(end, SENT);
  expect(bench.underWay).toEqual([]);
  expect(bench.sent.toSorted()).toEqual([1, gone, end, last]);

  // The attempt that failed may have arrived: then its end is told, but nobody is woken again.
  const tried = bench.add('h', { alerts: [alertFor('b')], fresh: ['b'] });
  await bench.answer(tried, RETRY);
  const closing = bench.add('h', { alerts: [ended('b')] });
  await bench.advance(60_000);
  expect(bench.underWay).toEqual([closing]);

  // Also if the end comes during a later attempt.
  const again = bench.add('k', { alerts: [alertFor('c')], fresh: ['c'] });
  await bench.answer(closing, SENT);
  await bench.answer(again, RETRY);
  await bench.advance(60_000);
  expect(bench.underWay).toEqual([again]);
  const over = bench.add('k', { alerts: [ended('c')] });
  await bench.answer(again, RETRY);
  await bench.advance(60_000);
  expect(bench.underWay).toEqual([over]);
});

test('an alert whose beginning was given up keeps no incident open', async () => {
  const bench = new Bench();
  bench.add('g', { alerts: [alertFor('a'), alertFor('b')], fresh: ['a'], openAlerts: 2 });
  bench.add('g', { alerts: [alertFor('b', { state: 'resolved' })], openAlerts: 1 });
  await bench.answer(1, REFUSED);
  expect(bench.senders.underWay[0]?.notification).toMatchObject({ id: 2, openAlerts: 0 });
});

test('after new rules, what waits for a receiver that is gone is given up; what is under way may arrive', async () => {
  const bench = new Bench();
  bench.add('g');
  bench.add('g');
  bench.add('h');
  bench.queue.load(receivers({ other: [targetOf('webhook')] }));
  expect(bench.givenUp.map(({ notification, because }) => [notification.id, because])).toEqual([[2, 'receiver_gone']]);
  expect(bench.senders.closed).toEqual([]);
  await bench.answer(1, SENT);
  expect(bench.sent).toEqual([1]);
  await bench.answer(3, RETRY);
  expect(bench.givenUp.map(({ notification }) => notification.id)).toEqual([2, 3]);
  expect(bench.senders.closed.length).toBe(1);
  bench.add('g');
  expect(bench.givenUp.length).toBe(3);
});

test('new settings of a target hold for what waits, and for its place among the others', async () => {
  const bench = new Bench();
  bench.add('g');
  await bench.answer(1, { ...RETRY, afterMs: 600_000 });
  const changed = targetOf('webhook', { settings: { url: 'http://new' } });
  bench.queue.load(receivers({ hook: [targetOf('email'), changed] }));
  expect(bench.senders.underWay).toMatchObject([{ target: changed, notification: { id: 1, target: 1 } }]);
  expect(bench.senders.closed).toEqual([targetOf('webhook')]);
  bench.queue.load(receivers({ hook: [targetOf('email'), changed] }));
  expect(bench.senders.closed.length).toBe(1);
});

test('back-off grows to its bound, and jitter takes up to a half of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, random) => {
      const ms = backoffMs(attempts, 1000, 60_000, random);
      const most = Math.min(60_000, 1000 * 2 ** (attempts - 1));
      expect(ms).toBeLessThanOrEqual(most);
      expect(ms).toBeGreaterThanOrEqual(most / 2);
    }),
  );
});

test('over random schedules: in order per group, one under way per group, and each ends exactly once', async () => {
  const step = fc.oneof(
    fc.record({
      type: fc.constant('add' as const),
      group: fc.constantFrom('g', 'h', 'i'),
      receiver: fc.constantFrom('hook', 'other'),
    }),
    fc.record({
      type: fc.constant('answer' as const),
      at: fc.nat(20),
      outcome: fc.constantFrom(SENT, SENT, RETRY, REFUSED),
    }),
    fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(100, 5000, 70_000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const bench = new Bench();
      bench.queue.load(receivers({ hook: [targetOf('webhook')], other: [targetOf('webhook')] }));
      const added: number[] = [];
      const check = () => {
        const lanes = bench.senders.underWay.map(
          ({ notification }) => `${notification.receiver} ${notification.groupKey}`,
        );
        expect(new Set(lanes).size).toBe(lanes.length);
      };
      for (const one of steps) {
        if (one.type === 'add') added.push(bench.add(one.group, { receiver: one.receiver }));
        else if (one.type === 'wait') await bench.advance(one.ms);
        else if (bench.underWay.length > 0) {
          await bench.answer(bench.underWay[one.at % bench.underWay.length] as number, one.outcome);
        }
        check();
      }
      while (bench.sent.length + bench.givenUp.length < added.length) {
        const [id] = bench.underWay;
        if (id === undefined) await bench.advance(MAX_BACKOFF_MS);
        else await bench.answer(id, SENT);
        check();
      }
      const ended = [...bench.sent, ...bench.givenUp.map(({ notification }) => notification.id)];
      expect(ended.toSorted((a, b) => a - b)).toEqual(added);
      const order = Map.groupBy(
        bench.senders.begun,
        ({ notification }) => `${notification.receiver} ${notification.groupKey}`,
      );
      for (const sends of order.values()) {
        const ids = sends.map(({ notification }) => notification.id);
        expect(ids).toEqual(ids.toSorted((a, b) => a - b));
      }
    }),
    { numRuns: repetitions(20, 1000) },
  );
});
