/** Everything that is measured of the machine, or of the container whose limits bind. */
import { CGROUP_ROOT } from '../../lib/cgroup.ts';
import type { Clock } from '../../lib/clock.ts';
import type { GpuUsage } from '../../model/telemetry.ts';
import type { Report } from '../report.ts';
import { CpuMeter } from './cpu.ts';
import { GpuMeter, meanUtilization } from './gpu.ts';
import { fillPercent, measureMemory } from './memory.ts';
import { Probe } from './probe.ts';
import { measureStorage } from './storage.ts';

/** Percentages; what could not be measured is 0, as Go workers send it. */
export interface Usages {
  readonly cpuPercent: number;
  readonly memoryPercent: number;
  readonly storagePercent: number;
  readonly gpuPercent: number;
  readonly gpus: readonly GpuUsage[];
}

/** In the units of a registration. */
export interface Capacity {
  readonly cores: number;
  readonly memoryGib: number;
  readonly storageGib: number;
  readonly gpus: number;
}

/** What a heartbeat needs of the machine; tests give their own. */
export interface MachineMeter {
  usages(): Promise<Usages>;
  capacity(): Promise<Capacity>;
}

/** A heartbeat waits no longer than this for its numbers: an unwell disk must not make the worker look dead. */
const MEASURE_WITHIN_MS = 500;
/** Only registration waits for the first look at the GPUs, since it alone carries their number. */
const FIRST_GPU_LOOK_WITHIN_MS = 1_000;
const GIB = 1024 ** 3;

export interface MachineOptions {
  readonly clock: Clock;
  readonly report: Report;
  readonly cgroupRoot?: string;
  readonly storagePath?: string;
  readonly gpu?: GpuMeter;
}

export class Machine implements MachineMeter {
  readonly #cpuMeter: CpuMeter;
  readonly #cpu: Probe<number>;
  readonly #memory: Probe<Awaited<ReturnType<typeof measureMemory>>>;
  readonly #storage: Probe<Awaited<ReturnType<typeof measureStorage>>>;
  readonly #gpu: Probe<readonly GpuUsage[]>;

  constructor(options: MachineOptions) {
    const { clock, report, cgroupRoot = CGROUP_ROOT, storagePath = '/', gpu = new GpuMeter() } = options;
    this.#cpuMeter = new CpuMeter({ clock, cgroupRoot });
    this.#cpu = new Probe({ name: 'CPU', measure: () => this.#cpuMeter.measure(), clock, report });
    this.#memory = new Probe({ name: 'memory', measure: () => measureMemory({ cgroupRoot }), clock, report });
    this.#storage = new Probe({ name: 'storage', measure: () => measureStorage(storagePath), clock, report });
    this.#gpu = new Probe({ name: 'GPU', measure: () => gpu.measure(), clock, report });
  }

  async usages(): Promise<Usages> {
    // Slow, so not waited for: what a heartbeat carries of the GPUs is as old as the last look at them.
    void this.#gpu.refreshInBackground();
    const [cpuPercent = 0, memory, storage] = await Promise.all([
      this.#cpu.refresh(MEASURE_WITHIN_MS),
      this.#memory.refresh(MEASURE_WITHIN_MS),
      this.#storage.refresh(MEASURE_WITHIN_MS),
    ]);
    const gpus = this.#gpu.newest ?? [];
    return {
      cpuPercent,
      memoryPercent: memory === undefined ? 0 : fillPercent(memory),
      storagePercent: storage === undefined ? 0 : fillPercent(storage),
      gpuPercent: meanUtilization(gpus),
      gpus,
    };
  }

  async capacity(): Promise<Capacity> {
    const [cores, memory, storage, gpus] = await Promise.all([
      this.#cpuMeter.cores().catch(() => 0),
      this.#memory.refresh(MEASURE_WITHIN_MS),
      this.#storage.refresh(MEASURE_WITHIN_MS),
      this.#gpu.newest ?? this.#gpu.refresh(FIRST_GPU_LOOK_WITHIN_MS),
    ]);
    return {
      cores,
      memoryGib: (memory?.totalBytes ?? 0) / GIB,
      storageGib: (storage?.deviceBytes ?? 0) / GIB,
      gpus: gpus?.length ?? 0,
    };
  }
}
