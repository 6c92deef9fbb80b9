/** Times and durations as people and programs give them to queries. */
import { PulselaneError } from '../../lib/errors.ts';
import { shortText } from '../../lib/foreign-text.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A year has 365 days, as in settings. */
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7 * DAY,
  y: 365 * DAY,
};

/** The end of the year 9999, the last that RFC 3339 can write. */
export const LAST_TIME_MS = 253_402_300_799_999;

export const TIME_FORMS =
  'a time such as 2026-11-23T17:54:55Z (RFC 3339), 1795456495 (Unix seconds), -1h (ago; ms, s, m, h, d, w, y) or now';
export const DURATION_FORMS = 'a duration such as 30s, 5m or 1h (ms, s, m, h, d, w, y)';

/**
 * @returns Unix ms
 * @throws PulselaneError `invalid_argument` that says what was expected
 */
export function timeOf(text: string, nowMs: number): number {
  if (text === 'now') return nowMs;
  const ago = /^(?:now)?-(.+)$/.exec(text);
  const timeMs = ago === null ? (unixTime(text) ?? rfcTime(text)) : minus(nowMs, amount(ago[1] as string));
  if (timeMs === undefined || timeMs < 0 || timeMs > LAST_TIME_MS) throw wrong(text, TIME_FORMS);
  return timeMs;
}

/**
 * A number without a unit counts seconds, as in other systems' `step`.
 * @returns ms, above 0
 * @throws PulselaneError `invalid_argument` that says what was expected
 */
export function durationOf(text: string): number {
  const ms = amount(text) ?? unixTime(text);
  if (ms === 0) throw new PulselaneError('invalid_argument', 'expected more than 0');
  if (ms === undefined || ms > LAST_TIME_MS) throw wrong(text, DURATION_FORMS);
  return ms;
}

function amount(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)(ms|s|m|h|d|w|y)$/.exec(text);
  // Rounded: 2.01 * 1000 is not exactly 2010 in floating point.
  return match === null ? undefined : Math.round(Number(match[1]) * (UNIT_MS[match[2] as string] as number));
}

function minus(nowMs: number, ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.max(0, nowMs - ms);
}

function unixTime(text: string): number | undefined {
  return /^\d{1,12}(?:\.\d{1,9})?$/.test(text) ? Math.round(Number(text) * SECOND) : undefined;
}

/** A plus sign that was not percent-encoded arrives as a blank. */
const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+\- ])(\d{2}):(\d{2}))$/;

function rfcTime(text: string): number | undefined {
  const match = RFC_3339.exec(text);
  if (match === null) return undefined;
  const part = (index: number) => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const [offsetHours, offsetMinutes] = [part(10), part(11)];
  // 60: a leap second, which Unix time does not have.
  const isClockTime = hour < 24 && minute < 60 && second <= 60 && offsetHours < 24 && offsetMinutes < 60;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (!isClockTime || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const fractionMs = Math.floor(Number(`0.${match[7] ?? '0'}`) * SECOND + 1e-6);
  const offsetMs = (match[9] === '-' ? -1 : 1) * (offsetHours * HOUR + offsetMinutes * MINUTE);
  return date.getTime() + hour * HOUR + minute * MINUTE + second * SECOND + fractionMs - offsetMs;
}

function wrong(text: string, forms: string): PulselaneError {
  return new PulselaneError('invalid_argument', `expected ${forms}, got ${JSON.stringify(shortText(text, 40))}`);
}
