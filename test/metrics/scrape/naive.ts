/** The answer of a scrape, made anew from the series of each worker, without any cache. */
import { exposition } from '../../../src/metrics/exposition/exposition.ts';
import type { Format } from '../../../src/metrics/exposition/format.ts';
import { escapeMetricName } from '../../../src/metrics/exposition/names.ts';
import type { FamilyWithSeries, Series } from '../../../src/metrics/family.ts';
import { CUSTOM_PREFIX, customFamily, customFamilyName } from '../../../src/metrics/workers/custom-names.ts';
import { WORKER_FAMILIES } from '../../../src/metrics/workers/families.ts';
import type { LabelFilter } from '../../../src/metrics/workers/info-labels.ts';
import { customSeries, workerSeries } from '../../../src/metrics/workers/series.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../../src/reading/directory.ts';
import { ParsedRecord } from '../../../src/reading/parsed-record.ts';

export function naiveScrape(
  directory: Directory,
  format: Format,
  isAllowed: LabelFilter,
  isWanted: (entry: WorkerEntry) => boolean = () => true,
): Buffer {
  const present = directory.rows.filter((entry): entry is WorkerEntry => {
    return entry !== undefined && directory.board.isOccupiedBy(entry.row, entry.occupant) && isWanted(entry);
  });
  const of = (read: (reading: ParsedRecord) => readonly Series[]) =>
    present.flatMap((entry) => readWhileThere(directory.board, entry, () => read(new ParsedRecord(entry))) ?? []);
  const fixed = WORKER_FAMILIES.map((family) => ({
    family,
    series: of((reading) => workerSeries(family, reading, directory, isAllowed)),
  }));
  const custom = new Map<string, { plain: string[]; series: Series[] }>();
  for (const entry of present) {
    const reading = new ParsedRecord(entry);
    const escaped = (name: string) => escapeMetricName(name, format.escaping);
    for (const [name, series] of customSeries(reading, directory, { escaped, isWrittenEscaped: true })) {
      const family = custom.get(name) ?? { plain: [], series: [] };
      custom.set(name, family);
      family.series.push(series);
      family.plain.push(
        ...Object.keys(reading.metrics ?? {}).filter((metric) => escaped(CUSTOM_PREFIX + metric) === name),
      );
    }
  }
  const families: FamilyWithSeries[] = [
    ...fixed,
    ...[...custom]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, { plain, series }]) => ({
        family: customFamily(customFamilyName(plain[0] as string) as string),
        series,
      })),
  ];
  return Buffer.from(
    exposition(
      families.filter(({ series }) => series.length > 0),
      format,
    ),
  );
}
