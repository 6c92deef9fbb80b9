/**
 * Acks that a stream has not sent yet: only the newest per worker, since acks are cumulative. A client that reads gets them
 * within seconds. For clients that do not read, a limited number is kept over all streams; beyond it the stream that adds
 * one drops its oldest, and the drop is counted. Nothing is lost: the worker's next ack includes the dropped one.
 */

export interface PendingAck {
  readonly workerId: string;
  readonly sequence: number;
  readonly receivedMs: number;
}

/** Over all streams whose clients do not read; an ack takes about 200 bytes, up to 500 with the longest id. */
export const MAX_UNREAD_ACKS = 50_000;

/** The limit that all streams of a server share. */
export class AckRoom {
  readonly #most: number;
  readonly #onDropped: () => void;
  /** Acks kept by streams whose clients do not read. */
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
  /** The client does not read, so these acks count against the shared limit. */
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
      // Other streams use up the whole limit.
      if (oldest === undefined) return;
      this.forget(oldest);
    }
    this.#acks.set(workerId, ack);
    if (this.#waits) this.#room.kept++;
  }

  /** The worker was forgotten, so its ack is not needed. */
  forget(workerId: string): void {
    if (this.#acks.delete(workerId) && this.#waits) this.#room.kept--;
  }

  /** Removes and returns at most `most` acks, oldest first. */
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
