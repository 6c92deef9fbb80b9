/**
 * Intel's devices by `xpu-smi` of XPU Manager, which knows data center and Arc devices.
 *
 * Formats: intel.github.io/xpumanager, "smi_user_guide": `discovery -j` names the devices, `dump` prints their numbers
 * as CSV under a head line, in the units that stand there.
 */
import type { GpuUsage } from '../../../model/telemetry.ts';
import { jsonReportIn } from './amd.ts';
import { type GpuReading, type GpuSource, gpuOf, numberOf } from './source.ts';
import { complaintOf, type Tools } from './tool.ts';

/** Utilisation, power, core temperature, memory used. */
const METRICS = '0,1,3,18';
const MIB = 1024 ** 2;

export class XpuSmi implements GpuSource {
  readonly name = 'xpu-smi';
  readonly #tools: Tools;
  /** What is known of the devices; it does not change while they are there. */
  #devices: readonly XpuDevice[] = [];

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  async isPresent(): Promise<boolean> {
    return (await this.#tools.find(this.name)) !== undefined;
  }

  async read(): Promise<GpuReading> {
    const path = await this.#tools.find(this.name);
    if (path === undefined) throw new Error('it is gone');
    if (this.#devices.length === 0) {
      const run = await this.#tools.run(path, ['discovery', '-j']);
      const { json, words } = jsonReportIn(run);
      this.#devices = parseDiscovery(json);
      if (this.#devices.length === 0) throw new Error(complaintOf(words, run) ?? 'it knows no device');
    }
    const run = await this.#tools.run(path, ['dump', '-d', '-1', '-m', METRICS, '-n', '1']);
    const numbers = parseDump(run.stdout);
    // A device that was added, or renumbered: its name is asked for again.
    const unknown = [...numbers.keys()].some((id) => !this.#devices.some((device) => device.id === id));
    const gpus = this.#devices.map((device) => gpuWith(device, numbers.get(device.id)));
    if (unknown || numbers.size === 0) this.#devices = [];
    const complaint = complaintOf(numbers.size === 0 ? run.stdout.split('\n').slice(0, 3) : [], run);
    return { gpus, complaint };
  }
}

export interface XpuDevice {
  readonly id: number;
  readonly name: string;
  readonly uuid: string;
  readonly memoryTotalBytes: number | undefined;
}

export function parseDiscovery(json: unknown): XpuDevice[] {
  const list: unknown = Array.isArray(json)
    ? json
    : (json as { device_list?: unknown } | null | undefined)?.device_list;
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null) return [];
    const { device_id, device_name, uuid, pci_bdf_address, memory_physical_size_byte } = item as Record<
      string,
      unknown
    >;
    const id = numberOf(device_id);
    if (id === undefined) return [];
    const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
    return [
      {
        id,
        name: text(device_name) ?? 'Intel GPU',
        uuid: text(uuid) ?? text(pci_bdf_address) ?? `intel-${id}`,
        memoryTotalBytes: numberOf(memory_physical_size_byte),
      },
    ];
  });
}

export interface XpuNumbers {
  readonly utilizationPercent: number | undefined;
  readonly powerWatts: number | undefined;
  readonly temperatureCelsius: number | undefined;
  readonly memoryUsedBytes: number | undefined;
}

/** By device id; columns are found by their heads, the last row of a device counts. */
export function parseDump(csv: string): Map<number, XpuNumbers> {
  const rows = csv.split('\n').map((line) => line.split(',').map((cell) => cell.trim()));
  const headAt = rows.findIndex((cells) => cells.includes('DeviceId'));
  const head = rows[headAt] ?? [];
  const column = (name: RegExp) => head.findIndex((cell) => name.test(cell));
  const columns = {
    id: column(/^DeviceId$/),
    utilization: column(/^GPU Utilization \(%\)$/),
    power: column(/^GPU Power \(W\)$/),
    temperature: column(/^GPU Core Temperature \(/),
    memory: column(/^GPU Memory Used \(MiB\)$/),
  };
  const numbers = new Map<number, XpuNumbers>();
  for (const cells of rows.slice(headAt + 1)) {
    const at = (index: number) => numberOf(cells[index]);
    const id = at(columns.id);
    if (headAt === -1 || id === undefined) continue;
    const usedMib = at(columns.memory);
    numbers.set(id, {
      utilizationPercent: at(columns.utilization),
      powerWatts: at(columns.power),
      temperatureCelsius: at(columns.temperature),
      memoryUsedBytes: usedMib === undefined ? undefined : usedMib * MIB,
    });
  }
  return numbers;
}

function gpuWith({ id, ...device }: XpuDevice, numbers: XpuNumbers | undefined): GpuUsage {
  return gpuOf({ index: id, ...device, ...numbers });
}
