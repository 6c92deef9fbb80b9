/**
 * Which mute times are active: pure functions of (mute time, time zone, now). What counts is what clocks on the wall show, as
 * `Intl` knows it. So on a day on which clocks are set forward, a range within the hour that is left out mutes nothing; when they
 * are set back, a range within the hour that comes twice mutes twice.
 */
import type { MuteInterval, MuteTime, NumberRange } from '../rules/rule.ts';

/** What clocks and calendars in a time zone show. */
interface LocalTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** 0: Sunday. */
  readonly weekday: number;
  readonly minuteOfDay: number;
}

/** Names of the mute times that are active. @param timeZone of those that do not name their own */
export function activeMuteTimes(
  muteTimes: readonly MuteTime[],
  timeZone: string,
  nowUnixMs: number,
): ReadonlySet<string> {
  const local = new Map<string, LocalTime>();
  const active = new Set<string>();
  for (const { name, timeZone: own, intervals } of muteTimes) {
    const zone = own ?? timeZone;
    const time = local.get(zone) ?? localTime(zone, nowUnixMs);
    local.set(zone, time);
    if (intervals.some((interval) => contains(interval, time))) active.add(name);
  }
  return active;
}

function contains({ times, weekdays, daysOfMonth, months, years }: MuteInterval, time: LocalTime): boolean {
  return (
    (times === undefined || times.some(({ from, to }) => from <= time.minuteOfDay && time.minuteOfDay < to)) &&
    isIn(weekdays, time.weekday) &&
    isDayIn(daysOfMonth, time) &&
    isIn(months, time.month) &&
    isIn(years, time.year)
  );
}

function isIn(ranges: readonly NumberRange[] | undefined, value: number): boolean {
  return ranges === undefined || ranges.some(({ from, to }) => from <= value && value <= to);
}

function isDayIn(ranges: readonly NumberRange[] | undefined, { year, month, day }: LocalTime): boolean {
  if (ranges === undefined) return true;
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const dayOf = (asked: number) => (asked < 0 ? Math.max(1, days + asked + 1) : asked);
  return ranges.some(({ from, to }) => dayOf(from) <= day && day <= dayOf(to));
}

const formats = new Map<string, Intl.DateTimeFormat>();

function localTime(zone: string, unixMs: number): LocalTime {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(unixMs).map(({ type, value }) => [type, Number(value)]));
  const { year, month, day, hour, minute } = parts as Record<'year' | 'month' | 'day' | 'hour' | 'minute', number>;
  const weekday = new Date(Date.UTC(year, month - 1, day)).getUTCDay();
  return { year, month, day, weekday, minuteOfDay: hour * 60 + minute };
}
