/**
 * One worker's accepted heartbeats that its lane has not processed. A dead thread loses its port's queue, and a posted
 * message cannot be withdrawn, so main keeps each heartbeat until the slot's counter has passed it.
 *
 * At most `depth` heartbeats are posted at a time. A further one waits and is replaced by a newer one. So each accepted
 * heartbeat is eventually applied, rejected, replaced by a newer one, or lost when the lane fails while processing it.
 */
import { withEndedTasksOf } from '../../model/heartbeat-scan.ts';
import { SampleFlag } from '../../model/sample-flags.ts';
import type { Receipt } from '../../store/board.ts';

/** A heartbeat that was, or is about to be, posted to the lane. */
export interface Parcel {
  readonly ordinal: number;
  readonly bytes: Buffer;
  readonly receipt: Receipt;
  /** Bits of SampleFlag that main knows. */
  readonly sampleFlags: number;
  /** See model/anomaly/heartbeat-interval.ts. */
  readonly heartbeatIntervalS: number;
}

/** What does not go with a heartbeat that is replaced. */
export interface Lasting {
  readonly sampleFlags?: number;
  readonly hasEndedTasks?: boolean;
}

export interface AcceptOptions extends Lasting {
  /** NaN: not to be scored. */
  readonly heartbeatIntervalS?: number;
  /** Maximum size of the heartbeat once it has the ended tasks of one that it replaces. */
  readonly mostBytes?: number;
}

interface Waiting extends Omit<Parcel, 'ordinal'> {
  readonly hasEndedTasks: boolean;
}

export interface Accepted {
  /** To be posted to the lane now; undefined if it has to wait. */
  readonly post: Parcel | undefined;
  /** Whether it replaced one that waited. */
  readonly replaced: boolean;
}

/** A posted, unprocessed heartbeat. Forms a linked list from oldest to newest, so that none is ever moved. */
interface Posted extends Parcel {
  newer: Posted | undefined;
}

/** Counts the bytes of all mailboxes. */
export interface HeartbeatLedger {
  heartbeatBytes: number;
}

const WAITS: Accepted = { post: undefined, replaced: false };
const REPLACES: Accepted = { post: undefined, replaced: true };

export class Mailbox {
  readonly #depth: number;
  readonly #ledger: HeartbeatLedger;
  #oldest: Posted | undefined;
  #newest: Posted | undefined;
  #outstanding = 0;
  #waiting: Waiting | undefined;
  #lastOrdinal = 0;

  constructor(depth: number, ledger: HeartbeatLedger = { heartbeatBytes: 0 }) {
    this.#depth = depth;
    this.#ledger = ledger;
  }

  /** Number of heartbeats posted and not known to be processed. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Number of accepted heartbeats that were not replaced, modulo 2^32: each has been or will be processed. */
  get kept(): number {
    return (this.#lastOrdinal + Number(this.hasWaiting)) | 0;
  }

  /** Whether the maximum number of heartbeats is posted, as far as is known. */
  get isFull(): boolean {
    return this.#outstanding >= this.#depth;
  }

  get hasWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  get isEmpty(): boolean {
    return this.#outstanding === 0 && this.#waiting === undefined;
  }

  /** When the oldest of them arrived; Infinity: it is empty. */
  get oldestReceiptMs(): number {
    return (this.#oldest ?? this.#waiting)?.receipt.monotonicMs ?? Number.POSITIVE_INFINITY;
  }

  accept(bytes: Buffer, receipt: Receipt, options: AcceptOptions = {}): Accepted {
    const { sampleFlags = 0, hasEndedTasks = false, mostBytes, heartbeatIntervalS = Number.NaN } = options;
    const replaced = this.#waiting;
    if (!this.isFull && replaced === undefined) {
      this.#ledger.heartbeatBytes += bytes.length;
      return { post: this.#number({ bytes, receipt, sampleFlags, heartbeatIntervalS }), replaced: false };
    }
    const kept = replaced?.hasEndedTasks ? withEndedTasksOf(replaced.bytes, bytes, mostBytes) : bytes;
    this.#ledger.heartbeatBytes += kept.length - (replaced?.bytes.length ?? 0);
    // The return of a worker must not go with the heartbeat that is replaced.
    const returned = (replaced?.sampleFlags ?? 0) & SampleFlag.returned;
    this.#waiting = {
      bytes: kept,
      receipt,
      sampleFlags: sampleFlags | returned,
      heartbeatIntervalS,
      hasEndedTasks: hasEndedTasks || replaced?.hasEndedTasks === true,
    };
    return replaced === undefined ? WAITS : REPLACES;
  }

  /**
   * Removes everything up to and including `ordinal`.
   * @returns the waiting heartbeat, if there is room now: to be posted to the lane
   */
  done(ordinal: number): Parcel | undefined {
    let oldest = this.#oldest;
    while (oldest !== undefined && isUpTo(oldest.ordinal, ordinal)) {
      const { newer } = oldest;
      // A link from a heartbeat in the old generation would keep all newer ones from being collected young.
      oldest.newer = undefined;
      this.#ledger.heartbeatBytes -= oldest.bytes.length;
      oldest = newer;
      this.#outstanding--;
    }
    this.#oldest = oldest;
    if (oldest === undefined) this.#newest = undefined;
    const waiting = this.#waiting;
    if (waiting === undefined || this.isFull) return undefined;
    this.#waiting = undefined;
    return this.#number(waiting);
  }

  /** Removes everything, because the worker was removed. */
  clear(): void {
    for (let parcel = this.#oldest; parcel !== undefined; parcel = parcel.newer) {
      this.#ledger.heartbeatBytes -= parcel.bytes.length;
    }
    this.#ledger.heartbeatBytes -= this.#waiting?.bytes.length ?? 0;
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#waiting = undefined;
    this.#outstanding = 0;
  }

  /** Whether the heartbeat is posted and not processed. */
  holds(ordinal: number): boolean {
    return this.undone().some((parcel) => parcel.ordinal === ordinal);
  }

  /** What a new lane must be given: posted heartbeats that are not processed, oldest first. */
  undone(): readonly Parcel[] {
    const undone: Parcel[] = [];
    for (let parcel = this.#oldest; parcel !== undefined; parcel = parcel.newer) undone.push(parcel);
    return undone;
  }

  #number({ bytes, receipt, sampleFlags, heartbeatIntervalS }: Omit<Parcel, 'ordinal'>): Parcel {
    // Ordinals are signed 32-bit words; 0 means none.
    this.#lastOrdinal = (this.#lastOrdinal + 1) | 0 || 1;
    const ordinal = this.#lastOrdinal;
    const parcel: Posted = { ordinal, bytes, receipt, sampleFlags, heartbeatIntervalS, newer: undefined };
    if (this.#newest === undefined) this.#oldest = parcel;
    else this.#newest.newer = parcel;
    this.#newest = parcel;
    this.#outstanding++;
    return parcel;
  }
}

/** Whether `ordinal` is not after `last`; ordinals wrap around, so only their distance matters. */
export function isUpTo(ordinal: number, last: number): boolean {
  return ((last - ordinal) | 0) >= 0;
}
