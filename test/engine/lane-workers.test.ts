import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaneWorkers } from '../../src/engine/lanes/lane-workers.ts';

interface Worker {
  readonly row: number;
  readonly occupant: number;
}

const ROWS = 3;

test('a worker that the thread was given is known until the thread has left it, and it leaves them in order', async () => {
  const steps = fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ what: fc.constantFrom('serve' as const, 'leave' as const), row: fc.nat(ROWS - 1) }),
      },
      { weight: 2, arbitrary: fc.constant({ what: 'left' as const, row: 0 }) },
      { weight: 1, arbitrary: fc.constant({ what: 'dies' as const, row: 0 }) },
    ),
    { maxLength: 60, size: 'max' },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const workers = new LaneWorkers<Worker>();
      const served = new Map<number, Worker>();
      const leaving: Worker[] = [];
      const told: Promise<void>[] = [];
      const answers: [Worker, boolean][] = [];
      const expected: [Worker, boolean][] = [];
      let occupants = 0;
      for (const { what, row } of all) {
        if (what === 'serve' && !served.has(row)) {
          const worker = { row, occupant: ++occupants };
          workers.serve(worker);
          served.set(row, worker);
        } else if (what === 'leave') {
          const worker = served.get(row) ?? { row, occupant: 0 };
          expect(workers.stopServing(worker)).toBe(served.delete(row));
          expect(workers.stopServing(worker)).toBe(false);
          if (worker.occupant === 0) continue;
          const departure = workers.leave(worker);
          leaving.push(worker);
          expect(workers.departureOf(worker)).toBe(departure);
          told.push(departure.then((isUnwritten) => void answers.push([worker, isUnwritten])));
        } else if (what === 'left') {
          const worker = leaving.shift();
          expect(workers.nextToLeave).toBe(worker);
          workers.leftNext();
          if (worker !== undefined) expected.push([worker, true]);
        } else if (what === 'dies') {
          for (const { worker, left } of workers.takeLeaving()) {
            expect(worker).toBe(leaving.shift());
            left(false);
            expected.push([worker, false]);
          }
          expect(leaving).toEqual([]);
        }
        expect([...workers.served]).toEqual([...served.values()]);
        expect(workers.servedCount).toBe(served.size);
        expect(workers.isEmpty).toBe(served.size === 0 && leaving.length === 0);
        for (const worker of [...served.values(), ...leaving]) {
          expect(workers.givenAt(worker.row, worker.occupant)).toBe(worker);
        }
        for (let at = 0; at < ROWS; at++) {
          expect(workers.servesRow(at)).toBe(served.has(at));
          expect(workers.givenAt(at, occupants + 1)).toBeUndefined();
        }
        for (const [worker] of expected) expect(workers.givenAt(worker.row, worker.occupant)).toBeUndefined();
      }
      for (const { worker, left } of workers.takeLeaving()) {
        left(true);
        expected.push([worker, true]);
      }
      await Promise.all(told);
      expect(answers).toEqual(expected);
    }),
  );
});
