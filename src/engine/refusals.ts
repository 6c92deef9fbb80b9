/** What was refused since the start, counted by reason: limits that were reached, and peers that may not do as they try. */

/**
 * | reason                | says                                                                          |
 * |-----------------------|-------------------------------------------------------------------------------|
 * | connections           | one connection more than the master takes in all                              |
 * | peer_connections      | one more than it takes of one address                                         |
 * | silent_connection     | a connection that did not begin to speak HTTP/2 in time                       |
 * | tls_handshake         | a TLS handshake that failed, or did not end in time                           |
 * | metadata              | a call with more metadata than is taken                                       |
 * | unfinished_messages   | a connection that kept the oldest of too many unfinished messages             |
 * | unauthenticated       | a call without credentials that are known                                     |
 * | identity              | a peer that spoke for a worker that it is not                                 |
 * | worker_heartbeat_rate | a heartbeat of a worker that sends too often                                  |
 * | peer_heartbeat_rate   | a heartbeat of an address that sends too often                                |
 * | worker_register_rate  | a worker that registers with other info or deregisters too often              |
 * | peer_call_rate        | a call of an address that makes too many beside heartbeats                    |
 * | registration_size     | what a worker says of itself is too large, or was taken as far as it fits    |
 * | watches               | one health watch more than there may be                                       |
 * | message_size          | a message that is larger than is taken, also once it is decompressed          |
 * | malformed_call        | a call that is not as gRPC wants it, or a small request that is too large     |
 * | unimplemented         | a call of a method that is not served                                         |
 * | not_grpc              | an HTTP/2 request that is none of gRPC                                        |
 * | streams               | a call beyond those that a connection may have under way                      |
 * | http2_error           | a connection that broke the rules of HTTP/2, or was reset                     |
 * | pending_acks          | acks of a client that does not read, beyond those that are kept               |
 * | record_size           | a heartbeat whose record would be larger than any may be                      |
 * | record_memory         | a heartbeat for whose record, or for itself, there was no memory              |
 * | workers               | a worker beyond the most that are known at a time                             |
 */
export const REFUSAL_REASONS = [
  'connections',
  'peer_connections',
  'silent_connection',
  'tls_handshake',
  'metadata',
  'unfinished_messages',
  'unauthenticated',
  'identity',
  'worker_heartbeat_rate',
  'peer_heartbeat_rate',
  'worker_register_rate',
  'peer_call_rate',
  'registration_size',
  'watches',
  'message_size',
  'malformed_call',
  'unimplemented',
  'not_grpc',
  'streams',
  'http2_error',
  'pending_acks',
  'record_size',
  'record_memory',
  'workers',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/**
 * By reason; those that never happened are left out. Of heartbeats that a lane rejects, main sees how many, and why the last
 * one was: those of a quarter of a second go by that reason together.
 */
export type RefusalCounts = Readonly<Record<string, number>>;

/** Readers in other threads need no more; a flood of refusals must not be one of messages, too. */
const TELL_EVERY_MS = 1000;

export class Refusals {
  readonly #counts = new Map<RefusalReason, number>();
  #hasChanges = false;
  #publishedMs = Number.NEGATIVE_INFINITY;

  count(reason: RefusalReason, times = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + times);
    this.#hasChanges = true;
  }

  counts(): RefusalCounts {
    return Object.fromEntries(this.#counts);
  }

  /** What readers are to be told now; undefined if there is nothing new, or they were told a moment ago. */
  takeChanges(nowMs: number): RefusalCounts | undefined {
    if (!this.#hasChanges || nowMs - this.#publishedMs < TELL_EVERY_MS) return undefined;
    this.#hasChanges = false;
    this.#publishedMs = nowMs;
    return this.counts();
  }
}
