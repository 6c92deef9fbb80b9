/** Figures over the whole fleet. Runs in the HTTP thread and in pool threads. */
import {
  FAULT_CAUSES,
  LANE_KINDS,
  LANE_STATES,
  type LaneKind,
  type LaneState,
  REPLACEMENT_REASONS,
} from '../model/lanes.ts';
import { WORKER_STATES } from '../model/liveness.ts';
import { type Directory, readWhileThere } from './directory.ts';
import { groupOf, hasGpu } from './values.ts';

const USAGES = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage'] as const;

/** Percentages; null if there is no worker. */
export interface UsageFigures {
  readonly sum: number;
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export interface ClusterFigures {
  readonly workers: {
    readonly total: number;
    readonly active: number;
    readonly by_state: Readonly<Record<string, number>>;
  };
  /** Named groups with at least one worker. */
  readonly groups: number;
  /** Over active workers that have sent a heartbeat. */
  readonly usage: { readonly workers: number; readonly gpu_workers: number } & Readonly<
    Record<(typeof USAGES)[number], UsageFigures>
  >;
  readonly running_tasks: number;
  readonly heartbeats: {
    readonly missed: number;
    readonly rejected: number;
    readonly replaced_by_reason: Readonly<Record<string, number>>;
    readonly lost_by_cause: Readonly<Record<string, number>>;
  };
  readonly lanes: Readonly<Record<LaneKind, Readonly<Record<LaneState, number>>>>;
  readonly flags: { readonly stuck: number; readonly flapping: number; readonly id_conflict: number };
}

export function clusterFigures(directory: Directory): ClusterFigures {
  const { board } = directory;
  const byState = zeros(WORKER_STATES);
  const replacedByReason = zeros(REPLACEMENT_REASONS);
  const lostByCause = zeros(FAULT_CAUSES);
  const flags = { stuck: 0, flapping: 0, id_conflict: 0 };
  const groups = new Set<string>();
  const lanes = new Map<number, { kind: LaneKind; state: LaneState }>();
  const usages: Record<(typeof USAGES)[number], number[]> = {
    cpu_usage: [],
    memory_usage: [],
    storage_usage: [],
    gpu_usage: [],
  };
  let total = 0;
  let active = 0;
  let runningTasks = 0;
  let gpuWorkers = 0;
  let missed = 0;
  let rejected = 0;

  for (const entry of directory.all()) {
    const { row, slot } = entry;
    const read = readWhileThere(board, entry, () => {
      const record = board.isActive(row) ? slot.numbers() : undefined;
      return { rejected: slot.counts().rejected, record, hasGpu: record !== undefined && hasGpu(entry, record) };
    });
    if (read === undefined) continue;
    total++;
    byState[board.state(row)]++;
    addTo(replacedByReason, board.replacedBy(row));
    addTo(lostByCause, board.lostBy(row));
    missed += board.missed(row);
    rejected += read.rejected;
    flags.stuck += Number(board.stuck(row) !== undefined);
    flags.flapping += Number(board.isFlapping(row));
    flags.id_conflict += Number(board.hasConflict(row));
    const group = groupOf(entry);
    if (group !== '') groups.add(group);
    const lane = board.lane(row);
    lanes.set(lane.number, lane);
    if (!board.isActive(row)) continue;
    active++;
    const { record } = read;
    if (record === undefined) continue;
    runningTasks += record.runningTasks;
    usages.cpu_usage.push(record.cpuUsage);
    usages.memory_usage.push(record.memoryUsage);
    usages.storage_usage.push(record.storageUsage);
    usages.gpu_usage.push(record.gpuUsage);
    gpuWorkers += Number(read.hasGpu);
  }

  return {
    workers: { total, active, by_state: byState },
    groups: groups.size,
    usage: {
      workers: usages.cpu_usage.length,
      cpu_usage: usageFigures(usages.cpu_usage),
      memory_usage: usageFigures(usages.memory_usage),
      storage_usage: usageFigures(usages.storage_usage),
      gpu_usage: usageFigures(usages.gpu_usage),
      gpu_workers: gpuWorkers,
    },
    running_tasks: runningTasks,
    heartbeats: { missed, rejected, replaced_by_reason: replacedByReason, lost_by_cause: lostByCause },
    lanes: laneCounts(lanes.values()),
    flags,
  };
}

/** Percentiles are nearest ranks: the smallest value that at least that share of all does not exceed. It is always an existing value. */
export function usageFigures(values: readonly number[]): UsageFigures {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  const sum = sorted.reduce((total, value) => total + value, 0);
  const rank = (percent: number) => (count === 0 ? null : (sorted[Math.ceil((percent / 100) * count) - 1] as number));
  return {
    sum,
    mean: count === 0 ? null : sum / count,
    min: sorted.at(0) ?? null,
    max: sorted.at(-1) ?? null,
    p50: rank(50),
    p90: rank(90),
    p95: rank(95),
    p99: rank(99),
  };
}

function laneCounts(lanes: Iterable<{ kind: LaneKind; state: LaneState }>) {
  const counts = Object.fromEntries(LANE_KINDS.map((kind) => [kind, zeros(LANE_STATES)])) as Record<
    LaneKind,
    Record<LaneState, number>
  >;
  for (const { kind, state } of lanes) counts[kind][state]++;
  return counts;
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

function addTo<Name extends string>(sums: Record<Name, number>, counts: Readonly<Record<Name, number>>): void {
  for (const name in counts) sums[name] += counts[name];
}
