/**
 * Scores alarms by event. An alarm is a sample at which a detector begins to call the series anomalous. One within the labelled window, or
 * up to {@link GRACE} samples after it, is a hit; further ones in the same window count once; any other is false.
 */
export const GRACE = 12;

export interface Tally {
  events: number;
  hits: number;
  falseAlarms: number;
  /** Samples from the anomaly's first one to the alarm, of each hit. */
  readonly delays: number[];
}

export function newTally(): Tally {
  return { events: 0, hits: 0, falseAlarms: 0, delays: [] };
}

/** @param alarms samples at which they begin, ascending */
export function count(tally: Tally, alarms: readonly number[], [from, to]: readonly [number, number]): void {
  tally.events++;
  const hit = alarms.find((sample) => sample >= from && sample < to + GRACE);
  if (hit !== undefined) {
    tally.hits++;
    tally.delays.push(hit - from);
  }
  tally.falseAlarms += alarms.filter((sample) => sample < from || sample >= to + GRACE).length;
}

export function add(into: Tally, { events, hits, falseAlarms, delays }: Tally): void {
  into.events += events;
  into.hits += hits;
  into.falseAlarms += falseAlarms;
  into.delays.push(...delays);
}

export const precision = ({ hits, falseAlarms }: Tally): number => (hits === 0 ? 0 : hits / (hits + falseAlarms));
export const recall = ({ events, hits }: Tally): number => hits / events;
export const f1 = ({ events, hits, falseAlarms }: Tally): number => (2 * hits) / (events + hits + falseAlarms);
/** Median, in samples; NaN: no hit. */
export function delayOf({ delays }: Tally): number {
  return delays.length === 0
    ? Number.NaN
    : (delays.toSorted((one, other) => one - other)[delays.length >> 1] as number);
}
