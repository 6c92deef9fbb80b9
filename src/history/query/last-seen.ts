/** When a worker was last heard of before it was silent. An event says so only after the time in which heartbeats may be late. */
import type { Tier } from '../samples.ts';
import { bucketMs } from './plan.ts';
import type { WorkerSink } from './read-workers.ts';

export class LastSeen {
  readonly #momentsMs: readonly number[];
  readonly #seenMs: number[];

  /** @param momentsMs when the worker was known to be silent */
  constructor(momentsMs: readonly number[]) {
    this.#momentsMs = momentsMs;
    this.#seenMs = momentsMs.map(() => Number.NEGATIVE_INFINITY);
  }

  /** Looks at what goes into the sink. Of a bucket only its end is known. */
  watch(sink: WorkerSink, tier: Tier): WorkerSink {
    if (this.#momentsMs.length === 0) return sink;
    return {
      samples: (at, columns, count) => {
        for (let n = 0; n < count; n++) this.#saw(at[n] as number, at[n] as number);
        sink.samples(at, columns, count);
      },
      buckets: (start, columns) => {
        for (const at of start) this.#saw(at, at + bucketMs(tier));
        sink.buckets(start, columns);
      },
    };
  }

  /** Negative infinity: not known. @param momentMs one of those that were given */
  before(momentMs: number): number {
    return this.#seenMs[this.#momentsMs.indexOf(momentMs)] ?? Number.NEGATIVE_INFINITY;
  }

  #saw(fromMs: number, toMs: number): void {
    for (const [index, momentMs] of this.#momentsMs.entries()) {
      if (fromMs > momentMs) continue;
      this.#seenMs[index] = Math.max(this.#seenMs[index] as number, Math.min(toMs, momentMs));
    }
  }
}
