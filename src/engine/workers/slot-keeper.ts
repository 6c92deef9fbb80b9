/**
 * Makes the slots of workers, replaces them and lets go of them; counts them in RECORD_MEMORY; has every thread that saw
 * what was let go of collect its garbage.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { collectGarbage } from '../../lib/collect-garbage.ts';
import { copiedSlot } from '../../store/slot-copy.ts';
import type { SlotMemory } from '../../store/slot-memory.ts';
import { SlotReader } from '../../store/slot-reader.ts';
import { COOL_MS, SAMPLES_COOL_MS, SlotShelf } from '../../store/slot-shelf.ts';
import { newSlot } from '../../store/slot-writer.ts';
import type { LaneHandle, LaneWorker } from '../lanes/lane-handle.ts';
import type { SavedValues } from '../persistence/values-file.ts';
import { RecordMemory } from './record-memory.ts';
import type { Roster, RosterEntry } from './roster.ts';

export interface SlotKeeperOptions {
  /** Memory for records and heartbeats on their way. */
  readonly budgetBytes: number;
  /** Largest record, in bytes of JSON. */
  readonly maxRecordBytes: number;
  /** For so long samples of each worker are kept; 0: nobody reads them. */
  readonly sampleSpanMs: number;
  /** Samples that the ring of a new slot holds. */
  readonly ringCapacity: number;
  readonly roster: Roster;
  readonly clock: Clock;
}

/** Not while sweeping, nor while the other threads collect, for which they need the processors. */
const MAIN_COLLECTS_AFTER_MS = 400;

export class SlotKeeper {
  readonly records: RecordMemory;
  /** Whether somebody drains samples, and is to be told when the last ones of a worker can be. */
  readonly keepsSamples: boolean;
  readonly #ringCapacity: number;
  readonly #roster: Roster;
  readonly #clock: Clock;
  readonly #shelf: SlotShelf;
  /** Lanes that have seen slots which were let go of, or that workers have left, since garbage was collected last. */
  readonly #lanesToCollect = new Set<LaneHandle>();
  #collection: Timer | undefined;

  constructor({ budgetBytes, maxRecordBytes, sampleSpanMs, ringCapacity, roster, clock }: SlotKeeperOptions) {
    this.#ringCapacity = ringCapacity;
    this.#roster = roster;
    this.#clock = clock;
    this.keepsSamples = sampleSpanMs > 0;
    this.#shelf = new SlotShelf(ringCapacity, this.keepsSamples ? SAMPLES_COOL_MS : COOL_MS);
    this.records = new RecordMemory({
      budgetBytes,
      maxRecordBytes,
      sampleSpanMs,
      ringCapacity,
      onCollect: () => this.#collectGarbage(),
    });
  }

  /** The first slot of a worker. @param values of an earlier master, to be shown until its next heartbeat */
  make(workerId: string, values: SavedValues | undefined): SlotMemory {
    const memory = this.#make(workerId, values);
    this.records.added(memory.byteLength);
    return memory;
  }

  /** The worker's lane has moved its record to this memory. @returns its entry; undefined if it is forgotten */
  grown(worker: LaneWorker, memory: SlotMemory): RosterEntry | undefined {
    const entry = this.#roster.entryOf(worker);
    if (entry !== undefined) {
      this.#replace(entry, memory);
      return entry;
    }
    // Nobody reads it any more, and what it takes is let go of as soon as it is there.
    worker.slot = new SlotReader(memory);
    this.records.added(memory.byteLength);
    this.records.letGo(memory.byteLength);
    return undefined;
  }

  /** A thread that does not end has the worker's slot in hand: the worker goes on in a copy. */
  abandoned(worker: LaneWorker): void {
    const entry = this.#roster.entryOf(worker);
    if (entry !== undefined) this.#replace(entry, copiedSlot(entry.slot.memory));
  }

  /** The worker is forgotten, and still has its lane. */
  letGo(entry: RosterEntry): void {
    this.records.letGo(entry.slot.memory.byteLength, entry.garbage);
    if (entry.lane !== undefined) this.left(entry.lane);
  }

  /** Nobody writes the slot of the forgotten worker any more: it may be the next one's. */
  reuse({ slot: { memory }, garbage }: RosterEntry): void {
    if (this.#shelf.keep(memory, this.#clock.monotonicMs())) this.records.kept(memory.byteLength, garbage);
  }

  /** A worker, or one of its slots, has left the lane, whose thread still holds what it has seen. */
  left(lane: LaneHandle): void {
    this.#lanesToCollect.add(lane);
  }

  /** The lane's thread has ended, and all that it held with it. */
  ended(lane: LaneHandle): void {
    this.#lanesToCollect.delete(lane);
  }

  stop(): void {
    this.#collection?.cancel();
  }

  #make(workerId: string, values: SavedValues | undefined): SlotMemory {
    if (values !== undefined) {
      const { json, lastUpdateS } = values;
      return newSlot(workerId, this.#ringCapacity, { json, receivedUnixMs: lastUpdateS * 1000 });
    }
    return this.#shelf.take(workerId, this.#clock.monotonicMs()) ?? newSlot(workerId, this.#ringCapacity);
  }

  #replace(entry: RosterEntry, memory: SlotMemory): void {
    this.records.replaced(entry.slot.memory.byteLength, memory.byteLength, entry.garbage);
    if (entry.lane !== undefined) this.left(entry.lane);
    this.#roster.grow(entry, memory);
  }

  /** In every thread that may have seen the slots that were let go of; here when the others have done it, and by itself. */
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
