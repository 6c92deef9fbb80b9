/** The series of one worker, as data: for exporters. Scrapes read columns of values instead (scrape/worker-values.ts). */
import type { Directory } from '../../reading/directory.ts';
import type { ParsedRecord } from '../../reading/parsed-record.ts';
import type { Label, Series } from '../family.ts';
import { CUSTOM_LIFETIME, CUSTOM_PREFIX, nameMetrics } from './custom-names.ts';
import { type LabelledDevice, labelledDevices } from './device-labels.ts';
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
      return deviceSeries(family, labelledDevices(workerId, reading.devices()));
    default:
      return family satisfies never;
  }
}

export interface DeviceSeries {
  readonly labels: readonly Label[];
  readonly value: number;
}

export function deviceSeries({ read }: DeviceFamily, devices: readonly LabelledDevice[]): readonly DeviceSeries[] {
  return devices.flatMap(({ device, labels }) => {
    const value = read(device);
    return value === undefined ? [] : [{ labels, value }];
  });
}

/** How a protocol names custom metrics. */
export interface CustomNaming {
  /** As for `nameMetrics`: of two metrics of a worker for which it is the same, one is told. */
  readonly escaped: (familyName: string) => string;
  /** Whether names are written so, or as the worker sent them. */
  readonly isWrittenEscaped: boolean;
}

/** The custom metrics of one worker, by family. Call it within `readWhileThere`. */
export function customSeries(
  reading: ParsedRecord,
  directory: Directory,
  { escaped, isWrittenEscaped }: CustomNaming,
): ReadonlyMap<string, Series> {
  const metrics = isAlive(CUSTOM_LIFETIME, reading, directory) ? reading.metrics : undefined;
  if (metrics === undefined) return new Map();
  const labels: Label[] = [['worker', reading.entry.workerId]];
  const { byFamily } = nameMetrics(Object.keys(metrics), escaped);
  return new Map(
    Array.from(byFamily, ([family, name]) => [
      isWrittenEscaped ? family : CUSTOM_PREFIX + name,
      { labels, value: metrics[name] as number },
    ]),
  );
}
