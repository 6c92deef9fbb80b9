import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventFilter, HistoryReader, KnownWorker } from '../../../src/history/backend.ts';
import { gapFacts, gapsOf, silencesOf } from '../../../src/history/query/facts.ts';
import {
  type AnswerGap,
  commonGaps,
  mergedGaps,
  notKept,
  silences,
  sinceLastSample,
} from '../../../src/history/query/gaps.ts';
import type { WorkerEvent } from '../../../src/model/events.ts';
import type { WorkerState } from '../../../src/model/liveness.ts';
import type { Directory } from '../../../src/reading/directory.ts';

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

  test('that all workers have are those in which each has one, or has not begun', () => {
    const of = (...lists: (readonly AnswerGap[])[]) =>
      commonGaps(
        lists.map((gaps) => ({ gaps, firstMs: 0 })),
        RANGE,
      );
    const one = [gap(100, 150), gap(160, 180)];
    const other = [gap(120, 170), gap(100, 200, 'master_down')];
    expect(of(one, [gap(120, 170)])).toEqual([gap(120, 150), gap(160, 170)]);
    expect(of(one)).toEqual(one);
    expect(of(one, [])).toEqual([]);
    expect(of()).toEqual([]);
    // Where they share no reason, it is that of most.
    expect(of(one, other, other)).toEqual([
      gap(100, 120, 'master_down'),
      gap(120, 150),
      gap(160, 170),
      gap(170, 180, 'master_down'),
    ]);
    const down = [gap(120, 140, 'master_down')];
    const began = (...firsts: number[]) =>
      commonGaps([{ gaps: down, firstMs: 0 }, ...firsts.map((firstMs) => ({ gaps: [], firstMs }))], RANGE);
    expect(began(150)).toEqual(down);
    expect(began(130)).toEqual([gap(120, 130, 'master_down')]);
    expect(began(150, 110)).toEqual([]);
    expect(
      commonGaps(
        [
          { gaps: [], firstMs: 150 },
          { gaps: [], firstMs: 160 },
        ],
        RANGE,
      ),
    ).toEqual([]);
    expect(of([gap(100, 120, 'samples_lost', 2)], [gap(110, 130, 'samples_lost', 3)])).toEqual([
      gap(110, 120, 'samples_lost', 5),
    ]);
    expect(of([gap(130, 130, 'clock_set')], [gap(130, 130, 'clock_set')])).toEqual([gap(130, 130, 'clock_set')]);
  });

  test('of several workers cover the moments in which none has samples', () => {
    const reasons = fc.constantFrom('samples_lost' as const, 'master_down' as const, 'worker_inactive' as const);
    const any = fc.record({ from: fc.nat(220), length: fc.integer({ min: 1, max: 60 }), reason: reasons });
    const worker = fc.record({ firstMs: fc.option(fc.nat(220), { nil: undefined }), given: fc.array(any) });
    fc.assert(
      fc.property(fc.array(worker, { minLength: 2, maxLength: 5 }), (all) => {
        const workers = all.map(({ firstMs, given }) => ({
          firstMs,
          gaps: mergedGaps(
            given.map(({ from, length, reason }) => gap(from, from + length, reason)),
            RANGE,
          ),
        }));
        const common = commonGaps(workers, RANGE);
        for (let moment = RANGE.fromMs; moment < RANGE.toMs; moment++) {
          const at = ({ gaps }: { gaps: readonly AnswerGap[] }) =>
            gaps.filter(({ fromMs, toMs }) => fromMs <= moment && moment < toMs).map(({ reason }) => reason);
          const isSilent = workers.every((each) => at(each).length > 0 || moment < (each.firstMs ?? 0));
          const possible = workers.flatMap(at);
          const found = at({ gaps: common });
          expect(found.length > 0).toBe(isSilent && possible.length > 0);
          for (const reason of found) expect(possible).toContain(reason);
        }
      }),
    );
  });
});

describe('a silent worker', () => {
  const change = (atUnixMs: number, from: WorkerState | undefined, to: WorkerState | 'gone', workerId = 'a') =>
    ({ id: atUnixMs, atUnixMs, type: 'state', workerId, from, to }) as WorkerEvent;
  const ACTIVE = { state: 'active', sinceMs: 0 } as const;

  test('is a gap from its event to the next one', () => {
    const events = [
      change(110, 'active', 'inactive'),
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

  test('is a gap since the master started again, if that is all that made it unknown', () => {
    const events = [change(170, 'unknown', 'active')];
    expect(silences('a', events, ACTIVE, RANGE, [120, 165, 190])).toEqual([gap(165, 170, 'worker_inactive')]);
    // The restart was before the range.
    expect(silences('a', events, ACTIVE, RANGE, [190])).toEqual([gap(100, 170, 'worker_inactive')]);
    const facts = { recorded: [gap(150, 165, 'master_down')], events: new Map([['a', events]]), eventsSinceMs: 0 };
    const recorded = facts.recorded.map((each) => ({ ...each, workerId: undefined, reason: 'master_down' as const }));
    expect(silencesOf('a', RANGE, { ...facts, recorded }, ACTIVE)).toEqual([gap(165, 170, 'worker_inactive')]);
  });

  test('is no gap before its first sample', () => {
    const plan = { keptSinceMs: 0, anyKeptSinceMs: 0 } as Parameters<typeof gapsOf>[2];
    const facts = { recorded: [], events: new Map(), eventsSinceMs: 0 };
    const gaps = (firstMs: number) =>
      gapsOf('a', RANGE, plan, facts, { firstMs } as KnownWorker, [gap(100, 170, 'worker_inactive')], undefined, []);
    expect(gaps(180)).toEqual([]);
    expect(gaps(150)).toEqual([gap(150, 170, 'worker_inactive')]);
  });

  test('is a gap since it became suspect, not only since the timeout', () => {
    const events = [
      change(110, 'active', 'suspect'),
      change(115, 'suspect', 'active'),
      change(120, 'active', 'suspect'),
      change(140, 'suspect', 'inactive'),
      change(160, 'inactive', 'active'),
    ];
    expect(silences('a', events, ACTIVE, RANGE)).toEqual([gap(120, 160, 'worker_inactive')]);
    expect(silences('a', events.slice(3), ACTIVE, RANGE)).toEqual([gap(100, 160, 'worker_inactive')]);
  });

  test('is a gap since its last sample, except where samples lack for another reason', () => {
    const silent = [gap(140, 160, 'worker_inactive')];
    expect(sinceLastSample(silent, () => 115, [])).toEqual([gap(115, 160, 'worker_inactive')]);
    expect(sinceLastSample(silent, () => 115, [gap(112, 130)])).toEqual([gap(130, 160, 'worker_inactive')]);
    expect(sinceLastSample(silent, () => Number.NEGATIVE_INFINITY, [gap(112, 130)])).toEqual(silent);
  });

  test('of whose changes only the newest could be read is no gap before those', async () => {
    const H = 3_600_000;
    const range = { fromMs: 0, toMs: 100 * H };
    const changes = [
      change(1 * H, 'active', 'inactive', 'w0'),
      change(2 * H, 'inactive', 'active', 'w0'),
      change(50 * H, 'active', 'inactive', 'w0'),
      change(51 * H, 'inactive', 'active', 'w0'),
      ...Array.from({ length: 9999 }, (_, n) => change(60 * H + n, 'active', 'suspect', 'w1')),
    ];
    const asked: EventFilter[] = [];
    const reader = {
      gaps: async () => [],
      events: async (filter: EventFilter) => {
        asked.push(filter);
        return changes.filter(({ workerId = '' }) => filter.workerIds?.includes(workerId)).slice(-filter.limit);
      },
    } as unknown as HistoryReader;
    const directory = { events: { all: () => [] } } as unknown as Directory;
    const silent = async (workerIds: readonly string[]) =>
      silencesOf('w0', range, await gapFacts(reader, directory, workerIds, range), ACTIVE);
    expect(await silent(['w0'])).toEqual([gap(H, 2 * H, 'worker_inactive'), gap(50 * H, 51 * H, 'worker_inactive')]);
    // The oldest that was read is its return, 51 h after the beginning.
    expect(await silent(['w0', 'w1'])).toEqual([]);
    expect(asked[1]).toMatchObject({ types: ['state'], workerIds: ['w0', 'w1'] });
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
