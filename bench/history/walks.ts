/**
 * What a fleet measures in a day, made up and the same at every run: walks as machines have them, from a seed. Usages have one
 * or two decimals as tools report them, one counter, one size in bytes, one duration.
 *
 * | metric                   | walks                                                                                  |
 * | ------------------------ | -------------------------------------------------------------------------------------- |
 * | cpu_usage                | 1 decimal: a load that changes with the tasks, and noise at each sample                |
 * | memory_usage             | 2 decimals: small steps around what the tasks take                                     |
 * | storage_usage            | 2 decimals: grows slowly, is cleaned up now and then                                   |
 * | gpu_usage                | whole percent, as GPU drivers report it; 0 for the half without a GPU                  |
 * | running_tasks            | 0 to 8, changes every few minutes                                                      |
 * | metrics.requests_total   | a counter whose rate follows the load                                                  |
 * | metrics.resident_bytes   | a size in pages of 4,096 bytes: unchanged half of the time, small steps else           |
 * | metrics.latency_ms       | 2 decimals: scattered around a slow walk                                               |
 */
import type { MetricKey, SampleRun } from '../../src/history/samples.ts';
import { SampleFlag } from '../../src/model/sample-flags.ts';

export const WALK_INTERVAL_MS = 5000;
/** A midnight (UTC). */
export const WALK_START_MS = Date.UTC(2026, 0, 5);

export type WalkKind =
  /** As above. */
  | 'walks'
  /** The same walks in single precision, not rounded: usages as a program sends them that computes them. */
  | 'unrounded'
  /** Uniform noise of 15 digits in every metric: what no codec can make small. */
  | 'noise';

/** Pseudo-random numbers from 0 to 1 (xorshift32): fast, and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let warmUp = 0; warmUp < 8; warmUp++) next();
  return next;
}

/** One worker's walk. It goes on from one call to the next. */
export class Walk {
  readonly workerId: string;
  readonly #kind: WalkKind;
  readonly #random: () => number;
  readonly #hasGpu: boolean;
  readonly #phaseMs: number;
  #number = 0;
  #tasks: number;
  #load = 20;
  #memory: number;
  #storage: number;
  #gpu = 0;
  #requests: number;
  #pages: number;
  #latency = 12;

  constructor(worker: number, kind: WalkKind = 'walks') {
    this.workerId = `worker-${worker}`;
    this.#kind = kind;
    this.#random = randomOf(worker);
    this.#hasGpu = worker % 2 === 0;
    this.#phaseMs = Math.floor(this.#random() * WALK_INTERVAL_MS);
    this.#tasks = Math.floor(this.#random() * 5);
    this.#memory = 20 + this.#random() * 40;
    this.#storage = 30 + this.#random() * 40;
    this.#requests = Math.floor(this.#random() * 1e7);
    this.#pages = Math.floor(50_000 + this.#random() * 500_000);
  }

  /** The next samples, as one run of a master's first start. */
  next(count: number): SampleRun {
    const at = new Float64Array(count);
    const columns = Array.from(WALK_KEYS, () => new Float64Array(count));
    const first = this.#number + 1;
    for (let index = 0; index < count; index++) {
      at[index] = WALK_START_MS + this.#phaseMs + this.#number * WALK_INTERVAL_MS + this.#delayMs();
      this.#step();
      const values = this.#values();
      for (const [metric, column] of columns.entries()) column[index] = values[metric] as number;
      this.#number++;
    }
    return {
      workerId: this.workerId,
      run: 1,
      first,
      at,
      flags: new Uint8Array(count).fill(this.#hasGpu ? SampleFlag.hasGpu : 0),
      columns: new Map(WALK_KEYS.map((key, metric) => [key, columns[metric] as Float64Array])),
    };
  }

  /** Between the moment at which a heartbeat is due and its receipt: mostly a few ms, seldom much more. */
  #delayMs(): number {
    const delayMs = -2 * Math.log(1 - this.#random());
    return Math.floor(this.#random() < 0.01 ? delayMs * 20 : delayMs);
  }

  #step(): void {
    const random = this.#random;
    // A task starts or ends every four minutes or so.
    if (random() < 0.02) this.#tasks = Math.max(0, Math.min(8, this.#tasks + (random() < 0.5 ? -1 : 1)));
    const busy = 4 + this.#tasks * 11;
    this.#load += (busy - this.#load) * 0.15 + this.#scatter() * 1.5;
    this.#memory += (15 + this.#tasks * 8 - this.#memory) * 0.01 + this.#scatter() * 0.05;
    this.#storage += random() < 0.0005 ? -random() * 3 : random() * 0.0008;
    this.#gpu = this.#hasGpu ? this.#gpu + (this.#tasks * 12 - this.#gpu) * 0.2 + this.#scatter() * 3 : 0;
    this.#requests += Math.max(0, Math.round(this.#load * 4 + this.#scatter() * 12));
    if (random() < 0.5) this.#pages = Math.max(1000, this.#pages + Math.round(this.#scatter() * 60));
    this.#latency += (12 - this.#latency) * 0.02 + this.#scatter() * 0.3;
  }

  #values(): readonly number[] {
    if (this.#kind === 'noise') return WALK_KEYS.map(() => Number((this.#fine() * 100).toPrecision(15)));
    const usages = [
      bounded(this.#load + this.#scatter() * 1.2),
      bounded(this.#memory),
      bounded(this.#storage),
      bounded(this.#gpu),
    ];
    const latency = Math.abs(this.#latency * (1 + this.#scatter() * 0.15));
    const others = [this.#tasks, this.#requests, this.#pages * 4096];
    if (this.#kind === 'unrounded') return [...usages.map(shortest), ...others, latency];
    return [...usages.map((usage, index) => round(usage, DECIMALS[index] as number)), ...others, round(latency, 2)];
  }

  /** From 0 to 1 with all the digits of a double. */
  #fine(): number {
    return (Math.floor(this.#random() * 2 ** 21) + this.#random()) / 2 ** 21;
  }

  /** Roughly normal, with a standard deviation of 1. */
  #scatter(): number {
    const random = this.#random;
    return (random() + random() + random() + random() - 2) * Math.sqrt(3);
  }
}

export const WALK_KEYS: readonly MetricKey[] = [
  'cpu_usage',
  'memory_usage',
  'storage_usage',
  'gpu_usage',
  'running_tasks',
  'metrics.requests_total',
  'metrics.resident_bytes',
  'metrics.latency_ms',
];
const DECIMALS = [1, 2, 2, 0];

function bounded(usage: number): number {
  return Math.max(0, Math.min(100, usage));
}

function round(value: number, decimals: number): number {
  const power = 10 ** decimals;
  return Math.round(value * power) / power;
}

/** As a usage comes back from the store: the shortest decimal of its single-precision number. */
function shortest(usage: number): number {
  const single = Math.fround(usage);
  for (let digits = 6; digits < 9; digits++) {
    const decimal = Number(single.toPrecision(digits));
    if (Math.fround(decimal) === single) return decimal;
  }
  return single;
}
