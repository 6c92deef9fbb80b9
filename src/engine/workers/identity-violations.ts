/** Reports peers that speak for workers without permission, at a limited rate that cannot fill the event log. */
import type { NewEvent } from '../../model/events.ts';

export interface IdentityViolation {
  /** The worker for which the peer reported. */
  readonly workerId: string;
  /** The peer's identity by its credentials: `the token of worker-1`. */
  readonly speaker: string;
  /** The peer's address. */
  readonly peer: string;
  /** The reason given to the peer. */
  readonly reason: string;
}

/** A repeated violation is reported again after this time. */
export const REPORT_AGAIN_MS = 60_000;
/**
 * Maximum number of pairs of speaker and worker reported in that time: the log of 10,000 events then holds about 100
 * minutes.
 */
const MAX_PUBLISHED = 100;
/** Maximum per speaker: one that tries many ids must not keep others from being reported. */
const MAX_PUBLISHED_OF_ONE = 10;

export class IdentityViolations {
  readonly #publish: (event: NewEvent) => void;
  /** When each pair was last reported. */
  readonly #publishedMs = new Map<string, { readonly speaker: string; readonly ms: number }>();

  constructor(publish: (event: NewEvent) => void) {
    this.#publish = publish;
  }

  seen({ workerId, speaker, peer, reason }: IdentityViolation, nowMs: number): void {
    const pair = JSON.stringify([workerId, speaker]);
    const before = this.#publishedMs.get(pair);
    // The usual case: it sends heartbeat after heartbeat.
    if (before !== undefined && nowMs - before.ms < REPORT_AGAIN_MS) return;
    let ofSpeaker = 0;
    for (const [known, { speaker: by, ms }] of this.#publishedMs) {
      if (nowMs - ms >= REPORT_AGAIN_MS) this.#publishedMs.delete(known);
      else if (by === speaker) ofSpeaker++;
    }
    if (ofSpeaker >= MAX_PUBLISHED_OF_ONE || this.#publishedMs.size >= MAX_PUBLISHED) return;
    this.#publishedMs.set(pair, { speaker, ms: nowMs });
    this.#publish({ type: 'identity', workerId, detail: `${speaker}, at ${peer}: ${reason}` });
  }
}
