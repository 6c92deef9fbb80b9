/**
 * Acks that a stream has not sent yet: the newest of each worker, since acks are cumulative. A client that reads has them
 * within seconds. Of one that does not, so many are kept over all streams; beyond them the oldest of the stream that
 * brings another one give way, counted. Nothing is lost by that: the worker's next ack says the same and more.
 */

export interface PendingAck {
  readonly workerId: string;
  readonly sequence: number;
  readonly receivedMs: number;
}

/** Of all streams whose clients do not read; an ack takes some 200 bytes, and up to 500 with the longest id. */
export const MAX_UNREAD_ACKS = 50_000;

/** What the streams of a server keep together. */
export class AckRoom {
  readonly #most: number;
  readonly #onDropped: () => void;
  /** Kept by streams that wait for their clients. */
  kept = 0;

  constructor(most: number, onDropped: () => void) {
    this.#most = most;
    this.#onDropped = onDropped;
  }

  get isFull(): boolean {
    return this.kept >= this.#most;
  }

  dropped(): void {
    this.#onDropped();
  }
}

export class PendingAcks {
  readonly #room: AckRoom;
  /** Oldest first. */
  readonly #acks = new Map<string, PendingAck>();
  /** The client does not read: what is kept counts. */
  #waits = false;

  constructor(room: AckRoom) {
    this.#room = room;
  }

  get size(): number {
    return this.#acks.size;
  }

  /** A heartbeat was accepted. */
  add(ack: PendingAck): void {
    const { workerId, sequence } = ack;
    const before = this.#acks.get(workerId);
    if (before !== undefined) {
      if (sequence >= before.sequence) this.#acks.set(workerId, ack);
      return;
    }
    if (this.#waits && this.#room.isFull) {
      this.#room.dropped();
      const [oldest] = this.#acks.keys();
      // All the room is that of other streams.
      if (oldest === undefined) return;
      this.forget(oldest);
    }
    this.#acks.set(workerId, ack);
    if (this.#waits) this.#room.kept++;
  }

  /** The worker is not known any more: nobody waits for its ack. */
  forget(workerId: string): void {
    if (this.#acks.delete(workerId) && this.#waits) this.#room.kept--;
  }

  /** At most so many, oldest first, to be sent. */
  take(most: number): PendingAck[] {
    const taken: PendingAck[] = [];
    for (const ack of this.#acks.values()) {
      if (taken.length === most) break;
      taken.push(ack);
    }
    for (const { workerId } of taken) this.forget(workerId);
    return taken;
  }

  /** Whether the client reads. */
  setReads(reads: boolean): void {
    if (this.#waits === !reads) return;
    this.#waits = !reads;
    this.#room.kept += reads ? -this.size : this.size;
  }

  /** The stream is over. */
  clear(): void {
    this.setReads(true);
    this.#acks.clear();
  }
}
