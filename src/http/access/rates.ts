/** A rate limit per peer: a token bucket each. */

export interface PeerRequestRatesOptions {
  /** How much a bucket refills per second. */
  readonly perS: number;
  /** The size of a bucket: the largest burst. */
  readonly burst: number;
  /** How many buckets are kept. The oldest is dropped, and its peer starts with a full one. */
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

  /** @returns 0 if allowed, otherwise the ms until it is. A refused request costs nothing. */
  take(peer: string, nowMs: number): number {
    const { perS, burst } = this.#options;
    const bucket = this.#bucketOf(peer, nowMs);
    bucket.left = Math.min(burst, bucket.left + ((nowMs - bucket.atMs) / 1000) * perS);
    bucket.atMs = nowMs;
    if (bucket.left < 1) return ((1 - bucket.left) / perS) * 1000;
    bucket.left--;
    return 0;
  }

  /** How many peers are remembered. */
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
