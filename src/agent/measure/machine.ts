/** All measurements of the machine, or of the container whose limits apply. */
import { CGROUP_ROOT } from '../../lib/cgroup.ts';
import { type Clock, endsWithin } from '../../lib/clock.ts';
import type { GpuUsage } from '../../model/telemetry.ts';
import type { Report } from '../report.ts';
import { CpuMeter } from './cpu.ts';
import { type GpuMeter, meanUtilization, wholeDevices } from './gpu/gpu-meter.ts';
import { hundredths } from './hundredths.ts';
import { fillPercent, measureMemory } from './memory.ts';
import { PROBE_TIMEOUT_MS, Probe } from './probe.ts';
import { measureStorage } from './storage.ts';

/** Percentages with at most two decimals; 0 for what could not be measured, as Go workers send it. */
export interface MachineUsages {
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

/** Measures the machine for heartbeats; tests pass their own. */
export interface MachineMeter {
  /** @param intervalMs until the next heartbeat: what is measured slowly is waited for only where that is long */
  usages(intervalMs: number): Promise<MachineUsages>;
  /** Like `usages`, resolves in a bounded time whatever hangs: the agent's watchdog relies on it. */
  capacity(): Promise<Capacity>;
}

/** A heartbeat waits no longer than this for its values: a failing disk must not make the worker look dead. */
const MEASURE_WITHIN_MS = 500;
/** Only registration waits for the first look at the GPUs, since it alone carries their number. */
const FIRST_GPU_LOOK_WITHIN_MS = 1_000;
const GIB = 1024 ** 3;

export interface MachineOptions {
  readonly clock: Clock;
  readonly report: Report;
  readonly cgroupRoot?: string;
  readonly storagePath?: string;
  readonly gpus: GpuMeter;
}

/** How long a heartbeat waits for its values. */
export interface Patience {
  readonly quickMs: number;
  /** For what runs a process: GPUs. */
  readonly slowMs: number;
}

/**
 * If heartbeats are sent every few seconds, the previous GPU reading is fresh enough, and the heartbeat does not wait for a new one.
 * If heartbeats are rarer than values last, it waits for up to half the interval: a reading that takes
 * longer is still fresh for the next heartbeat, or has failed.
 */
export function patienceOf(intervalMs: number): Patience {
  if (intervalMs <= PROBE_TIMEOUT_MS) return { quickMs: MEASURE_WITHIN_MS, slowMs: 0 };
  const withinMs = Math.min(PROBE_TIMEOUT_MS, intervalMs / 2);
  return { quickMs: withinMs, slowMs: withinMs };
}

export class Machine implements MachineMeter {
  readonly #clock: Clock;
  readonly #cpuMeter: CpuMeter;
  readonly #cpu: Probe<number>;
  readonly #memory: Probe<Awaited<ReturnType<typeof measureMemory>>>;
  readonly #storage: Probe<Awaited<ReturnType<typeof measureStorage>>>;
  readonly #gpus: GpuMeter;

  constructor(options: MachineOptions) {
    const { clock, report, cgroupRoot = CGROUP_ROOT, storagePath = '/', gpus } = options;
    this.#clock = clock;
    this.#cpuMeter = new CpuMeter({ clock, cgroupRoot });
    this.#cpu = new Probe({ name: 'CPU', measure: () => this.#cpuMeter.measure(), clock, report });
    this.#memory = new Probe({ name: 'memory', measure: () => measureMemory({ cgroupRoot }), clock, report });
    this.#storage = new Probe({ name: 'storage', measure: () => measureStorage(storagePath), clock, report });
    this.#gpus = gpus;
  }

  async usages(intervalMs: number): Promise<MachineUsages> {
    const { quickMs, slowMs } = patienceOf(intervalMs);
    const [cpuPercent = 0, memory, storage, gpus] = await Promise.all([
      this.#cpu.refresh(quickMs),
      this.#memory.refresh(quickMs),
      this.#storage.refresh(quickMs),
      this.#gpus.refresh(slowMs),
    ]);
    return {
      cpuPercent: hundredths(cpuPercent),
      memoryPercent: memory === undefined ? 0 : hundredths(fillPercent(memory)),
      storagePercent: storage === undefined ? 0 : hundredths(fillPercent(storage)),
      gpuPercent: hundredths(meanUtilization(gpus)),
      gpus,
    };
  }

  async capacity(): Promise<Capacity> {
    const [cores, memory, storage, gpus] = await Promise.all([
      this.#cores(),
      this.#memory.refresh(MEASURE_WITHIN_MS),
      this.#storage.refresh(MEASURE_WITHIN_MS),
      this.#gpus.newest.length > 0 ? this.#gpus.newest : this.#gpus.refresh(FIRST_GPU_LOOK_WITHIN_MS),
    ]);
    return {
      cores,
      memoryGib: (memory?.totalBytes ?? 0) / GIB,
      storageGib: (storage?.deviceBytes ?? 0) / GIB,
      gpus: wholeDevices(gpus).length,
    };
  }

  /** A registration must not wait for ever either. */
  async #cores(): Promise<number> {
    let cores = 0;
    const read = this.#cpuMeter.cores().then(
      (count) => {
        cores = count;
      },
      () => {},
    );
    await endsWithin(this.#clock, MEASURE_WITHIN_MS, read);
    return cores;
  }
}
