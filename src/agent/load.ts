/**
 * Which tasks, metrics and ended tasks go into a heartbeat: normally all, since a host program cannot set more than a master
 * accepts by default. Together with what programs of the machine report, or for a master with lower limits, as many as fit do, and
 * that is logged once.
 */
import {
  DEFAULT_LIMITS,
  type Fitted,
  fitted,
  fittedEnds,
  type HeartbeatLimits,
  MAX_TASKS_AND_METRICS,
} from '../model/heartbeat-limits.ts';
import type { EndedTask, RunningTask } from '../model/telemetry.ts';
import type { Report } from './report.ts';

export interface FittedLoad {
  readonly tasks: readonly RunningTask[];
  readonly metrics: Iterable<readonly [name: string, value: number]>;
  readonly endedTasks: readonly EndedTask[];
}

/** Of the longest names, with each byte as the longest escape of JSON, they take less than half of the room. */
const CERTAIN_TO_FIT = 1_000;
const NOTHING_LEFT_OUT: Fitted['leftOut'] = { tasks: 0, metrics: 0 };

export class LoadFitter {
  readonly #report: Report;
  #limits = DEFAULT_LIMITS;
  #master = '';
  #isReported = false;
  #leftOut = NOTHING_LEFT_OUT;

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

  /** What the last heartbeat had no room for. */
  get leftOut(): Fitted['leftOut'] {
    return this.#leftOut;
  }

  /**
   * @param ended those that do not fit are to come again
   * @param isChecked whether tasks and metrics are those of a host program alone, which has kept to the default limits
   */
  fit(
    tasks: ReadonlyMap<string, RunningTask>,
    metrics: ReadonlyMap<string, number>,
    ended: readonly EndedTask[],
    isChecked = true,
  ): FittedLoad {
    const fits = this.#fit(tasks, metrics, isChecked || tasks.size + metrics.size <= CERTAIN_TO_FIT);
    return { ...fits, endedTasks: fittedEnds(ended, fits.tasks, fits.metrics, this.#limits) };
  }

  #fit(
    tasks: ReadonlyMap<string, RunningTask>,
    metrics: ReadonlyMap<string, number>,
    fitsByDefault: boolean,
  ): Omit<FittedLoad, 'endedTasks'> {
    const { messageBytes, recordBytes } = this.#limits;
    const isLess = messageBytes < DEFAULT_LIMITS.messageBytes || recordBytes < DEFAULT_LIMITS.recordBytes;
    this.#leftOut = NOTHING_LEFT_OUT;
    if (!isLess && fitsByDefault) return { tasks: [...tasks.values()], metrics };
    const fits = fitted(tasks.values(), metrics, this.#limits);
    const { leftOut } = fits;
    this.#leftOut = leftOut;
    if (leftOut.tasks + leftOut.metrics === 0) {
      this.#isReported = false;
    } else if (!this.#isReported) {
      this.#isReported = true;
      this.#report(
        'warn',
        `${this.#master} takes heartbeats of at most ${messageBytes} bytes, ${recordBytes} as JSON (MAX_MESSAGE_SIZE, ` +
          `MAX_RECORD_SIZE), and ${MAX_TASKS_AND_METRICS} tasks and metrics: ${leftOut.tasks} of ${tasks.size} tasks and ${leftOut.metrics} of ${metrics.size} metrics ` +
          'are left out',
      );
    }
    return fits;
  }
}
