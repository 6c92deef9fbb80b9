/**
 * NVIDIA's devices by `nvidia-smi`. A device that is split by MIG is told whole, and each instance as a part of it: their
 * memory is in the long report alone (`-q -x`), their uuids in the list alone (`-L`), and their utilisation in neither.
 *
 * Formats: `nvidia-smi --help-query-gpu`; docs.nvidia.com/datacenter/tesla/mig-user-guide.
 */
import type { GpuUsage } from '../../../model/telemetry.ts';
import { type GpuReading, type GpuSource, gpuOf, numberOf } from './source.ts';
import { complaintOf, type Tools } from './tool.ts';

const FIELDS = 'index,uuid,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw';
const NUMBERS = 5;
const MIB = 1024 ** 2;

export class NvidiaSmi implements GpuSource {
  readonly name = 'nvidia-smi';
  readonly #tools: Tools;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  async isPresent(): Promise<boolean> {
    return (await this.#tools.find(this.name)) !== undefined;
  }

  async read(): Promise<GpuReading> {
    const path = await this.#tools.find(this.name);
    if (path === undefined) throw new Error('it is gone');
    const run = await this.#tools.run(path, [`--query-gpu=${FIELDS}`, '--format=csv,noheader,nounits']);
    const { gpus, words } = parseNvidiaSmi(run.stdout);
    const complaint = complaintOf(words, run);
    if (gpus.length === 0 && complaint !== undefined) throw new Error(complaint);
    return { gpus: [...gpus, ...(await this.#instances(path, gpus))], complaint };
  }

  /** Only a device that is split, or whose driver is unwell, does not tell its utilisation: the others cost one run. */
  async #instances(path: string, gpus: readonly GpuUsage[]): Promise<GpuUsage[]> {
    if (gpus.every((gpu) => gpu.utilizationPercent !== undefined)) return [];
    const { stdout: list } = await this.#tools.run(path, ['-L']);
    const instances = parseMigList(list);
    if (instances.length === 0) return [];
    const { stdout: report } = await this.#tools.run(path, ['-q', '-x']);
    return withMemory(instances, parseMigMemory(report));
  }
}

/** The rows of `--query-gpu`, and what stands between them: "Unable to determine the device handle for …". */
export function parseNvidiaSmi(output: string): { readonly gpus: GpuUsage[]; readonly words: string[] } {
  const gpus: GpuUsage[] = [];
  const words: string[] = [];
  for (const line of output.split('\n')) {
    const cells = line.split(',').map((cell) => cell.trim());
    const [index = '', uuid = '', ...rest] = cells;
    // A name may hold commas, so the numbers are counted from the end.
    if (/^\d{1,9}$/.test(index) && rest.length > NUMBERS) {
      const name = rest.slice(0, -NUMBERS).join(', ');
      const [utilizationPercent, used, total, temperatureCelsius, powerWatts] = rest.slice(-NUMBERS).map(numberOf);
      const memory = { memoryUsedBytes: bytesOf(used), memoryTotalBytes: bytesOf(total) };
      gpus.push(
        gpuOf({ index: Number(index), uuid, name, utilizationPercent, ...memory, temperatureCelsius, powerWatts }),
      );
    } else if (line.trim() !== '') words.push(line);
  }
  return { gpus, words };
}

function bytesOf(mebibytes: number | undefined): number | undefined {
  return mebibytes === undefined ? undefined : mebibytes * MIB;
}

export interface MigInstance {
  /** Within its device. */
  readonly index: number;
  readonly uuid: string;
  /** "MIG 1g.5gb". */
  readonly name: string;
  readonly parentUuid: string;
}

/** The MIG instances of `nvidia-smi -L`, each line of which stands below its device's. */
export function parseMigList(list: string): MigInstance[] {
  const instances: MigInstance[] = [];
  let parentUuid: string | undefined;
  for (const line of list.split('\n')) {
    parentUuid = /^GPU \d+:.*\(UUID: ([^)\s]+)\)/.exec(line)?.[1] ?? parentUuid;
    const [, profile, index, uuid] = /^\s+MIG\s+(\S+)\s+Device\s+(\d{1,9}):\s+\(UUID:\s*([^)\s]+)\)/.exec(line) ?? [];
    if (profile === undefined || index === undefined || uuid === undefined || parentUuid === undefined) continue;
    instances.push({ index: Number(index), uuid, name: `MIG ${profile}`, parentUuid });
  }
  return instances;
}

interface MigMemory {
  readonly parentUuid: string;
  readonly index: number;
  readonly usedMib: number | undefined;
  readonly totalMib: number | undefined;
}

/** The memory of each MIG instance in the XML of `nvidia-smi -q -x`: flat, made by a program, two numbers each. */
export function parseMigMemory(report: string): MigMemory[] {
  return blocksOf(report, 'gpu').flatMap((gpu) => {
    const [instances = ''] = blocksOf(gpu, 'mig_devices');
    // Newer drivers tell the uuid of each instance, too, before that of the device.
    const [parentUuid] = blocksOf(gpu.replace(instances, ''), 'uuid');
    if (parentUuid === undefined) return [];
    return blocksOf(instances, 'mig_device').flatMap((device) => {
      const index = numberOf(blocksOf(device, 'index')[0]);
      const [memory = ''] = blocksOf(device, 'fb_memory_usage');
      const mib = (tag: string) => numberOf(/^(\S+) MiB$/.exec(blocksOf(memory, tag)[0] ?? '')?.[1]);
      return index === undefined ? [] : [{ parentUuid, index, usedMib: mib('used'), totalMib: mib('total') }];
    });
  });
}

/** What stands in elements of this name, none of which holds another. */
function blocksOf(xml: string, tag: string): string[] {
  const blocks: string[] = [];
  const close = `</${tag}>`;
  const open = new RegExp(`<${tag}(?: [^>]*)?>`, 'g');
  for (let found = open.exec(xml); found !== null; found = open.exec(xml)) {
    const end = xml.indexOf(close, open.lastIndex);
    if (end === -1) break;
    blocks.push(xml.slice(open.lastIndex, end).trim());
    open.lastIndex = end;
  }
  return blocks;
}

function withMemory(instances: readonly MigInstance[], memories: readonly MigMemory[]): GpuUsage[] {
  return instances.map((instance) => {
    const memory = memories.find(
      ({ parentUuid, index }) => parentUuid === instance.parentUuid && index === instance.index,
    );
    return gpuOf({
      ...instance,
      memoryUsedBytes: bytesOf(memory?.usedMib),
      memoryTotalBytes: bytesOf(memory?.totalMib),
    });
  });
}
