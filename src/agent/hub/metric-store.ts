/**
 * The metrics of one source, by name: the last value that anybody has set. A metric is kept while the connection that set it is
 * open, and after that, or without a connection, for its time to be kept.
 */
import type { Clock } from '../../lib/clock.ts';

interface Setting {
  /** The connection that set it; undefined once it is closed, and for requests. */
  owner: object | undefined;
  readonly keepMs: number;
  /** Not while its owner is there. */
  expiresAtMs: number;
}

export interface MetricChange {
  readonly owner?: object | undefined;
  readonly keepMs: number;
}

export class MetricStore {
  readonly #clock: Clock;
  readonly #maxNames: number;
  readonly #values = new Map<string, number>();
  readonly #settings = new Map<string, Setting>();

  constructor(clock: Clock, maxNames: number) {
    this.#clock = clock;
    this.#maxNames = maxNames;
  }

  get values(): ReadonlyMap<string, number> {
    return this.#values;
  }

  /** How many of these changes are names above the limit: 0 if {@link set} takes all. */
  excessOf(changes: readonly (readonly [name: string, value: number | null])[]): number {
    let size = this.#values.size;
    // Twice the same name is one name.
    const seen = new Map<string, boolean>();
    for (const [name, value] of changes) {
      const isThere = seen.get(name) ?? this.#values.has(name);
      if (value !== null && !isThere) size++;
      if (value === null && isThere) size--;
      seen.set(name, value !== null);
    }
    return Math.max(0, size - this.#maxNames);
  }

  /** Sets metrics; null removes one. The caller has asked {@link excessOf}. */
  set(changes: Iterable<readonly [name: string, value: number | null]>, { owner, keepMs }: MetricChange): void {
    const expiresAtMs = this.#clock.monotonicMs() + keepMs;
    for (const [name, value] of changes) {
      if (value === null) {
        this.#values.delete(name);
        this.#settings.delete(name);
      } else {
        this.#values.set(name, value);
        this.#settings.set(name, { owner, keepMs, expiresAtMs });
      }
    }
  }

  /** The connection has closed: the time of its metrics begins. */
  closed(owner: object): void {
    const nowMs = this.#clock.monotonicMs();
    for (const setting of this.#settings.values()) {
      if (setting.owner !== owner) continue;
      setting.owner = undefined;
      setting.expiresAtMs = nowMs + setting.keepMs;
    }
  }

  /** @returns the names of those that have expired, and are removed */
  sweep(): readonly string[] {
    const expired: string[] = [];
    const nowMs = this.#clock.monotonicMs();
    for (const [name, { owner, expiresAtMs }] of this.#settings) {
      if (owner !== undefined || nowMs < expiresAtMs) continue;
      this.#values.delete(name);
      this.#settings.delete(name);
      expired.push(name);
    }
    return expired;
  }
}
