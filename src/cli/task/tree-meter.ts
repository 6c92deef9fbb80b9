/**
 * CPU time and memory of a command and of all processes that it starts, on Linux.
 *
 * CPU time is what the kernel adds up of children that were waited for, to the hundredth of a second, however short they were. Of processes whose parent
 * has ended before them, nobody waits here: the last look at them counts. Memory is looked at more and more rarely, up to
 * once a second: the largest sum of resident memory at one look, or the peak of one process as the kernel keeps it, whichever is more. Pages
 * that processes share count for each of them. A command that is over before the first look has no known memory.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type ProcessStat, statOf } from '../../lib/proc-stat.ts';
import { parseStatus } from './proc-status.ts';

export interface TreeUsage {
  readonly cpuSeconds: number | undefined;
  readonly maxRssBytes: number | undefined;
}

interface Seen {
  readonly startedAt: number;
  stat: ProcessStat;
  /** Its parent is none of the tree: it has been left behind. */
  isOrphan: boolean;
}

export class TreeMeter {
  readonly #root: number;
  readonly #self: number;
  readonly #proc: string;
  readonly #childCpuBefore: number;
  /** By process id: all that run, as far as they were seen. */
  readonly #seen = new Map<number, Seen>();
  /** Of those that were left behind and have ended. */
  #orphanCpuSeconds = 0;
  #peakBytes = 0;

  /**
   * @param root the command
   * @param self this process, which waits for it
   */
  constructor(root: number, self = process.pid, proc = '/proc') {
    this.#root = root;
    this.#self = self;
    this.#proc = proc;
    this.#childCpuBefore = this.#stat(self)?.childCpuSeconds ?? 0;
  }

  /** Looks at all of them. */
  look(): void {
    const before = new Map(this.#seen);
    this.#seen.clear();
    this.#lookBelow(this.#root, before);
    // What was left behind is not below the command any more.
    for (const [pid, seen] of before) {
      if (this.#seen.has(pid)) continue;
      if (this.#stat(pid)?.startedAt === seen.startedAt) this.#lookBelow(pid, before);
      else if (seen.isOrphan) this.#orphanCpuSeconds += seen.stat.cpuSeconds + seen.stat.childCpuSeconds;
    }
    let residentBytes = 0;
    for (const [pid, seen] of this.#seen) {
      seen.isOrphan = seen.stat.parentPid !== this.#self && !this.#seen.has(seen.stat.parentPid);
      const memory = this.#memory(pid);
      if (memory === undefined) continue;
      residentBytes += memory.residentBytes;
      this.#peakBytes = Math.max(this.#peakBytes, memory.peakBytes);
    }
    this.#peakBytes = Math.max(this.#peakBytes, residentBytes);
  }

  /** When the command has ended and was waited for. */
  usage(): TreeUsage {
    this.look();
    const stat = this.#stat(this.#self);
    let cpuSeconds = this.#orphanCpuSeconds;
    for (const { stat: left } of this.#seen.values()) cpuSeconds += left.cpuSeconds + left.childCpuSeconds;
    return {
      cpuSeconds: stat === undefined ? undefined : stat.childCpuSeconds - this.#childCpuBefore + cpuSeconds,
      maxRssBytes: this.#peakBytes === 0 ? undefined : this.#peakBytes,
    };
  }

  /** A process and all below it. */
  #lookBelow(pid: number, before: ReadonlyMap<number, Seen>): void {
    const open = [pid];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const stat = this.#stat(next);
      if (stat === undefined || this.#seen.has(next)) continue;
      const known = before.get(next);
      const isSame = known?.startedAt === stat.startedAt;
      this.#seen.set(next, { startedAt: stat.startedAt, stat, isOrphan: isSame && known.isOrphan });
      open.push(...this.#childrenOf(next));
    }
  }

  /** Each thread has a list of the children that it has started. */
  #childrenOf(pid: number): number[] {
    try {
      return readdirSync(`${this.#proc}/${pid}/task`).flatMap((thread) =>
        this.#text(`${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
      );
    } catch {
      return [];
    }
  }

  #stat(pid: number): ProcessStat | undefined {
    return statOf(pid, this.#proc);
  }

  #memory(pid: number) {
    return parseStatus(this.#text(`${pid}/status`));
  }

  /** Empty if the process is gone, or where there is no such file. */
  #text(path: string): string {
    try {
      return readFileSync(`${this.#proc}/${path}`, 'utf8');
    } catch {
      return '';
    }
  }
}
