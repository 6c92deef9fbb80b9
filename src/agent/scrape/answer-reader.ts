/** Takes the chosen series out of an exporter's answer, which may come in pieces. */
import { shortText } from '../../lib/foreign-text.ts';
import { MAX_NAME_BYTES } from '../../model/heartbeat-limits.ts';
import { LineSplitter, type SplitLine } from '../hub/line-splitter.ts';
import { customMetricNameOf } from '../otlp/metric-name.ts';
import type { AllowList } from './allow-list.ts';
import { NoSample, parseSampleLine } from './sample-line.ts';
import { MAX_LINE_BYTES, MAX_SERIES_PER_TARGET } from './scrape-limits.ts';

export interface Scraped {
  readonly metrics: ReadonlyMap<string, number>;
  /** Chosen series that are no custom metrics, by reason. */
  readonly leftOut: Readonly<Record<LeftOutReason, number>>;
}

export type LeftOutReason = 'above_limit' | 'name_too_long' | 'not_finite';

/** The answer is not in the text format. As Prometheus does, nothing is taken of such an answer. */
export class NoExposition extends Error {}

export class AnswerReader {
  readonly #allowed: AllowList;
  readonly #splitter = new LineSplitter(MAX_LINE_BYTES);
  readonly #metrics = new Map<string, number>();
  readonly #leftOut: Record<LeftOutReason, number> = { above_limit: 0, name_too_long: 0, not_finite: 0 };
  #lines = 0;

  constructor(allowed: AllowList) {
    this.#allowed = allowed;
  }

  /** @throws NoExposition */
  push(chunk: Buffer): void {
    this.#splitter.push(chunk);
    for (let line = this.#splitter.next(); line !== undefined; line = this.#splitter.next()) this.#take(line);
  }

  /** @throws NoExposition */
  end(): Scraped {
    const rest = this.#splitter.rest();
    if (rest !== undefined) this.#take(rest);
    return { metrics: this.#metrics, leftOut: this.#leftOut };
  }

  #take(line: SplitLine): void {
    this.#lines++;
    if ('tooLongBytes' in line) {
      throw new NoExposition(
        `line ${this.#lines} has ${line.tooLongBytes} bytes; expected at most ${MAX_LINE_BYTES} of the text format`,
      );
    }
    const text = line.bytes.toString('utf8');
    try {
      const sample = parseSampleLine(text);
      if (sample === undefined) return;
      if (this.#allowed.has(sample)) this.#keep(customMetricNameOf(sample.name, sample.labels), sample.value);
    } catch (error) {
      if (!(error instanceof NoSample)) throw error;
      throw new NoExposition(
        `line ${this.#lines} is no sample: ${error.message}: ${JSON.stringify(shortText(text, 80))}`,
      );
    }
  }

  #keep(name: string, value: number): void {
    if (!Number.isFinite(value)) this.#leftOut.not_finite++;
    else if (Buffer.byteLength(name) > MAX_NAME_BYTES) this.#leftOut.name_too_long++;
    else if (this.#metrics.has(name) || this.#metrics.size < MAX_SERIES_PER_TARGET) this.#metrics.set(name, value);
    else this.#leftOut.above_limit++;
  }
}
