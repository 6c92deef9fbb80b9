/** Numbers as people read them, with their units. */
import prettyMilliseconds from 'pretty-ms';

/** What is not known. */
export const NOTHING = '–';

const GIB = 1024 ** 3;
const counts = new Intl.NumberFormat('en-US');
const numbers = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 6, useGrouping: false });

export function percent(value: number): string {
  return `${value.toFixed(1)}%`;
}

/** The same of what may never have been received. */
export function share(value: number | undefined): string {
  return value === undefined ? NOTHING : percent(value);
}

/** How long ago; the two largest units, since nobody reads the third. */
export function age(ageMs: number): string {
  if (ageMs < 1000) return '<1s';
  return prettyMilliseconds(ageMs, { unitCount: 2, secondsDecimalDigits: 0 });
}

/** A short time, such as a round trip. */
export function milliseconds(valueMs: number): string {
  return Math.abs(valueMs) < 10 ? `${valueMs.toFixed(1)} ms` : `${counts.format(Math.round(valueMs))} ms`;
}

export function count(value: number): string {
  return counts.format(value);
}

/** `1 worker`, `2 workers`. */
export function countOf(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** Any number, without the digits that only arithmetic made. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e15 || size < 1e-4)) return String(value);
  return Number.isSafeInteger(value) ? String(value) : numbers.format(value);
}

export function kibibytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

export function gibibytes(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}

/** In UTC, as the logs have it. */
export function instant(unixMs: number): string {
  const time = new Date(unixMs);
  return Number.isNaN(time.getTime()) ? NOTHING : time.toISOString().replace(/\.\d+Z$/, 'Z');
}
