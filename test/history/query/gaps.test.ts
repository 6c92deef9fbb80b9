import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnswerGap, commonGaps, mergedGaps, notKept, silences } from '../../../src/history/query/gaps.ts';
import type { WorkerEvent } from '../../../src/model/events.ts';
import type { WorkerState } from '../../../src/model/liveness.ts';

const RANGE = { fromMs: 100, toMs: 200 };
const gap = (fromMs: number, toMs: number, reason: AnswerGap['reason'] = 'samples_lost', lost = 0): AnswerGap => ({
  fromMs,
  toMs,
  reason,
  lost,
});

describe('gaps', () => {
  test('of one reason are merged and cut to the range; those of others stay beside them', () => {
    const gaps = [
      gap(150, 300, 'samples_lost', 2),
      gap(0, 50),
      gap(90, 120, 'samples_lost', 1),
      gap(120, 130),
      gap(110, 125, 'master_down'),
    ];
    expect(mergedGaps(gaps, RANGE)).toEqual([
      gap(100, 130, 'samples_lost', 1),
      gap(110, 125, 'master_down'),
      gap(150, 200, 'samples_lost', 2),
    ]);
  });

  test('of a clock that was set back have a beginning before their end, or are a moment', () => {
    expect(
      mergedGaps([gap(150, 120, 'clock_set'), gap(180, 180, 'clock_set'), gap(200, 200, 'clock_set')], RANGE),
    ).toEqual([gap(120, 150, 'clock_set'), gap(180, 180, 'clock_set')]);
  });

  test('cover the same moments after they were merged, each once', () => {
    const reasons = fc.constantFrom('samples_lost', 'master_down');
    const any = fc.record({ from: fc.nat(300), length: fc.integer({ min: 1, max: 60 }), reason: reasons });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 20 }), (given) => {
        const gaps = given.map(({ from, length, reason }) => gap(from, from + length, reason as 'master_down', 1));
        const merged = mergedGaps(gaps, RANGE);
        const covering = (list: readonly AnswerGap[], moment: number, reason: string) =>
          list.filter((one) => one.reason === reason && one.fromMs <= moment && moment < one.toMs).length;
        for (const reason of ['samples_lost', 'master_down']) {
          for (let moment = RANGE.fromMs; moment < RANGE.toMs; moment++) {
            expect(covering(merged, moment, reason)).toBe(Math.min(1, covering(gaps, moment, reason)));
          }
        }
        for (const { fromMs, toMs } of merged)
          expect(fromMs >= RANGE.fromMs && toMs <= RANGE.toMs && fromMs < toMs).toBe(true);
        const lost = (list: readonly AnswerGap[]) => list.reduce((sum, one) => sum + one.lost, 0);
        expect(lost(merged)).toBe(lost(gaps.filter(({ fromMs, toMs }) => fromMs < 200 && toMs > 100)));
      }),
    );
  });

  test('that all workers have are those in which each has one', () => {
    const one = [gap(100, 150), gap(160, 180)];
    const other = [gap(120, 170), gap(100, 200, 'master_down')];
    expect(commonGaps([one, other])).toEqual([gap(120, 150), gap(160, 170)]);
    expect(commonGaps([one])).toEqual(one);
    expect(commonGaps([one, []])).toEqual([]);
    expect(commonGaps([])).toEqual([]);
  });
});

describe('a silent worker', () => {
  const change = (atUnixMs: number, from: WorkerState | undefined, to: WorkerState | 'gone', workerId = 'a') =>
    ({ id: atUnixMs, atUnixMs, type: 'state', workerId, from, to }) as WorkerEvent;
  const ACTIVE = { state: 'active', sinceMs: 0 } as const;

  test('is a gap from its event to the next one', () => {
    const events = [
      change(110, 'suspect', 'inactive'),
      change(111, 'suspect', 'inactive', 'b'),
      change(140, 'inactive', 'active'),
    ];
    expect(silences('a', events, ACTIVE, RANGE)).toEqual([gap(110, 140, 'worker_inactive')]);
    expect(silences('c', events, ACTIVE, RANGE)).toEqual([]);
  });

  test('is a gap from the beginning of the range if it was silent then, and to the end if it still is', () => {
    expect(silences('a', [change(150, 'inactive', 'active')], ACTIVE, RANGE)).toEqual([
      gap(100, 150, 'worker_inactive'),
    ]);
    expect(silences('a', [change(150, 'active', 'gone')], ACTIVE, RANGE)).toEqual([gap(150, 200, 'worker_inactive')]);
    expect(silences('a', [], { state: 'inactive', sinceMs: 10 }, RANGE)).toEqual([gap(100, 200, 'worker_inactive')]);
    expect(silences('a', [], { state: 'gone', sinceMs: 170 }, RANGE)).toEqual([gap(170, 200, 'worker_inactive')]);
  });

  test('goes from one silent state to the next without an end between', () => {
    const events = [
      change(110, 'active', 'inactive'),
      change(130, 'inactive', 'gone'),
      change(160, undefined, 'active'),
    ];
    expect(silences('a', events, ACTIVE, RANGE)).toEqual([gap(110, 160, 'worker_inactive')]);
  });
});

describe('what a tier does not keep', () => {
  const HOUR = 3_600_000;
  const range = { fromMs: 10 * HOUR, toMs: 100 * HOUR };

  test('is a gap, unless the worker began later', () => {
    expect(notKept(range, 50 * HOUR, 20 * HOUR, 0)).toEqual([gap(20 * HOUR, 50 * HOUR, 'not_kept')]);
    expect(notKept(range, 50 * HOUR, HOUR, 0)).toEqual([gap(10 * HOUR, 50 * HOUR, 'not_kept')]);
    expect(notKept(range, 50 * HOUR, 60 * HOUR, 0)).toEqual([]);
    expect(notKept(range, 5 * HOUR, 0, 0)).toEqual([]);
    expect(notKept(range, 500 * HOUR, undefined, 0)).toEqual([gap(10 * HOUR, 100 * HOUR, 'not_kept')]);
  });

  test('is a gap where the oldest data may be the rest of older data', () => {
    expect(notKept(range, 50 * HOUR, 50.5 * HOUR, 50 * HOUR)).toEqual([gap(10 * HOUR, 50 * HOUR, 'not_kept')]);
  });
});
