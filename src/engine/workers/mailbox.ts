/**
 * One worker's accepted heartbeats that its lane is not done with. A thread that dies takes its port's queue along, and
 * a posted message cannot be taken back, so main keeps each heartbeat until the slot's counter has passed it.
 *
 * At most `depth` are posted at a time; beyond that one waits, and the newest replaces it. So a heartbeat that was
 * accepted is in the end applied, rejected, replaced by a newer one, or lost in the hand of a lane that failed.
 */
import type { Receipt } from '../../store/board.ts';

/** A heartbeat that has been, or is being, given to the lane. */
export interface Parcel {
  readonly ordinal: number;
  readonly bytes: Uint8Array;
  readonly receipt: Receipt;
}

type Waiting = Omit<Parcel, 'ordinal'>;

export interface Accepted {
  /** To be given to the lane now; undefined if it has to wait. */
  readonly post: Parcel | undefined;
  /** Whether it took the place of one that waited. */
  readonly replaced: boolean;
}

/** One of those that are given to the lane and not done: each knows the next newer one, so that none is ever moved. */
interface Posted extends Parcel {
  newer: Posted | undefined;
}

/** Where the bytes of all mailboxes are counted. */
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

  /** How many the lane has been given and is not known to be done with. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** How many it was given that were not replaced, modulo 2^32: each of them is done by now, or is to be. */
  get kept(): number {
    return (this.#lastOrdinal + Number(this.hasWaiting)) | 0;
  }

  /** Whether the lane has been given as many as may be under way, as far as is known. */
  get isFull(): boolean {
    return this.#outstanding >= this.#depth;
  }

  get hasWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  get isEmpty(): boolean {
    return this.#outstanding === 0 && this.#waiting === undefined;
  }

  accept(bytes: Uint8Array, receipt: Receipt): Accepted {
    this.#ledger.heartbeatBytes += bytes.length;
    if (!this.isFull && this.#waiting === undefined) return { post: this.#number(bytes, receipt), replaced: false };
    const outcome = this.#waiting === undefined ? WAITS : REPLACES;
    this.#ledger.heartbeatBytes -= this.#waiting?.bytes.length ?? 0;
    this.#waiting = { bytes, receipt };
    return outcome;
  }

  /**
   * Lets go of everything up to and with `ordinal`.
   * @returns the one that waited, if there is room for it now: to be given to the lane.
   */
  done(ordinal: number): Parcel | undefined {
    let oldest = this.#oldest;
    while (oldest !== undefined && isUpTo(oldest.ordinal, ordinal)) {
      const { newer } = oldest;
      // One that has grown old in the heap would keep all newer ones from being collected while they are young.
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
    return this.#number(waiting.bytes, waiting.receipt);
  }

  /** Lets go of everything: the worker is gone. */
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

  /** Whether the heartbeat was given to the lane and is not done. */
  holds(ordinal: number): boolean {
    return this.undone().some((parcel) => parcel.ordinal === ordinal);
  }

  /** What a new lane must be given: everything posted that is not done, oldest first. */
  undone(): readonly Parcel[] {
    const undone: Parcel[] = [];
    for (let parcel = this.#oldest; parcel !== undefined; parcel = parcel.newer) undone.push(parcel);
    return undone;
  }

  #number(bytes: Uint8Array, receipt: Receipt): Parcel {
    // Ordinals are signed 32-bit words; 0 stands for none.
    this.#lastOrdinal = (this.#lastOrdinal + 1) | 0 || 1;
    const parcel: Posted = { ordinal: this.#lastOrdinal, bytes, receipt, newer: undefined };
    if (this.#newest === undefined) this.#oldest = parcel;
    else this.#newest.newer = parcel;
    this.#newest = parcel;
    this.#outstanding++;
    return parcel;
  }
}

/** Whether `ordinal` is not beyond `last`; ordinals wrap, so only their distance counts. */
function isUpTo(ordinal: number, last: number): boolean {
  return ((last - ordinal) | 0) >= 0;
}
