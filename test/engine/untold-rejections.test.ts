import fc from 'fast-check';
import { expect, test } from 'vitest';
import { forgetReplaced, UntoldRejections } from '../../src/engine/untold-rejections.ts';
import { Mailbox, type Parcel } from '../../src/engine/workers/mailbox.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { checkableRecord } from '../store/threads/checkable-record.ts';

const receipt = { monotonicMs: 0, wallMs: 0 };
/** What a heartbeat is, as its bytes. `wrong` is told by its own answer, `hidden` is seen by the lane alone. */
type Kind = 'good' | 'wrong' | 'hidden';

/** One worker: a real mailbox and slot, and a lane that processes when the test says so. */
class Fleet {
  readonly mailbox: Mailbox;
  readonly entry;
  readonly untold: UntoldRejections;
  readonly #writer: SlotWriter;
  readonly #posted: Parcel[] = [];
  /** Rejections by the lane that no answer foretold. */
  hidden = 0;

  constructor(depth: number) {
    const memory = newSlot('w');
    this.mailbox = new Mailbox(depth);
    this.#writer = new SlotWriter(memory);
    const slot = new SlotReader(memory);
    this.entry = { mailbox: this.mailbox, slot, rejectionsTold: 0, foretold: [] as readonly number[], liveness: {} };
    this.untold = new UntoldRejections({ get: () => this.entry as never });
  }

  send(kind: Kind): void {
    const { post, replaced } = this.mailbox.accept(Buffer.from(kind), receipt);
    if (post !== undefined) this.#posted.push(post);
    if (replaced) forgetReplaced(this.entry);
    if (kind === 'wrong') this.untold.foretold('w');
  }

  process(): void {
    const parcel = this.#posted.shift();
    if (parcel === undefined) return;
    const { ordinal, bytes } = parcel;
    const kind = Buffer.from(bytes).toString() as Kind;
    this.#writer.take(ordinal);
    if (kind === 'good') this.#writer.publish(checkableRecord(ordinal).numbers, '{');
    else this.#writer.reject(ordinal, kind, 1);
    if (kind === 'hidden') this.hidden++;
    const next = this.mailbox.done(ordinal);
    if (next !== undefined) this.#posted.push(next);
  }

  take() {
    return this.untold.take('w');
  }
}

test('each rejection that no answer foretold is told once, whatever replaces whatever, and whichever notice is lost', () => {
  const step = fc.constantFrom('good', 'wrong', 'hidden', 'process', 'process', 'take', 'lose');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (depth, steps) => {
      const fleet = new Fleet(depth);
      let told = 0;
      const take = () => {
        told += fleet.take()?.count ?? 0;
        expect(told).toBe(fleet.hidden);
        expect(fleet.take()).toBeUndefined();
      };
      for (const what of steps) {
        if (what === 'take') take();
        else if (what === 'lose') fleet.take()?.giveBack();
        else if (what === 'process') fleet.process();
        else fleet.send(what);
      }
      while (!fleet.mailbox.isEmpty) fleet.process();
      take();
      expect(fleet.entry.foretold).toEqual([]);
    }),
  );
});

test('a heartbeat that replaced a foretold one is told', () => {
  const fleet = new Fleet(1);
  fleet.send('good');
  fleet.send('wrong');
  fleet.send('hidden');
  fleet.process();
  fleet.process();
  expect(fleet.take()).toMatchObject({ reason: 'hidden', count: 1 });
});

test('a rejection whose note is written, and not counted yet, is told once', () => {
  const fleet = new Fleet(1);
  fleet.send('hidden');
  fleet.process();
  expect(fleet.take()).toMatchObject({ count: 1 });
  fleet.send('hidden');
  fleet.process();
  fleet.send('hidden');
  fleet.process();
  const { slot } = fleet.entry;
  Object.defineProperty(slot, 'rejected', { value: 2, configurable: true });
  expect(fleet.take()).toMatchObject({ count: 2 });
  Reflect.deleteProperty(slot, 'rejected');
  expect(slot.rejected).toBe(3);
  expect(fleet.take()).toBeUndefined();
});

test('heartbeats that were foretold and then lost with their lane hide no later rejection', () => {
  const fleet = new Fleet(1);
  fleet.entry.foretold = [1, 2, 3];
  for (let n = 0; n < 4; n++) {
    fleet.send(n < 3 ? 'good' : 'hidden');
    fleet.process();
  }
  expect(fleet.take()).toMatchObject({ reason: 'hidden', count: 1 });
});
