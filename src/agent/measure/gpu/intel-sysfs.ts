/**
 * Intel's discrete devices by the files of the kernel's `i915` and `xe` drivers, where `xpu-smi` is not installed. The
 * kernel tells how long a device slept, so its utilisation is the time in which it did not: the most that it can be.
 * Built-in graphics have no sensors of their own and are left out.
 */
import { join } from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import type { GpuUsage } from '../../../model/telemetry.ts';
import { type DrmCard, drmCards, entriesOf, numberAt, pciAddressOf, sensorsOf, textAt } from './drm.ts';
import { type GpuReading, type GpuSource, gpuOf } from './source.ts';

const INTEL = '0x8086';

/** Counters that only grow; undefined where the driver has none. */
export interface IntelCounters {
  readonly atMs: number;
  /** Of each graphics engine block, how long it slept. */
  readonly idleMs: readonly number[];
  readonly energyMicrojoules: number | undefined;
}

export class IntelSysfs implements GpuSource {
  readonly name = 'i915 or xe';
  readonly #root: string;
  readonly #clock: Clock;
  /** Of the look before, by path of the card. */
  readonly #before = new Map<string, IntelCounters>();

  constructor(root: string, clock: Clock) {
    this.#root = root;
    this.#clock = clock;
  }

  async isPresent(): Promise<boolean> {
    return (await this.#cards()).length > 0;
  }

  async read(): Promise<GpuReading> {
    const gpus: GpuUsage[] = [];
    const cards = await this.#cards();
    for (const { card, sensors } of cards) {
      const now = await countersOf(card, sensors, this.#clock.monotonicMs());
      const before = this.#before.get(card.path);
      this.#before.set(card.path, now);
      gpus.push(await readCard(card, sensors, before === undefined ? {} : sinceThen(before, now)));
    }
    if (gpus.length === 0) throw new Error(`no card below ${this.#root} can be read any more`);
    return { gpus };
  }

  async #cards(): Promise<{ readonly card: DrmCard; readonly sensors: string }[]> {
    const found: { readonly card: DrmCard; readonly sensors: string }[] = [];
    for (const card of await drmCards(this.#root)) {
      const sensors = card.vendor === INTEL ? await sensorsOf(card) : undefined;
      if (sensors !== undefined) found.push({ card, sensors });
    }
    return found;
  }
}

async function countersOf(card: DrmCard, sensors: string, atMs: number): Promise<IntelCounters> {
  const idleMs: number[] = [];
  for (const path of await idleFilesOf(card)) {
    const value = await numberAt(path);
    if (value !== undefined) idleMs.push(value);
  }
  return { atMs, idleMs, energyMicrojoules: await numberAt(join(sensors, 'energy1_input')) };
}

async function idleFilesOf(card: DrmCard): Promise<string[]> {
  // i915: card0/gt/gt0/rc6_residency_ms; xe: card0/device/tile0/gt0/gtidle/idle_residency_ms.
  const files = (await entriesOf(join(card.path, 'gt'))).map((gt) => join(card.path, 'gt', gt, 'rc6_residency_ms'));
  const device = join(card.path, 'device');
  for (const tile of (await entriesOf(device)).filter((entry) => /^tile\d+$/.test(entry))) {
    for (const gt of (await entriesOf(join(device, tile))).filter((entry) => /^gt\d+$/.test(entry))) {
      files.push(join(device, tile, gt, 'gtidle/idle_residency_ms'));
    }
  }
  return files;
}

type Derived = Pick<GpuUsage, 'utilizationPercent' | 'powerWatts'>;

/** What two looks at the counters tell of the time between them; a counter that fell was begun anew, and tells nothing. */
export function sinceThen(before: IntelCounters, now: IntelCounters): Derived {
  const elapsedMs = now.atMs - before.atMs;
  if (!(elapsedMs > 0)) return {};
  const busy = now.idleMs.flatMap((idleMs, index) => {
    const slept = idleMs - (before.idleMs[index] ?? Number.NaN);
    return slept >= 0 ? [100 * (1 - Math.min(1, slept / elapsedMs))] : [];
  });
  const joules = ((now.energyMicrojoules ?? Number.NaN) - (before.energyMicrojoules ?? Number.NaN)) / 1e6;
  return {
    // The busiest block: a device whose media engines sleep is not half idle.
    ...(busy.length === 0 ? {} : { utilizationPercent: Math.max(...busy) }),
    ...(joules >= 0 ? { powerWatts: joules / (elapsedMs / 1000) } : {}),
  };
}

async function readCard(card: DrmCard, sensors: string, derived: Derived): Promise<GpuUsage> {
  // The package's temperature is the second one of xe and the first of i915.
  const milliCelsius = (await numberAt(join(sensors, 'temp2_input'))) ?? (await numberAt(join(sensors, 'temp1_input')));
  const total = await numberAt(join(card.path, 'lmem_total_bytes'));
  const available = await numberAt(join(card.path, 'lmem_avail_bytes'));
  return gpuOf({
    index: card.index,
    uuid: (await pciAddressOf(card)) ?? `intel-${card.index}`,
    name: `Intel GPU ${(await textAt(join(card.path, 'device/device'))) ?? ''}`.trim(),
    ...derived,
    memoryTotalBytes: total,
    memoryUsedBytes: total === undefined || available === undefined ? undefined : total - available,
    temperatureCelsius: milliCelsius === undefined ? undefined : milliCelsius / 1000,
  });
}
