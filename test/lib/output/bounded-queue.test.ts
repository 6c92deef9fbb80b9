import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedQueue } from '../../../src/lib/output/bounded-queue.ts';
import { repetitions } from '../../support/repetitions.ts';

/** A line of some length, or that so many bytes are written. */
const step = fc.oneof(
  fc.record({ line: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ written: fc.integer({ min: 1, max: 80 }) }),
);

test('whatever is added and written, the bound holds, order is kept, and every line is written or counted', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 60, max: 300 }), (steps, maxBytes) => {
      const queue = new BoundedQueue(maxBytes);
      let written = '';
      let lost = 0;
      let added = 0;
      const write = (most: number) => {
        const next = queue.next();
        if (next === undefined) return;
        const part = next.subarray(0, most);
        written += part.toString();
        queue.written(part.length);
        lost += queue.takeLoss();
      };
      for (const todo of steps) {
        if ('written' in todo) write(todo.written);
        else queue.add(Buffer.from(`${String(added++).padStart(todo.line, '0')}\n`));
        expect(queue.bytes).toBeLessThanOrEqual(maxBytes);
      }
      while (!queue.isEmpty) write(1000);
      lost += queue.takeLoss();
      const numbers = written.split('\n').slice(0, -1).map(Number);
      expect(numbers.length + lost).toBe(added);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }),
    { numRuns: repetitions(200, 5000) },
  );
});
