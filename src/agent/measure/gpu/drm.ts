/**
 * The files of graphics drivers below /sys/class/drm. Read one after the other: a driver that is resetting its device
 * holds up who reads, and must not take more than one of the process's few threads for files.
 *
 * Formats: docs.kernel.org/gpu/amdgpu/thermal.html, docs.kernel.org/admin-guide/sysfs-rules.html and
 * Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon of the kernel.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { numberOf } from './source.ts';

export const DRM_ROOT = '/sys/class/drm';

export interface DrmCard {
  /** `/sys/class/drm/card0`. */
  readonly path: string;
  readonly index: number;
  /** PCI vendor, such as `0x1002`. */
  readonly vendor: string;
}

/** The cards, not their connectors (`card0-DP-1`), in their order. */
export async function drmCards(root: string): Promise<DrmCard[]> {
  const cards: DrmCard[] = [];
  for (const entry of await entriesOf(root)) {
    const index = /^card(\d{1,9})$/.exec(entry)?.[1];
    if (index === undefined) continue;
    const path = join(root, entry);
    const vendor = await textAt(join(path, 'device/vendor'));
    if (vendor !== undefined) cards.push({ path, index: Number(index), vendor });
  }
  return cards.sort((left, right) => left.index - right.index);
}

/** The first folder of the device's sensors; undefined if it has none. */
export async function sensorsOf(card: DrmCard): Promise<string | undefined> {
  const folder = join(card.path, 'device/hwmon');
  const [first] = (await entriesOf(folder)).sort();
  return first === undefined ? undefined : join(folder, first);
}

/** The PCI address, by which a device keeps its identity from one start to the next. */
export async function pciAddressOf(card: DrmCard): Promise<string | undefined> {
  return /^PCI_SLOT_NAME=(\S+)$/m.exec((await textAt(join(card.path, 'device/uevent'))) ?? '')?.[1];
}

/** Trimmed; undefined if it cannot be read. */
export async function textAt(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}

export async function numberAt(path: string): Promise<number | undefined> {
  return numberOf(await textAt(path));
}

/** Sorted; empty if the folder cannot be read. */
export async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}
