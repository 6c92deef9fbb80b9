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
