/** The most recent events, as a list. */
import { PulselaneError } from '../../lib/errors.ts';
import { ENDLESS_PAGE } from '../text/page.ts';
import { prose, table } from '../text/table.ts';
import { count, instant } from '../text/units.ts';

export interface EventRow {
  readonly atUnixMs: number;
  /** Whom it is about: a worker, or a group of them; empty: the master. */
  readonly whom: string;
  readonly text: string;
}

export const DEFAULT_EVENTS = 30;
/** What the API gives at once. */
export const MAX_EVENTS = 1000;
const MAX_WHOM_WIDTH = 40;
/** Both ends of most ids. */
const LEAST_WHOM_WIDTH = 12;
const LEAST_EVENT_WIDTH = 24;

/** @throws PulselaneError `invalid_argument` */
export function eventCount(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MAX_EVENTS) return value;
  throw new PulselaneError(
    'invalid_argument',
    `${JSON.stringify(text)}: expected a number of events, 1 to ${MAX_EVENTS}`,
  );
}

/** Which events a list shows. */
export interface ShownEvents {
  /** Those of a range, or of a worker. */
  readonly isFiltered?: boolean;
  /** There are earlier ones in the range. */
  readonly isCut?: boolean;
}

/** @param rows oldest first: the newest is nearest to the prompt. */
export function eventsText(
  rows: readonly EventRow[],
  { isFiltered = false, isCut = false }: ShownEvents = {},
  page = ENDLESS_PAGE,
): string {
  if (rows.length === 0) return isFiltered ? 'Nothing of that happened.' : 'Nothing has happened yet.';
  const list = table(
    [
      { title: 'TIME' },
      { title: 'WORKER', maxWidth: MAX_WHOM_WIDTH, shortensTo: LEAST_WHOM_WIDTH },
      { title: 'EVENT', wrapsTo: LEAST_EVENT_WIDTH },
    ],
    rows.map(({ atUnixMs, whom, text }) => [instant(atUnixMs), whom, text]),
    page,
  );
  if (!isCut) return list;
  return `${list}\n\n${prose(`the newest ${count(rows.length)} of the range; --to shows earlier ones`, page)}`;
}
