/**
 * All graphics processors of the machine: per vendor by the first source that exists, each read and failing independently
 * of the others. A driver may be installed while the agent runs, so missing sources are searched again.
 */
import type { ChildGroups } from '../../../lib/child-groups.ts';
import { type Clock, endsWithin } from '../../../lib/clock.ts';
import type { GpuUsage } from '../../../model/telemetry.ts';
import type { Report } from '../../report.ts';
import { Probe } from '../probe.ts';
import { amdSmi, rocmSmi } from './amd.ts';
import { AmdSysfs } from './amd-sysfs.ts';
import { DRM_ROOT } from './drm.ts';
import { XpuSmi } from './intel.ts';
import { IntelSysfs } from './intel-sysfs.ts';
import { NvidiaSmi } from './nvidia.ts';
import type { GpuReading, GpuSource } from './source.ts';
import { type ToolSettings, type Tools, toolsOf } from './tool.ts';
import { Vendor } from './vendor.ts';

export interface GpuMeterOptions {
  readonly clock: Clock;
  readonly report: Report;
  /** For each vendor its sources, the best first. */
  readonly vendors: readonly (readonly GpuSource[])[];
}

export interface MachineGpuOptions {
  readonly clock: Clock;
  readonly report: Report;
  readonly tools: ToolSettings;
  /** Where tools are noted while they run. */
  readonly groups: ChildGroups;
}

export function machineGpus({ clock, report, tools: settings, groups }: MachineGpuOptions): GpuMeter {
  return new GpuMeter({
    clock,
    report,
    vendors: vendorsOf(toolsOf(settings, { groups }), DRM_ROOT, clock),
  });
}

/** All sources. Intel's own tool reports the true utilisation, so it comes before the driver's files. */
export function vendorsOf(tools: Tools, drmRoot: string, clock: Clock): readonly (readonly GpuSource[])[] {
  return [
    [new NvidiaSmi(tools)],
    [new AmdSysfs(drmRoot), amdSmi(tools), rocmSmi(tools)],
    [new XpuSmi(tools), new IntelSysfs(drmRoot, clock)],
  ];
}

export class GpuMeter {
  readonly #options: GpuMeterOptions;
  readonly #vendors: Vendor[];

  constructor(options: GpuMeterOptions) {
    this.#options = options;
    this.#vendors = options.vendors.map(
      (sources) => new Vendor(sources, options.clock, (source) => probeOf(source, options)),
    );
  }

  /** The last readings that are still fresh. */
  get newest(): readonly GpuUsage[] {
    const probes = this.#vendors.flatMap(({ probe }) => (probe === undefined ? [] : [probe]));
    const readings = probes.flatMap(({ newest }) => newest ?? []);
    const others = readings.filter(({ areIntegrated = false }) => !areIntegrated);
    return (others.some(({ gpus }) => gpus.length > 0) ? others : readings).flatMap(({ gpus }) => gpus);
  }

  /** Starts a new reading and waits for it no longer than `withinMs`. Never rejects. */
  async refresh(withinMs: number): Promise<readonly GpuUsage[]> {
    await endsWithin(this.#options.clock, withinMs, this.refreshInBackground());
    return this.newest;
  }

  async refreshInBackground(): Promise<void> {
    await Promise.all(this.#vendors.map((vendor) => vendor.refresh()));
  }
}

/** The mean over the whole devices that report one; 0 if none does. A part of a device is within its device. */
export function meanUtilization(gpus: readonly GpuUsage[]): number {
  const known = wholeDevices(gpus).flatMap(({ utilizationPercent }) => utilizationPercent ?? []);
  return known.length === 0 ? 0 : known.reduce((sum, percent) => sum + percent, 0) / known.length;
}

export function wholeDevices(gpus: readonly GpuUsage[]): readonly GpuUsage[] {
  return gpus.filter(({ parentUuid }) => parentUuid === undefined);
}

function probeOf(source: GpuSource, { clock, report }: GpuMeterOptions): Probe<GpuReading> {
  return new Probe<GpuReading>({
    name: `GPU (${source.name})`,
    measure: () => source.read(),
    complaintOf: ({ complaint }) => complaint,
    absence: 'left out',
    clock,
    report,
  });
}
