/** What the commands show, as plain data: built from the store at the prompt, from the API by the HTTP clients. */

import type { AlertTotals } from '../../model/alerts-status.ts';
import type { Holds } from '../../model/holds.ts';
import type { Isolation } from '../../model/isolation.ts';
import type { FaultCause, LaneKind, LaneLimit, ReplacementReason } from '../../model/lanes.ts';
import type { GpuUsage, RunningTask } from '../../model/telemetry.ts';
import type { WorkerFacts } from '../../model/worker-facts.ts';

/** Percentages; undefined: never received. */
export interface UsageColumns {
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  /** Undefined of a machine without a graphics processor, too. */
  readonly gpu: number | undefined;
  readonly storage: number | undefined;
}

const USAGE_NAMES = ['cpu', 'memory', 'gpu', 'storage'] as const satisfies readonly (keyof UsageColumns)[];

/** The lane that serves a worker. */
export interface LaneView {
  readonly number: number;
  readonly kind: LaneKind;
  readonly state: string;
  readonly restarts: number;
}

/** What became of the heartbeats since the master's start. */
export interface HeartbeatCounts {
  readonly accepted: number;
  readonly applied: number;
  readonly rejected: number;
  readonly replaced: number;
  readonly replacedBy: Readonly<Record<ReplacementReason, number>>;
  readonly lost: number;
  readonly lostBy: Readonly<Record<FaultCause, number>>;
}

/** Who is alive, beside the state. Known of a master that is not a legacy one. */
export interface LivenessView {
  /** How long it has been in its state, and why. */
  readonly forMs: number;
  readonly cause: string;
  /** Why it is stuck; undefined if it is not. */
  readonly stuck: string | undefined;
  readonly isFlapping: boolean;
  readonly hasConflict: boolean;
  /** How often it sends, as far as the master knows. */
  readonly intervalMs: number;
  /** How far its clock is ahead of the master's; undefined if it was never measured. */
  readonly skewMs: number | undefined;
  readonly missed: number;
  readonly late: number;
  readonly duplicate: number;
  /** How often it came back as a new instance. */
  readonly restarts: number;
}

/** One worker in a list. */
export interface WorkerRow {
  readonly workerId: string;
  readonly state: string;
  readonly liveness: LivenessView | undefined;
  /** Undefined before the first heartbeat. */
  readonly usages: UsageColumns | undefined;
  readonly tasks: number;
  /** 0 to 1; undefined: nothing is scored, or the master does not tell. */
  readonly anomalyScore: number | undefined;
  /** Since the last heartbeat, or since the registration if there was none yet. */
  readonly ageMs: number;
  /** Undefined if the master is a legacy one; so too below. */
  readonly lane: LaneView | undefined;
  /** Empty: it belongs to none. */
  readonly group: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
}

/** Known of a master that is not a legacy one. */
export interface WorkerInside {
  readonly registeredUnixMs: number;
  readonly counts: HeartbeatCounts;
  /** As JSON, and what there is room for. */
  readonly record: { readonly bytes: number; readonly roomBytes: number };
  /** Metrics that history does not get, some by name. */
  readonly leftOut: { readonly count: number; readonly names: readonly string[] };
  readonly rejection: { readonly reason: string; readonly ageMs: number } | undefined;
  /** The last failure of a lane that was charged to the worker. */
  readonly fault: { readonly cause: FaultCause; readonly reason: string; readonly ageMs: number } | undefined;
  /** What an operator decided about its lane, and whether it wishes for one of its own. */
  readonly isolation: { readonly decided: Isolation; readonly wishesOwn: boolean };
  /** Other workers on its lane; known inside the master only. */
  readonly sharesWith: readonly string[];
  /** Undefined before the first heartbeat. */
  /** Milliseconds; 0: the worker reports none. */
  readonly timing: { readonly hostLoopLagMs: number; readonly lastRoundTripMs: number } | undefined;
  /** Where the master introduces itself to the worker; known inside the master only. */
  readonly address: string | undefined;
  readonly facts: WorkerFacts | undefined;
}

/** Everything that is known of one worker. */
export interface WorkerDetailView extends WorkerRow {
  readonly runningTasks: readonly RunningTask[];
  readonly gpus: readonly GpuUsage[];
  readonly metrics: Readonly<Record<string, number>>;
  /** Why it is unusual, in words; undefined: it is not. */
  readonly anomaly: string | undefined;
  readonly inside: WorkerInside | undefined;
}

export interface PendingRow {
  readonly workerId: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly attempts: number;
}

/** How many lanes there are, and why. */
export interface LanesView {
  readonly counts: Readonly<Record<LaneKind, number>>;
  readonly limit: LaneLimitView;
  /** By state. */
  readonly notReady: ReadonlyMap<string, number>;
  readonly restarts: number;
}

/** A master of another version may be limited by what is not known here. */
export interface LaneLimitView extends Omit<LaneLimit, 'limitedBy'> {
  readonly limitedBy: string;
}

export function lanesView(
  lanes: readonly { readonly kind: LaneKind; readonly state: string; readonly restarts: number }[],
  limit: LaneLimitView,
): LanesView {
  const ofKind = (wanted: LaneKind) => lanes.filter(({ kind }) => kind === wanted).length;
  const notReady = new Map<string, number>();
  for (const { state } of lanes) if (state !== 'ready') notReady.set(state, (notReady.get(state) ?? 0) + 1);
  return {
    counts: { dedicated: ofKind('dedicated'), shared: ofKind('shared'), penalty: ofKind('penalty') },
    limit,
    notReady,
    restarts: lanes.reduce((sum, lane) => sum + lane.restarts, 0),
  };
}

/** The fleet as a whole. */
export interface ClusterView {
  /** As `/health` says; undefined inside the master, which answers because it is well. */
  readonly health: string | undefined;
  /** What keeps the master from judging. */
  readonly holds: Holds;
  readonly workers: number;
  readonly states: ReadonlyMap<string, number>;
  readonly tasks: number;
  /** Over the active workers; undefined if there are none. */
  readonly means: UsageColumns | undefined;
  /** Undefined if the master does not tell. */
  readonly lanes: LanesView | undefined;
  /** Undefined: they are off, were not evaluated yet, or the master is an older one. */
  readonly alerts: AlertTotals | undefined;
  readonly inside:
    | {
        readonly counts: HeartbeatCounts;
        readonly pending: number;
      }
    | undefined;
}

/** By id, in the order of their characters: the same everywhere, whatever the language of the machine. */
export function byId(left: { readonly workerId: string }, right: { readonly workerId: string }): number {
  return left.workerId < right.workerId ? -1 : Number(left.workerId > right.workerId);
}

/** Those whose ids begin with `prefix`: all, if it is empty. */
export function beginningWith<T extends { readonly workerId: string }>(prefix: string, rows: readonly T[]): T[] {
  return rows.filter(({ workerId }) => workerId.startsWith(prefix));
}

/** States in which the last values are those of now, more or less. */
export const HEARD_STATES: ReadonlySet<string> = new Set(['active', 'suspect', 'leaving']);

export type ClusterTotals = Pick<ClusterView, 'workers' | 'states' | 'tasks' | 'means'>;

/** Totals over rows, wherever they come from. */
export function totalsOf(rows: Iterable<WorkerRow>): ClusterTotals {
  const states = new Map<string, number>();
  const known: Record<keyof UsageColumns, number[]> = { cpu: [], memory: [], gpu: [], storage: [] };
  let workers = 0;
  let tasks = 0;
  let active = 0;
  for (const row of rows) {
    workers++;
    states.set(row.state, (states.get(row.state) ?? 0) + 1);
    // A silent worker's last values say nothing of the load of now.
    if (!HEARD_STATES.has(row.state) || row.usages === undefined) continue;
    active++;
    tasks += row.tasks;
    for (const name of USAGE_NAMES) {
      const value = row.usages[name];
      if (value !== undefined) known[name].push(value);
    }
  }
  const mean = (values: readonly number[]) =>
    values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
  const means =
    active === 0
      ? undefined
      : { cpu: mean(known.cpu), memory: mean(known.memory), gpu: mean(known.gpu), storage: mean(known.storage) };
  return { workers, states, tasks, means };
}
