import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Checkout } from '../../bench/lib/checkout.ts';
import { type ComparedRow, compare, comparisonTable } from '../../bench/lib/comparison.ts';

const row = (id: string, median: number, disturbed: number | null = null): ComparedRow => ({
  id,
  question: `what ${id} is`,
  unit: 'ms',
  median,
  disturbed,
});

describe('two checkouts in turn', () => {
  test('compare by the median of the ratios within each turn, however the machine drifts', () => {
    const turns = [1, 10, 3].map((slow) => ({ before: [row('x', 2 * slow)], after: [row('x', slow)] }));
    expect(compare(turns)).toMatchObject([{ id: 'x', before: 6, after: 3, ratio: 0.5, min: 0.5, max: 0.5 }]);
  });

  test('a row that only one has is shown, and compares with nothing', () => {
    const [fresh, old] = compare([{ before: [row('old', 1)], after: [row('fresh', 2)] }]);
    expect(fresh).toMatchObject({ id: 'fresh', before: null, after: 2, ratio: null });
    expect(old).toMatchObject({ id: 'old', before: 1, after: null, ratio: null });
    expect(comparisonTable([fresh, old].flatMap((one) => one ?? []))).toMatch(/fresh .*– +2\.00 ms +–/);
  });

  test('a turn in which one side failed counts for the other side alone', () => {
    const turns = [
      { before: [], after: [row('x', 4)] },
      { before: [row('x', 2)], after: [row('x', 6)] },
    ];
    expect(compare(turns)).toMatchObject([{ before: 2, after: 4, ratio: 3 }]);
  });

  test('nothing is no multiple of nothing', () => {
    expect(compare([{ before: [row('x', 0)], after: [row('x', 0)] }])).toMatchObject([{ before: 0, ratio: null }]);
  });

  test('disturbance is the worst of both; rows of older checkouts say nothing of it', () => {
    const { disturbed: _, ...older } = row('x', 1);
    const turns = [{ before: [older], after: [row('x', 1, 0.2)] }];
    expect(compare(turns)).toMatchObject([{ disturbed: 0.2 }]);
    expect(comparisonTable(compare(turns))).toMatch(/20 % !/);
    expect(compare([{ before: [older], after: [older] }])).toMatchObject([{ disturbed: null }]);
  });

  test('the ratio lies between the least and the most, and each row comes once', () => {
    const side = fc
      .uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 })
      .chain((ids) =>
        fc.tuple(...ids.map((id) => fc.double({ min: 0, max: 1e6, noNaN: true }).map((value) => row(id, value)))),
      );
    fc.assert(
      fc.property(fc.array(fc.record({ before: side, after: side }), { maxLength: 5 }), (turns) => {
        const rows = compare(turns);
        const ids = new Set(turns.flatMap(({ before, after }) => [...before, ...after].map(({ id }) => id)));
        expect(rows.map(({ id }) => id).toSorted()).toEqual([...ids].toSorted());
        for (const { ratio, min, max } of rows) {
          if (ratio !== null) expect(ratio >= (min ?? Number.NaN) && ratio <= (max ?? Number.NaN)).toBe(true);
        }
      }),
    );
  });
});

describe('another checkout', () => {
  /** Its runner writes what this one's would, or fails. */
  const checkoutOf = (runner: string) => {
    const directory = mkdtempSync(join(tmpdir(), 'pulselane-checkout-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    for (const folder of ['bench', 'node_modules/.bin']) mkdirSync(join(directory, folder), { recursive: true });
    writeFileSync(join(directory, 'bench/run.ts'), '');
    writeFileSync(join(directory, 'node_modules/.bin/node'), `#!/bin/sh\n${runner}\n`, { mode: 0o755 });
    return new Checkout(directory);
  };

  test('is asked through its own runner, by the options that every runner has', async () => {
    const checkout = checkoutOf(`echo '{"rows":[{"id":"'"$*"'"}]}' > "$6"`);
    const [answer] = await checkout.ask('sweep');
    expect(answer?.id).toMatch(/^bench\/run\.ts --only sweep --quick --json /);
  });

  test('that fails says what its runner says', async () => {
    const checkout = checkoutOf('echo "--only sweep: expected one of reads" >&2; exit 2');
    await expect(checkout.ask('sweep')).rejects.toThrow('--only sweep: expected one of reads');
  });

  test('has benches', () => {
    expect(() => new Checkout(tmpdir())).toThrow('expected a checkout of Pulselane');
  });
});
