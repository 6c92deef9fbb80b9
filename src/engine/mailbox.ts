/**
 * One worker's accepted heartbeats that its lane is not done with. A thread that dies takes its port's queue along, and
 * a posted message cannot be taken back, so main keeps each heartbeat until the slot's counter has passed it.
 *
 * At most `depth` are posted at a time; beyond that one waits, and the newest replaces it. So a heartbeat that was
 * accepted is in the end applied, rejected, replaced by a newer one, or lost in the hand of a lane that failed.
 */
import type { Receipt } from '../store/board.ts';

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

export class Mailbox {
  readonly #depth: number;
  /** Given to the lane and not done, oldest first. */
  readonly #posted: Parcel[] = [];
  #waiting: Waiting | undefined;
  #lastOrdinal = 0;

  constructor(depth: number) {
    this.#depth = depth;
  }

  /** How many the lane has been given and is not known to be done with. */
  get outstanding(): number {
    return this.#posted.length;
  }

  /** Whether the lane has been given as many as may be under way, as far as is known. */
  get isFull(): boolean {
    return this.#posted.length >= this.#depth;
  }

  get hasWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  get isEmpty(): boolean {
    return this.#posted.length === 0 && this.#waiting === undefined;
  }

  accept(bytes: Uint8Array, receipt: Receipt): Accepted {
    if (this.#posted.length < this.#depth && this.#waiting === undefined) {
      return { post: this.#number({ bytes, receipt }), replaced: false };
    }
    const replaced = this.#waiting !== undefined;
    this.#waiting = { bytes, receipt };
    return { post: undefined, replaced };
  }

  /**
   * Lets go of everything up to and with `ordinal`.
   * @returns the one that waited, if there is room for it now: to be given to the lane.
   */
  done(ordinal: number): Parcel | undefined {
    const posted = this.#posted;
    let count = 0;
    while (count < posted.length && isUpTo((posted[count] as Parcel).ordinal, ordinal)) count++;
    if (count > 0) posted.splice(0, count);
    if (this.#waiting === undefined || posted.length >= this.#depth) return undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return this.#number(waiting);
  }

  /** Whether the heartbeat was given to the lane and is not done. */
  holds(ordinal: number): boolean {
    return this.#posted.some((parcel) => parcel.ordinal === ordinal);
  }

  /** What a new lane must be given: everything posted that is not done, oldest first. */
  undone(): readonly Parcel[] {
    return this.#posted;
  }

  #number(waiting: Waiting): Parcel {
    // Ordinals are signed 32-bit words; 0 stands for none.
    this.#lastOrdinal = (this.#lastOrdinal + 1) | 0 || 1;
    const parcel = { ordinal: this.#lastOrdinal, ...waiting };
    this.#posted.push(parcel);
    return parcel;
  }
}

/** Whether `ordinal` is not beyond `last`; ordinals wrap, so only their distance counts. */
function isUpTo(ordinal: number, last: number): boolean {
  return ((last - ordinal) | 0) >= 0;
}
