/** AMD's devices by the files of the kernel's `amdgpu` driver: no process is run, and no tool need be installed. */
import { join } from 'node:path';
import type { GpuUsage } from '../../../model/telemetry.ts';
import { type DrmCard, drmCards, numberAt, pciAddressOf, sensorsOf, textAt } from './drm.ts';
import { type GpuReading, type GpuSource, gpuOf } from './source.ts';

const AMD = '0x1002';
/** What the firmware sets aside for built-in graphics is 512 MiB, or 2 GiB where memory is plenty. */
const MOST_OF_INTEGRATED_BYTES = 2 * 1024 ** 3;

export class AmdSysfs implements GpuSource {
  readonly name = 'amdgpu';
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async isPresent(): Promise<boolean> {
    for (const card of await this.#cards()) {
      if ((await textAt(join(card.path, 'device/mem_info_vram_total'))) !== undefined) return true;
    }
    return false;
  }

  async read(): Promise<GpuReading> {
    const gpus: GpuUsage[] = [];
    for (const card of await this.#cards()) {
      const gpu = await readCard(card);
      if (gpu !== undefined) gpus.push(gpu);
    }
    if (gpus.length === 0) throw new Error(`no card below ${this.#root} can be read any more`);
    const isIntegrated = ({ memoryTotalBytes = 0 }: GpuUsage) => memoryTotalBytes <= MOST_OF_INTEGRATED_BYTES;
    const discrete = gpus.filter((gpu) => !isIntegrated(gpu));
    return discrete.length > 0 ? { gpus: discrete } : { gpus, areIntegrated: true };
  }

  async #cards(): Promise<DrmCard[]> {
    return (await drmCards(this.#root)).filter(({ vendor }) => vendor === AMD);
  }
}

/** Undefined for a device of another driver. */
async function readCard(card: DrmCard): Promise<GpuUsage | undefined> {
  const device = join(card.path, 'device');
  const memoryTotalBytes = await numberAt(join(device, 'mem_info_vram_total'));
  if (memoryTotalBytes === undefined) return undefined;
  const sensors = (await sensorsOf(card)) ?? device;
  const milliCelsius = await numberAt(join(sensors, 'temp1_input'));
  const microWatts =
    (await numberAt(join(sensors, 'power1_average'))) ?? (await numberAt(join(sensors, 'power1_input')));
  return gpuOf({
    index: card.index,
    uuid: (await textAt(join(device, 'unique_id'))) || (await pciAddressOf(card)) || `amd-${card.index}`,
    name: (await textAt(join(device, 'product_name'))) || `AMD GPU ${(await textAt(join(device, 'device'))) ?? ''}`,
    utilizationPercent: await numberAt(join(device, 'gpu_busy_percent')),
    memoryUsedBytes: await numberAt(join(device, 'mem_info_vram_used')),
    memoryTotalBytes,
    temperatureCelsius: milliCelsius === undefined ? undefined : milliCelsius / 1000,
    powerWatts: microWatts === undefined ? undefined : microWatts / 1e6,
  });
}
