/**
 * One exporter: asked again and again, one request at a time. Its values are those of the last answer that was whole, until
 * they are too old.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { MAX_NAME_BYTES } from '../../model/heartbeat-limits.ts';
import type { Report } from '../report.ts';
import type { AllowList } from './allow-list.ts';
import { AnswerReader, type LeftOutReason, type Scraped } from './answer-reader.ts';
import { scrapeOnce } from './request.ts';
import { KEPT_INTERVALS, MAX_SERIES_PER_TARGET, TIMEOUT_MS } from './scrape-limits.ts';

export interface TargetOptions {
  readonly url: string;
  readonly allowed: AllowList;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly report: Report;
  readonly onAnswered: () => void;
}

const NOTHING: Scraped = { metrics: new Map(), leftOut: { above_limit: 0, name_too_long: 0, not_finite: 0 } };

export class ScrapeTarget {
  readonly #options: TargetOptions;
  readonly #stopped = new AbortController();
  #last: Scraped = NOTHING;
  #lastAtMs = Number.NEGATIVE_INFINITY;
  /** Undefined: it answers, or has not been asked yet. */
  #error: string | undefined;
  #failures = 0;
  #lastWarning = '';
  #timer: Timer | undefined;
  #isAsking = false;

  constructor(options: TargetOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.every(this.#options.intervalMs, () => this.#ask());
    this.#ask();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopped.abort();
  }

  get hasAnswered(): boolean {
    return this.#lastAtMs !== Number.NEGATIVE_INFINITY;
  }

  /** Empty once the last answer is too old. */
  get metrics(): ReadonlyMap<string, number> {
    const { clock, intervalMs } = this.#options;
    if (clock.monotonicMs() - this.#lastAtMs >= KEPT_INTERVALS * intervalMs) this.#last = NOTHING;
    return this.#last.metrics;
  }

  /** For `GET /v1/status` of the hub. */
  get status() {
    const { metrics } = this;
    const { url } = this.#options;
    return {
      url,
      metrics: metrics.size,
      left_out: this.#last.leftOut,
      failures: this.#failures,
      error: this.#error ?? null,
    };
  }

  /** Never two at a time: an exporter that takes longer than the interval is asked less often. */
  #ask(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    void this.#scrape().finally(() => {
      this.#isAsking = false;
    });
  }

  /** Never rejects. */
  async #scrape(): Promise<void> {
    const { url, allowed, clock, intervalMs } = this.#options;
    const reader = new AnswerReader(allowed);
    try {
      await scrapeOnce({
        url,
        clock,
        timeoutMs: Math.min(TIMEOUT_MS, intervalMs),
        take: (chunk) => reader.push(chunk),
        signal: this.#stopped.signal,
      });
      this.#last = reader.end();
      this.#lastAtMs = clock.monotonicMs();
      this.#answered();
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#failed(messageOf(error));
    }
  }

  #answered(): void {
    const { report, url, onAnswered } = this.#options;
    if (this.#error !== undefined) report('info', `metrics of ${url} can be scraped again`);
    this.#error = undefined;
    const warning = complaintOf(this.#last);
    if (warning !== '' && warning !== this.#lastWarning) report('warn', `metrics of ${url}: ${warning}`);
    this.#lastWarning = warning;
    onAnswered();
  }

  #failed(message: string): void {
    const { report, url } = this.#options;
    if (this.#error === undefined) report('warn', `metrics of ${url} cannot be scraped: ${message}`);
    this.#error = message;
    this.#failures++;
  }
}

const COMPLAINTS: Readonly<Record<LeftOutReason, string | undefined>> = {
  above_limit: `above the ${MAX_SERIES_PER_TARGET} that one exporter may add`,
  name_too_long: `with a name and labels of more than ${MAX_NAME_BYTES} bytes`,
  // Usual for what an exporter cannot measure right now.
  not_finite: undefined,
};

/** What a person should change; empty: nothing. It names reasons without counts, so that one line says it once. */
function complaintOf({ leftOut }: Scraped): string {
  const reasons = (Object.keys(COMPLAINTS) as LeftOutReason[]).filter((reason) => leftOut[reason] > 0);
  const said = reasons.flatMap((reason) => COMPLAINTS[reason] ?? []);
  return said.length === 0 ? '' : `series are left out: those ${said.join(', and those ')}`;
}
