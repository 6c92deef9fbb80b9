/**
 * Which series of a source exist, from round to round: gives each the same object for as long as it exists, and says which have
 * ended. Sources list their series in much the same order each time, so most are found at the place of the last round.
 */
import type { FamilyWithSeries, Label } from '../family.ts';
import type { ExportSeries, Point } from './exporter.ts';

export interface TrackedRound<Kept> {
  readonly points: readonly Point<Kept>[];
  readonly ended: readonly ExportSeries<Kept>[];
}

export class SeriesTracker<Kept> {
  #last: readonly ExportSeries<Kept>[] = [];

  /** @param families all series of the source; none twice */
  round(families: Iterable<FamilyWithSeries>): TrackedRound<Kept> {
    const last = this.#last;
    const points: Point<Kept>[] = [];
    const present: ExportSeries<Kept>[] = [];
    let known: Map<string, ExportSeries<Kept>> | undefined;
    let isInPlace = true;
    for (const { family, series } of families) {
      for (const { labels, value, createdUnixMs } of series) {
        const there = last[present.length];
        let kept = there !== undefined && isSame(there, family.name, labels) ? there : undefined;
        if (kept === undefined) {
          isInPlace = false;
          known ??= byKey(last);
          kept = known.get(keyOf(family.name, labels)) ?? { family, labels, createdUnixMs, kept: undefined };
        }
        kept.createdUnixMs = createdUnixMs;
        present.push(kept);
        points.push({ series: kept, value });
      }
    }
    this.#last = present;
    if (isInPlace) return { points, ended: last.slice(present.length) };
    const stays = new Set(present);
    return { points, ended: last.filter((series) => !stays.has(series)) };
  }

  /** The source is gone. */
  end(): readonly ExportSeries<Kept>[] {
    const last = this.#last;
    this.#last = [];
    return last;
  }
}

function isSame({ family, labels }: ExportSeries<unknown>, name: string, others: readonly Label[]): boolean {
  if (family.name !== name || labels.length !== others.length) return false;
  for (let n = 0; n < labels.length; n++) {
    const label = labels[n] as Label;
    const other = others[n] as Label;
    if (label[1] !== other[1] || label[0] !== other[0]) return false;
  }
  return true;
}

function byKey<Kept>(all: readonly ExportSeries<Kept>[]): Map<string, ExportSeries<Kept>> {
  return new Map(all.map((series) => [keyOf(series.family.name, series.labels), series]));
}

function keyOf(name: string, labels: readonly Label[]): string {
  return JSON.stringify([name, labels]);
}
