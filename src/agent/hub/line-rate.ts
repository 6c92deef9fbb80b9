/**
 * The rate of all lines of a machine. Connections and requests have half of it each, so that neither keeps the other from being read; and each may use
 * what the other leaves, as long as the other's half has half of its tokens.
 */
import type { Clock } from '../../lib/clock.ts';
import { type BucketOptions, TokenBucket } from './token-bucket.ts';

export class LineRate {
  readonly #connections: TokenBucket;
  readonly #requests: TokenBucket;
  /** Of a half: what the other one may not use. */
  readonly #reserved: number;

  constructor(clock: Clock, { perS, atOnce }: BucketOptions) {
    const half = { perS: perS / 2, atOnce: atOnce / 2 };
    this.#connections = new TokenBucket(clock, half);
    this.#requests = new TokenBucket(clock, half);
    this.#reserved = half.atOnce / 2;
  }

  /** Whether a connection's next line may be read. */
  hasLine(): boolean {
    return this.#connections.has() || this.#requests.has(this.#reserved + 1);
  }

  takeLine(): void {
    (this.#connections.has() ? this.#connections : this.#requests).spend(1);
  }

  /** Whether a request may be read. It is read as a whole, however many lines it has: the next ones wait until they are paid. */
  hasRequest(): boolean {
    return this.#requests.has() || this.#connections.has(this.#reserved + 1);
  }

  /** For lines of a request, also if they are more than there is room for. */
  spendRequest(lines: number): void {
    const canLend = !this.#requests.has() && this.#connections.has(this.#reserved + 1);
    (canLend ? this.#connections : this.#requests).spend(lines);
  }
}
