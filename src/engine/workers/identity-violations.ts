/** Tells of peers that speak for workers which they are not, and does not let them fill the log of events. */
import type { NewEvent } from '../../model/events.ts';

export interface IdentityViolation {
  /** The worker it spoke for. */
  readonly workerId: string;
  /** Who it is, by its credentials: `the token of worker-1`. */
  readonly speaker: string;
  /** Its address. */
  readonly peer: string;
  /** What it was told. */
  readonly reason: string;
}

/** One that keeps trying is told again after this. */
export const REPORT_AGAIN_MS = 60_000;
/** Pairs of speaker and worker told within that time: at that rate the log of 10,000 events still holds some 100 minutes. */
const MAX_PUBLISHED = 100;
/** Of one speaker: whoever tries one id after the other must not keep others from being told. */
const MAX_PUBLISHED_OF_ONE = 10;

export class IdentityViolations {
  readonly #publish: (event: NewEvent) => void;
  /** When each was told last, by pair. */
  readonly #publishedMs = new Map<string, { readonly speaker: string; readonly ms: number }>();

  constructor(publish: (event: NewEvent) => void) {
    this.#publish = publish;
  }

  seen({ workerId, speaker, peer, reason }: IdentityViolation, nowMs: number): void {
    const pair = JSON.stringify([workerId, speaker]);
    const before = this.#publishedMs.get(pair);
    // Most often: it sends heartbeat after heartbeat.
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
