/**
 * Makes the text of expected scrapes ahead of them, in short slices, so that at the scrape only what changed in the last moment is
 * left. What a scrape contains does not depend on it: every scrape looks at memory itself.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { leadMsFor, nextRefreshMs, type RefreshFacts } from './rhythm.ts';
import { KEPT_TIMES, MAX_TEXTS, SLICE_MS } from './scrape-limits.ts';
import type { ScrapeRequest, Scraper } from './scraper.ts';

export interface RefresherOptions {
  readonly scraper: Pick<Scraper, 'ahead'>;
  readonly clock: Clock;
  readonly workers: () => number;
}

/** What is asked for again and again: one format of the same families. */
interface Text {
  readonly request: ScrapeRequest;
  readonly timesMs: number[];
  madeMs: number;
}

export class Refresher {
  readonly #options: RefresherOptions;
  /** The one that was scraped last comes last. */
  readonly #texts = new Map<string, Text>();
  #timer: Timer | undefined;

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  /** Call it after the answer. @param atMs when it was asked for */
  scraped(request: ScrapeRequest, atMs: number): void {
    // No text is kept of some workers.
    if (request.workers !== undefined || request.groups !== undefined) return;
    const key = JSON.stringify([request.format.key, request.collections]);
    const timesMs = this.#texts.get(key)?.timesMs ?? [];
    if (timesMs.length === KEPT_TIMES) timesMs.shift();
    timesMs.push(atMs);
    this.#texts.delete(key);
    this.#texts.set(key, { request, timesMs, madeMs: atMs });
    for (const first of this.#texts.keys()) if (this.#texts.size > MAX_TEXTS) this.#texts.delete(first);
    // What is under way was mostly done for the answer.
    this.#plan();
  }

  /** Expects no scrape any more. */
  forget(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#texts.clear();
  }

  #plan(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const nowMs = this.#options.clock.monotonicMs();
    const leadMs = leadMsFor(this.#options.workers());
    let next: Text | undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const text of this.#texts.values()) {
      const atMs = nextRefreshMs({ ...text, leadMs } satisfies RefreshFacts, nowMs);
      if (atMs === undefined || atMs >= nextMs) continue;
      next = text;
      nextMs = atMs;
    }
    if (next !== undefined) this.#after(nextMs - nowMs, () => this.#begin(next));
  }

  #begin(text: Text): void {
    const { scraper, clock } = this.#options;
    const beganMs = clock.monotonicMs();
    const work = scraper.ahead(text.request);
    this.#slice(work, () => {
      text.madeMs = beganMs;
      this.#plan();
    });
  }

  /** Pauses after each slice for as long as it took, so that it uses half of a core at most. */
  #slice(work: Iterator<void>, done: () => void): void {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    let tookMs = 0;
    while (tookMs < SLICE_MS) {
      if (work.next().done === true) {
        done();
        return;
      }
      tookMs = clock.monotonicMs() - beganMs;
    }
    this.#after(tookMs, () => this.#slice(work, done));
  }

  #after(delayMs: number, fn: () => void): void {
    this.#timer = this.#options.clock.after(delayMs, fn);
  }
}
