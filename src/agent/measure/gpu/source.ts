/** One way to learn of GPUs: a vendor's tool, or the files of its driver. */
import type { GpuUsage } from '../../../model/telemetry.ts';
import { hundredths } from '../hundredths.ts';

export interface GpuReading {
  /** Whatever could be read, also when not all of it could. */
  readonly gpus: readonly GpuUsage[];
  /** What else the source said: why some devices are missing. Its own words where it has any. */
  readonly complaint?: string | undefined;
  /** Processors with built-in graphics: told only where there is no other GPU, or they would halve its usage. */
  readonly areIntegrated?: boolean;
}

export interface GpuSource {
  /** For people: "nvidia-smi". */
  readonly name: string;
  /** Whether its tool or its files are there. Cheap: asked again every minute while they are not. */
  isPresent(): Promise<boolean>;
  /** Rejects if nothing at all could be read. */
  read(): Promise<GpuReading>;
}

/** Numbers as sources give them. */
export interface RawGpu {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly utilizationPercent?: number | undefined;
  readonly memoryUsedBytes?: number | undefined;
  readonly memoryTotalBytes?: number | undefined;
  readonly temperatureCelsius?: number | undefined;
  readonly powerWatts?: number | undefined;
  readonly parentUuid?: string | undefined;
}

/** Above these a number is a sentinel (such as 9223372036854775794 °C), not a measurement. */
const MOST = {
  utilizationPercent: 100,
  memoryUsedBytes: 16 * 1024 ** 4,
  memoryTotalBytes: 16 * 1024 ** 4,
  temperatureCelsius: 250,
  powerWatts: 20_000,
} as const;

/** A device with what was really measured, to two decimals: a sentinel is not a value. */
export function gpuOf({ index, uuid, name, parentUuid, ...raw }: RawGpu): GpuUsage {
  const measured: { -readonly [Key in keyof typeof MOST]?: number } = {};
  for (const key of Object.keys(MOST) as (keyof typeof MOST)[]) {
    const value = raw[key];
    if (value !== undefined && value >= 0 && value <= MOST[key]) measured[key] = hundredths(value);
  }
  return { index, uuid, name, ...measured, ...(parentUuid === undefined ? {} : { parentUuid }) };
}

/** `[N/A]`, `[Unknown Error]`, `ERR!` and the like are no numbers. */
export function numberOf(text: unknown): number | undefined {
  if (typeof text === 'number') return Number.isFinite(text) ? text : undefined;
  return typeof text === 'string' && /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
}
