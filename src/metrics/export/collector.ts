/**
 * The rounds of one receiver: all series of the master and of its workers at one time, in slices, and which series have ended since
 * the round before.
 */
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import type { FamilyWithSeries } from '../family.ts';
import { SERIES_PER_SLICE, WORKERS_PER_SLICE } from './export-limits.ts';
import type { RoundSlice, SourceRound } from './exporter.ts';
import { SeriesTracker } from './series-tracker.ts';

export interface SeriesSource {
  /** Called before each round, for what cannot be read at once. */
  prepare?(): Promise<void>;
  master(): Iterable<FamilyWithSeries>;
  /** Undefined: the worker was removed meanwhile. */
  worker(entry: WorkerEntry): WorkerSeries | undefined;
}

export interface WorkerSeries {
  readonly families: readonly FamilyWithSeries[];
  /** Series that it has, and that are not told: it has too many. */
  readonly leftOut: number;
}

interface Tracked<Kept> {
  readonly tracker: SeriesTracker<Kept>;
  /** The last round that the worker was in. */
  round: number;
}

export class Collector<Kept> {
  readonly #directory: Pick<Directory, 'all'>;
  readonly #source: SeriesSource;
  readonly #maxSeries: number;
  readonly #master = new SeriesTracker<Kept>();
  readonly #workers = new Map<string, Tracked<Kept>>();
  #round = 0;
  #series = 0;
  #leftOut = 0;
  /** Of the present round. */
  #room = 0;
  #leftOutSoFar = 0;

  /** @param maxSeries of workers, in one round: a worker may send any number of custom metrics */
  constructor(directory: Pick<Directory, 'all'>, source: SeriesSource, maxSeries: number) {
    this.#directory = directory;
    this.#source = source;
    this.#maxSeries = maxSeries;
  }

  /** Series of the last whole round. */
  get series(): number {
    return this.#series;
  }

  /** Call it before each round. */
  async prepare(): Promise<void> {
    await this.#source.prepare?.();
  }

  /** Series that the last whole round had no room for. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** A round: the caller may pause between slices, but must take them all before the next round. */
  *round(atUnixMs: number): Generator<RoundSlice<Kept>> {
    this.#room = this.#maxSeries;
    this.#leftOutSoFar = 0;
    let series = 0;
    let sources: SourceRound<Kept>[] = [];
    let size = 0;
    for (const source of this.#sources(++this.#round)) {
      sources.push(source);
      series += source.points.length;
      size += source.points.length + source.ended.length;
      if (sources.length < WORKERS_PER_SLICE && size < SERIES_PER_SLICE) continue;
      yield { atUnixMs, sources };
      sources = [];
      size = 0;
    }
    this.#series = series;
    this.#leftOut = this.#leftOutSoFar;
    yield { atUnixMs, sources };
  }

  *#sources(round: number): Generator<SourceRound<Kept>> {
    yield this.#masterRound();
    // The list is taken at once: the directory may change between slices.
    for (const entry of [...this.#directory.all()]) {
      const source = this.#workerRound(entry, round);
      if (source !== undefined) yield source;
    }
    for (const [workerId, tracked] of this.#workers) {
      if (tracked.round === round) continue;
      this.#workers.delete(workerId);
      yield { workerId, worker: undefined, points: [], ended: tracked.tracker.end() };
    }
  }

  #masterRound(): SourceRound<Kept> {
    return { workerId: undefined, worker: undefined, ...this.#master.round(this.#source.master()) };
  }

  #workerRound(worker: WorkerEntry, round: number): SourceRound<Kept> | undefined {
    const found = this.#source.worker(worker);
    if (found === undefined) return undefined;
    this.#leftOutSoFar += found.leftOut;
    const { workerId } = worker;
    let tracked = this.#workers.get(workerId);
    if (tracked === undefined) {
      tracked = { tracker: new SeriesTracker(), round };
      this.#workers.set(workerId, tracked);
    }
    tracked.round = round;
    return { workerId, worker, ...tracked.tracker.round(this.#fitting(found.families)) };
  }

  /** As many as there is room for: those of a worker in their order, in which custom metrics come last. */
  #fitting(families: Iterable<FamilyWithSeries>): FamilyWithSeries[] {
    const fitting: FamilyWithSeries[] = [];
    for (const { family, series } of families) {
      const taken = series.length <= this.#room ? series : series.slice(0, this.#room);
      this.#room -= taken.length;
      this.#leftOutSoFar += series.length - taken.length;
      if (taken.length > 0) fitting.push({ family, series: taken });
    }
    return fitting;
  }
}
