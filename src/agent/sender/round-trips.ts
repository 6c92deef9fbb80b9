/** When each heartbeat went out, by the agent's monotonic clock, until it is acknowledged. */

export class RoundTrips {
  /** In order of sequence, since heartbeats go out in that order. */
  readonly #sentAtMs = new Map<number, number>();

  sent(sequence: number, nowMs: number): void {
    this.#sentAtMs.set(sequence, nowMs);
  }

  /**
   * Everything up to `sequence` is answered.
   * @param heldMs how long the master kept its answer back, by its own clock
   * @returns the round trip of that very heartbeat; undefined if it was answered before or is not ours
   */
  answered(sequence: number, heldMs: number, nowMs: number): number | undefined {
    const sentAtMs = this.#sentAtMs.get(sequence);
    for (const known of this.#sentAtMs.keys()) {
      if (known > sequence) break;
      this.#sentAtMs.delete(known);
    }
    if (sentAtMs === undefined) return undefined;
    // Two clocks may disagree a little: no round trip is negative, and none is longer than from sending to now.
    const honestHeldMs = Number.isFinite(heldMs) ? Math.max(0, heldMs) : 0;
    return Math.max(0, nowMs - sentAtMs - honestHeldMs);
  }

  /** That heartbeat alone is answered, by a refusal: those before it are still waited for. */
  refused(sequence: number): void {
    this.#sentAtMs.delete(sequence);
  }

  /** When the longest unanswered heartbeat went out; undefined if all are answered. */
  oldestSentAtMs(): number | undefined {
    return this.#sentAtMs.values().next().value;
  }
}
