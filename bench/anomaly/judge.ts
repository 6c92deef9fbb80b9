/** Judges detectors on the same series. */
import type { Detector } from './detectors.ts';
import type { FamilyName } from './families.ts';
import { add, count, newTally, type Tally } from './scoring.ts';
import { type Series, seriesOf } from './series.ts';

export type Judgement = ReadonlyMap<FamilyName, Tally>;

/** @returns a judgement for each detector, in their order */
export function judge(
  detectors: readonly Detector[],
  families: readonly FamilyName[],
  seeds: readonly number[],
  each: (series: Series, alarms: readonly (readonly number[])[]) => void = () => {},
): Judgement[] {
  const judgements = detectors.map(() => new Map(families.map((family) => [family, newTally()])));
  for (const family of families) {
    for (const seed of seeds) {
      const series = seriesOf(family, seed);
      const alarms = detectors.map((detector) => detector(series));
      for (const [index, judgement] of judgements.entries()) {
        count(judgement.get(family) as Tally, alarms[index] as number[], series.window);
      }
      each(series, alarms);
    }
  }
  return judgements;
}

export function sumOf(judgement: Judgement, families: readonly FamilyName[] = [...judgement.keys()]): Tally {
  const sum = newTally();
  for (const family of families) add(sum, judgement.get(family) as Tally);
  return sum;
}

export function seedsFrom(first: number, seeds: number): number[] {
  return Array.from({ length: seeds }, (_, index) => first + index);
}
