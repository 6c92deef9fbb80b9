/** What is observed in one run besides its figures: the share of the machine used by others, and what never became steady. */
import { type CpuReading, othersShare, readCpu } from './others.ts';

/** Shorter windows are combined: a tick is 10 ms of one CPU. */
const LEAST_TICKS = 50;

export class RunWatch {
  readonly #read: () => CpuReading | undefined;
  #worst: number | undefined;
  #short: CpuReading = { total: 0, busy: 0, own: 0 };
  readonly unsteady: string[] = [];

  constructor(read = readCpu) {
    this.#read = read;
  }

  /** Runs what is measured, and observes the share used by others meanwhile. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#read();
    const value = await work();
    const after = this.#read();
    if (before !== undefined && after !== undefined) this.#add(before, after);
    return value;
  }

  /** The largest share of the machine used by others in a window, from 0 to 1; undefined if unknown. */
  get othersShare(): number | undefined {
    return this.#worst;
  }

  #add(before: CpuReading, after: CpuReading): void {
    const { total, busy, own } = this.#short;
    const window = {
      total: total + after.total - before.total,
      busy: busy + after.busy - before.busy,
      own: own + after.own - before.own,
    };
    const share = othersShare({ total: 0, busy: 0, own: 0 }, window);
    const isShort = window.total < LEAST_TICKS;
    this.#short = isShort ? window : { total: 0, busy: 0, own: 0 };
    // Only short windows: better than nothing.
    if (!isShort || this.#worst === undefined) this.#worst = Math.max(this.#worst ?? 0, share);
  }
}
