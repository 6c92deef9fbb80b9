/** The labels of one GPU. */
import type { GpuUsage } from '../../model/telemetry.ts';
import type { Label } from '../family.ts';

/**
 * `gpu` is the index; `mig` the uuid of a MIG instance, whose `uuid` is that of the device that it is a part of. Absent where
 * unknown.
 */
export function deviceLabels(workerId: string, { index, uuid, parentUuid }: GpuUsage): Label[] {
  const isPart = parentUuid !== undefined && parentUuid !== '';
  const labels: Label[] = [
    ['worker', workerId],
    ['gpu', String(index)],
    ['uuid', isPart ? parentUuid : uuid],
    ['mig', isPart ? uuid : ''],
  ];
  return labels.filter(([, value]) => value !== '');
}

export interface LabelledDevice {
  readonly device: GpuUsage;
  readonly labels: readonly Label[];
}

/** If two devices look the same, the first counts in all families, so that all of its values are those of one device. */
export function labelledDevices(workerId: string, devices: readonly GpuUsage[]): LabelledDevice[] {
  const byLabels = new Map<string, LabelledDevice>();
  for (const device of devices) {
    const labels = deviceLabels(workerId, device);
    const key = JSON.stringify(labels);
    if (!byLabels.has(key)) byLabels.set(key, { device, labels });
  }
  return [...byLabels.values()];
}
