/** All series that a receiver gets: the master's own and those of a worker, as they are now. */
import type { Clock } from '../../lib/clock.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { ParsedRecord } from '../../reading/parsed-record.ts';
import type { Family, FamilyWithSeries } from '../family.ts';
import { masterFamilies } from '../master/families.ts';
import type { ProcessMetrics } from '../master/process-metrics.ts';
import { MAX_CUSTOM_PER_WORKER } from '../scrape/scrape-limits.ts';
import { customFamily } from '../workers/custom-names.ts';
import { WORKER_FAMILIES } from '../workers/families.ts';
import type { LabelFilter } from '../workers/info-labels.ts';
import { type CustomNaming, customSeries, workerSeries } from '../workers/series.ts';
import type { SeriesSource, WorkerSeries } from './collector.ts';
import type { FamilyFilter } from './family-filter.ts';

export interface SourceOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly process: ProcessMetrics;
  /** Which of a worker's own labels are told. */
  readonly isAllowed: LabelFilter;
  /** Which families are told. */
  readonly isWanted: FamilyFilter;
  readonly customNaming: CustomNaming;
}

export function directorySource({
  directory,
  clock,
  process,
  isAllowed,
  isWanted,
  customNaming,
}: SourceOptions): SeriesSource {
  const wanted = WORKER_FAMILIES.filter(isWanted);
  const custom = new CustomFamilies(isWanted);
  const read = (entry: WorkerEntry): WorkerSeries => {
    const reading = new ParsedRecord(entry);
    const all: FamilyWithSeries[] = [];
    for (const family of wanted) {
      const series = workerSeries(family, reading, directory, isAllowed);
      if (series.length > 0) all.push({ family, series });
    }
    const customs = customSeries(reading, directory, customNaming);
    // As on a scrape.
    if (customs.size > MAX_CUSTOM_PER_WORKER) return { families: all, leftOut: customs.size };
    for (const [name, series] of customs) {
      const family = custom.of(name);
      if (family !== undefined) all.push({ family, series: [series] });
    }
    return { families: all, leftOut: 0 };
  };
  return {
    prepare: () => process.read(),
    master: () => masterFamilies({ directory, clock, process }).filter(({ family }) => isWanted(family)),
    worker: (entry) => readWhileThere(directory.board, entry, () => read(entry)),
  };
}

/** Names of custom metrics that are remembered: a fleet has some dozens. */
const MAX_CUSTOM_FAMILIES = 10_000;

/** One family for all workers that have the metric; undefined: it is not wanted. */
class CustomFamilies {
  readonly #isWanted: FamilyFilter;
  readonly #known = new Map<string, Family | undefined>();

  constructor(isWanted: FamilyFilter) {
    this.#isWanted = isWanted;
  }

  of(name: string): Family | undefined {
    if (this.#known.has(name)) return this.#known.get(name);
    if (this.#known.size >= MAX_CUSTOM_FAMILIES) this.#known.clear();
    const family = customFamily(name);
    const wanted = this.#isWanted(family) ? family : undefined;
    this.#known.set(name, wanted);
    return wanted;
  }
}
