/** Times without samples, and why: merged and cut to the range of a query. Pure functions over lists of intervals. */
import type { WorkerEvent } from '../../model/events.ts';
import type { WorkerState } from '../../model/liveness.ts';
import { GAP_REASONS, type Gap } from '../samples.ts';
import type { TimeRange } from './plan.ts';

/** `database_away`: they are not in the rings, and the database, which may have them, does not answer. */
export const ANSWER_GAP_REASONS = [...GAP_REASONS, 'database_away'] as const;
export type AnswerGapReason = (typeof ANSWER_GAP_REASONS)[number];

export interface AnswerGap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: AnswerGapReason;
  /** How many samples are known to be missing; 0: unknown. */
  readonly lost: number;
}

/** A point in time that still has to be seen: a step of the clock back begins and ends at once. */
function overlaps({ fromMs, toMs }: TimeRange, range: TimeRange): boolean {
  if (fromMs === toMs) return fromMs >= range.fromMs && fromMs < range.toMs;
  return fromMs < range.toMs && toMs > range.fromMs;
}

/** By their beginnings; those of one reason that overlap or touch become one, with their losses added. */
export function mergedGaps(gaps: readonly (AnswerGap | Gap)[], range: TimeRange): AnswerGap[] {
  const merged: AnswerGap[] = [];
  for (const reason of ANSWER_GAP_REASONS) {
    let last: AnswerGap | undefined;
    const alike = gaps
      .filter((gap) => gap.reason === reason)
      // Of a clock that was set back: from the later time to the earlier one.
      .map(({ fromMs, toMs, lost }) => ({ fromMs: Math.min(fromMs, toMs), toMs: Math.max(fromMs, toMs), lost }))
      .filter((gap) => overlaps(gap, range))
      .sort((left, right) => left.fromMs - right.fromMs);
    for (const { fromMs, toMs, lost } of alike) {
      const cut = { fromMs: Math.max(fromMs, range.fromMs), toMs: Math.min(toMs, range.toMs), reason, lost };
      if (last !== undefined && cut.fromMs <= last.toMs) {
        last = { ...last, toMs: Math.max(last.toMs, cut.toMs), lost: last.lost + lost };
        merged[merged.length - 1] = last;
      } else {
        last = cut;
        merged.push(last);
      }
    }
  }
  return merged.sort((left, right) => left.fromMs - right.fromMs);
}

/** The times that lie in a gap of the same reason in every list, each of which is merged; what was lost in all is added. */
export function commonGaps(lists: readonly (readonly AnswerGap[])[]): AnswerGap[] {
  const [first = [], ...others] = lists;
  return others.reduce<readonly AnswerGap[]>((common, list) => {
    if (common.length === 0 || list.length === 0) return [];
    return common.flatMap((gap) =>
      list
        .filter((other) => other.reason === gap.reason && other.fromMs < gap.toMs && other.toMs > gap.fromMs)
        .map((other) => ({
          ...gap,
          fromMs: Math.max(gap.fromMs, other.fromMs),
          toMs: Math.min(gap.toMs, other.toMs),
          lost: gap.lost + other.lost,
        })),
    );
  }, first) as AnswerGap[];
}

/** In these states a worker sends no heartbeats. */
const SILENT: ReadonlySet<string> = new Set<WorkerState | 'gone'>(['inactive', 'unknown', 'left', 'gone']);

/** The present state of a worker, and since when. */
export interface StateNow {
  readonly state: WorkerState | 'gone';
  readonly sinceMs: number;
}

/**
 * When a worker was silent.
 * @param events of any kind and worker, oldest first
 */
export function silences(
  workerId: string,
  events: readonly WorkerEvent[],
  now: StateNow,
  { fromMs, toMs }: TimeRange,
): AnswerGap[] {
  const changes = events.filter((event) => event.type === 'state' && event.workerId === workerId);
  const gaps: AnswerGap[] = [];
  const add = (from: number, to: number) =>
    void (to > from && gaps.push({ fromMs: from, toMs: to, reason: 'worker_inactive', lost: 0 }));
  const [first] = changes;
  let silentSinceMs: number | undefined;
  if (first === undefined) {
    if (SILENT.has(now.state)) add(Math.max(fromMs, now.sinceMs), toMs);
    return gaps;
  }
  if (first.from !== undefined && SILENT.has(first.from)) silentSinceMs = fromMs;
  for (const { to, atUnixMs } of changes) {
    const isSilent = to !== undefined && SILENT.has(to);
    if (isSilent) silentSinceMs ??= atUnixMs;
    else if (silentSinceMs !== undefined) {
      add(silentSinceMs, atUnixMs);
      silentSinceMs = undefined;
    }
  }
  if (silentSinceMs !== undefined) add(silentSinceMs, toMs);
  return gaps;
}

/** Deletion goes by whole hours: data this close to the end of what is kept may be the rest of older data. */
const DELETED_WITHIN_MS = 2 * 3_600_000;

/**
 * What the tier lacks because it is older than its reach.
 * @param firstMs of the oldest data of the worker in any tier
 * @param anyKeptSinceMs since when any tier has everything
 */
export function notKept(
  { fromMs, toMs }: TimeRange,
  keptSinceMs: number,
  firstMs: number | undefined,
  anyKeptSinceMs: number,
): AnswerGap[] {
  const endMs = Math.min(keptSinceMs, toMs);
  // Otherwise it may have begun earlier than what is left of it.
  const isBeginning = firstMs !== undefined && firstMs >= anyKeptSinceMs + DELETED_WITHIN_MS;
  const beginMs = isBeginning ? Math.max(fromMs, firstMs) : fromMs;
  return beginMs < endMs ? [{ fromMs: beginMs, toMs: endMs, reason: 'not_kept', lost: 0 }] : [];
}
