/**
 * Main's heap and garbage collections, by prom-client: main reads them every few seconds, which takes 60 µs, for reading
 * threads.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { PromMetric } from '../../model/prom-metric.ts';
import { defaultMetrics } from './process-metrics.ts';

/** Often enough for the usual interval of scrapes, 15 s. */
const READ_EVERY_MS = 5000;

export function isNodeMetric(name: string): boolean {
  return /^nodejs_(heap_|external_|gc_|version_)/.test(name);
}

export class NodeMetrics {
  readonly #timer: Timer;

  constructor(clock: Clock, publish: (metrics: readonly PromMetric[]) => void) {
    const registry = defaultMetrics(isNodeMetric);
    const read = async () => publish((await registry.getMetricsAsJSON()) as unknown as readonly PromMetric[]);
    void read();
    this.#timer = clock.every(READ_EVERY_MS, () => void read());
  }

  stop(): void {
    this.#timer.cancel();
  }
}
