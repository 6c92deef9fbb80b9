import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Collector } from '../../../src/metrics/export/collector.ts';
import {
  AWAY_AFTER_MS,
  FLUSH_WITHIN_MS,
  MAX_AGE_MS,
  MAX_RETRY_AFTER_MS,
} from '../../../src/metrics/export/export-limits.ts';
import type { Exporter, Message, Outcome, RoundSlice } from '../../../src/metrics/export/exporter.ts';
import { Pipeline } from '../../../src/metrics/export/pipeline.ts';
import type { FamilyWithSeries } from '../../../src/metrics/family.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { repetitions } from '../../support/repetitions.ts';

const INTERVAL_MS = 15_000;
const TAKEN: Outcome = { type: 'taken', rejected: 0 };
const REFUSED: Outcome = { type: 'refused', detail: 'HTTP 400' };
const AWAY: Outcome = { type: 'retry', code: 'unreachable', detail: 'connect ECONNREFUSED' };

interface Numbered extends Message {
  readonly number: number;
}

/** A receiver that answers when the test says. Each round is one message of three samples. */
class Receiver implements Exporter<Numbered, unknown> {
  readonly kind = 'otlp';
  readonly place = 'http://collector:4318';
  readonly protocol = 'test';
  /** Of each attempt, the number of its message. */
  readonly attempts: number[] = [];
  readonly times: number[] = [];
  isClosed = false;
  #rounds = 0;
  #answer: ((outcome: Outcome) => void) | undefined;

  get isAsked(): boolean {
    return this.#answer !== undefined;
  }

  encode({ atUnixMs }: RoundSlice<unknown>): readonly Numbered[] {
    this.times.push(atUnixMs);
    return [{ atUnixMs, samples: 3, bytes: 10, number: ++this.#rounds }];
  }

  send({ number }: Numbered, signal: AbortSignal): Promise<Outcome> {
    if (this.isAsked) throw new Error('two at a time');
    this.attempts.push(number);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#answer = resolve;
    signal.addEventListener('abort', () => resolve(AWAY));
    return promise;
  }

  async answer(outcome: Outcome): Promise<void> {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(outcome);
    await settled();
  }

  renew(): void {}

  close(): void {
    this.isClosed = true;
  }
}

/** All promises that can go on have gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

function begin(options: { maxQueueBytes?: number; nextTurn?: (fn: () => void) => void } = {}) {
  const clock = new FakeClock(1_795_456_495_000);
  const receiver = new Receiver();
  let changes = 0;
  const source = { master: (): FamilyWithSeries[] => [], worker: () => undefined };
  const pipeline = new Pipeline({
    exporter: receiver,
    collector: new Collector({ all: function* () {} }, source, 1000),
    intervalMs: INTERVAL_MS,
    maxQueueBytes: 1000,
    clock,
    onChange: () => changes++,
    nextTurn: (fn) => fn(),
    random: () => 0.5,
    ...options,
  });
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };
  pipeline.start();
  return { clock, receiver, pipeline, pass, changes: () => changes };
}

test('the first round is sent at once, the next ones in order, one at a time', async () => {
  const { receiver, pipeline, pass } = begin();
  await settled();
  expect(pipeline.status).toMatchObject({ state: 'starting', lastSentUnixMs: null });
  await pass(INTERVAL_MS);
  await pass(INTERVAL_MS);
  expect(receiver.attempts).toEqual([1]);
  await receiver.answer(TAKEN);
  await receiver.answer(TAKEN);
  expect(receiver.attempts).toEqual([1, 2, 3]);
  expect(pipeline.status).toMatchObject({ state: 'ok', sentMessages: 2, sentSamples: 6, failedAttempts: 0 });
  await receiver.answer({ type: 'taken', rejected: 1, detail: '1 of 3' });
  expect(pipeline.status).toMatchObject({
    sentSamples: 8,
    dropped: { rejected: 1 },
    queue: { messages: 0, samples: 0 },
    lastFailure: { code: 'refused', detail: '1 of 3' },
  });
});

test('a message that was not taken is sent again after a wait, before all later ones', async () => {
  const { receiver, pass, pipeline } = begin();
  await settled();
  await receiver.answer(AWAY);
  expect(receiver.isAsked).toBe(false);
  await pass(499);
  expect(receiver.attempts).toEqual([1]);
  await pass(1);
  expect(receiver.attempts).toEqual([1, 1]);
  await receiver.answer({ ...AWAY, retryAfterMs: 2 * INTERVAL_MS } as Outcome);
  await pass(INTERVAL_MS);
  await pass(INTERVAL_MS - 1);
  expect(receiver.attempts).toEqual([1, 1]);
  await pass(1);
  expect(receiver.attempts).toEqual([1, 1, 1]);
  expect(pipeline.status).toMatchObject({ failedAttempts: 2, queue: { messages: 3, samples: 9 } });
  await receiver.answer(TAKEN);
  await receiver.answer(TAKEN);
  expect(receiver.attempts).toEqual([1, 1, 1, 2, 3]);
});

test('a refused message is dropped and counted, and the next one follows at once', async () => {
  const { receiver, pass, pipeline } = begin();
  await settled();
  await pass(INTERVAL_MS);
  await receiver.answer(REFUSED);
  expect(receiver.attempts).toEqual([1, 2]);
  expect(pipeline.status.dropped).toMatchObject({ refused: 3 });
});

test('a message of which nothing is taken was refused, also by an answer of success', async () => {
  const { receiver, pass, pipeline } = begin();
  await settled();
  for (let ms = 0; ms <= AWAY_AFTER_MS; ms += INTERVAL_MS) {
    await receiver.answer({ type: 'taken', rejected: 3, detail: '3 of 3' });
    await pass(INTERVAL_MS);
  }
  expect(pipeline.status).toMatchObject({
    state: 'degraded',
    problem: { code: 'refused', detail: '3 of 3' },
    lastSentUnixMs: null,
    sentMessages: 0,
    dropped: { refused: 15, rejected: 0 },
  });
});

test('new credentials are tried at once', async () => {
  const { receiver, pipeline } = begin();
  await settled();
  pipeline.renew({} as never);
  expect(receiver.attempts).toEqual([1]);
  await receiver.answer({ ...AWAY, retryAfterMs: MAX_RETRY_AFTER_MS } as Outcome);
  expect(receiver.attempts).toEqual([1]);
  pipeline.renew({} as never);
  expect(receiver.attempts).toEqual([1, 1]);
  await receiver.answer(TAKEN);
  expect(pipeline.status.queue.messages).toBe(0);
});

test('what is to be encoded in another way is sent again at once', async () => {
  const { receiver, pipeline } = begin();
  await settled();
  await receiver.answer({ type: 'again' });
  expect(receiver.attempts).toEqual([1, 1]);
  expect(pipeline.status.failedAttempts).toBe(0);
});

test('a receiver that is away for long costs the oldest rounds, and is told once', async () => {
  const { receiver, pass, pipeline, changes } = begin({ maxQueueBytes: 30 });
  await settled();
  await receiver.answer(AWAY);
  for (let n = 0; n < 5; n++) {
    await pass(INTERVAL_MS);
    if (receiver.isAsked) await receiver.answer(AWAY);
  }
  expect(5 * INTERVAL_MS).toBeGreaterThan(AWAY_AFTER_MS);
  // The one that is being sent stays; of the others there is room for two.
  expect(pipeline.status).toMatchObject({
    state: 'degraded',
    problem: { code: 'unreachable', detail: 'connect ECONNREFUSED', sinceUnixMs: 1_795_456_495_000 },
    dropped: { full: 9 },
    queue: { messages: 3, samples: 9, bytes: 30 },
  });
  await pass(30_000);
  await receiver.answer(TAKEN);
  expect(pipeline.status.state).toBe('ok');
  expect(changes()).toBe(2);
});

test('what has waited for too long is dropped, also the message that is being sent', async () => {
  const { receiver, pass, pipeline } = begin({ maxQueueBytes: 100_000 });
  await settled();
  await receiver.answer(AWAY);
  for (let ms = 0; ms <= MAX_AGE_MS; ms += INTERVAL_MS) {
    if (receiver.isAsked) await receiver.answer(AWAY);
    await pass(INTERVAL_MS);
  }
  expect(pipeline.status.dropped.old).toBeGreaterThan(0);
  expect(pipeline.status.queue.oldestUnixMs).toBeGreaterThan(1_795_456_495_000);
  // What becomes too old while an attempt is under way may still be taken: it is not dropped, too.
  while (!receiver.isAsked) await pass(INTERVAL_MS);
  await pass(MAX_AGE_MS);
  await receiver.answer(TAKEN);
  const { sentSamples, dropped, queue } = pipeline.status;
  expect(sentSamples).toBe(3);
  expect(sentSamples + dropped.old + queue.samples).toBe(3 * receiver.times.length);
});

test('times of rounds rise even if the clock is set back', async () => {
  const { clock, receiver, pass } = begin();
  await settled();
  clock.stepWall(-3_600_000);
  await pass(INTERVAL_MS);
  await pass(INTERVAL_MS);
  const [first = 0] = receiver.times;
  expect(receiver.times).toEqual([first, first + 2, first + 4]);
});

test('a round that takes longer than the interval holds up the next ones, which are counted', async () => {
  const turns: (() => void)[] = [];
  const { receiver, pass, pipeline } = begin({ nextTurn: (fn) => turns.push(fn) });
  await pass(INTERVAL_MS);
  await pass(INTERVAL_MS);
  expect(pipeline.status.skippedRounds).toBe(2);
  turns.pop()?.();
  await settled();
  await pass(INTERVAL_MS);
  expect(receiver.times).toHaveLength(2);
});

test('a stop sends what waits', async () => {
  const { receiver, pass, pipeline } = begin();
  await settled();
  await pass(INTERVAL_MS);
  const stopped = pipeline.stop();
  await receiver.answer(TAKEN);
  await receiver.answer(TAKEN);
  await stopped;
  expect(pipeline.status).toMatchObject({ sentMessages: 2, dropped: { stop: 0 } });
  expect(receiver.isClosed).toBe(true);
});

test('a stop tries a receiver that is away once more, and waits for none', async () => {
  const { clock, receiver, pass, pipeline } = begin();
  await settled();
  await receiver.answer(AWAY);
  const stopped = pipeline.stop();
  await settled();
  expect(receiver.attempts).toEqual([1, 1]);
  await receiver.answer(AWAY);
  await stopped;
  expect(pipeline.status.dropped).toMatchObject({ stop: 3 });
  expect(clock.pending).toBe(0);

  const other = begin();
  await settled();
  const ended = other.pipeline.stop();
  await pass(0);
  other.clock.advance(FLUSH_WITHIN_MS);
  await ended;
  expect(other.pipeline.status.dropped).toMatchObject({ stop: 3 });
});

test('whatever receivers answer, each sample is sent, waits, or is counted as dropped', async () => {
  const outcome = fc.constantFrom<Outcome>(TAKEN, REFUSED, AWAY, { type: 'taken', rejected: 2 }, { type: 'again' });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(40_000), outcome), { maxLength: 30 }), async (steps) => {
      const { receiver, pass, pipeline } = begin({ maxQueueBytes: 50 });
      await settled();
      for (const [ms, answer] of steps) {
        await pass(ms);
        if (receiver.isAsked) await receiver.answer(answer);
        const { sentSamples, dropped, queue } = pipeline.status;
        const gone = Object.values(dropped).reduce((sum, samples) => sum + samples, 0);
        expect(sentSamples + gone + queue.samples).toBe(3 * receiver.times.length);
        expect(receiver.attempts).toEqual(receiver.attempts.toSorted((a, b) => a - b));
      }
    }),
    { numRuns: repetitions(100, 5000) },
  );
});
