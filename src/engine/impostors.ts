/** Tells of peers that speak for workers which they are not, and does not let them fill the log of events. */
import type { NewEvent } from '../model/events.ts';

export interface Impostor {
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
export const TELL_AGAIN_MS = 60_000;
/** Pairs of speaker and worker told within that time: whoever tries one id after the other makes no more events. */
const MAX_TOLD = 100;

export class Impostors {
  readonly #tell: (event: NewEvent) => void;
  /** When each was told last, oldest first. */
  readonly #toldMs = new Map<string, number>();

  constructor(tell: (event: NewEvent) => void) {
    this.#tell = tell;
  }

  seen({ workerId, speaker, peer, reason }: Impostor, nowMs: number): void {
    for (const [pair, toldMs] of this.#toldMs) {
      if (nowMs - toldMs < TELL_AGAIN_MS) break;
      this.#toldMs.delete(pair);
    }
    const pair = JSON.stringify([workerId, speaker]);
    if (this.#toldMs.has(pair) || this.#toldMs.size >= MAX_TOLD) return;
    this.#toldMs.set(pair, nowMs);
    this.#tell({ type: 'identity', workerId, detail: `${speaker}, at ${peer}: ${reason}` });
  }
}
