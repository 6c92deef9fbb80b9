/**
 * The hour of the week in a time zone: 0 is Monday from 0:00 to 1:00, 167 the last hour of Sunday. On the day on which
 * clocks go back, two hours have the same number; when they go forward, one number is left out.
 */

export const HOURS_OF_WEEK = 168;
const HOUR_MS = 3_600_000;
/** Of the part of an hour in which no zone changes its offset: zones are whole quarters of an hour from UTC. */
const QUARTER_MS = 900_000;
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

export class HourOfWeek {
  readonly #format: Intl.DateTimeFormat;
  #quarter = Number.NaN;
  #hour = 0;

  /** @param timeZone such as `Europe/Berlin`, as in TIME_ZONE; throws a RangeError if it is unknown */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', { timeZone, weekday: 'short', hour: '2-digit', hourCycle: 'h23' });
  }

  of(unixMs: number): number {
    const quarter = Math.floor(unixMs / QUARTER_MS);
    if (quarter === this.#quarter) return this.#hour;
    let [day, hour] = [0, 0];
    for (const { type, value } of this.#format.formatToParts(quarter * QUARTER_MS)) {
      if (type === 'weekday') day = DAYS.indexOf(value);
      else if (type === 'hour') hour = Number(value);
    }
    this.#quarter = quarter;
    this.#hour = day * 24 + hour;
    return this.#hour;
  }

  /** When the local hour that holds this time ends. */
  endOf(unixMs: number): number {
    const hour = this.of(unixMs);
    let end = (Math.floor(unixMs / QUARTER_MS) + 1) * QUARTER_MS;
    // At most 2 hours have one number.
    const latest = unixMs + 2 * HOUR_MS;
    while (end < latest && this.of(end) === hour) end += QUARTER_MS;
    return end;
  }
}
