/** Mute times: minutes, days, months and years as ranges of numbers. */

import { timeZone } from '../../config/alert-kinds.ts';
import { Expected } from '../../config/kinds.ts';
import { nearName } from '../expression/near-name.ts';
import type { Path } from './document.ts';
import type { Problems } from './problems.ts';
import type { MuteInterval, MuteTime, NumberRange } from './rule.ts';
import { type MuteTimeFields, muteTimeSchema } from './schema.ts';

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const MONTHS = [
  ...['january', 'february', 'march', 'april', 'may', 'june'],
  ...['july', 'august', 'september', 'october', 'november', 'december'],
];

/** A text as a range. @throws Expected */
type ReadRange = (text: string) => NumberRange;

/** @returns undefined after problems */
export function muteTimeOf(value: unknown, path: Path, problems: Problems): MuteTime | undefined {
  const fields = problems.parse(muteTimeSchema, value, path, `mute time ${Number(path.at(-1)) + 1}`);
  if (fields === undefined) return undefined;
  const what = `mute time ${fields.name}`;
  let isRight = true;
  const tried = <T>(at: Path, found: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Expected)) throw error;
      problems.add(at, `${what}: found ${JSON.stringify(found)}; expected ${error.message}`);
      isRight = false;
      return undefined;
    }
  };
  const { time_zone: zone } = fields;
  const zoneName = zone === undefined ? undefined : tried([...path, 'time_zone'], zone, () => timeZone.parse(zone));
  const intervals = fields.intervals.map((interval, index): MuteInterval => {
    const ranges = (name: keyof typeof interval, read: ReadRange): NumberRange[] | undefined =>
      interval[name]?.flatMap((text, place) => {
        const at = [...path, 'intervals', index, name, place];
        const range = tried(at, text, () => read(text));
        return range ?? [];
      });
    return {
      times: ranges('times', timeRange),
      weekdays: ranges('weekdays', (text) => named(text, WEEKDAYS, 0)),
      daysOfMonth: ranges('days_of_month', dayRange),
      months: ranges('months', (text) => named(text, MONTHS, 1)),
      years: ranges('years', (text) => ordered(text, pair(text).map(Number))),
    };
  });
  for (const [index, interval] of fields.intervals.entries())
    checkNotEmpty(interval, [...path, 'intervals', index], what, problems);
  return isRight ? { name: fields.name, timeZone: zoneName, intervals } : undefined;
}

function checkNotEmpty(
  interval: MuteTimeFields['intervals'][number],
  path: Path,
  what: string,
  problems: Problems,
): void {
  if (Object.values(interval).some((ranges) => ranges !== undefined)) return;
  problems.add(
    path,
    `${what}: the interval is empty, and would always hold; expected times, weekdays, days_of_month, months or years`,
  );
}

function timeRange(text: string): NumberRange {
  const [from = 0, to = 0] = text.split('-').map((time) => {
    const [hours, minutes] = time.trim().split(':').map(Number);
    return 60 * (hours as number) + (minutes as number);
  });
  if (from > 1440 || to > 1440) throw new Expected('times from 00:00 to 24:00');
  if (from === to) throw new Expected('an end behind the begin');
  if (from > to)
    throw new Expected('an end on the same day: write two, the second from 00:00, with the weekdays of the next day');
  return { from, to };
}

function dayRange(text: string): NumberRange {
  const days = pair(text).map(Number);
  if (days.some((day) => day === 0 || Math.abs(day) > 31))
    throw new Expected('days from 1 to 31, or from -1 (the last one) to -31');
  const [from, to] = days as [number, number];
  if (Math.sign(from) === Math.sign(to)) return ordered(text, days);
  if (from < 0) throw new Expected('a range that does not begin at the end of the month');
  return { from, to };
}

function named(text: string, names: readonly string[], base: number): NumberRange {
  const numbers = pair(text.toLowerCase()).map((name) => {
    const number = Number(name);
    if (!Number.isNaN(number) && base === 1 && number >= 1 && number <= names.length) return number;
    const index = names.indexOf(name);
    if (index !== -1) return index + base;
    const meant = nearName(name, names) ?? (name.length >= 3 ? names.find((full) => full.startsWith(name)) : undefined);
    throw new Expected(meant === undefined ? `one of ${names.join(', ')}` : meant);
  });
  if (base === 0 && (numbers[0] as number) > (numbers[1] as number) && numbers[1] === 0) {
    throw new Expected(`a week that begins with sunday: write two, such as ["${pair(text)[0]}:saturday", sunday]`);
  }
  return ordered(text, numbers);
}

function pair(text: string): [string, string] {
  const [from = '', to = from] = text.split(':').map((part) => part.trim());
  return [from, to];
}

function ordered(text: string, [from = 0, to = 0]: readonly number[]): NumberRange {
  if (from > to) throw new Expected(`an end behind the begin; ${text} is the wrong way round`);
  return { from, to };
}
