/** Fills a database of history with walks through its writer, as a master would have, but as fast as it takes them. */
import type { HistoryWriter, Retention } from '../../src/history/backend.ts';
import { WALK_INTERVAL_MS, WALK_START_MS, Walk, type WalkKind } from './walks.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const SAMPLES_PER_HOUR = HOUR_MS / WALK_INTERVAL_MS;

/** Long enough that nothing expires meanwhile. */
export const KEEP_ALL: Retention = {
  rawMs: 1e4 * DAY_MS,
  minuteMs: 1e4 * DAY_MS,
  hourMs: 1e4 * DAY_MS,
  maxBytes: undefined,
};

export interface FillSpec {
  readonly workers: number;
  readonly hours: number;
  readonly kind: WalkKind;
}

export interface Filled {
  readonly samples: number;
  /** The first moment after them. */
  readonly endMs: number;
}

/** Hours of samples, each sealed and rolled up as soon as it is due. @param retention what is kept meanwhile */
export async function fill(
  writer: HistoryWriter,
  { workers, hours, kind }: FillSpec,
  retention: Retention = KEEP_ALL,
): Promise<Filled> {
  const walks = Array.from({ length: workers }, (_, worker) => new Walk(worker, kind));
  const bootId = 'fill';
  await writer.begin({ bootId, startedMs: WALK_START_MS });
  for (let hour = 1; hour <= hours; hour++) {
    const atMs = WALK_START_MS + hour * HOUR_MS;
    const samples = walks.map((walk) => ({ ...walk.next(SAMPLES_PER_HOUR), run: 0 }));
    await writer.write({ bootId, number: hour, atMs, samples, gaps: [], taskRuns: [], events: [] });
    await maintain(writer, atMs, retention);
  }
  return { samples: workers * hours * SAMPLES_PER_HOUR, endMs: WALK_START_MS + hours * HOUR_MS };
}

/** Until nothing is due. */
export async function maintain(writer: HistoryWriter, nowMs: number, retention: Retention = KEEP_ALL): Promise<void> {
  while (await writer.maintain(nowMs, retention));
}

/** The end of the day of some time, and two hours more: by then the day is rolled up. */
export function afterDayOf(ms: number): number {
  return Math.ceil(ms / DAY_MS) * DAY_MS + 2 * HOUR_MS;
}
