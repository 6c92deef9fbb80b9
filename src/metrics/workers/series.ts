/** The series of one worker, as data: for exporters. Scrapes read columns of values instead (scrape/worker-values.ts). */
import type { Directory } from '../../reading/directory.ts';
import type { ParsedRecord } from '../../reading/parsed-record.ts';
import type { Label, Series } from '../family.ts';
import { CUSTOM_LIFETIME, nameMetrics } from './custom-names.ts';
import { deviceLabels } from './device-labels.ts';
import type { DeviceFamily, Lifetime, WorkerFamily } from './families.ts';
import { infoLabels, type LabelFilter } from './info-labels.ts';

/** Whether series of this lifetime exist now. */
export function isAlive(lifetime: Lifetime, { entry }: ParsedRecord, { board }: Directory): boolean {
  return lifetime === 'known' || board.isActive(entry.row);
}

/** Call it within `readWhileThere`. */
export function workerSeries(
  family: WorkerFamily,
  reading: ParsedRecord,
  directory: Directory,
  isAllowed: LabelFilter,
): readonly Series[] {
  if (!isAlive(family.lifetime, reading, directory)) return [];
  const { workerId, facts } = reading.entry;
  switch (family.shape) {
    case 'number': {
      const value = family.read(reading, directory);
      return value === undefined ? [] : [{ labels: [['worker', workerId]], value }];
    }
    case 'state': {
      const state = family.read(reading, directory);
      const labelsOf = (name: string): Label[] => [
        ['worker', workerId],
        [family.stateLabel, name],
      ];
      return family.states.map((name) => ({ labels: labelsOf(name), value: Number(name === state) }));
    }
    case 'info':
      return [{ labels: infoLabels(workerId, facts, isAllowed), value: 1 }];
    case 'device':
      return deviceSeries(family, reading);
    default:
      return family satisfies never;
  }
}

function deviceSeries(family: DeviceFamily, reading: ParsedRecord): readonly Series[] {
  const series = new Map<string, Series>();
  for (const device of reading.devices()) {
    const value = family.read(device);
    const labels = deviceLabels(reading.entry.workerId, device);
    const key = JSON.stringify(labels);
    // If two devices look the same, the first counts.
    if (value !== undefined && !series.has(key)) series.set(key, { labels, value });
  }
  return [...series.values()];
}

/** The custom metrics of one worker, by family. Call it within `readWhileThere`. @param escaped as for `nameMetrics` */
export function customSeries(
  reading: ParsedRecord,
  directory: Directory,
  escaped: (familyName: string) => string,
): ReadonlyMap<string, Series> {
  const metrics = isAlive(CUSTOM_LIFETIME, reading, directory) ? reading.metrics : undefined;
  if (metrics === undefined) return new Map();
  const labels: Label[] = [['worker', reading.entry.workerId]];
  const { byFamily } = nameMetrics(Object.keys(metrics), escaped);
  return new Map(Array.from(byFamily, ([family, name]) => [family, { labels, value: metrics[name] as number }]));
}
