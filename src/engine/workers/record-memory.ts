/**
 * The memory for records and for heartbeats on their way to lanes: what is held of it, what may still be taken, and when
 * threads are told to collect what was let go of. One budget for all workers, RECORD_MEMORY.
 *
 * The least room of a slot is every worker's and not counted: MAX_WORKERS bounds that. What counts:
 *
 *     slots       what they have beyond the least room
 *     heartbeats  on their way, each WEIGHT times: its bytes, their copy for the lane, and the two copies of the record
 *                 that it may become
 *     let go      slots that were replaced or forgotten, until every thread that saw them has collected its garbage
 *
 * V8 collects shared memory late, as it does not count it as any thread's own. So threads are told to collect when much was
 * let go of; then the least room of forgotten workers counts too, or a fleet that comes and goes would fill the memory.
 *
 * One record, or one heartbeat on its way, may have at most a QUARTER of what is free just now. So the largest are refused
 * first, and the less is free, the smaller they are that are refused; small ones are never. Lanes are told through shared
 * memory, and may be a moment behind: WEIGHT has reserved what they take meanwhile.
 */
import type { RecordMemoryView } from '../../model/record-memory.ts';
import { jsonCapacityFor, LEAST_JSON_CAPACITY, slotBytes } from '../../store/layout.ts';
import {
  type AllowanceMemory,
  AllowanceWriter,
  newAllowance,
  type RecordLimits,
} from '../../store/record-allowance.ts';

const WEIGHT = 4;
const QUARTER = 1 / 4;
/** Heartbeats of some 20 tasks: they are taken, whatever others have. */
export const ALWAYS_TAKEN_BYTES = 4096;
/** Garbage of so large a part of the budget is worth stopping each thread for a while … */
const COLLECT_AT = 1 / 8;
/** … as often as this at most … */
const COLLECT_EVERY_MS = 5000;
/** … or as this, while it is of a few workers, whose records grow and shrink, and half of the budget is free … */
const COLLECT_OF_FEW_EVERY_MS = 60_000;
/** … and never for more of the main thread's time than this, however large its heap is: acks wait meanwhile. */
const MOST_TIME_SHARE = 1 / 200;
/** So much of the budget counts of what one worker has let go of: two are not few. */
const MOST_OF_ONE = 1 / 16;
/** Threads hear of it within milliseconds, main follows, and V8 then frees in the background. */
const COLLECTED_WITHIN_MS = 2000;

/** Readers in other threads need no more. */
const TELL_EVERY_MS = 1000;

const MIB = 1024 ** 2;
/** Below it not even one of the largest records fits; above it only people know that a fleet is worth so much. */
const LEAST_BUDGET_BYTES = 64 * MIB;
const MOST_BUDGET_BYTES = 512 * MIB;

/** An eighth of the memory: half of the quarter that thread-budget.ts leaves to what grows with the fleet. */
export function recordBudgetBytes(memoryBytes: number): number {
  return Math.round(Math.min(MOST_BUDGET_BYTES, Math.max(LEAST_BUDGET_BYTES, memoryBytes / 8)));
}

export type RecordMemoryFacts = Omit<RecordMemoryView, 'largestRecordBytes'>;

/** What counts of the budget. */
export function heldBytes({ slotBytes: slots, heartbeatBytes, letGoBytes }: RecordMemoryFacts): number {
  return slots + WEIGHT * heartbeatBytes + letGoBytes;
}

/** The most that one record, or one heartbeat with its WEIGHT, may take. */
export function mostAtOnceBytes(facts: RecordMemoryFacts): number {
  return Math.max(0, facts.budgetBytes - heldBytes(facts)) * QUARTER;
}

/** How large records may be. A slot holds a record twice. */
export function allowanceOf(facts: RecordMemoryFacts, maxRecordBytes: number): RecordLimits {
  const capacity = Math.floor(mostAtOnceBytes(facts) / 2);
  const wanted = jsonCapacityFor(maxRecordBytes);
  return { maxRecordBytes, maxCapacityBytes: Math.min(capacity, wanted), isShort: capacity < wanted };
}

/** A heartbeat that has arrived. */
export interface Arriving {
  readonly bytes: number;
  /** Bytes of JSON that the worker's slot has room for. */
  readonly room: number;
  /** Whether none of its worker is on its way. */
  readonly isFirst: boolean;
}

/** Whether there is memory for it. One that needs no more room than its worker's records have is taken when it comes alone. */
export function mayTake({ bytes, room, isFirst }: Arriving, facts: RecordMemoryFacts): boolean {
  if (bytes <= ALWAYS_TAKEN_BYTES || (isFirst && bytes <= room)) return true;
  return WEIGHT * bytes <= mostAtOnceBytes(facts);
}

/** What one worker has let go of since threads were told to collect last. */
export interface WorkerGarbage {
  /** How often threads had been told then. */
  round: number;
  bytes: number;
}

export const noGarbage = (): WorkerGarbage => ({ round: 0, bytes: 0 });

/** What has gathered since threads were told to collect. */
export interface Garbage {
  readonly bytes: number;
  /** Of these, without what goes beyond {@link MOST_OF_ONE} of each worker. */
  readonly ofManyBytes: number;
}

/** How long after the last time threads are told to collect; undefined: it is not worth it. */
export function collectAfterMs(garbage: Garbage, facts: RecordMemoryFacts, tookMs: number): number | undefined {
  const muchBytes = facts.budgetBytes * COLLECT_AT;
  if (garbage.bytes < muchBytes) return undefined;
  const isOfMany = garbage.ofManyBytes >= muchBytes;
  const isTight = facts.letGoBytes >= muchBytes && heldBytes(facts) >= facts.budgetBytes / 2;
  const everyMs = isOfMany || isTight ? COLLECT_EVERY_MS : COLLECT_OF_FEW_EVERY_MS;
  return Math.max(everyMs, tookMs / MOST_TIME_SHARE);
}

export interface RecordMemoryOptions {
  readonly budgetBytes: number;
  readonly maxRecordBytes: number;
  /** For so long samples of each worker are kept; 0: nobody reads them. */
  readonly sampleSpanMs: number;
  /** Samples that the ring of a new slot holds. */
  readonly ringCapacity: number;
  /** Every thread that may have seen what was let go of is to collect its garbage. */
  readonly onCollect: () => void;
}

export class RecordMemory implements RecordMemoryView {
  /** For lanes. */
  readonly memory: AllowanceMemory;
  readonly budgetBytes: number;
  /** Kept by the mailboxes. */
  heartbeatBytes = 0;
  readonly #options: RecordMemoryOptions;
  readonly #leastBytes: number;
  readonly #writer: AllowanceWriter;
  #slotBytes = 0;
  #letGoBytes = 0;
  /** Of these: threads were told to collect them. */
  #collectingBytes = 0;
  /** Of whole slots, since threads were told last: {@link Garbage}. */
  #garbageBytes = 0;
  #ofManyBytes = 0;
  /** How often threads were told. */
  #round = 0;
  /** How long main took for it last. */
  #tookMs = 0;
  #collectMs = Number.NEGATIVE_INFINITY;
  #publishedMs = Number.NEGATIVE_INFINITY;
  #published = '';

  constructor(options: RecordMemoryOptions) {
    this.#options = options;
    this.budgetBytes = options.budgetBytes;
    this.#leastBytes = slotBytes({
      jsonCapacity: LEAST_JSON_CAPACITY,
      ringCapacity: options.ringCapacity,
      metricColumns: 0,
    });
    this.memory = newAllowance(options.sampleSpanMs);
    this.#writer = new AllowanceWriter(this.memory);
    this.#allow();
  }

  get slotBytes(): number {
    return this.#slotBytes;
  }

  get letGoBytes(): number {
    return this.#letGoBytes;
  }

  /** Bytes of JSON that a record may have just now. */
  get largestRecordBytes(): number {
    const { maxCapacityBytes, maxRecordBytes } = allowanceOf(this, this.#options.maxRecordBytes);
    return Math.min(maxRecordBytes, Math.max(LEAST_JSON_CAPACITY, Math.floor(maxCapacityBytes / 1.25)));
  }

  /** A worker has its first slot. */
  added(bytes: number): void {
    this.#slotBytes += this.#beyondLeast(bytes);
    this.#allow();
  }

  /** A worker has a slot of another size. */
  replaced(oldBytes: number, newBytes: number, of = noGarbage()): void {
    this.letGo(oldBytes, of);
    this.added(newBytes);
  }

  /** A slot is nobody's any more. @param of what its worker has let go of */
  letGo(bytes: number, of = noGarbage()): void {
    const beyondBytes = this.#beyondLeast(bytes);
    this.#count(bytes, of);
    this.#slotBytes -= beyondBytes;
    this.#letGoBytes += beyondBytes;
    this.#allow();
  }

  /** Of what a worker has let go of, the memory of a slot is kept for the next worker. */
  kept(bytes: number, of: WorkerGarbage): void {
    // Else threads were told meanwhile, and it is counted no more.
    if (of.round === this.#round) this.#count(-Math.min(bytes, of.bytes), of);
  }

  /** Main, too, has collected. */
  collected(tookMs: number): void {
    this.#tookMs = tookMs;
  }

  mayTake(arriving: Arriving): boolean {
    return mayTake(arriving, this);
  }

  get view(): RecordMemoryView {
    const { budgetBytes, slotBytes: slots, heartbeatBytes, letGoBytes, largestRecordBytes } = this;
    return { budgetBytes, slotBytes: slots, heartbeatBytes, letGoBytes, largestRecordBytes };
  }

  /** What readers are to be told now; undefined if nothing but small heartbeats has changed, or they were told a moment ago. */
  takeChanges(nowMs: number): RecordMemoryView | undefined {
    if (nowMs - this.#publishedMs < TELL_EVERY_MS) return undefined;
    const figures = `${this.#slotBytes} ${this.#letGoBytes} ${Math.round(this.heartbeatBytes / MIB)}`;
    if (figures === this.#published) return undefined;
    this.#published = figures;
    this.#publishedMs = nowMs;
    return this.view;
  }

  /** Time has passed. */
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

  #beyondLeast(bytes: number): number {
    return Math.max(0, bytes - this.#leastBytes);
  }

  #allow(): void {
    this.#writer.allow(allowanceOf(this, this.#options.maxRecordBytes));
  }
}
