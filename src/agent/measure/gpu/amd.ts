/**
 * AMD's devices by the tools of ROCm: `amd-smi`, and `rocm-smi`, which it replaces. Used where the driver's own files
 * (`amd-sysfs.ts`) cannot be seen.
 *
 * Formats: rocm.docs.amd.com, "AMD SMI CLI tool usage"; both print JSON, behind a warning where a device sleeps.
 */
import type { GpuUsage } from '../../../model/telemetry.ts';
import { type GpuReading, type GpuSource, gpuOf, numberOf } from './source.ts';
import { complaintOf, type ToolRun, type Tools } from './tool.ts';

const MIB = 1024 ** 2;

/** What one tool is asked, and how its answer is read. */
interface AmdTool {
  readonly name: string;
  readonly args: readonly string[];
  readonly parse: (json: unknown) => GpuUsage[];
}

const AMD_SMI: AmdTool = { name: 'amd-smi', args: ['metric', '--json'], parse: parseAmdSmi };
const ROCM_SMI: AmdTool = {
  name: 'rocm-smi',
  args: [
    '--showuse',
    '--showmeminfo',
    'vram',
    '--showtemp',
    '--showpower',
    '--showuniqueid',
    '--showproductname',
    '--json',
  ],
  parse: parseRocmSmi,
};

class AmdToolSource implements GpuSource {
  readonly name: string;
  readonly #tool: AmdTool;
  readonly #tools: Tools;

  constructor(tool: AmdTool, tools: Tools) {
    this.name = tool.name;
    this.#tool = tool;
    this.#tools = tools;
  }

  async isPresent(): Promise<boolean> {
    return (await this.#tools.find(this.name)) !== undefined;
  }

  async read(): Promise<GpuReading> {
    const path = await this.#tools.find(this.name);
    if (path === undefined) throw new Error('it is gone');
    const run = await this.#tools.run(path, this.#tool.args);
    const { json, words } = jsonReportIn(run);
    const gpus = json === undefined ? [] : this.#tool.parse(json);
    const complaint = complaintOf(gpus.length === 0 ? words : [], run);
    if (gpus.length === 0 && complaint !== undefined) throw new Error(complaint);
    return { gpus, complaint };
  }
}

export function amdSmi(tools: Tools): GpuSource {
  return new AmdToolSource(AMD_SMI, tools);
}

export function rocmSmi(tools: Tools): GpuSource {
  return new AmdToolSource(ROCM_SMI, tools);
}

/** The JSON that begins at the first line which begins with a bracket, and the lines before it. */
export function jsonReportIn({ stdout }: Pick<ToolRun, 'stdout'>): {
  readonly json: unknown;
  readonly words: string[];
} {
  const begin = /^[[{]/m.exec(stdout)?.index ?? stdout.length;
  const words = stdout.slice(0, begin).split('\n');
  try {
    return { json: JSON.parse(stdout.slice(begin)), words };
  } catch {
    // Cut off, or none at all: the first words say what it said instead.
    return { json: undefined, words: stdout.split('\n').slice(0, 3) };
  }
}

/** A list of devices, or since ROCm 7 an object around it. */
export function parseAmdSmi(json: unknown): GpuUsage[] {
  const list = Array.isArray(json) ? json : memberOf(json, 'gpu_data');
  if (!Array.isArray(list)) return [];
  return list.flatMap((device: unknown) => {
    const index = numberOf(memberOf(device, 'gpu'));
    if (index === undefined) return [];
    const value = (...path: string[]) => numberOf(memberOf(path.reduce(memberOf, device), 'value'));
    const name = memberOf(memberOf(device, 'asic'), 'market_name');
    return [
      gpuOf({
        index,
        uuid: `amd-${index}`,
        name: typeof name === 'string' ? name : 'AMD GPU',
        utilizationPercent: value('usage', 'gfx_activity'),
        // Its "MB" are 2^20 bytes.
        memoryUsedBytes: times(value('mem_usage', 'used_vram'), MIB),
        memoryTotalBytes: times(value('mem_usage', 'total_vram'), MIB),
        temperatureCelsius: value('temperature', 'edge') ?? value('temperature', 'hotspot'),
        powerWatts: value('power', 'socket_power') ?? value('power', 'current_socket_power'),
      }),
    ];
  });
}

/** An object with a member for each card, whose keys are for people, and one for the system. */
export function parseRocmSmi(json: unknown): GpuUsage[] {
  if (typeof json !== 'object' || json === null) return [];
  return Object.entries(json).flatMap(([card, device]: [string, unknown]) => {
    const index = /^card(\d{1,9})$/.exec(card)?.[1];
    if (index === undefined) return [];
    const text = (...keys: RegExp[]) => textOf(device, keys);
    return [
      gpuOf({
        index: Number(index),
        uuid: text(/^Unique ID$/i) ?? `amd-${index}`,
        name: text(/^Card series$/i, /^Card model$/i) ?? 'AMD GPU',
        utilizationPercent: numberOf(text(/^GPU use \(%\)$/i)),
        memoryUsedBytes: numberOf(text(/^VRAM Total Used Memory \(B\)$/i)),
        memoryTotalBytes: numberOf(text(/^VRAM Total Memory \(B\)$/i)),
        temperatureCelsius: numberOf(text(/^Temperature \(Sensor edge\) \(C\)$/i, /^Temperature \(Sensor junction\)/i)),
        powerWatts: numberOf(text(/^(Average|Current Socket) Graphics Package Power \(W\)$/i)),
      }),
    ];
  });
}

function textOf(device: unknown, keys: readonly RegExp[]): string | undefined {
  if (typeof device !== 'object' || device === null) return undefined;
  for (const key of keys) {
    const found = Object.entries(device).find(([name, value]) => key.test(name) && typeof value === 'string');
    if (found !== undefined) return found[1] as string;
  }
  return undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}
