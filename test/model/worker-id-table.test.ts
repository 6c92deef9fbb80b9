import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeWorkerId } from '../../src/model/worker-id.ts';
import { WorkerIdTable } from '../../src/model/worker-id-table.ts';

function outcome(read: () => string): { id: string } | { refused: string } {
  try {
    return { id: read() };
  } catch (error) {
    return { refused: String(error) };
  }
}

test('an id reads the same the first time and every other time, whatever lies around it', () => {
  const id = fc.oneof(
    fc.constantFrom('a', 'b', 'ab', 'ba', 'aé', 'a\u0007', '..', ''),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
  );
  const bytes = fc.oneof(
    id.map((text) => Uint8Array.from(Buffer.from(text))),
    fc.uint8Array({ maxLength: 4 }),
  );
  const steps = fc.array(fc.tuple(fc.nat(3), fc.nat(5), fc.nat(5)), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 4 }), steps, (ids, reads) => {
      const table = new WorkerIdTable();
      for (const [which, before, after] of reads) {
        const one = ids[which % ids.length] as Uint8Array;
        const message = Buffer.concat([Buffer.alloc(before, 'x'), one, Buffer.alloc(after, 'y')]);
        expect(outcome(() => table.read(message, before, before + one.length))).toEqual(
          outcome(() => decodeWorkerId(Buffer.from(one))),
        );
      }
    }),
  );
});

test('ids that share a cell are told apart', () => {
  const table = new WorkerIdTable();
  // More ids than there are cells.
  const ids = Array.from({ length: 100_000 }, (_, i) => `worker-${i}`);
  for (const round of [1, 2]) {
    for (const id of ids) {
      const bytes = Buffer.from(id);
      if (table.read(bytes, 0, bytes.length) !== id) throw new Error(`${id} was read as another in round ${round}`);
    }
  }
  expect(table.read(Buffer.from('worker-1'), 0, 8)).toBe('worker-1');
});
