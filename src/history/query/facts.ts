/** What queries need to know besides values: how far back each tier reaches, and when workers were silent. */

import type { WorkerEvent } from '../../model/events.ts';
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import type { HistoryReader, KnownWorker } from '../backend.ts';
import { HistoryError } from '../history-error.ts';
import type { Gap } from '../samples.ts';
import { type AnswerGap, mergedGaps, notKept, type StateNow, silences, sinceLastSample } from './gaps.ts';
import { LastSeen } from './last-seen.ts';
import { type Plan, type Reach, reachOf, type TimeRange } from './plan.ts';
import type { Degraded } from './read-workers.ts';

/** Changes of state that are looked at for silent workers: some ms to read. Of more, the newest; before those nothing is told. */
const MAX_EVENTS_READ = 10_000;
const NOTHING_DELETED = { oldestMs: {}, deletedEarly: 0 };
const FOREVER_MS = 100 * 365 * 86_400_000;

/** The value of `ask`, or `otherwise` and why, if the database does not answer. */
export async function orDegraded<T>(
  reader: () => Promise<HistoryReader>,
  ask: (reader: HistoryReader) => Promise<T>,
  otherwise: T,
): Promise<{ readonly value: T; readonly degraded: Degraded | undefined }> {
  try {
    return { value: await ask(await reader()), degraded: undefined };
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error;
    return { value: otherwise, degraded: { code: error.kind, detail: error.message } };
  }
}

/** @param nowMs by the wall clock */
export async function reachNow(
  directory: Directory,
  reader: () => Promise<HistoryReader>,
  nowMs: number,
): Promise<Reach> {
  const retention = directory.history?.retention ?? { rawMs: FOREVER_MS, minuteMs: FOREVER_MS, hourMs: FOREVER_MS };
  // The status is at most a second old, and costs no question.
  const told = directory.history?.figures;
  const { oldestMs, deletedEarly } =
    told == null
      ? (await orDegraded(reader, (each) => each.figures(), NOTHING_DELETED)).value
      : { oldestMs: told.oldestUnixMs, deletedEarly: told.deletedEarly };
  return reachOf(nowMs, { ...retention, oldestMs, deletedEarly });
}

export interface GapFacts {
  readonly recorded: readonly Gap[];
  /** Of all workers, oldest first. */
  readonly events: ReadonlyMap<string, readonly WorkerEvent[]>;
  /** What was before is not known from events. */
  readonly eventsSinceMs: number;
}

export async function gapFacts(
  reader: HistoryReader,
  directory: Directory,
  workerIds: readonly string[],
  { fromMs, toMs }: TimeRange,
): Promise<GapFacts> {
  const [recorded, events] = await Promise.all([
    reader.gaps(workerIds, fromMs, toMs),
    reader.events({
      workerIds,
      types: ['state'],
      fromMs,
      toMs,
      limit: MAX_EVENTS_READ,
      prefer: 'newest',
    }),
  ]);
  const isCut = events.length === MAX_EVENTS_READ;
  const eventsSinceMs = isCut ? oldestOf(events, fromMs) : fromMs;
  return { recorded, events: eventsByWorker(events, directory, { fromMs, toMs }), eventsSinceMs };
}

/** What is known without the database. */
export function gapFactsHere(directory: Directory, range: TimeRange): GapFacts {
  const eventsSinceMs = oldestOf(directory.events.all(), range.fromMs);
  return { recorded: [], events: eventsByWorker([], directory, range), eventsSinceMs };
}

function oldestOf([oldest]: readonly WorkerEvent[], fromMs: number): number {
  return Math.max(fromMs, oldest?.atUnixMs ?? fromMs);
}

function eventsByWorker(
  stored: readonly WorkerEvent[],
  directory: Directory,
  { fromMs, toMs }: TimeRange,
): ReadonlyMap<string, readonly WorkerEvent[]> {
  const newestStored = stored.at(-1)?.id ?? 0;
  const newer = directory.events
    .all()
    .filter(({ id, atUnixMs }) => id > newestStored && atUnixMs >= fromMs && atUnixMs < toMs);
  return Map.groupBy([...stored, ...newer], ({ workerId = '' }) => workerId);
}

/** When the worker was silent, as its events and its present state tell. */
export function silencesOf(
  workerId: string,
  { fromMs, toMs }: TimeRange,
  { events, eventsSinceMs, recorded }: GapFacts,
  now: StateNow,
): AnswerGap[] {
  const restartsMs = recorded.filter(({ reason }) => reason === 'master_down').map((gap) => gap.toMs);
  const since = { fromMs: Math.max(fromMs, eventsSinceMs), toMs };
  return silences(workerId, events.get(workerId) ?? [], now, since, restartsMs);
}

/** Takes note of the last samples before these silences. */
export function lastSeenBefore(silent: readonly AnswerGap[]): LastSeen {
  return new LastSeen(silent.map(({ fromMs }) => fromMs));
}

/** The gaps of one worker's series, in order. @param found while reading */
export function gapsOf(
  workerId: string,
  range: TimeRange,
  plan: Plan & { readonly anyKeptSinceMs: number },
  { recorded }: GapFacts,
  known: KnownWorker | undefined,
  silent: readonly AnswerGap[],
  seen: LastSeen | undefined,
  found: readonly (Gap | AnswerGap)[],
): AnswerGap[] {
  const others = [
    ...found,
    ...recorded.filter((gap) => gap.workerId === undefined || gap.workerId === workerId),
    ...notKept(range, plan.keptSinceMs, known?.firstMs, plan.anyKeptSinceMs),
  ];
  const since = sinceLastSample(silent, (momentMs) => seen?.before(momentMs) ?? Number.NEGATIVE_INFINITY, others);
  // Before its first sample there is no history that could have gaps.
  const firstMs = known?.firstMs ?? Number.NEGATIVE_INFINITY;
  const ofHistory = since.flatMap((gap) =>
    gap.toMs > firstMs ? [{ ...gap, fromMs: Math.max(gap.fromMs, firstMs) }] : [],
  );
  return mergedGaps([...others, ...ofHistory], range);
}

/**
 * Since when there are samples of the worker; undefined: since before the beginning of the range.
 * @param known what the database has of it, if that was asked
 */
export function beganAt(
  entry: WorkerEntry | undefined,
  known: KnownWorker | undefined,
  directory: Directory,
): number | undefined {
  if (known !== undefined) return known.firstMs;
  return entry === undefined ? undefined : directory.board.registeredS(entry.row) * 1000;
}

export function stateOf(
  directory: Directory,
  entry: WorkerEntry | undefined,
  known: KnownWorker | undefined,
): StateNow {
  if (entry === undefined) return { state: 'gone', sinceMs: known?.lastMs ?? Number.POSITIVE_INFINITY };
  const { board } = directory;
  return { state: board.state(entry.row), sinceMs: board.stateSinceS(entry.row) * 1000 };
}
