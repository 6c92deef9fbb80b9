import fc from 'fast-check';
import { expect, test } from 'vitest';
import { beginRead, beginWrite, currentCopy, endWrite, isWhole, mendWrite } from '../../src/store/double-buffer.ts';
import type { Copy } from '../../src/store/layout.ts';

/** A value of two halves; whole if both come from the same write. */
class Simulation {
  readonly control = new Int32Array(new SharedArrayBuffer(4));
  readonly halves: [[number, number], [number, number]] = [
    [0, 0],
    [0, 0],
  ];
  lastWhole = 0;
  #writes = 0;
  #write: { copy: Copy; value: number; step: number } | undefined;
  #read: { generation: number; first?: number; atLeast: number } | undefined;

  writerStep(): void {
    if (this.#write === undefined) {
      this.#write = { copy: beginWrite(this.control, 0), value: ++this.#writes, step: 0 };
      return;
    }
    const { copy, value, step } = this.#write;
    if (step < 2) {
      this.halves[copy][step as 0 | 1] = value;
      this.#write.step++;
      return;
    }
    endWrite(this.control, 0);
    this.lastWhole = value;
    this.#write = undefined;
  }

  killWriter(): void {
    this.#write = undefined;
    mendWrite(this.control, 0);
  }

  /** Checks what was read when the second look says that it is whole. */
  readerStep(): void {
    if (this.#read === undefined) {
      this.#read = { generation: beginRead(this.control, 0), atLeast: this.lastWhole };
      return;
    }
    const { generation, first, atLeast } = this.#read;
    const copy = this.halves[currentCopy(generation)];
    if (first === undefined) {
      this.#read.first = copy[0];
      return;
    }
    const second = copy[1];
    this.#read = undefined;
    if (!isWhole(this.control, 0, generation)) return;
    expect(second).toBe(first);
    expect(first).toBeGreaterThanOrEqual(atLeast);
  }
}

const step = fc.constantFrom('write', 'write', 'write', 'read', 'read', 'kill');

test('in every interleaving of writer, reader and kills, a value accepted as whole is whole and current', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const simulation = new Simulation();
      for (const name of steps) {
        if (name === 'write') simulation.writerStep();
        else if (name === 'read') simulation.readerStep();
        else simulation.killWriter();
      }
    }),
    { numRuns: 20_000 },
  );
});

test('an undisturbed read succeeds at the first try', () => {
  const simulation = new Simulation();
  for (let i = 0; i < 8; i++) simulation.writerStep();
  const generation = beginRead(simulation.control, 0);
  expect(isWhole(simulation.control, 0, generation)).toBe(true);
});

test('the generation may wrap', () => {
  const control = new Int32Array(new SharedArrayBuffer(4));
  control[0] = 0x7ffffffe;
  const before = currentCopy(beginRead(control, 0));
  const written = beginWrite(control, 0);
  expect(written).not.toBe(before);
  endWrite(control, 0);
  const generation = beginRead(control, 0);
  expect(currentCopy(generation)).toBe(written);
  expect(isWhole(control, 0, generation)).toBe(true);
  beginWrite(control, 0);
  endWrite(control, 0);
  beginWrite(control, 0);
  expect(isWhole(control, 0, generation)).toBe(false);
});
