import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_AGE_MS } from '../../../src/metrics/export/export-limits.ts';
import type { Message } from '../../../src/metrics/export/exporter.ts';
import { ExportQueue } from '../../../src/metrics/export/queue.ts';
import { repetitions } from '../../support/repetitions.ts';

const MAX_BYTES = 100;

/** The same, as simply as it can be said. */
class Model {
  waiting: Message[] = [];
  sending: Message | undefined;
  dropped: Record<string, number> = {};
  sent: Message[] = [];

  get all(): Message[] {
    return this.sending === undefined ? this.waiting : [this.sending, ...this.waiting];
  }

  drop(reason: string, { samples }: Message): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + samples;
  }

  add(message: Message): void {
    this.waiting.push(message);
    while (sum(this.all, 'bytes') > MAX_BYTES && this.waiting.length > 1)
      this.drop('full', this.waiting.shift() as Message);
  }

  take(now: number): Message | undefined {
    const isOld = ({ atUnixMs }: Message) => now - atUnixMs > MAX_AGE_MS;
    if (this.sending !== undefined && isOld(this.sending)) this.end('old');
    if (this.sending !== undefined) return this.sending;
    for (const message of this.waiting.filter(isOld)) this.drop('old', message);
    this.waiting = this.waiting.filter((message) => !isOld(message));
    this.sending = this.waiting.shift();
    return this.sending;
  }

  settle(): void {
    if (this.sending !== undefined) this.sent.push(this.sending);
    this.sending = undefined;
  }

  end(reason: string): void {
    if (this.sending !== undefined) this.drop(reason, this.sending);
    this.sending = undefined;
  }
}

function sum(messages: readonly Message[], member: 'bytes' | 'samples'): number {
  return messages.reduce((total, message) => total + message[member], 0);
}

const step = fc.oneof(
  fc.record({
    do: fc.constant('add'),
    bytes: fc.integer({ min: 0, max: 120 }),
    samples: fc.nat(9),
    wait: fc.nat(3_600_000),
  }),
  fc.constantFrom({ do: 'take' }, { do: 'settle' }, { do: 'refuse' }),
);

test('it does what a plain list would do, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const dropped: Record<string, number> = {};
      const queue = new ExportQueue<Message>(MAX_BYTES, (reason, samples) => {
        dropped[reason] = (dropped[reason] ?? 0) + samples;
      });
      const model = new Model();
      let now = 0;
      let added = 0;
      for (const one of steps) {
        if ('bytes' in one) {
          now += one.wait;
          const message = { atUnixMs: now, samples: one.samples, bytes: one.bytes };
          added += one.samples;
          queue.add(message);
          model.add(message);
        } else if (one.do === 'take') {
          expect(queue.take(now)).toBe(model.take(now));
        } else if (one.do === 'settle') {
          queue.settle();
          model.settle();
        } else {
          queue.drop('refused');
          model.end('refused');
        }
        expect(queue.status).toEqual({
          messages: model.all.length,
          samples: sum(model.all, 'samples'),
          bytes: sum(model.all, 'bytes'),
          maxBytes: MAX_BYTES,
          oldestUnixMs: model.all[0]?.atUnixMs ?? null,
        });
        expect(dropped).toEqual(model.dropped);
        // Nothing is lost without being counted.
        const counted = Object.values(dropped).reduce((total, samples) => total + samples, 0);
        expect(sum(model.sent, 'samples') + counted + queue.status.samples).toBe(added);
      }
      // What was sent went oldest first.
      const times = model.sent.map(({ atUnixMs }) => atUnixMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }),
    { numRuns: repetitions(300, 20_000) },
  );
});

test('the message that is being sent outlives a full queue', () => {
  const dropped: string[] = [];
  const queue = new ExportQueue<Message>(MAX_BYTES, (reason, samples) => dropped.push(`${reason} ${samples}`));
  const message = (samples: number) => ({ atUnixMs: samples, samples, bytes: 60 });
  queue.add(message(1));
  expect(queue.take(0)?.samples).toBe(1);
  queue.add(message(2));
  queue.add(message(3));
  expect(dropped).toEqual(['full 2']);
  expect(queue.take(0)?.samples).toBe(1);
  queue.dropAll('stop');
  expect(dropped).toEqual(['full 2', 'stop 1', 'stop 3']);
  expect(queue.status).toMatchObject({ messages: 0, samples: 0, bytes: 0, oldestUnixMs: null });
});
