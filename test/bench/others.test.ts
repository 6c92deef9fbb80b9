import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isDisturbed, machineTicks, othersShare, processTicks, readCpu, treeTicks } from '../../bench/lib/others.ts';
import { RunWatch } from '../../bench/lib/run-watch.ts';

const START = { total: 1000, busy: 500, own: 100 };

describe('what others took', () => {
  test('is what was busy and not our own, of all that there was', () => {
    expect(othersShare(START, { total: 1200, busy: 600, own: 150 })).toBe(0.25);
    expect(othersShare(START, { total: 1200, busy: 600, own: 200 })).toBe(0);
  });

  test('is a share, whatever the clocks say of one another', () => {
    const reading = fc.record({ total: fc.nat(), busy: fc.nat(), own: fc.nat() });
    fc.assert(
      fc.property(reading, reading, (before, after) => {
        const share = othersShare(before, after);
        return share >= 0 && share <= 1;
      }),
    );
  });

  test('disturbs from a tenth of the machine on, and not where it is unknown', () => {
    expect([0, 0.1, 0.11, 1, null, undefined].map(isDisturbed)).toEqual([false, false, true, true, false, false]);
  });

  test('is known on Linux, and undefined elsewhere', () => {
    const reading = readCpu();
    if (process.platform !== 'linux') expect(reading).toBeUndefined();
    else expect(reading?.busy).toBeLessThanOrEqual(reading?.total ?? 0);
  });
});

describe('the kernel’s figures', () => {
  test('of the machine: what is given to others is busy, what interrupts take is not', () => {
    expect(machineTicks('cpu  1 2 4 8 16 32 64 128 256 512\ncpu0 1 2 3\n')).toEqual({ busy: 135, total: 255 });
  });

  test('of a process: with its ended children, whatever it calls itself', () => {
    const stat = '7 (a) b (c) S 3 7 7 0 -1 4194304 98 0 0 0 10 20 40 80 20 0 1 0 1109931 3133440 381';
    expect(processTicks(7, stat)).toEqual({ pid: 7, parent: 3, ticks: 150 });
  });

  test('of a tree: each below it counts once, nobody else', () => {
    // Each process is a child of an earlier one; process 0 is the first.
    const forest = fc.array(fc.nat(), { minLength: 1, maxLength: 30 }).map((choices) =>
      choices.map((choice, index) => ({
        pid: index + 1,
        parent: index === 0 ? 0 : 1 + (choice % index),
        ticks: 2 ** index,
      })),
    );
    fc.assert(
      fc.property(forest, fc.nat(), (processes, choice) => {
        const root = 1 + (choice % processes.length);
        const isBelow = (pid: number): boolean => pid === root || (pid > 0 && isBelow(parentOf(pid)));
        const parentOf = (pid: number) => processes[pid - 1]?.parent ?? 0;
        const expected = processes.filter(({ pid }) => isBelow(pid)).reduce((sum, { ticks }) => sum + ticks, 0);
        expect(treeTicks(processes.toReversed(), root)).toBe(expected);
      }),
    );
  });
});

describe('a run', () => {
  /** Two readings a window: others take so many of its ticks. */
  const watchOf = (...windows: readonly { ticks: number; others: number }[]) => {
    const readings = windows.flatMap(({ ticks, others }) => [
      { total: 0, busy: 0, own: 0 },
      { total: ticks, busy: others, own: 0 },
    ]);
    return new RunWatch(() => readings.shift());
  };
  const watched = async (watch: RunWatch, windows: number) => {
    for (let i = 0; i < windows; i++) expect(await watch.during(async () => i)).toBe(i);
    return watch.othersShare;
  };

  test('is disturbed as much as its worst window', async () => {
    const watch = watchOf({ ticks: 100, others: 5 }, { ticks: 100, others: 30 }, { ticks: 100, others: 10 });
    expect(await watched(watch, 3)).toBe(0.3);
  });

  test('takes windows together that are too short to say anything', async () => {
    const watch = watchOf({ ticks: 200, others: 0 }, { ticks: 10, others: 10 }, { ticks: 90, others: 0 });
    expect(await watched(watch, 3)).toBe(0.1);
    expect(await watched(watchOf({ ticks: 10, others: 1 }), 1)).toBe(0.1);
  });

  test('knows nothing where the system does not tell', async () => {
    expect(await watched(new RunWatch(() => undefined), 2)).toBeUndefined();
  });
});
