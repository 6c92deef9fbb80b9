/**
 * The workers and where their memory is, as one reading thread knows them. Updated by the announcements that main sends to
 * every reader in order.
 */
import type { AlertChanges } from '../model/alert-changes.ts';
import type { AlertsStatus, LoadedRules } from '../model/alerts-status.ts';
import { EventLog, type WorkerEvent } from '../model/events.ts';
import type { ReceiverStatus } from '../model/export-status.ts';
import type { HistoryStatus } from '../model/history-status.ts';
import { type Holds, NO_HOLDS } from '../model/holds.ts';
import type { Isolation } from '../model/isolation.ts';
import type { LaneFault, LaneLimit } from '../model/lanes.ts';
import type { PendingWorker } from '../model/pending.ts';
import type { PromMetric } from '../model/prom-metric.ts';
import { type ReadinessFacts, STARTING } from '../model/readiness.ts';
import { recordJsonTail, type TelemetryJson, telemetryOfJson } from '../model/record-json.ts';
import { NO_RECORD_MEMORY, type RecordMemoryView } from '../model/record-memory.ts';
import { NO_RING_MEMORY, type RingMemoryView } from '../model/ring-memory.ts';
import type { Silence } from '../model/silence.ts';
import type { WorkerTelemetry } from '../model/telemetry.ts';
import type { WorkerFacts } from '../model/worker-facts.ts';
import type { BoardReader } from '../store/board.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import { SlotGone, SlotReader } from '../store/slot-reader.ts';
import { AlertTable } from './alert-table.ts';

/** From main to every reader. */
export type Announcement =
  | {
      readonly type: 'slotAdded';
      readonly workerId: string;
      readonly row: number;
      readonly occupant: number;
      readonly slot: SlotMemory;
      /** See {@link WorkerEntry}. */
      readonly numbersFrom: number;
    }
  | { readonly type: 'slotGrown'; readonly workerId: string; readonly slot: SlotMemory }
  /** Much slot memory was released: it is free once every thread that mapped it has collected its garbage. */
  | { readonly type: 'slotsLetGo' }
  | { readonly type: 'slotGone'; readonly workerId: string }
  /** To a new thread: a worker was removed, and its lane has not left its slot yet; `slotClosed` follows. */
  | {
      readonly type: 'slotLeaving';
      readonly workerId: string;
      readonly row: number;
      readonly occupant: number;
      /** See {@link WorkerEntry}. */
      readonly numbersFrom: number;
    }
  /**
   * The lane of a removed worker has left its slot: nothing writes it any more, and in a few seconds another worker may get it.
   * Sent only while samples are kept, to threads that drain them: the last samples can be read now. A new thread gets those of the last
   * few seconds, too; while history is on, all of which not everything is durable.
   */
  | {
      readonly type: 'slotClosed';
      readonly workerId: string;
      readonly row: number;
      readonly occupant: number;
      readonly slot: SlotMemory;
      /** Which of the workers that use this memory one after another: see slot-shelf.ts. */
      readonly tenancy: number;
      /** See {@link WorkerEntry}. */
      readonly numbersFrom: number;
    }
  /** What the worker registered with. */
  | { readonly type: 'workerFacts'; readonly workerId: string; readonly facts: WorkerFacts }
  /** A lane failed, and the failure was attributed to the worker. */
  | { readonly type: 'laneFault'; readonly workerId: string; readonly fault: LaneFault }
  /** An operator decided which kind of lane the worker should have. */
  | { readonly type: 'isolation'; readonly workerId: string; readonly isolation: Isolation }
  /** In the order in which they happened. */
  | { readonly type: 'events'; readonly events: readonly WorkerEvent[] }
  /** What keeps main from judging silent workers at present. */
  | { readonly type: 'holds'; readonly holds: Holds }
  /** Workers waiting for approval; at most once a second. */
  | { readonly type: 'pending'; readonly pending: readonly PendingWorker[] }
  /** Whether the master is ready for work. */
  | { readonly type: 'readiness'; readonly readiness: ReadinessFacts }
  /** The state of history; about once a second. Not sent while it is off. */
  | { readonly type: 'history'; readonly status: HistoryStatus }
  /** The state of each receiver of metrics; about once a second. Not sent while there is none. */
  | { readonly type: 'exports'; readonly receivers: readonly ReceiverStatus[] }
  /** Alerts that changed. To HTTP only; like the three that follow, not sent with ALERTS=off. */
  | { readonly type: 'alerts'; readonly changes: AlertChanges }
  /** The rules, after each load. */
  | { readonly type: 'alertRules'; readonly loaded: LoadedRules }
  /** Figures of rules and receivers; after evaluations, at most once a second. */
  | { readonly type: 'alertsStatus'; readonly status: AlertsStatus }
  /** All silences, after each change. To HTTP only. */
  | { readonly type: 'silences'; readonly silences: readonly Silence[] }
  /** The used memory for records; at most once a second. */
  | { readonly type: 'recordMemory'; readonly memory: RecordMemoryView }
  /** The used memory for samples; at most once a second. */
  | { readonly type: 'ringMemory'; readonly memory: RingMemoryView }
  /** Refusals since the start, by reason. */
  | { readonly type: 'limits'; readonly counts: Readonly<Record<string, number>> }
  /** What main has measured of its own heap; every few seconds. */
  | { readonly type: 'nodeMetrics'; readonly metrics: readonly PromMetric[] }
  /** What limits the number of dedicated lanes. */
  | { readonly type: 'laneLimit'; readonly limit: LaneLimit };

/** One worker's memory, for reading. */
export interface WorkerEntry {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly slot: SlotReader;
  /**
   * The number of its first sample in history; the ring counts its samples from 0. A worker that was removed and comes back has
   * higher numbers than before.
   */
  readonly numbersFrom: number;
  /** What it registered with; undefined if it only sent heartbeats. */
  readonly facts: WorkerFacts | undefined;
  /** The last lane failure attributed to it; undefined if none was. */
  readonly lastFault: LaneFault | undefined;
  /** What an operator decided about its lane. */
  readonly isolation: Isolation;
}

/** The announcements for a reader that does not know the worker yet. */
export function announcementsOf({
  workerId,
  row,
  occupant,
  slot,
  numbersFrom,
  facts,
  lastFault: fault,
  isolation,
}: WorkerEntry): Announcement[] {
  return [
    { type: 'slotAdded', workerId, row, occupant, slot: slot.memory, numbersFrom },
    ...(facts === undefined ? [] : [{ type: 'workerFacts', workerId, facts } as const]),
    ...(fault === undefined ? [] : [{ type: 'laneFault', workerId, fault } as const]),
    ...(isolation === 'auto' ? [] : [{ type: 'isolation', workerId, isolation } as const]),
  ];
}

/**
 * The result of `read`, which reads the worker's slot and row; undefined if the worker was removed, which this thread may
 * learn later. Every thread but main must read a worker through this: see slot-shelf.ts.
 */
export function readWhileThere<T>(board: BoardReader, { row, occupant }: WorkerEntry, read: () => T): T | undefined {
  if (!board.isOccupiedBy(row, occupant)) return undefined;
  let value: T;
  try {
    value = read();
  } catch (error) {
    if (error instanceof SlotGone) return undefined;
    throw error;
  }
  // Checked again: if the row still belongs to the worker, so did everything that was read.
  return board.isOccupiedBy(row, occupant) ? value : undefined;
}

/** For a new worker. */
const NOTHING_KNOWN = { facts: undefined, lastFault: undefined, isolation: 'auto' } as const;

export class Directory {
  readonly board: BoardReader;
  /** Recent events. */
  readonly events = new EventLog();
  readonly alerts = new AlertTable();
  #loadedRules: LoadedRules | undefined;
  #alertsStatus: AlertsStatus | undefined;
  #silences: readonly Silence[] = [];
  #holds = NO_HOLDS;
  #pending: readonly PendingWorker[] = [];
  #readiness = STARTING;
  #history: HistoryStatus | undefined;
  #receivers: readonly ReceiverStatus[] = [];
  #recordMemory = NO_RECORD_MEMORY;
  #ringMemory = NO_RING_MEMORY;
  #refusals: Readonly<Record<string, number>> = {};
  #laneLimit: LaneLimit | undefined;
  #nodeMetrics: readonly PromMetric[] = [];
  readonly #entries = new Map<string, WorkerEntry>();
  readonly #rows: (WorkerEntry | undefined)[] = [];

  constructor(board: BoardReader) {
    this.board = board;
  }

  apply(announcement: Announcement): void {
    switch (announcement.type) {
      case 'slotAdded': {
        const { workerId, row, occupant, slot, numbersFrom } = announcement;
        this.#remove(workerId);
        const reader = new SlotReader(slot);
        this.#entries.set(workerId, { workerId, row, occupant, slot: reader, numbersFrom, ...NOTHING_KNOWN });
        this.#place(row, this.#entries.get(workerId));
        return;
      }
      case 'slotGrown': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry === undefined) return;
        this.#replace(entry, { ...entry, slot: new SlotReader(announcement.slot) });
        return;
      }
      case 'workerFacts': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry !== undefined) this.#replace(entry, { ...entry, facts: announcement.facts });
        return;
      }
      case 'laneFault': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry !== undefined) this.#replace(entry, { ...entry, lastFault: announcement.fault });
        return;
      }
      case 'isolation': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry !== undefined) this.#replace(entry, { ...entry, isolation: announcement.isolation });
        return;
      }
      case 'slotsLetGo':
      case 'slotLeaving':
      case 'slotClosed':
        // Concerns the whole thread, or threads that drain samples.
        return;
      case 'slotGone':
        this.#remove(announcement.workerId);
        return;
      case 'events':
        for (const event of announcement.events) this.events.add(event);
        return;
      case 'holds':
        this.#holds = announcement.holds;
        return;
      case 'pending':
        this.#pending = announcement.pending;
        return;
      case 'readiness':
        this.#readiness = announcement.readiness;
        return;
      case 'history':
        this.#history = announcement.status;
        return;
      case 'exports':
        this.#receivers = announcement.receivers;
        return;
      case 'alerts':
        this.alerts.apply(announcement.changes);
        return;
      case 'alertRules':
        this.#loadedRules = announcement.loaded;
        return;
      case 'alertsStatus':
        this.#alertsStatus = announcement.status;
        return;
      case 'silences':
        this.#silences = announcement.silences;
        return;
      case 'recordMemory':
        this.#recordMemory = announcement.memory;
        return;
      case 'ringMemory':
        this.#ringMemory = announcement.memory;
        return;
      case 'limits':
        this.#refusals = announcement.counts;
        return;
      case 'nodeMetrics':
        this.#nodeMetrics = announcement.metrics;
        return;
      case 'laneLimit':
        this.#laneLimit = announcement.limit;
        return;
      default:
        announcement satisfies never;
    }
  }

  /** What keeps main from judging silent workers. */
  get holds(): Holds {
    return this.#holds;
  }

  /** Workers waiting for approval, the one silent for longest first; at most a second old. */
  get pending(): readonly PendingWorker[] {
    return this.#pending;
  }

  /** Main's readiness as it last announced it; only for readers in other threads. */
  get readiness(): ReadinessFacts {
    return this.#readiness;
  }

  /** Undefined: history is off. */
  get history(): HistoryStatus | undefined {
    return this.#history;
  }

  /** Receivers of metrics; empty: none is set. About a second old. */
  get receivers(): readonly ReceiverStatus[] {
    return this.#receivers;
  }

  /** The rules of alerts; undefined: none were loaded yet, or ALERTS is off. */
  get loadedRules(): LoadedRules | undefined {
    return this.#loadedRules;
  }

  /** Undefined: nothing was evaluated yet, or ALERTS is off. */
  get alertsStatus(): AlertsStatus | undefined {
    return this.#alertsStatus;
  }

  /** Including those that expired recently. */
  get silences(): readonly Silence[] {
    return this.#silences;
  }

  /** The used memory for records; at most a second old. */
  get recordMemory(): RecordMemoryView {
    return this.#recordMemory;
  }

  /** The used memory for samples; at most a second old. */
  get ringMemory(): RingMemoryView {
    return this.#ringMemory;
  }

  /** Refusals since the start, by reason; at most a second old. */
  get refusals(): Readonly<Record<string, number>> {
    return this.#refusals;
  }

  /** Main's heap, as it last measured it; none if nobody has it measured. */
  get nodeMetrics(): readonly PromMetric[] {
    return this.#nodeMetrics;
  }

  /** Undefined until announced. */
  get laneLimit(): LaneLimit | undefined {
    return this.#laneLimit;
  }

  /** The worker's memory; undefined if it is unknown or was just removed. */
  get(workerId: string): WorkerEntry | undefined {
    const entry = this.#entries.get(workerId);
    return entry !== undefined && this.#isCurrent(entry) ? entry : undefined;
  }

  *all(): Generator<WorkerEntry> {
    for (const entry of this.#entries.values()) if (this.#isCurrent(entry)) yield entry;
  }

  /**
   * The same workers by board row, undefined for an empty row. A worker keeps its row, so callers can store something per
   * row. The caller must check that the row still belongs to the worker.
   */
  get rows(): readonly (WorkerEntry | undefined)[] {
    return this.#rows;
  }

  get size(): number {
    return this.#entries.size;
  }

  telemetry(entry: WorkerEntry): WorkerTelemetry {
    const tail = recordJsonTail(this.board.lastUpdateS(entry.row), this.board.isActive(entry.row));
    return telemetryOfJson(JSON.parse(entry.slot.json(tail)) as TelemetryJson);
  }

  #replace(entry: WorkerEntry, by: WorkerEntry): void {
    this.#entries.set(entry.workerId, by);
    if (this.#rows[entry.row] === entry) this.#place(entry.row, by);
  }

  #remove(workerId: string): void {
    const entry = this.#entries.get(workerId);
    if (entry === undefined) return;
    this.#entries.delete(workerId);
    if (this.#rows[entry.row] === entry) this.#place(entry.row, undefined);
  }

  #place(row: number, entry: WorkerEntry | undefined): void {
    // Without holes, which would make the array slower.
    while (this.#rows.length <= row) this.#rows.push(undefined);
    this.#rows[row] = entry;
  }

  /** The row may already belong to another worker, whose announcement is on its way. */
  #isCurrent(entry: WorkerEntry): boolean {
    return this.board.isOccupiedBy(entry.row, entry.occupant);
  }
}
