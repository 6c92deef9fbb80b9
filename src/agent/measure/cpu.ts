/** CPU usage since the last reading: of the host, or of the container where its limit is lower. */
import { type CpuInfo, cpus } from 'node:os';
import type { Clock } from '../../lib/clock.ts';
import { type CpuLimit, readCpuLimit } from './container-limits.ts';

/** The kernel counts in ticks of 10 ms: over a shorter window the result is mostly rounding. */
const LEAST_WINDOW_MS = 200;

export interface CpuTimes {
  readonly busyMs: number;
  readonly idleMs: number;
}

interface Reading {
  readonly atMs: number;
  readonly host: CpuTimes;
  readonly limit: CpuLimit | undefined;
}

export interface CpuMeterOptions {
  readonly clock: Clock;
  readonly cgroupRoot: string;
  readonly readHost?: () => readonly CpuInfo[];
}

export class CpuMeter {
  readonly #clock: Clock;
  readonly #cgroupRoot: string;
  readonly #readHost: () => readonly CpuInfo[];
  #last: Reading | undefined;
  /** From the last window that was long enough. */
  #percent: number | undefined;

  constructor({ clock, cgroupRoot, readHost = cpus }: CpuMeterOptions) {
    this.#clock = clock;
    this.#cgroupRoot = cgroupRoot;
    this.#readHost = readHost;
  }

  /** Percent since the last call; 0 at the first call, which has nothing to compare with. */
  async measure(): Promise<number> {
    const reading = await this.#read();
    const last = this.#last;
    if (last === undefined) {
      this.#last = reading;
      return 0;
    }
    const isShort = reading.atMs - last.atMs < LEAST_WINDOW_MS;
    // A rough value is used only until there is a better one.
    if (isShort) return this.#percent ?? percentBetween(last, reading) ?? 0;
    this.#last = reading;
    this.#percent = percentBetween(last, reading) ?? this.#percent;
    return this.#percent ?? 0;
  }

  /** Cores that may be used. */
  async cores(): Promise<number> {
    const { limit } = await this.#read();
    return limit?.cores ?? this.#readHost().length;
  }

  async #read(): Promise<Reading> {
    const host = this.#readHost();
    if (host.length === 0) throw new Error('the system reports no processors');
    const limit = await readCpuLimit(this.#cgroupRoot);
    const binds = limit !== undefined && limit.cores < host.length;
    return { atMs: this.#clock.monotonicMs(), host: sumTimes(host), limit: binds ? limit : undefined };
  }
}

function percentBetween(before: Reading, after: Reading): number | undefined {
  if (before.limit !== undefined && after.limit !== undefined) {
    const allowedMs = (after.atMs - before.atMs) * after.limit.cores;
    return asPercent(after.limit.usedMs - before.limit.usedMs, allowedMs);
  }
  return busyPercent(before.host, after.host);
}

export function sumTimes(processors: readonly CpuInfo[]): CpuTimes {
  let busyMs = 0;
  let idleMs = 0;
  for (const { times } of processors) {
    busyMs += times.user + times.nice + times.sys + times.irq;
    idleMs += times.idle;
  }
  return { busyMs, idleMs };
}

/** Undefined if no time has passed. Counters may step back when a processor is taken offline: never below 0. */
export function busyPercent(before: CpuTimes, after: CpuTimes): number | undefined {
  const busyMs = Math.max(0, after.busyMs - before.busyMs);
  const idleMs = Math.max(0, after.idleMs - before.idleMs);
  return asPercent(busyMs, busyMs + idleMs);
}

function asPercent(part: number, whole: number): number | undefined {
  if (!(whole > 0)) return undefined;
  return Math.min(100, Math.max(0, (100 * part) / whole));
}
