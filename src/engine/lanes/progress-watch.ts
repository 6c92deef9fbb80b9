/**
 * Whether the thread of a lane has to be ended since it makes no progress: it stands still for too long (stall-watch.ts), and
 * not only since it gets no processor, which its processor time tells.
 */
import { type Clock, endsWithin } from '../../lib/clock.ts';
import type { SupervisedThread } from '../../lib/supervised-thread.ts';
import { isStuck, StallWatch } from './stall-watch.ts';

export interface ProgressWatchOptions {
  readonly clock: Clock;
  /** Without progress for this long, the thread is stuck. */
  readonly stallMs: number;
  /** The thread of now; undefined while there is none. */
  readonly thread: () => SupervisedThread<unknown, unknown>['thread'];
  /** It has to be ended, for this reason. */
  readonly onStuck: (problem: string) => void;
}

export class ProgressWatch {
  readonly #options: ProgressWatchOptions;
  readonly #stall: StallWatch;
  /** Processor time of the thread when it began to stand still. */
  #cpuBefore: { readonly atMs: number; readonly cpuMs: Promise<number | undefined> } | undefined;
  #isAsking = false;

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
    this.#stall = new StallWatch(options.stallMs);
  }

  /** Whether it has been given something and did nothing since the last look. */
  get standsStill(): boolean {
    return this.#stall.stoodStillMs > 0;
  }

  /** A new thread. */
  reset(): void {
    this.#stall.reset();
    this.#cpuBefore = undefined;
  }

  /** Something that it was given is done. */
  noteProgress(): void {
    this.#stall.noteProgress();
  }

  /** Something that it was given is not done. */
  noteDebt(): void {
    this.#stall.noteDebt();
  }

  /** At each sweep. */
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
    // It ended, or went on, while it was asked.
    if (thread !== this.#options.thread() || !this.standsStill) return;
    const cpuMs = fromMs === undefined || toMs === undefined ? undefined : toMs - fromMs;
    const stoodStillMs = clock.monotonicMs() - (before?.atMs ?? 0);
    if (isStuck({ stoodStillMs, allowedMs: stallMs, cpuMs })) onStuck(problem);
  }

  /** Processor time of its thread; undefined if it does not answer: one that runs does so when it gets a processor. */
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
