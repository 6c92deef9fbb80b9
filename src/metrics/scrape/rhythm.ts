/**
 * When a scrape is expected, and when to prepare for it. A scraper asks at equal intervals; several may ask for the same, each in its own
 * rhythm, and people ask at any time. So what counts are scrapes with equal distances among all of them.
 */

/** Equal distances that make a rhythm: with fewer, scrapes at any time would often look like one. */
const DISTANCES = 3;
/** How much two of them may differ: scrapers start on time, but this machine may be busy. */
const TOLERANCE = 1 / 20;
const MAX_TOLERANCE_MS = 500;
/** Whoever asks more often gets text that is new anyway. */
const MIN_PERIOD_MS = 100;
/** One scrape may fail on its way. */
const MISSED_AT_MOST = 1;

/** When text is made anew, around the time when a scrape is expected, as parts of the lead. The last one is for a late scrape. */
const REFRESHES_AT = [-1, -0.2, 0.6] as const;
/** Part of the lead for which text counts as new. */
const NEW_FOR = 0.2;

/**
 * How long before a scrape its text is first made: half a second for what is late, and twice the time that reading and writing a
 * worker takes, since that work pauses as long as it runs.
 */
export function leadMsFor(workers: number): number {
  return 500 + workers / 20;
}

/** @param timesMs of scrapes, ascending @returns the times of those that are to come, or late by no more than `lateMs` */
export function expectedScrapes(timesMs: readonly number[], nowMs: number, lateMs: number): number[] {
  const expected = new Set<number>();
  for (const index of timesMs.keys()) {
    const periodMs = periodUpTo(timesMs, index);
    if (periodMs === undefined) continue;
    const lastMs = lastInRhythm(timesMs, timesMs[index] as number, periodMs);
    for (let periods = 1; periods <= 1 + MISSED_AT_MOST; periods++) {
      const atMs = lastMs + periods * periodMs;
      if (atMs >= nowMs - lateMs) expected.add(atMs);
    }
  }
  return [...expected];
}

/** The last scrape that was expected after this one. */
function lastInRhythm(timesMs: readonly number[], fromMs: number, periodMs: number): number {
  let lastMs = fromMs;
  for (let periods = 1; periods <= 1 + MISSED_AT_MOST; periods++) {
    const nextMs = timeNear(timesMs, lastMs + periods * periodMs, toleranceOf(periodMs));
    if (nextMs === undefined) continue;
    lastMs = nextMs;
    periods = 0;
  }
  return lastMs;
}

/** The shortest distance at which scrapes lie before this one. */
function periodUpTo(timesMs: readonly number[], index: number): number | undefined {
  const lastMs = timesMs[index] as number;
  for (let before = index - 1; before >= 0; before--) {
    const periodMs = lastMs - (timesMs[before] as number);
    if (periodMs < MIN_PERIOD_MS) continue;
    if (lastMs - DISTANCES * periodMs < (timesMs[0] as number) - MAX_TOLERANCE_MS) return undefined;
    const tolerance = toleranceOf(periodMs);
    let distances = 1;
    const isOneBefore = () => timeNear(timesMs, lastMs - (distances + 1) * periodMs, tolerance) !== undefined;
    while (distances < DISTANCES && isOneBefore()) distances++;
    if (distances === DISTANCES) return periodMs;
  }
  return undefined;
}

const toleranceOf = (periodMs: number) => Math.min(MAX_TOLERANCE_MS, periodMs * TOLERANCE);

function timeNear(timesMs: readonly number[], atMs: number, toleranceMs: number): number | undefined {
  return timesMs.find((timeMs) => Math.abs(timeMs - atMs) <= toleranceMs);
}

export interface RefreshFacts {
  /** Of scrapes of this text, ascending. */
  readonly timesMs: readonly number[];
  /** When it was last made anew, for a scrape or ahead of one. */
  readonly madeMs: number;
  readonly leadMs: number;
}

/** When to make the text anew; not before now. Undefined: no scrape is expected. */
export function nextRefreshMs({ timesMs, madeMs, leadMs }: RefreshFacts, nowMs: number): number | undefined {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const expectedMs of expectedScrapes(timesMs, nowMs, leadMs)) {
    for (const part of REFRESHES_AT) {
      const atMs = expectedMs + part * leadMs;
      if (atMs > madeMs + NEW_FOR * leadMs) nextMs = Math.min(nextMs, atMs);
    }
  }
  return nextMs === Number.POSITIVE_INFINITY ? undefined : Math.max(nowMs, nextMs);
}
