import fc from 'fast-check';
import { expect, test } from 'vitest';
import { activeMuteTimes } from '../../../src/alerts/notify/mute-times.ts';
import type { MuteInterval, MuteTime } from '../../../src/alerts/rules/rule.ts';
import { repetitions } from '../../support/repetitions.ts';

const ALWAYS: MuteInterval = {
  times: undefined,
  weekdays: undefined,
  daysOfMonth: undefined,
  months: undefined,
  years: undefined,
};
const minutes = (from: string, to: string) => {
  const of = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  return { from: of(from), to: of(to) };
};

function isMuted(interval: Partial<MuteInterval>, zone: string, time: string): boolean {
  const muteTime: MuteTime = { name: 'm', timeZone: zone, intervals: [{ ...ALWAYS, ...interval }] };
  return activeMuteTimes([muteTime], 'Asia/Tokyo', Date.parse(time)).has('m');
}

test('hours, days of the week, of the month and from its end, months and years', () => {
  const office = { times: [minutes('09:00', '17:00')], weekdays: [{ from: 1, to: 5 }] };
  expect(isMuted(office, 'Europe/Berlin', '2026-11-27T08:00:00Z')).toBe(true);
  expect(isMuted(office, 'Europe/Berlin', '2026-11-27T07:59:59Z')).toBe(false);
  expect(isMuted(office, 'Europe/Berlin', '2026-11-27T15:59:59Z')).toBe(true);
  expect(isMuted(office, 'Europe/Berlin', '2026-11-27T16:00:00Z')).toBe(false);
  expect(isMuted(office, 'Europe/Berlin', '2026-11-28T10:00:00Z')).toBe(false);
  const lastDays = { daysOfMonth: [{ from: -2, to: -1 }] };
  expect(isMuted(lastDays, 'UTC', '2028-02-28T12:00:00Z')).toBe(true);
  expect(isMuted(lastDays, 'UTC', '2028-02-27T12:00:00Z')).toBe(false);
  expect(
    isMuted({ months: [{ from: 12, to: 12 }], years: [{ from: 2026, to: 2027 }] }, 'UTC', '2027-12-31T23:59:59Z'),
  ).toBe(true);
  expect(
    isMuted({ months: [{ from: 12, to: 12 }], years: [{ from: 2026, to: 2027 }] }, 'UTC', '2028-01-01T00:00:00Z'),
  ).toBe(false);
});

test('without a zone of its own, a mute time has TIME_ZONE', () => {
  const muteTime: MuteTime = {
    name: 'm',
    timeZone: undefined,
    intervals: [{ ...ALWAYS, times: [minutes('00:00', '01:00')] }],
  };
  const at = Date.parse('2026-11-27T15:30:00Z');
  expect([...activeMuteTimes([muteTime], 'Asia/Tokyo', at)]).toEqual(['m']);
  expect([...activeMuteTimes([muteTime], 'UTC', at)]).toEqual([]);
});

test('both changes of daylight saving: the hour that is left out, and the hour that comes twice', () => {
  const half = { times: [minutes('02:00', '03:00')] };
  const night = { times: [minutes('01:00', '04:00')] };
  const count = (interval: Partial<MuteInterval>, day: string) =>
    Array.from({ length: 24 * 60 }, (_, minute) => Date.parse(day) - 6 * 3_600_000 + minute * 60_000).filter((at) =>
      isMuted(interval, 'Europe/Berlin', new Date(at).toISOString()),
    ).length;
  // Berlin goes from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
  expect(count(half, '2026-03-29T00:00:00Z')).toBe(0);
  expect(count(night, '2026-03-29T00:00:00Z')).toBe(120);
  expect(count(half, '2026-10-25T00:00:00Z')).toBe(120);
  expect(count(night, '2026-10-25T00:00:00Z')).toBe(240);
  expect(isMuted({ times: [minutes('03:00', '03:01')] }, 'Europe/Berlin', '2026-03-29T01:00:00Z')).toBe(true);
});

/** Europe/Berlin by the rule of the European Union: summer time from the last Sunday of March to that of October, 01:00 UTC. */
function berlin(at: number): Date {
  const year = new Date(at).getUTCFullYear();
  const lastSunday = (month: number) => {
    const end = new Date(Date.UTC(year, month + 1, 0, 1));
    return end.getTime() - end.getUTCDay() * 86_400_000;
  };
  const isSummer = at >= lastSunday(2) && at < lastSunday(9);
  return new Date(at + (isSummer ? 2 : 1) * 3_600_000);
}

const ranges = (min: number, max: number) =>
  fc.option(
    fc.array(
      fc
        .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
        .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
      { minLength: 1, maxLength: 2 },
    ),
    { nil: undefined },
  );

test('beside a plain model that looks at each condition by itself', () => {
  const interval = fc.record({
    times: ranges(0, 1440),
    weekdays: ranges(0, 6),
    daysOfMonth: ranges(1, 31),
    months: ranges(1, 12),
    years: ranges(2024, 2030),
  });
  const times = fc.oneof(
    fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2031, 0) }),
    // Around the changes.
    fc
      .tuple(
        fc.constantFrom(Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 9, 25, 1)),
        fc.integer({ min: -7_200_000, max: 7_200_000 }),
      )
      .map(([a, b]) => a + b),
  );
  fc.assert(
    fc.property(interval, times, (asked, at) => {
      const local = berlin(at);
      const values = {
        weekdays: local.getUTCDay(),
        daysOfMonth: local.getUTCDate(),
        months: local.getUTCMonth() + 1,
        years: local.getUTCFullYear(),
      };
      const minute = local.getUTCHours() * 60 + local.getUTCMinutes();
      const expected =
        (asked.times?.some(({ from, to }) => minute >= from && minute < to) ?? true) &&
        Object.entries(values).every(
          ([name, value]) =>
            asked[name as keyof typeof values]?.some(({ from, to }) => value >= from && value <= to) ?? true,
        );
      expect(isMuted(asked, 'Europe/Berlin', new Date(at).toISOString())).toBe(expected);
    }),
    { numRuns: repetitions(500, 20_000) },
  );
});
