import { describe, expect, test } from 'vitest';
import { FULL, repeated, type Size } from '../../bench/lib/bench.ts';
import { RunWatch } from '../../bench/lib/run-watch.ts';

/** Runs of which others take so much of the machine, in this order; each yields its number. */
async function runsOf(shares: readonly (number | undefined)[], size: Size) {
  let run = -1;
  const notes: string[] = [];
  const said: string[] = [];
  const context = { size, note: (line: string) => notes.push(line), progress: (line: string) => said.push(line) };
  /** Each pair of readings tells the share of the run that is under way. */
  const newWatch = () => {
    let others = 0;
    return new RunWatch(() => {
      const share = shares[Math.max(0, run)];
      if (share === undefined) return undefined;
      const reading = { total: others === 0 ? 0 : 1000, busy: others, own: 0 };
      others = 1000 * share;
      return reading;
    });
  };
  const measured = await repeated(
    { name: 'it' },
    context,
    async (_, watch) => {
      run++;
      watch.unsteady.push(`run ${run}`);
      return watch.during(async () => run);
    },
    newWatch,
  );
  return { measured, notes, said };
}

const size = { ...FULL, runs: 2 };

describe('a bench that is repeated', () => {
  test('is measured as often as the size says, while others leave it alone', async () => {
    const { measured, said } = await runsOf([0.02, 0.05], size);
    expect(measured.map(({ run }) => run)).toEqual([0, 1]);
    expect(said).toEqual(['it: run 1 of 2', 'it: run 2 of 2']);
  });

  test('measures a disturbed run once more, and keeps the calmer of the two', async () => {
    const { measured, said } = await runsOf([0.5, 0.02, 0.3, 0.4], size);
    expect(measured).toMatchObject([
      { run: 1, othersShare: 0.02 },
      { run: 2, othersShare: 0.3 },
    ]);
    expect(said).toHaveLength(4);
  });

  test('notes what never became steady in the runs that count', async () => {
    const { notes } = await runsOf([0.5, 0.02, 0.02], size);
    expect(notes).toEqual(['it: run 1 never became steady in run 1', 'it: run 2 never became steady in run 2']);
  });

  test('is measured once where the size says so, or nothing is known of others', async () => {
    const once = await runsOf([0.5, 0.5], { ...size, isRepeatedWhenDisturbed: false });
    expect(once.measured.map(({ run }) => run)).toEqual([0, 1]);
    const unknown = await runsOf([undefined, undefined], size);
    expect(unknown.measured).toMatchObject([{ othersShare: undefined }, { othersShare: undefined }]);
  });
});
