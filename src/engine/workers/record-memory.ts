/**
 * The memory for records and queued heartbeats: how much is used, how much may still be used, and when threads must
 * collect released memory. There is one budget for all workers, RECORD_MEMORY.
 *
 * The minimum size of a slot is not counted: each worker has it, and MAX_WORKERS limits it. Neither are rings of samples, which have a
 * budget of their own (ring-memory.ts). Counted are:
 *
 *     slots       their size beyond the minimum
 *     heartbeats  queued ones, each WEIGHT times: its bytes, their copy for the lane, and the two copies of the record that
 *                 it may become
 *     released    slots that were replaced or removed, until every thread that saw them has collected its garbage
 *
 * V8 collects shared memory late, since it does not count it for any thread. So threads are told to collect when much
 * has been released; this includes the minimum size of removed workers' slots, or a fleet that comes and goes would
 * fill the memory.
 *
 * One record, or one queued heartbeat, may use at most a QUARTER of what is currently free. So the largest are refused
 * first; the less is free, the smaller the refused ones; small ones are never refused. Lanes read the limit from shared
 * memory and may be a moment behind: WEIGHT reserves what they use meanwhile.
 */
import type { RecordMemoryView } from '../../model/record-memory.ts';
import { jsonCapacityFor, LEAST_JSON_CAPACITY, type SlotSize, slotBytes } from '../../store/layout.ts';
import { type AllowanceMemory, AllowanceWriter, type RecordLimits } from '../../store/record-allowance.ts';

const WEIGHT = 4;
const QUARTER = 1 / 4;
/** Heartbeats up to this size, about 20 tasks, are always accepted. */
export const ALWAYS_TAKEN_BYTES = 4096;
/** Threads are stopped for a collection when this part of the budget is garbage … */
const COLLECT_AT = 1 / 8;
/** … at most this often … */
const COLLECT_EVERY_MS = 5000;
/** … or this often, if a few workers with growing and shrinking records cause it and half of the budget is free … */
const COLLECT_OF_FEW_EVERY_MS = 60_000;
/** … and never for a larger share of main's time, since acks wait meanwhile. */
const MOST_TIME_SHARE = 1 / 200;
/** Of one worker's garbage, at most this part of the budget counts towards "many workers". */
const MOST_OF_ONE = 1 / 16;
/** Threads receive the message within milliseconds, main follows, and V8 then frees in the background. */
const COLLECTED_WITHIN_MS = 2000;

/** Minimum interval between publications to readers in other threads. */
const TELL_EVERY_MS = 1000;

const MIB = 1024 ** 2;
/** Minimum: room for the largest record. Maximum: a larger budget must be an operator's decision. */
const LEAST_BUDGET_BYTES = 64 * MIB;
const MOST_BUDGET_BYTES = 512 * MIB;

/** An eighth of the memory: half of the quarter that thread-budget.ts leaves for what grows with the fleet. */
export function recordBudgetBytes(memoryBytes: number): number {
  return Math.round(Math.min(MOST_BUDGET_BYTES, Math.max(LEAST_BUDGET_BYTES, memoryBytes / 8)));
}

export type RecordMemoryFacts = Omit<RecordMemoryView, 'largestRecordBytes'>;

/** The part of the budget in use. */
export function heldBytes({ slotBytes: slots, heartbeatBytes, letGoBytes }: RecordMemoryFacts): number {
  return slots + WEIGHT * heartbeatBytes + letGoBytes;
}

/** Maximum for one record, or for one heartbeat times WEIGHT. */
export function mostAtOnceBytes(facts: RecordMemoryFacts): number {
  return Math.max(0, facts.budgetBytes - heldBytes(facts)) * QUARTER;
}

/** Maximum size of records. A slot holds a record twice. */
export function allowanceOf(facts: RecordMemoryFacts, maxRecordBytes: number): RecordLimits {
  const capacity = Math.floor(mostAtOnceBytes(facts) / 2);
  const wanted = jsonCapacityFor(maxRecordBytes);
  return { maxRecordBytes, maxCapacityBytes: Math.min(capacity, wanted), isShort: capacity < wanted };
}

/** A heartbeat that has arrived. */
export interface Arriving {
  readonly bytes: number;
  /** Room for JSON in the worker's slot, in bytes. */
  readonly room: number;
  /** Whether no other heartbeat of its worker is queued. */
  readonly isFirst: boolean;
}

/**
 * Whether there is memory for the heartbeat. One that needs no more room than the worker's slot has is accepted when it
 * is alone.
 */
export function mayTake({ bytes, room, isFirst }: Arriving, facts: RecordMemoryFacts): boolean {
  if (bytes <= ALWAYS_TAKEN_BYTES || (isFirst && bytes <= room)) return true;
  return bytes <= mostHeartbeatBytes(facts);
}

/** Maximum size of a heartbeat of a worker that has others queued. */
export function mostHeartbeatBytes(facts: RecordMemoryFacts): number {
  return Math.max(ALWAYS_TAKEN_BYTES, Math.floor(mostAtOnceBytes(facts) / WEIGHT));
}

/** Garbage of one worker since threads were last told to collect. */
export interface WorkerGarbage {
  /** Number of the collection round to which it belongs. */
  round: number;
  bytes: number;
}

export const noGarbage = (): WorkerGarbage => ({ round: 0, bytes: 0 });

/** Garbage since threads were last told to collect. */
export interface Garbage {
  readonly bytes: number;
  /** The same, counting at most {@link MOST_OF_ONE} of each worker. */
  readonly ofManyBytes: number;
}

/** How long after the last collection threads must be told to collect again; undefined: it is not worth it. */
export function collectAfterMs(garbage: Garbage, facts: RecordMemoryFacts, tookMs: number): number | undefined {
  const muchBytes = facts.budgetBytes * COLLECT_AT;
  if (garbage.bytes < muchBytes) return undefined;
  const isOfMany = garbage.ofManyBytes >= muchBytes;
  const isTight = facts.letGoBytes >= muchBytes && heldBytes(facts) >= facts.budgetBytes / 2;
  const everyMs = isOfMany || isTight ? COLLECT_EVERY_MS : COLLECT_OF_FEW_EVERY_MS;
  return Math.max(everyMs, tookMs / MOST_TIME_SHARE);
}

/** A slot holds its record twice. */
function beyondLeast({ jsonCapacity }: SlotSize): number {
  return 2 * Math.max(0, jsonCapacity - LEAST_JSON_CAPACITY);
}

export interface RecordMemoryOptions {
  readonly budgetBytes: number;
  readonly maxRecordBytes: number;
  /** Where lanes read the limits. */
  readonly allowance: AllowanceMemory;
  /** Called when every thread that may have seen released memory must collect its garbage. */
  readonly onCollect: () => void;
}

export class RecordMemory implements RecordMemoryView {
  readonly budgetBytes: number;
  /** Maintained by the mailboxes. */
  heartbeatBytes = 0;
  readonly #options: RecordMemoryOptions;
  readonly #writer: AllowanceWriter;
  #slotBytes = 0;
  #letGoBytes = 0;
  /** The part of it that threads were told to collect. */
  #collectingBytes = 0;
  /** Whole slots released since threads were last told: {@link Garbage}. */
  #garbageBytes = 0;
  #ofManyBytes = 0;
  /** Number of collections so far. */
  #round = 0;
  /** Duration of main's last collection. */
  #tookMs = 0;
  #collectMs = Number.NEGATIVE_INFINITY;
  #publishedMs = Number.NEGATIVE_INFINITY;
  #published = '';

  constructor(options: RecordMemoryOptions) {
    this.#options = options;
    this.budgetBytes = options.budgetBytes;
    this.#writer = new AllowanceWriter(options.allowance);
    this.#allow();
  }

  get slotBytes(): number {
    return this.#slotBytes;
  }

  get letGoBytes(): number {
    return this.#letGoBytes;
  }

  /** Current maximum size of a record's JSON, in bytes. */
  get largestRecordBytes(): number {
    const { maxCapacityBytes, maxRecordBytes } = allowanceOf(this, this.#options.maxRecordBytes);
    return Math.min(maxRecordBytes, Math.max(LEAST_JSON_CAPACITY, Math.floor(maxCapacityBytes / 1.25)));
  }

  /** A worker got its first slot. */
  added(size: SlotSize): void {
    this.#slotBytes += beyondLeast(size);
    this.#allow();
  }

  /** A worker got a slot of another size. */
  replaced(old: SlotSize, next: SlotSize, of = noGarbage()): void {
    this.letGo(old, of);
    this.added(next);
  }

  /** A slot is no longer used. @param of the garbage of its worker */
  letGo(size: SlotSize, of = noGarbage()): void {
    const beyondBytes = beyondLeast(size);
    this.#count(slotBytes(size), of);
    this.#slotBytes -= beyondBytes;
    this.#letGoBytes += beyondBytes;
    this.#allow();
  }

  /** The memory of a released slot is reused for the next worker. */
  kept(size: SlotSize, of: WorkerGarbage): void {
    // Otherwise threads were told to collect meanwhile, and it is not counted any more.
    if (of.round === this.#round) this.#count(-Math.min(slotBytes(size), of.bytes), of);
  }

  /** Main has collected, too. */
  collected(tookMs: number): void {
    this.#tookMs = tookMs;
  }

  mayTake(arriving: Arriving): boolean {
    return mayTake(arriving, this);
  }

  get mostHeartbeatBytes(): number {
    return mostHeartbeatBytes(this);
  }

  get view(): RecordMemoryView {
    const { budgetBytes, slotBytes: slots, heartbeatBytes, letGoBytes, largestRecordBytes } = this;
    return { budgetBytes, slotBytes: slots, heartbeatBytes, letGoBytes, largestRecordBytes };
  }

  /**
   * The figures to publish; undefined if only small heartbeats have changed, or if they were published a moment ago.
   */
  takeChanges(nowMs: number): RecordMemoryView | undefined {
    if (nowMs - this.#publishedMs < TELL_EVERY_MS) return undefined;
    const figures = `${this.#slotBytes} ${this.#letGoBytes} ${Math.round(this.heartbeatBytes / MIB)}`;
    if (figures === this.#published) return undefined;
    this.#published = figures;
    this.#publishedMs = nowMs;
    return this.view;
  }

  /** Called periodically. */
  look(nowMs: number): void {
    if (this.#collectingBytes > 0 && nowMs - this.#collectMs >= COLLECTED_WITHIN_MS) {
      this.#letGoBytes -= this.#collectingBytes;
      this.#collectingBytes = 0;
    }
    const garbage = { bytes: this.#garbageBytes, ofManyBytes: this.#ofManyBytes };
    const afterMs = collectAfterMs(garbage, this, this.#tookMs);
    if (afterMs !== undefined && nowMs - this.#collectMs >= afterMs) {
      this.#collectMs = nowMs;
      this.#collectingBytes = this.#letGoBytes;
      this.#garbageBytes = 0;
      this.#ofManyBytes = 0;
      this.#round++;
      this.#options.onCollect();
    }
    this.#allow();
  }

  #count(bytes: number, of: WorkerGarbage): void {
    if (of.round !== this.#round) Object.assign(of, { round: this.#round, bytes: 0 });
    const mostBytes = this.budgetBytes * MOST_OF_ONE;
    const before = Math.min(of.bytes, mostBytes);
    of.bytes += bytes;
    this.#garbageBytes += bytes;
    this.#ofManyBytes += Math.min(of.bytes, mostBytes) - before;
  }

  #allow(): void {
    this.#writer.allow(allowanceOf(this, this.#options.maxRecordBytes));
  }
}
