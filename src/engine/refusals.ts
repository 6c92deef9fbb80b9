/** Counts refusals since the start, by reason: limits that were reached, and requests that were not allowed. */

/**
 * | reason                | counts                                                                        |
 * |-----------------------|-------------------------------------------------------------------------------|
 * | connections           | connections beyond the master's total limit                                   |
 * | peer_connections      | connections beyond the limit per client address                               |
 * | silent_connection     | connections that did not start HTTP/2 in time                                 |
 * | tls_handshake         | TLS handshakes that failed or timed out                                       |
 * | metadata              | calls with too much metadata                                                  |
 * | unfinished_messages   | connections with the oldest of too many unfinished messages                   |
 * | unauthenticated       | calls without valid credentials                                               |
 * | identity              | peers that reported for a worker that they may not speak for                  |
 * | worker_heartbeat_rate | heartbeats beyond the rate limit of their worker                              |
 * | peer_heartbeat_rate   | heartbeats beyond the rate limit of their client address                      |
 * | worker_register_rate  | registration changes beyond the rate limit of their worker                    |
 * | peer_call_rate        | other calls beyond the rate limit of their client address                     |
 * | registration_size     | registrations that are too large, or were truncated to fit                    |
 * | watches               | health watches beyond the limit                                               |
 * | message_size          | messages that are too large, before or after decompression                    |
 * | malformed_call        | malformed gRPC calls, and health or reflection requests that are too large    |
 * | unimplemented         | calls of unknown methods                                                      |
 * | not_grpc              | HTTP/2 requests that are not gRPC                                             |
 * | streams               | calls beyond the limit of concurrent calls per connection                     |
 * | http2_error           | connections that violated HTTP/2 or were reset                                |
 * | pending_acks          | acks dropped because the client does not read                                 |
 * | record_size           | heartbeats whose record would be too large                                    |
 * | record_memory         | heartbeats refused or rejected for lack of memory                             |
 * | workers               | workers beyond the limit of known workers                                     |
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
 * Counts by reason, without zeros. Of heartbeats that lanes reject, main sees the number and the last reason, so all
 * rejections of a worker within 250 ms count under that reason.
 */
export type RefusalCounts = Readonly<Record<string, number>>;

/** Minimum interval between publications, so that a flood of refusals does not become a flood of messages. */
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

  /** The counts to publish; undefined if they are unchanged or were published less than TELL_EVERY_MS ago. */
  takeChanges(nowMs: number): RefusalCounts | undefined {
    if (!this.#hasChanges || nowMs - this.#publishedMs < TELL_EVERY_MS) return undefined;
    this.#hasChanges = false;
    this.#publishedMs = nowMs;
    return this.counts();
  }
}
