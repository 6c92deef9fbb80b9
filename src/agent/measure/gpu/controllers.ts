/** Whatever systeminformation finds, for systems and devices that have none of the other sources. */
import { graphics, type Systeminformation } from 'systeminformation';
import type { GpuUsage } from '../../../model/telemetry.ts';
import { type GpuReading, type GpuSource, gpuOf } from './source.ts';

const MIB = 1024 ** 2;

export class Controllers implements GpuSource {
  readonly name = 'graphics controllers';
  readonly #look: () => Promise<readonly Systeminformation.GraphicsControllerData[]>;
  /** It blocks its thread while it looks: what does not move is looked at once. */
  #fixed: GpuReading | undefined;

  constructor(
    look = async (): Promise<readonly Systeminformation.GraphicsControllerData[]> => (await graphics()).controllers,
  ) {
    this.#look = look;
  }

  async isPresent(): Promise<boolean> {
    return true;
  }

  async read(): Promise<GpuReading> {
    if (this.#fixed !== undefined) return this.#fixed;
    const gpus = gpusOf(await this.#look());
    const moves = gpus.some((gpu) => gpu.utilizationPercent !== undefined);
    if (!moves) this.#fixed = { gpus };
    return { gpus };
  }
}

/** Controllers about which something is measured; a virtual screen adapter is no GPU. */
export function gpusOf(controllers: readonly Systeminformation.GraphicsControllerData[]): GpuUsage[] {
  return controllers
    .filter(({ utilizationGpu, memoryTotal }) => utilizationGpu !== undefined || memoryTotal !== undefined)
    .map(({ name, model, utilizationGpu, memoryUsed, memoryTotal, temperatureGpu, powerDraw, busAddress }, index) =>
      gpuOf({
        index,
        uuid: busAddress ?? '',
        name: name ?? model,
        utilizationPercent: utilizationGpu,
        memoryUsedBytes: memoryUsed === undefined ? undefined : memoryUsed * MIB,
        memoryTotalBytes: memoryTotal === undefined ? undefined : memoryTotal * MIB,
        temperatureCelsius: temperatureGpu,
        powerWatts: powerDraw,
      }),
    );
}
