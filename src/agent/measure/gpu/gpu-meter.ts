/**
 * All graphics processors of the machine: of each vendor by the first source that is there, each asked and failing by
 * itself. A driver may be installed under a running agent, so what is missing is looked for again and again.
 */
import type { ChildGroups } from '../../../lib/child-groups.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { GpuUsage } from '../../../model/telemetry.ts';
import type { Report } from '../../report.ts';
import { Probe } from '../probe.ts';
import { amdSmi, rocmSmi } from './amd.ts';
import { AmdSysfs } from './amd-sysfs.ts';
import { Controllers } from './controllers.ts';
import { DRM_ROOT } from './drm.ts';
import { XpuSmi } from './intel.ts';
import { IntelSysfs } from './intel-sysfs.ts';
import { NvidiaSmi } from './nvidia.ts';
import type { GpuReading, GpuSource } from './source.ts';
import { type ToolSettings, type Tools, toolsOf } from './tool.ts';

/** How often a source that is not there is looked for: some twenty system calls each. */
const SEARCH_EVERY_MS = 60_000;

export interface GpuMeterOptions {
  readonly clock: Clock;
  readonly report: Report;
  /** For each vendor its sources, the best first. */
  readonly vendors: readonly (readonly GpuSource[])[];
  /** Asked where no vendor has any source. */
  readonly fallback: GpuSource;
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
    fallback: new Controllers(),
  });
}

/** What there is to ask. Intel's own tool knows the true utilisation, so it comes before the driver's files. */
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
  readonly #fallback: Probe<GpuReading>;

  constructor(options: GpuMeterOptions) {
    this.#options = options;
    this.#vendors = options.vendors.map((sources) => new Vendor(sources, options));
    this.#fallback = probeOf(options.fallback, options);
  }

  /** What the last look found, as far as it is fresh. */
  get newest(): readonly GpuUsage[] {
    const probes = this.#vendors.flatMap(({ probe }) => (probe === undefined ? [] : [probe]));
    const readings = (probes.length === 0 ? [this.#fallback] : probes).flatMap(({ newest }) => newest ?? []);
    const others = readings.filter(({ areIntegrated = false }) => !areIntegrated);
    return (others.some(({ gpus }) => gpus.length > 0) ? others : readings).flatMap(({ gpus }) => gpus);
  }

  /** Looks anew, and waits for it no longer than `withinMs`. Never rejects. */
  async refresh(withinMs: number): Promise<readonly GpuUsage[]> {
    const { promise: timeout, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(withinMs, resolve);
    await Promise.race([this.refreshInBackground(), timeout]);
    timer.cancel();
    return this.newest;
  }

  async refreshInBackground(): Promise<void> {
    await Promise.all(this.#vendors.map((vendor) => vendor.refresh()));
    if (this.#vendors.every(({ probe }) => probe === undefined)) await this.#fallback.refreshInBackground();
  }
}

/** One vendor's sources, of which one is asked. */
class Vendor {
  readonly #sources: readonly GpuSource[];
  readonly #options: GpuMeterOptions;
  #chosen: { readonly source: GpuSource; readonly probe: Probe<GpuReading> } | undefined;
  #searchedMs = Number.NEGATIVE_INFINITY;
  #searching: Promise<void> | undefined;

  constructor(sources: readonly GpuSource[], options: GpuMeterOptions) {
    this.#sources = sources;
    this.#options = options;
  }

  /** Of the source that is asked; undefined if there is none. */
  get probe(): Probe<GpuReading> | undefined {
    return this.#chosen?.probe;
  }

  async refresh(): Promise<void> {
    if (this.#chosen === undefined || this.#chosen.probe.isFailing) await this.#search();
    await this.#chosen?.probe.refreshInBackground();
  }

  /** One search at a time: a folder of a network drive that is gone holds up who looks into it. */
  #search(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#searching === undefined && nowMs - this.#searchedMs >= SEARCH_EVERY_MS) {
      this.#searchedMs = nowMs;
      this.#searching = this.#find().finally(() => {
        this.#searching = undefined;
      });
    }
    return this.#searching ?? Promise.resolve();
  }

  /** What is there wins over what was chosen and fails; what is chosen stays while nothing else is there. */
  async #find(): Promise<void> {
    for (const source of this.#sources) {
      if (!(await source.isPresent())) continue;
      if (source !== this.#chosen?.source) this.#chosen = { source, probe: probeOf(source, this.#options) };
      return;
    }
  }
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

/** The mean over the whole devices that report one; 0 if none does. A part of a device is within its device. */
export function meanUtilization(gpus: readonly GpuUsage[]): number {
  const known = wholeDevices(gpus).flatMap(({ utilizationPercent }) => utilizationPercent ?? []);
  return known.length === 0 ? 0 : known.reduce((sum, percent) => sum + percent, 0) / known.length;
}

export function wholeDevices(gpus: readonly GpuUsage[]): readonly GpuUsage[] {
  return gpus.filter(({ parentUuid }) => parentUuid === undefined);
}
