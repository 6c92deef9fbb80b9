/**
 * Which of the host's tasks, metrics and ended tasks go into a heartbeat: normally all, since the host cannot set more than a master
 * accepts by default. A master with lower limits gets as many as fit, and that is logged once.
 */
import { DEFAULT_LIMITS, fitted, fittedEnds, type HeartbeatLimits } from '../model/heartbeat-limits.ts';
import type { EndedTask, RunningTask } from '../model/telemetry.ts';
import type { Report } from './report.ts';

export interface FittedLoad {
  readonly tasks: readonly RunningTask[];
  readonly metrics: Iterable<readonly [name: string, value: number]>;
  readonly endedTasks: readonly EndedTask[];
}

export class LoadFitter {
  readonly #report: Report;
  #limits = DEFAULT_LIMITS;
  #master = '';
  #isReported = false;

  constructor(report: Report) {
    this.#report = report;
  }

  /** The master's limits; set each time it is reached. */
  limit(limits: HeartbeatLimits, master: string): void {
    const isSame = master === this.#master && limits.messageBytes === this.#limits.messageBytes;
    if (!isSame || limits.recordBytes !== this.#limits.recordBytes) this.#isReported = false;
    this.#limits = limits;
    this.#master = master;
  }

  /** @param ended those that do not fit are to come again */
  fit(
    tasks: ReadonlyMap<string, RunningTask>,
    metrics: ReadonlyMap<string, number>,
    ended: readonly EndedTask[],
  ): FittedLoad {
    const fits = this.#fit(tasks, metrics);
    return { ...fits, endedTasks: fittedEnds(ended, fits.tasks, fits.metrics, this.#limits) };
  }

  #fit(tasks: ReadonlyMap<string, RunningTask>, metrics: ReadonlyMap<string, number>): Omit<FittedLoad, 'endedTasks'> {
    const { messageBytes, recordBytes } = this.#limits;
    const isLess = messageBytes < DEFAULT_LIMITS.messageBytes || recordBytes < DEFAULT_LIMITS.recordBytes;
    if (!isLess) return { tasks: [...tasks.values()], metrics };
    const fits = fitted(tasks.values(), metrics, this.#limits);
    const { leftOut } = fits;
    if (leftOut.tasks + leftOut.metrics === 0) {
      this.#isReported = false;
    } else if (!this.#isReported) {
      this.#isReported = true;
      this.#report(
        'warn',
        `${this.#master} takes heartbeats of at most ${messageBytes} bytes, ${recordBytes} as JSON (MAX_MESSAGE_SIZE, ` +
          `MAX_RECORD_SIZE): ${leftOut.tasks} of ${tasks.size} tasks and ${leftOut.metrics} of ${metrics.size} metrics ` +
          'are left out',
      );
    }
    return fits;
  }
}
