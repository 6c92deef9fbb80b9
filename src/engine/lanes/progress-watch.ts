/**
 * Decides whether a lane's thread must be terminated because it makes no progress: it is stalled (stall-watch.ts), and
 * not only because it gets no CPU, as its CPU time shows.
 */
import { type Clock, endsWithin } from '../../lib/clock.ts';
import type { SupervisedThread } from '../../lib/supervised-thread.ts';
import { isStuck, StallWatch } from './stall-watch.ts';

export interface ProgressWatchOptions {
  readonly clock: Clock;
  /** The thread is stuck after this long without progress. */
  readonly stallMs: number;
  /** The current thread; undefined if there is none. */
  readonly thread: () => SupervisedThread<unknown, unknown>['thread'];
  /** Called with the reason when the thread must be terminated. */
  readonly onStuck: (problem: string) => void;
}

export class ProgressWatch {
  readonly #options: ProgressWatchOptions;
  readonly #stall: StallWatch;
  /** CPU time of the thread when the stall began. */
  #cpuBefore: { readonly atMs: number; readonly cpuMs: Promise<number | undefined> } | undefined;
  #isAsking = false;

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
    this.#stall = new StallWatch(options.stallMs);
  }

  /** Whether it has work and made no progress since the last look. */
  get standsStill(): boolean {
    return this.#stall.stoodStillMs > 0;
  }

  /** Called for a new thread. */
  reset(): void {
    this.#stall.reset();
    this.#cpuBefore = undefined;
  }

  /** A heartbeat was processed. */
  noteProgress(): void {
    this.#stall.noteProgress();
  }

  /** A heartbeat is not processed yet. */
  noteDebt(): void {
    this.#stall.noteDebt();
  }

  /** Called at each sweep. */
  look(elapsedMs: number, isReady: boolean): void {
    const problem = this.#stall.look(elapsedMs, isReady);
    if (!this.standsStill) this.#cpuBefore = undefined;
    else this.#cpuBefore ??= { atMs: this.#options.clock.monotonicMs(), cpuMs: this.#cpuMs() };
    if (problem === undefined) return;
    if (isReady) void this.#judge(problem);
    else this.#options.onStuck(problem);
  }

  async #judge(problem: string): Promise<void> {
    const { clock, stallMs, onStuck } = this.#options;
    if (this.#isAsking) return;
    this.#isAsking = true;
    const thread = this.#options.thread();
    const before = this.#cpuBefore;
    const fromMs = await before?.cpuMs;
    const toMs = fromMs === undefined ? undefined : await this.#cpuMs();
    this.#isAsking = false;
    // The thread ended or made progress meanwhile.
    if (thread !== this.#options.thread() || !this.standsStill) return;
    const cpuMs = fromMs === undefined || toMs === undefined ? undefined : toMs - fromMs;
    const stoodStillMs = clock.monotonicMs() - (before?.atMs ?? 0);
    if (isStuck({ stoodStillMs, allowedMs: stallMs, cpuMs })) onStuck(problem);
  }

  /** CPU time of the thread; undefined if it does not answer. A runnable thread answers when it gets CPU. */
  async #cpuMs(): Promise<number | undefined> {
    const { clock, stallMs } = this.#options;
    const thread = this.#options.thread();
    if (thread === undefined) return undefined;
    const asked = thread.cpuUsage().catch(() => undefined);
    if (!(await endsWithin(clock, stallMs / 2, asked))) return undefined;
    const usage = await asked;
    return usage === undefined ? undefined : (usage.user + usage.system) / 1000;
  }
}
