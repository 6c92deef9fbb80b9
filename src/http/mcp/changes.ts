/** What changed between two times, as pure functions of events, runs of tasks and values. */
import type { WorkerState } from '../../model/liveness.ts';
import type { Json, JsonObject } from './mcp-tool.ts';

/** An event as `GET /api/v1/events` answers. */
export interface EventJson {
  readonly id: number;
  readonly at: string;
  readonly type: string;
  readonly worker_id: string | null;
  readonly from: WorkerState | null;
  readonly to: WorkerState | 'gone' | null;
  readonly cause: string | null;
  readonly text: string;
}

/** These are counted by worker; all other types are told one by one. */
const SUMMED: ReadonlySet<string> = new Set(['state', 'restarted']);

interface WorkerChange {
  readonly worker_id: string;
  /** Null: it was not known before. */
  readonly from: string | null;
  readonly to: string;
  readonly changes: number;
  readonly last_change_at: string;
  readonly cause: string | null;
}

/** @param events oldest first */
export function summaryOf(events: readonly EventJson[], most: number): JsonObject {
  const changes = stateChanges(events);
  const isGone = ({ to }: WorkerChange) => to === 'gone';
  const isNew = ({ from, to }: WorkerChange) => from === null && to !== 'gone';
  const net = changes.filter((change) => change.from !== change.to && !isGone(change) && !isNew(change));
  const returned = changes.filter((change) => change.from === change.to);
  const restarts = countBy(events.filter(({ type }) => type === 'restarted'));
  const others = events.filter(({ type }) => !SUMMED.has(type));
  return {
    events_by_type: Object.fromEntries(countOf(events.map(({ type }) => type))),
    joined: listed(
      changes.filter(isNew).map(({ worker_id, to }) => ({ worker_id, state: to })),
      most,
    ),
    left: listed(
      changes.filter(isGone).map(({ worker_id, cause, last_change_at: at }) => ({ worker_id, cause, at })),
      most,
    ),
    changed_state: listed(net.map(asJson), most),
    changed_and_returned: listed(
      returned.map(({ worker_id, to, changes }) => ({ worker_id, state: to, changes })),
      most,
    ),
    restarted: listed(
      restarts.map(([worker_id, restarts]) => ({ worker_id, restarts })),
      most,
    ),
    other_events: listed(
      others.toReversed().map(({ at, type, worker_id, text }) => ({ at, type, worker_id, text })),
      most,
    ),
  };
}

const asJson = (change: WorkerChange): JsonObject => ({ ...change });

/** The first state of each worker in the time and its last one; workers that are down first, then the newest changes. */
function stateChanges(events: readonly EventJson[]): WorkerChange[] {
  const changes = new Map<string, WorkerChange>();
  for (const { type, worker_id, from, to, at, cause } of events) {
    if (type !== 'state' || worker_id === null || to === null) continue;
    const earlier = changes.get(worker_id);
    changes.set(worker_id, {
      worker_id,
      from: earlier === undefined ? from : earlier.from,
      to,
      changes: (earlier?.changes ?? 0) + 1,
      last_change_at: at,
      cause,
    });
  }
  const isUp = ({ to }: WorkerChange) => Number(to === 'active' || to === 'registered');
  return [...changes.values()].sort(
    (a, b) =>
      isUp(a) - isUp(b) || b.last_change_at.localeCompare(a.last_change_at) || a.worker_id.localeCompare(b.worker_id),
  );
}

function countBy(events: readonly EventJson[]): [string, number][] {
  return countOf(events.flatMap(({ worker_id }) => worker_id ?? [])).sort(([, a], [, b]) => b - a);
}

function countOf(words: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts];
}

/** A list of at most `most`, and how many there are. Undefined, which JSON leaves out: there are none. */
export function listed(all: readonly Json[], most: number): JsonObject {
  return { total: all.length, shown: all.slice(0, most) };
}

/** A metric's mean in a window at the beginning and in one at the end; undefined: there are no samples. */
export interface Rise {
  readonly worker_id: string;
  readonly metric: string;
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Percent at which a usage counts as high. */
export const HIGH_PERCENT = 90;
/** A rise that matters although the value is not high: a fifth of what there is. */
const RISE_PERCENT = 20;

/** The usages that have become high or have risen much, the largest rises first. */
export function risesOf(values: readonly Rise[], most: number): JsonObject {
  const rises = values.flatMap(({ worker_id, metric, before, after }) => {
    if (after === undefined) return [];
    const rise = after - (before ?? 0);
    const isNewlyHigh = after >= HIGH_PERCENT && (before === undefined || before < HIGH_PERCENT);
    if (!isNewlyHigh && (before === undefined || rise < RISE_PERCENT)) return [];
    return [{ worker_id, metric, before: before ?? null, after, rise }];
  });
  rises.sort((a, b) => b.rise - a.rise || a.worker_id.localeCompare(b.worker_id));
  return listed(
    rises.map(({ rise: _, ...shown }) => shown),
    most,
  );
}
