/**
 * Metrics of the process by prom-client, in a registry of their own.
 *
 * | metrics    | are of                      | read in                                                                     |
 * |------------|-----------------------------|-----------------------------------------------------------------------------|
 * | `process_` | the whole process           | the reading thread that shows them: also while main is stuck. Listing the   |
 * |            |                             | open files takes 16 ms with 10,000 connections, which main cannot spend     |
 * | `nodejs_`  | main's heap and collections | main, every few seconds (node-metrics.ts): another thread cannot read them   |
 */
import { type Counter, collectDefaultMetrics, Registry } from 'prom-client';
import type { PromMetric } from '../../model/prom-metric.ts';

/** Ours has the delays of all threads; prom-client's monitor cannot be left out, but need not wake the thread. */
const RARELY_MS = 3_600_000;

/** @param isWanted by the name of the metric */
export function defaultMetrics(isWanted: (name: string) => boolean): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: RARELY_MS });
  for (const { name } of registry.getMetricsAsArray()) if (!isWanted(name)) registry.removeSingleMetric(name);
  return registry;
}

export function isProcessMetric(name: string): boolean {
  return name.startsWith('process_');
}

/** What a reading thread shows of the process. Create one per thread. */
export class ProcessMetrics {
  readonly #registry = defaultMetrics(isProcessMetric);
  #metrics: readonly PromMetric[] = [];

  constructor() {
    // prom-client counts from here on; the process's own counts do not fall when a thread is started anew.
    const { user, system } = process.cpuUsage();
    this.#add('process_cpu_user_seconds_total', user);
    this.#add('process_cpu_system_seconds_total', system);
    this.#add('process_cpu_seconds_total', user + system);
  }

  /** As they were at the last {@link read}. */
  get metrics(): readonly PromMetric[] {
    return this.#metrics;
  }

  /** prom-client reads them within this turn, and hands them out by a promise. */
  async read(): Promise<void> {
    this.#metrics = (await this.#registry.getMetricsAsJSON()) as unknown as readonly PromMetric[];
  }

  #add(name: string, micros: number): void {
    (this.#registry.getSingleMetric(name) as Counter | undefined)?.inc(micros / 1e6);
  }
}
