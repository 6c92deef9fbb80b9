/**
 * Graphics processors. NVIDIA's are asked through `nvidia-smi`, in a process that is not waited for: systeminformation
 * runs it too, but blocks its thread meanwhile and takes a utilisation of 0 for absent. Systems without it are looked
 * over once through systeminformation. What is not reported stays absent, and a sentinel is not a value.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { graphics, type Systeminformation } from 'systeminformation';
import type { GpuUsage } from '../../model/telemetry.ts';

const run = promisify(execFile);

const FIELDS = 'index,uuid,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw';
/** Where drivers put `nvidia-smi`; the last is WSL's. The agent's thread has no PATH of its own. */
const SEARCH_PATH = '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/lib/wsl/lib';
/** A device that has fallen off its bus can hang the tool. */
const TIMEOUT_MS = 10_000;
const MIB = 1024 ** 2;

/** Above these a number is a sentinel (such as 9223372036854775794 °C), not a measurement. */
const MOST = { percent: 100, mebibytes: 16 * MIB, celsius: 250, watts: 20_000 } as const;

export interface GpuTools {
  /** What `nvidia-smi` prints; rejects with code ENOENT where there is none. */
  readonly nvidiaSmi: () => Promise<string>;
  readonly controllers: () => Promise<readonly Systeminformation.GraphicsControllerData[]>;
}

const systemTools: GpuTools = {
  async nvidiaSmi() {
    const { stdout } = await run('nvidia-smi', [`--query-gpu=${FIELDS}`, '--format=csv,noheader,nounits'], {
      env: { PATH: SEARCH_PATH, LC_ALL: 'C' },
      timeout: TIMEOUT_MS,
    });
    return stdout;
  },
  controllers: async () => (await graphics()).controllers,
};

export class GpuMeter {
  readonly #tools: GpuTools;
  /** What the first look found: how to go on. */
  #source: 'unknown' | 'nvidia' | 'controllers' | 'fixed' = 'unknown';
  #fixed: readonly GpuUsage[] = [];

  constructor(tools: GpuTools = systemTools) {
    this.#tools = tools;
  }

  async measure(): Promise<readonly GpuUsage[]> {
    switch (this.#source) {
      case 'unknown':
        return this.#firstLook();
      case 'nvidia':
        return parseNvidiaSmi(await this.#tools.nvidiaSmi());
      case 'controllers':
        return gpusOf(await this.#tools.controllers());
      case 'fixed':
        return this.#fixed;
    }
  }

  async #firstLook(): Promise<readonly GpuUsage[]> {
    try {
      const found = parseNvidiaSmi(await this.#tools.nvidiaSmi());
      this.#source = 'nvidia';
      return found;
    } catch (error) {
      // Installed, but failing: the driver may come up later, so it is asked again.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    const found = gpusOf(await this.#tools.controllers());
    const moves = found.some((gpu) => gpu.utilizationPercent !== undefined);
    this.#source = moves ? 'controllers' : 'fixed';
    this.#fixed = found;
    return found;
  }
}

/** The mean over the devices that report one; 0 if none does. */
export function meanUtilization(gpus: readonly GpuUsage[]): number {
  const known = gpus.map((gpu) => gpu.utilizationPercent).filter((percent) => percent !== undefined);
  return known.length === 0 ? 0 : known.reduce((sum, percent) => sum + percent, 0) / known.length;
}

export function parseNvidiaSmi(output: string): GpuUsage[] {
  const gpus: GpuUsage[] = [];
  for (const line of output.split('\n')) {
    const cells = line.split(',').map((cell) => cell.trim());
    const [index = '', uuid = '', name = '', ...numbers] = cells;
    if (!/^\d+$/.test(index) || numbers.length !== 5) continue;
    const [utilization, memoryUsed, memoryTotal, temperature, power] = numbers.map(numberOf);
    gpus.push(gpuOf({ index: Number(index), uuid, name, utilization, memoryUsed, memoryTotal, temperature, power }));
  }
  return gpus;
}

/** Controllers about which something is measured; a virtual screen adapter is no GPU. */
export function gpusOf(controllers: readonly Systeminformation.GraphicsControllerData[]): GpuUsage[] {
  return controllers
    .filter(({ utilizationGpu, memoryTotal }) => utilizationGpu !== undefined || memoryTotal !== undefined)
    .map((controller, index) =>
      gpuOf({
        index,
        uuid: '',
        name: controller.name ?? controller.model,
        utilization: controller.utilizationGpu,
        memoryUsed: controller.memoryUsed,
        memoryTotal: controller.memoryTotal,
        temperature: controller.temperatureGpu,
        power: controller.powerDraw,
      }),
    );
}

interface RawGpu {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  /** Percent, MiB, MiB, °C, W. */
  readonly utilization: number | undefined;
  readonly memoryUsed: number | undefined;
  readonly memoryTotal: number | undefined;
  readonly temperature: number | undefined;
  readonly power: number | undefined;
}

function gpuOf({ index, uuid, name, ...raw }: RawGpu): GpuUsage {
  const utilizationPercent = measured(raw.utilization, MOST.percent);
  const memoryUsedMib = measured(raw.memoryUsed, MOST.mebibytes);
  const memoryTotalMib = measured(raw.memoryTotal, MOST.mebibytes);
  const temperatureCelsius = measured(raw.temperature, MOST.celsius);
  const powerWatts = measured(raw.power, MOST.watts);
  return {
    index,
    uuid,
    name,
    ...(utilizationPercent === undefined ? {} : { utilizationPercent }),
    ...(memoryUsedMib === undefined ? {} : { memoryUsedBytes: memoryUsedMib * MIB }),
    ...(memoryTotalMib === undefined ? {} : { memoryTotalBytes: memoryTotalMib * MIB }),
    ...(temperatureCelsius === undefined ? {} : { temperatureCelsius }),
    ...(powerWatts === undefined ? {} : { powerWatts }),
  };
}

function measured(value: number | undefined, most: number): number | undefined {
  return value !== undefined && value >= 0 && value <= most ? value : undefined;
}

/** `[N/A]`, `[Unknown Error]` and the like are no numbers. */
function numberOf(cell: string): number | undefined {
  return /^-?\d+(\.\d+)?$/.test(cell) ? Number(cell) : undefined;
}
