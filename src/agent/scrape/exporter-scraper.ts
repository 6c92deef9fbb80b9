/** Takes chosen series of this machine's exporters, so that they are custom metrics of its heartbeats. */

import type { SeriesPattern } from '../../config/series-patterns.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Report } from '../report.ts';
import { AllowList } from './allow-list.ts';
import { ScrapeTarget } from './target.ts';

/** Plain data, since it travels to the agent's thread. */
export interface ScrapeSettings {
  readonly urls: readonly string[];
  readonly patterns: readonly SeriesPattern[];
  readonly intervalMs: number;
}

export class ExporterScraper {
  readonly #targets: readonly ScrapeTarget[];
  readonly #allowed: AllowList;
  readonly #report: Report;
  #hasToldUnused = false;

  constructor({ urls, patterns, intervalMs }: ScrapeSettings, { clock, report }: { clock: Clock; report: Report }) {
    const allowed = new AllowList(patterns);
    this.#allowed = allowed;
    this.#report = report;
    const onAnswered = () => this.#tellUnused();
    this.#targets = urls.map((url) => new ScrapeTarget({ url, allowed, intervalMs, clock, report, onAnswered }));
  }

  /** Once, when every exporter has answered: a pattern without a match may be misspelt. */
  #tellUnused(): void {
    if (this.#hasToldUnused || !this.#targets.every(({ hasAnswered }) => hasAnswered)) return;
    this.#hasToldUnused = true;
    const { unused } = this.#allowed;
    if (unused.length === 0) return;
    this.#report('warn', `no series of an exporter matches ${unused.map((text) => JSON.stringify(text)).join(', ')}`);
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
