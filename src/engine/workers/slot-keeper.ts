/**
 * Creates, replaces and releases the slots of workers, counts them in RECORD_MEMORY and RING_MEMORY, and makes every thread that
 * saw released slots collect its garbage.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { collectGarbage } from '../../lib/collect-garbage.ts';
import { type AllowanceMemory, newAllowance } from '../../store/record-allowance.ts';
import { copiedSlot } from '../../store/slot-copy.ts';
import { type SlotMemory, viewSlot } from '../../store/slot-memory.ts';
import { SlotReader } from '../../store/slot-reader.ts';
import { firstRingCapacity } from '../../store/slot-ring.ts';
import { COOL_MS, MAX_KEPT_BYTES, SAMPLES_COOL_MS, SlotShelf } from '../../store/slot-shelf.ts';
import { newSlot } from '../../store/slot-writer.ts';
import type { LaneHandle, LaneWorker } from '../lanes/lane-handle.ts';
import type { SavedValues } from '../persistence/values-file.ts';
import { RecordMemory } from './record-memory.ts';
import { RingMemory } from './ring-memory.ts';
import type { Roster, RosterEntry } from './roster.ts';

export interface SlotKeeperOptions {
  /** Memory budget for records and queued heartbeats. */
  readonly budgetBytes: number;
  /** Maximum size of a record as JSON, in bytes. */
  readonly maxRecordBytes: number;
  /** Memory budget for rings of samples. */
  readonly ringBudgetBytes: number;
  /** How long samples are kept; 0: none are. */
  readonly sampleSpanMs: number;
  /** Maximum number of columns of one worker for metrics that not every worker has. */
  readonly metricColumns: number;
  /** Whether samples are scored. */
  readonly isScored: boolean;
  /** The interval at which new workers send. */
  readonly intervalMs: number;
  /** Called when rings have to shorten for lack of memory, and when they are as long as wanted again. */
  readonly onRingsShort: (areShort: boolean, detail: string) => void;
  /** Of a worker that has sent too few heartbeats to tell. */
  readonly intervalOf: (entry: RosterEntry) => number;
  readonly roster: Roster;
  readonly clock: Clock;
}

/** The slots of removed workers may take at most this part of RING_MEMORY, where they have rings: most of it is for workers that are there. */
const MOST_OF_RINGS = 1 / 8;
/** Avoids sweeps, and the collections of other threads, which need the CPUs. */
const MAIN_COLLECTS_AFTER_MS = 400;

export class SlotKeeper {
  readonly records: RecordMemory;
  readonly rings: RingMemory;
  /** Limits as lanes read them. */
  readonly allowance: AllowanceMemory;
  /** Whether samples are drained, so that the reader must know when a worker's last ones can be. */
  readonly keepsSamples: boolean;
  readonly #ringCapacity: number;
  readonly #isScored: boolean;
  readonly #roster: Roster;
  readonly #clock: Clock;
  readonly #shelf: SlotShelf;
  /** Lanes that have seen released slots, or that workers have left, since the last collection. */
  readonly #lanesToCollect = new Set<LaneHandle>();
  #collection: Timer | undefined;

  constructor(options: SlotKeeperOptions) {
    const { budgetBytes, maxRecordBytes, sampleSpanMs, metricColumns, intervalMs, roster, clock } = options;
    this.#ringCapacity = firstRingCapacity(sampleSpanMs, intervalMs);
    this.#isScored = options.isScored;
    this.#roster = roster;
    this.#clock = clock;
    this.keepsSamples = sampleSpanMs > 0;
    const [coolMs, mostBytes] = this.keepsSamples
      ? [SAMPLES_COOL_MS, Math.min(MAX_KEPT_BYTES, options.ringBudgetBytes * MOST_OF_RINGS)]
      : [COOL_MS, MAX_KEPT_BYTES];
    this.#shelf = new SlotShelf(this.#ringCapacity, coolMs, mostBytes);
    this.allowance = newAllowance(metricColumns);
    const { allowance } = this;
    this.records = new RecordMemory({
      budgetBytes,
      maxRecordBytes,
      allowance,
      onCollect: () => this.#collectGarbage(),
    });
    this.rings = new RingMemory({
      budgetBytes: options.ringBudgetBytes,
      wantedSpanMs: sampleSpanMs,
      allowance,
      onShort: options.onRingsShort,
      ringAt: (row) => {
        const entry = roster.atRow(row);
        if (entry === undefined) return undefined;
        const { slot, isAbsent } = entry;
        return {
          ringCapacity: slot.size.ringCapacity,
          metricColumns: slot.size.metricColumns,
          taskLogCapacity: slot.size.taskLogCapacity,
          isScored: slot.size.isScored,
          columnsWanted: slot.columnsWanted,
          periodMs: isAbsent ? undefined : (slot.samplePeriodMs ?? options.intervalOf(entry)),
        };
      },
    });
  }

  /** Creates the first slot of a worker. @param values from an earlier master, shown until its next heartbeat */
  make(workerId: string, values: SavedValues | undefined): SlotMemory {
    const memory = this.#make(workerId, values);
    const { size } = viewSlot(memory);
    this.records.added(size);
    this.rings.added(size);
    return memory;
  }

  /** The worker's lane has moved its record to this memory. @returns its entry; undefined if it was removed */
  grown(worker: LaneWorker, memory: SlotMemory): RosterEntry | undefined {
    const entry = this.#roster.entryOf(worker);
    if (entry !== undefined) {
      this.#replace(entry, memory);
      return entry;
    }
    // It has no readers any more, so the new memory is released at once.
    worker.slot = new SlotReader(memory);
    this.records.added(worker.slot.size);
    this.records.letGo(worker.slot.size);
    return undefined;
  }

  /** A thread that does not terminate may still write the worker's slot: the worker continues in a copy. */
  abandoned(worker: LaneWorker): void {
    const entry = this.#roster.entryOf(worker);
    if (entry !== undefined) this.#replace(entry, copiedSlot(entry.slot.memory));
  }

  /** The worker was removed, and still has its lane. */
  letGo(entry: RosterEntry): void {
    this.records.letGo(entry.slot.size, entry.garbage);
    this.rings.removed(entry.slot.size);
    if (entry.lane !== undefined) this.left(entry.lane);
  }

  /** No thread writes the removed worker's slot any more: the next worker may use it. Its ring then counts again. */
  reuse({ slot: { memory, size }, garbage }: RosterEntry): void {
    if (!this.#shelf.keep(memory, this.#clock.monotonicMs())) return;
    this.records.kept(size, garbage);
    this.rings.added(size);
  }

  /** A worker, or one of its slots, has left the lane, whose thread still holds the memory. */
  left(lane: LaneHandle): void {
    this.#lanesToCollect.add(lane);
  }

  /** The lane's thread has ended, and its memory with it. */
  ended(lane: LaneHandle): void {
    this.#lanesToCollect.delete(lane);
  }

  stop(): void {
    this.#collection?.cancel();
  }

  #make(workerId: string, values: SavedValues | undefined): SlotMemory {
    if (values !== undefined) {
      const { json, lastUpdateS } = values;
      const restored = { json, receivedUnixMs: lastUpdateS * 1000 };
      return newSlot(workerId, this.#ringCapacity, restored, this.#isScored);
    }
    const reused = this.#shelf.take(workerId, this.#clock.monotonicMs());
    if (reused === undefined) return newSlot(workerId, this.#ringCapacity, undefined, this.#isScored);
    this.rings.removed(viewSlot(reused).size);
    return reused;
  }

  #replace(entry: RosterEntry, memory: SlotMemory): void {
    const { size } = entry.slot;
    const next = viewSlot(memory).size;
    this.records.replaced(size, next, entry.garbage);
    this.rings.removed(size);
    this.rings.added(next);
    if (entry.lane !== undefined) this.left(entry.lane);
    this.#roster.grow(entry, memory);
  }

  /** In every thread that may have seen released slots; on main after the others, and separately. */
  #collectGarbage(): void {
    this.#roster.publishSlotsLetGo();
    for (const lane of this.#lanesToCollect) lane.collect();
    this.#lanesToCollect.clear();
    this.#collection?.cancel();
    this.#collection = this.#clock.after(MAIN_COLLECTS_AFTER_MS, () => {
      const fromMs = this.#clock.monotonicMs();
      collectGarbage();
      this.records.collected(this.#clock.monotonicMs() - fromMs);
    });
  }
}
