import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { allocatePublications, Publications } from '../../src/store/publications.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { interrupted, killed } from './killed-writer.ts';
import { checkableRecord } from './threads/checkable-record.ts';

afterEach(() => vi.restoreAllMocks());

const ROW = 2;
/** A reader as JoinedMap and Revisions are: looks at the slot only where the count has moved. */
class Looker {
  readonly #publications: Publications;
  readonly #copy = new Int32Array(4);
  #counted: number | undefined;
  seen: unknown;

  constructor(publications: Publications) {
    this.#publications = publications;
  }

  look(slot: SlotReader): void {
    this.#publications.copyTo(this.#copy);
    if (this.#copy[ROW] === this.#counted) return;
    this.#counted = this.#publications.of(ROW);
    this.seen = whatIsThere(slot);
  }

  /** Another slot, of which it was told. */
  forget(): void {
    this.#counted = undefined;
  }
}

const whatIsThere = (slot: SlotReader) => ({
  numbers: slot.numbers(),
  counts: slot.counts(),
  rejection: slot.lastRejection(),
  // Revisions compares these, too.
  publications: slot.publications,
});

const beats = fc.array(
  fc.record({
    act: fc.constantFrom('publish', 'reject'),
    /** Whether the reader looks before each change of a word. */
    looks: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
    /** At which change of a word the lane is killed. */
    diesAt: fc.option(fc.nat(11), { freq: 2, nil: undefined }),
    isLarge: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

test('in every interleaving of a lane, its death, its successor and a reader, each change is eventually seen', () => {
  fc.assert(
    fc.property(beats, (steps) => {
      const publications = new Publications(allocatePublications(4));
      const reader = new Looker(publications);
      let memory = newSlot('w', 8);
      let slot = new SlotReader(memory);
      let writer = new SlotWriter(memory, { publications, row: ROW });
      let ordinal = 0;
      for (const { act, looks, diesAt, isLarge } of steps) {
        let changes = 0;
        ordinal++;
        const died = interrupted(
          () => {
            if (looks[changes]) reader.look(slot);
            if (changes++ === diesAt) throw killed;
          },
          () => {
            writer.take(ordinal);
            if (act === 'reject') return writer.reject(ordinal, `no ${ordinal}`, ordinal);
            const grown = writer.publish(checkableRecord(ordinal).numbers, isLarge ? 'x'.repeat(4000) : '{');
            if (grown !== undefined) memory = grown;
          },
        );
        if (slot.memory !== memory) {
          slot = new SlotReader(memory);
          reader.forget();
        }
        if (!died) continue;
        // Main hears of the death; there may be no successor for long.
        publications.add(ROW);
        reader.look(slot);
        expect(reader.seen).toEqual(whatIsThere(slot));
        writer = new SlotWriter(memory, { publications, row: ROW });
        writer.mend();
        reader.look(slot);
        expect(reader.seen).toEqual(whatIsThere(slot));
      }
      reader.look(slot);
      expect(reader.seen).toEqual(whatIsThere(slot));
    }),
    { numRuns: 500 },
  );
});

test('a reader does not read a slot without changes', () => {
  const publications = new Publications(allocatePublications(4));
  const memory = newSlot('w', 8);
  const writer = new SlotWriter(memory, { publications, row: ROW });
  writer.mend();
  writer.take(1);
  writer.publish(checkableRecord(1).numbers, '{');
  const counted = publications.of(ROW);
  new SlotWriter(memory, { publications, row: ROW }).mend();
  expect(publications.of(ROW)).toBe(counted);
  expect(publications.of(ROW - 1) + publications.of(ROW + 1)).toBe(0);
});

test('concurrent increments of one row are not lost', async () => {
  const memory = allocatePublications(1);
  const { Worker } = await import('node:worker_threads');
  const count = 200_000;
  const script = `
    const { workerData: { memory, url, count } } = require('node:worker_threads');
    import(url).then(({ Publications }) => {
      const publications = new Publications(memory);
      for (let i = 0; i < count; i++) publications.add(0);
    });`;
  const url = new URL('../../src/store/publications.ts', import.meta.url).href;
  const threads = [0, 1].map(() => new Worker(script, { eval: true, workerData: { memory, url, count } }));
  await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve))));
  expect(new Publications(memory).of(0)).toBe(2 * count);
});
