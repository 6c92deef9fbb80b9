/**
 * One vendor's sources, of which one is read: the best that exists and does not fail. A broken driver or tool must not
 * hide the next source, and a better one that is installed or repaired later is found.
 */
import type { Clock } from '../../../lib/clock.ts';
import type { Probe } from '../probe.ts';
import type { GpuReading, GpuSource } from './source.ts';

/** How often missing or failing sources are checked again: some twenty system calls each. */
const SEARCH_EVERY_MS = 60_000;
/** How often a better source than the working one is tried: a broken one may take 10 s and a process each time. */
const TRY_BETTER_EVERY_MS = 600_000;

interface Candidate {
  readonly source: GpuSource;
  readonly probe: Probe<GpuReading>;
  /** When it was seen to fail, so that it is not chosen again at once. */
  failedMs: number;
}

export class Vendor {
  readonly #clock: Clock;
  /** The best first. */
  readonly #candidates: readonly Candidate[];
  #chosen: Candidate | undefined;
  #searchedMs = Number.NEGATIVE_INFINITY;
  #searching: Promise<void> | undefined;
  #triedMs = Number.NEGATIVE_INFINITY;
  #trying: Promise<void> | undefined;

  constructor(sources: readonly GpuSource[], clock: Clock, probeOf: (source: GpuSource) => Probe<GpuReading>) {
    this.#clock = clock;
    this.#candidates = sources.map((source) => ({
      source,
      probe: probeOf(source),
      failedMs: Number.NEGATIVE_INFINITY,
    }));
  }

  /** Of the source that is read; undefined if there is none. */
  get probe(): Probe<GpuReading> | undefined {
    return this.#chosen?.probe;
  }

  /** Never rejects. */
  async refresh(): Promise<void> {
    const chosen = this.#chosen;
    if (chosen === undefined) await this.#search();
    else if (chosen.probe.isFailing) {
      chosen.failedMs = this.#clock.monotonicMs();
      await this.#search();
    } else this.#tryBetter(chosen);
    await this.#chosen?.probe.refreshInBackground();
  }

  /** One search at a time: a folder of a network drive that is gone holds up who looks into it. */
  #search(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#searching === undefined && nowMs - this.#searchedMs >= SEARCH_EVERY_MS) {
      this.#searching = this.#find(nowMs).finally(() => {
        this.#searching = undefined;
      });
    }
    return this.#searching ?? Promise.resolve();
  }

  /** What is chosen stays while nothing else is there. */
  async #find(nowMs: number): Promise<void> {
    const found = await firstPresent(this.#candidates.filter(({ failedMs }) => nowMs - failedMs >= SEARCH_EVERY_MS));
    // After one that is found the next may be searched at once: each of them fails once a minute at most.
    if (found === undefined) this.#searchedMs = nowMs;
    else this.#choose(found);
  }

  /** In the background, beside the one that works: its values are told until a better one has some. */
  #tryBetter(chosen: Candidate): void {
    const nowMs = this.#clock.monotonicMs();
    const better = this.#candidates.slice(0, this.#candidates.indexOf(chosen));
    if (better.length === 0 || this.#trying !== undefined || nowMs - this.#triedMs < TRY_BETTER_EVERY_MS) return;
    this.#triedMs = nowMs;
    this.#trying = this.#firstWorking(better).finally(() => {
      this.#trying = undefined;
    });
  }

  async #firstWorking(better: readonly Candidate[]): Promise<void> {
    for (const candidate of better) {
      if ((await firstPresent([candidate])) === undefined) continue;
      await candidate.probe.refreshInBackground();
      if (candidate.probe.newest === undefined) continue;
      this.#choose(candidate);
      return;
    }
  }

  #choose(candidate: Candidate): void {
    if (candidate === this.#chosen) return;
    this.#chosen = candidate;
    // What is better than this one was just seen to be missing, or to fail.
    this.#triedMs = this.#clock.monotonicMs();
  }
}

async function firstPresent(candidates: readonly Candidate[]): Promise<Candidate | undefined> {
  for (const candidate of candidates) {
    if (await candidate.source.isPresent().catch(() => false)) return candidate;
  }
  return undefined;
}
