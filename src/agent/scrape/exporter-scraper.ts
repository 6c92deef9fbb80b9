/** Takes chosen series of this machine's exporters, so that they are custom metrics of its heartbeats. */
import type { Clock } from '../../lib/clock.ts';
import type { Report } from '../report.ts';
import { AllowList } from './allow-list.ts';
import { ScrapeTarget } from './target.ts';

/** Plain data, since it travels to the agent's thread. */
export interface ScrapeSettings {
  readonly urls: readonly string[];
  /** See {@link AllowList}. */
  readonly patterns: readonly string[];
  readonly intervalMs: number;
}

export class ExporterScraper {
  readonly #targets: readonly ScrapeTarget[];

  constructor({ urls, patterns, intervalMs }: ScrapeSettings, { clock, report }: { clock: Clock; report: Report }) {
    const allowed = new AllowList(patterns);
    this.#targets = urls.map((url) => new ScrapeTarget({ url, allowed, intervalMs, clock, report }));
  }

  start(): void {
    for (const target of this.#targets) target.start();
  }

  stop(): void {
    for (const target of this.#targets) target.stop();
  }

  /** Of each exporter, in the order in which they were named. */
  get metrics(): readonly ReadonlyMap<string, number>[] {
    return this.#targets.map(({ metrics }) => metrics);
  }

  get status() {
    return this.#targets.map(({ status }) => status);
  }
}
