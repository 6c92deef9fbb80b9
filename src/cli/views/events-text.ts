/** The most recent events, as a list. */
import { PulselaneError } from '../../lib/errors.ts';
import { ENDLESS_PAGE } from '../text/page.ts';
import { table } from '../text/table.ts';
import { instant } from '../text/units.ts';

export interface EventRow {
  readonly atUnixMs: number;
  /** Whom it is about: a worker, or a group of them; empty: the master. */
  readonly whom: string;
  readonly text: string;
}

export const DEFAULT_EVENTS = 30;
const MAX_EVENTS = 1000;
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

/** @param rows oldest first: the newest is nearest to the prompt. */
export function eventsText(rows: readonly EventRow[], page = ENDLESS_PAGE): string {
  if (rows.length === 0) return 'Nothing has happened yet.';
  return table(
    [
      { title: 'TIME' },
      { title: 'WORKER', maxWidth: MAX_WHOM_WIDTH, shortensTo: LEAST_WHOM_WIDTH },
      { title: 'EVENT', wrapsTo: LEAST_EVENT_WIDTH },
    ],
    rows.map(({ atUnixMs, whom, text }) => [instant(atUnixMs), whom, text]),
    page,
  );
}
