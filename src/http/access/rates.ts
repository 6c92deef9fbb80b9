/** How often each peer may do something: a bucket for each, which fills with time. */

export interface PeerRequestRatesOptions {
  /** What a bucket gains each second. */
  readonly perS: number;
  /** What a full bucket holds: so many at once, after a rest. */
  readonly burst: number;
  /** Buckets kept; the oldest gives way, and its peer begins anew with a full one. */
  readonly maxPeers: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

export class PeerRequestRates {
  readonly #options: PeerRequestRatesOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: PeerRequestRatesOptions) {
    this.#options = options;
  }

  /** @returns 0 if it may; otherwise the milliseconds after which it may again. A refusal takes nothing. */
  take(peer: string, nowMs: number): number {
    const { perS, burst } = this.#options;
    const bucket = this.#bucketOf(peer, nowMs);
    bucket.left = Math.min(burst, bucket.left + ((nowMs - bucket.atMs) / 1000) * perS);
    bucket.atMs = nowMs;
    if (bucket.left < 1) return ((1 - bucket.left) / perS) * 1000;
    bucket.left--;
    return 0;
  }

  /** Peers that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  #bucketOf(peer: string, nowMs: number): Bucket {
    const known = this.#buckets.get(peer);
    if (known !== undefined) return known;
    if (this.#buckets.size >= this.#options.maxPeers) {
      this.#buckets.delete(this.#buckets.keys().next().value as string);
    }
    const bucket = { left: this.#options.burst, atMs: nowMs };
    this.#buckets.set(peer, bucket);
    return bucket;
  }
}
