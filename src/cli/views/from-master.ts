/** Views of a master in this process: read from board and slots on the main thread, so rows are built without JSON. */

import type { Operator } from '../../app/operator.ts';
import type { Clock } from '../../lib/clock.ts';
import { alertTotals } from '../../model/alerts-status.ts';
import { causeText } from '../../model/anomaly/words.ts';
import { eventText } from '../../model/event-text.ts';
import { wishesOwnLane } from '../../model/isolation.ts';
import { FAULT_CAUSES, REPLACEMENT_REASONS } from '../../model/lanes.ts';
import type { WorkerEntry } from '../../reading/directory.ts';
import { leftOutOfHistory } from '../../reading/left-out.ts';
import { scoreOf } from '../../reading/scores.ts';
import { ALL, type Selection } from '../../reading/selection.ts';
import { sortOf } from '../../reading/sort.ts';
import { groupOf, hasGpu } from '../../reading/values.ts';
import type { RowView } from '../../store/board.ts';
import type { SlotScore } from '../../store/slot-reader.ts';
import type { RecordNumbers } from '../../store/slot-writer.ts';
import type { EventRow } from './events-text.ts';
import {
  byId,
  type ClusterView,
  type HeartbeatCounts,
  type LivenessView,
  lanesView,
  type PendingRow,
  totalsOf,
  type WorkerDetailView,
  type WorkerInside,
  type WorkerRow,
} from './views.ts';

/** What the views read; an `Operator` is one. */
export type MasterFacts = Pick<Operator, 'directory' | 'internalState' | 'addressOf' | 'holds'> &
  Partial<Pick<Operator, 'alerts'>>;

export interface WhichWorkers {
  readonly selection?: Selection;
  /** As the API has it; undefined: by id. */
  readonly sort?: string | undefined;
}

/** The selected workers in that order. */
export function workerRows(
  { directory }: MasterFacts,
  clock: Clock,
  { selection = ALL, sort }: WhichWorkers = {},
): WorkerRow[] {
  const nowMs = clock.monotonicMs();
  const { compare, positionOf } = sortOf(sort);
  return Array.from(directory.all())
    .filter((entry) => selection.matches(entry, directory))
    .map((entry) => ({ entry, position: positionOf(entry, directory) }))
    .sort((left, right) => compare(left.position, right.position))
    .map(({ entry }) =>
      rowOf(entry, directory.board.view(entry.row, nowMs), scoreOf(entry, directory.board), clock.wallMs()),
    );
}

/** Workers that wait for approval, by id. */
export function pendingRows(master: MasterFacts, clock: Clock): PendingRow[] {
  const nowUnixMs = clock.wallMs();
  const rows = master.internalState().pending.map(({ workerId, firstSeenUnixMs, lastSeenUnixMs, attempts }) => ({
    workerId,
    firstSeenMs: sinceMs(firstSeenUnixMs, nowUnixMs),
    lastSeenMs: sinceMs(lastSeenUnixMs, nowUnixMs),
    attempts,
  }));
  return rows.sort(byId);
}

/** The newest events, oldest first. */
export function eventRows(master: Pick<Operator, 'events'>, howMany: number): EventRow[] {
  return master
    .events()
    .slice(-howMany)
    .map((event) => ({
      atUnixMs: event.atUnixMs,
      whom: event.workerId ?? event.group ?? '',
      text: eventText(event),
    }));
}

/** Undefined if no worker is called so. */
export function workerDetail(master: MasterFacts, clock: Clock, workerId: string): WorkerDetailView | undefined {
  const entry = master.directory.get(workerId);
  if (entry === undefined) return undefined;
  const view = master.directory.board.view(entry.row, clock.monotonicMs());
  const { runningTasks, gpus, metrics } = master.directory.telemetry(entry);
  const scored = scoreOf(entry, master.directory.board);
  return {
    ...rowOf(entry, view, scored, clock.wallMs()),
    runningTasks,
    gpus,
    metrics,
    anomaly: scored?.cause && causeText(scored.cause),
    inside: insideOf(master, clock, entry, view),
  };
}

export function clusterView(master: MasterFacts, clock: Clock): ClusterView {
  const { lanes, laneLimit, pending } = master.internalState();
  return {
    health: undefined,
    holds: master.holds(),
    ...totalsOf(workerRows(master, clock)),
    lanes: lanesView(lanes, laneLimit),
    alerts: alertTotals(master.alerts?.status),
    inside: {
      counts: countsOfAll(master, clock),
      pending: pending.length,
    },
  };
}

function livenessOf(view: RowView, nowUnixMs: number): LivenessView {
  const { cause, stuck, isFlapping, hasConflict, intervalMs, skewMs, missed, restarts } = view;
  const { late, duplicate } = view.replacedBy;
  const forMs = sinceMs(view.stateSinceS * 1000, nowUnixMs);
  return { forMs, cause, stuck, isFlapping, hasConflict, intervalMs, skewMs, missed, late, duplicate, restarts };
}

function rowOf(entry: WorkerEntry, view: RowView, scored: SlotScore | undefined, nowUnixMs: number): WorkerRow {
  const { workerId, slot, facts } = entry;
  const numbers = slot.numbers();
  return {
    workerId,
    state: view.state,
    liveness: livenessOf(view, nowUnixMs),
    usages: numbers && usagesOf(numbers, hasGpu(entry, numbers)),
    tasks: numbers?.runningTasks ?? 0,
    anomalyScore: scored?.score,
    ageMs: view.ageMs,
    lane: view.lane,
    group: groupOf(entry),
    labels: facts?.labels ?? {},
  };
}

/** @param withGpu whether a GPU usage of 0 is a measurement */
function usagesOf(numbers: RecordNumbers, withGpu: boolean) {
  return {
    cpu: numbers.cpuUsage,
    memory: numbers.memoryUsage,
    gpu: withGpu ? numbers.gpuUsage : undefined,
    storage: numbers.storageUsage,
  };
}

function insideOf(master: MasterFacts, clock: Clock, entry: WorkerEntry, view: RowView): WorkerInside {
  const { workerId, slot, facts, lastFault } = entry;
  const rejection = slot.lastRejection();
  const numbers = slot.numbers();
  return {
    registeredUnixMs: view.registeredS * 1000,
    counts: countsOf(slot, view),
    record: { bytes: slot.jsonBytes, roomBytes: slot.capacityBytes },
    leftOut: leftOutOfHistory(slot),
    rejection: rejection && { reason: rejection.reason, ageMs: sinceMs(rejection.atUnixMs, clock.wallMs()) },
    fault: lastFault && { ...lastFault, ageMs: sinceMs(lastFault.atUnixMs, clock.wallMs()) },
    isolation: { decided: entry.isolation, wishesOwn: facts !== undefined && wishesOwnLane(facts.labels) },
    sharesWith: view.lane.kind === 'dedicated' ? [] : neighboursOf(entry, view.lane.number, master),
    timing: numbers && { hostLoopLagMs: numbers.hostLoopLagMs, lastRoundTripMs: numbers.lastRoundTripMs },
    address: master.addressOf(workerId),
    facts,
  };
}

function neighboursOf({ workerId }: WorkerEntry, lane: number, { directory }: MasterFacts): string[] {
  const neighbours: string[] = [];
  for (const other of directory.all()) {
    if (other.workerId !== workerId && directory.board.lane(other.row).number === lane) neighbours.push(other.workerId);
  }
  return neighbours.sort();
}

function countsOf(slot: WorkerEntry['slot'], view: RowView): HeartbeatCounts {
  const { accepted, replaced, replacedBy, lost, lostBy } = view;
  return { accepted, replaced, replacedBy, lost, lostBy, ...slot.counts() };
}

function countsOfAll({ directory }: MasterFacts, clock: Clock): HeartbeatCounts {
  const nowMs = clock.monotonicMs();
  const sum = {
    accepted: 0,
    applied: 0,
    rejected: 0,
    replaced: 0,
    replacedBy: { backlog: 0, restart: 0, quarantine: 0, late: 0, duplicate: 0, memory: 0 },
    lost: 0,
    lostBy: { crash: 0, exit: 0, memory: 0, stall: 0 },
  };
  for (const entry of directory.all()) {
    const counts = countsOf(entry.slot, directory.board.view(entry.row, nowMs));
    for (const key of ['accepted', 'applied', 'rejected', 'replaced', 'lost'] as const) sum[key] += counts[key];
    for (const reason of REPLACEMENT_REASONS) sum.replacedBy[reason] += counts.replacedBy[reason];
    for (const cause of FAULT_CAUSES) sum.lostBy[cause] += counts.lostBy[cause];
  }
  return sum;
}

/** Never negative: somebody may have set the clock back. */
function sinceMs(unixMs: number, nowUnixMs: number): number {
  return Math.max(0, nowUnixMs - unixMs);
}
