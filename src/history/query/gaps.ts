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

/** The gaps of one worker of several. */
export interface WorkerGaps {
  /** Merged: those of one reason do not overlap. */
  readonly gaps: readonly AnswerGap[];
  /** Since when there are samples of it; undefined: since before the range. */
  readonly firstMs: number | undefined;
}

/**
 * The times in which no worker has samples. Before its first sample a worker has none, for no reason. Where all others share
 * reasons, those are the reasons; otherwise it is the one that most have. Losses are added.
 */
export function commonGaps(workers: readonly WorkerGaps[], range: TimeRange): AnswerGap[] {
  const [only] = workers;
  if (only !== undefined && workers.length === 1) return [...only.gaps];
  const edges = workers.flatMap(({ gaps, firstMs = range.fromMs }, worker) => [
    ...(firstMs > range.fromMs ? edgesOf(range.fromMs, Math.min(firstMs, range.toMs), worker, undefined) : []),
    ...gaps.flatMap(({ fromMs, toMs, reason }) => edgesOf(fromMs, toMs, worker, reason)),
  ]);
  edges.sort((left, right) => left.atMs - right.atMs);
  const covers = new Uint32Array(workers.length);
  const counts = new Map<AnswerGapReason, number>();
  let silent = 0;
  let notBegun = 0;
  const common: AnswerGap[] = [];
  for (const [index, { atMs, worker, reason, change }] of edges.entries()) {
    const before = covers[worker] as number;
    covers[worker] = before + change;
    if (before === 0) silent++;
    else if (before + change === 0) silent--;
    if (reason === undefined) notBegun += change;
    else counts.set(reason, (counts.get(reason) ?? 0) + change);
    const toMs = edges[index + 1]?.atMs ?? atMs;
    if (silent < workers.length || toMs === atMs) continue;
    for (const each of reasonsOf(counts, workers.length - notBegun)) {
      common.push({ fromMs: atMs, toMs, reason: each, lost: 0 });
    }
  }
  return mergedGaps([...withLosses(mergedGaps(common, range), workers), ...commonMoments(workers)], range);
}

interface Edge {
  readonly atMs: number;
  readonly worker: number;
  /** Undefined: it has not begun. */
  readonly reason: AnswerGapReason | undefined;
  readonly change: 1 | -1;
}

function edgesOf(fromMs: number, toMs: number, worker: number, reason: AnswerGapReason | undefined): Edge[] {
  if (fromMs >= toMs) return [];
  return [
    { atMs: fromMs, worker, reason, change: 1 },
    { atMs: toMs, worker, reason, change: -1 },
  ];
}

/** @param begun how many workers have begun */
function reasonsOf(counts: ReadonlyMap<AnswerGapReason, number>, begun: number): AnswerGapReason[] {
  const most = Math.max(0, ...counts.values());
  if (most === 0) return [];
  const found = ANSWER_GAP_REASONS.filter((reason) => counts.get(reason) === most);
  return most >= begun ? found : found.slice(0, 1);
}

/** Each loss counts in the first common gap of its reason that it overlaps. */
function withLosses(common: readonly AnswerGap[], workers: readonly WorkerGaps[]): AnswerGap[] {
  const lost = common.map(() => 0);
  for (const gap of workers.flatMap(({ gaps }) => gaps.filter((one) => one.lost > 0))) {
    const index = common.findIndex(
      ({ fromMs, toMs, reason }) => reason === gap.reason && fromMs < gap.toMs && toMs > gap.fromMs,
    );
    if (index >= 0) lost[index] = (lost[index] as number) + gap.lost;
  }
  return common.map((gap, index) => ({ ...gap, lost: lost[index] as number }));
}

/** Gaps without length, such as of a clock that was set back, that all workers have. */
function commonMoments(workers: readonly WorkerGaps[]): AnswerGap[] {
  const moments = workers.flatMap(({ gaps }) => gaps.filter(({ fromMs, toMs }) => fromMs === toMs));
  const alike = Map.groupBy(moments, ({ fromMs, reason }) => `${fromMs} ${reason}`);
  return Array.from(alike.values()).flatMap((list) => (list.length === workers.length ? list.slice(0, 1) : []));
}

/** In these states a worker sends no heartbeats. */
const SILENT: ReadonlySet<string> = new Set<WorkerState | 'gone'>(['inactive', 'unknown', 'left', 'gone']);

/** The present state of a worker, and since when. */
export interface StateNow {
  readonly state: WorkerState | 'gone';
  readonly sinceMs: number;
}

/**
 * When a worker was silent, as its events tell: its last sample knows where that really began.
 * @param events of any kind and worker, oldest first
 * @param restartsMs when the master started again
 */
export function silences(
  workerId: string,
  events: readonly WorkerEvent[],
  now: StateNow,
  { fromMs, toMs }: TimeRange,
  restartsMs: readonly number[] = [],
): AnswerGap[] {
  const changes = events.filter((event) => event.type === 'state' && event.workerId === workerId);
  const gaps: AnswerGap[] = [];
  const add = (from: number, to: number) =>
    void (to > from && gaps.push({ fromMs: from, toMs: to, reason: 'worker_inactive', lost: 0 }));
  const [first] = changes;
  /** When it became suspect, if it is since: the last heartbeat was before. */
  let suspectSinceMs = first?.from === 'suspect' ? fromMs : undefined;
  let silentSinceMs: number | undefined;
  if (first === undefined) {
    if (SILENT.has(now.state)) add(Math.max(fromMs, now.sinceMs), toMs);
    return gaps;
  }
  if (first.from !== undefined && SILENT.has(first.from)) {
    // A worker is unknown from a restart of the master on. Before that it may have been active.
    const restarts = first.from === 'unknown' ? restartsMs.filter((atMs) => atMs <= first.atUnixMs) : [];
    silentSinceMs = Math.max(fromMs, ...restarts);
  }
  for (const { to, atUnixMs } of changes) {
    const isSilent = to !== undefined && SILENT.has(to);
    if (isSilent) silentSinceMs ??= suspectSinceMs ?? atUnixMs;
    else if (silentSinceMs !== undefined) {
      add(silentSinceMs, atUnixMs);
      silentSinceMs = undefined;
    }
    suspectSinceMs = to === 'suspect' ? atUnixMs : undefined;
  }
  if (silentSinceMs !== undefined) add(silentSinceMs, toMs);
  return gaps;
}

/**
 * Begins the silences at the last sample before, but not where its absence has another reason.
 * @param others gaps of other reasons
 */
export function sinceLastSample(
  silent: readonly AnswerGap[],
  lastBefore: (momentMs: number) => number,
  others: readonly (AnswerGap | Gap)[],
): AnswerGap[] {
  return silent.map((gap) => {
    const seenMs = lastBefore(gap.fromMs);
    if (seenMs === Number.NEGATIVE_INFINITY) return gap;
    const explained = others.filter(({ toMs }) => toMs <= gap.fromMs).map(({ toMs }) => toMs);
    return { ...gap, fromMs: explained.reduce((latest, each) => Math.max(latest, each), seenMs) };
  });
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
