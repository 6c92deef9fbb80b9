/**
 * One thread and its life: started, started again with back-off when it dies, ended for good by `stop`.
 *
 * | state      | entered when                                          | left when                                  |
 * |------------|-------------------------------------------------------|--------------------------------------------|
 * | waiting    | made; or the back-off after a death runs              | `start`, or the back-off is over → starting |
 * | starting   | the thread exists, its `ready` has not come           | ready → ready; death → waiting             |
 * | ready      | its first message came                                | death → waiting                            |
 * | stopped    | `stop`                                                | never                                      |
 *
 * Messages posted while there is a thread reach it in order; while there is none they are dropped, since whoever owns
 * the thread gives it its state anew in `onStart`.
 */
import type { Clock, Timer } from './clock.ts';
import { messageOf } from './errors.ts';
import { startThread, type ThreadFile, type ThreadOptions } from './threads.ts';

export type ThreadState = 'waiting' | 'starting' | 'ready' | 'stopped';

/** Why a thread ended that goes on in another one. */
export interface ThreadDeath {
  readonly reason: string;
  /** Whether {@link SupervisedThread.replace} was asked for: then nothing is wrong. */
  readonly onPurpose: boolean;
  /** Deaths in a row without {@link STEADY_MS} of life between them, this one included. */
  readonly inARow: number;
  /** Until it is started again. */
  readonly restartInMs: number;
}

export interface SupervisedThreadOptions<In> {
  readonly file: ThreadFile;
  readonly name: string;
  readonly data?: unknown;
  readonly limits?: ThreadOptions['limits'];
  readonly clock: Clock;
  /** A new thread exists and has its port: post what it needs to begin. */
  readonly onStart?: () => void;
  readonly onMessage: (message: In) => void;
  readonly onDeath: (death: ThreadDeath) => void;
  readonly onStateChange?: (state: ThreadState) => void;
  /** The back-off is over: call `start` now, or when it suits. Without it the thread is started at once. */
  readonly onRestartDue?: () => void;
}

/** A thread that lived this long is taken for healthy: the back-off begins anew. */
export const STEADY_MS = 10_000;
const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 10_000;

/** How long to wait before the next start: doubles with each death in a row. */
export function backOffMs(deathsInARow: number): number {
  return Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.max(0, deathsInARow - 1));
}

type Thread = ReturnType<typeof startThread>;

export class SupervisedThread<In, Out> {
  readonly #options: SupervisedThreadOptions<In>;
  #state: ThreadState = 'waiting';
  #thread: Thread | undefined;
  #startedMs = 0;
  #deathsInARow = 0;
  #backOff: Timer | undefined;
  #replacing = false;

  constructor(options: SupervisedThreadOptions<In>) {
    this.#options = options;
  }

  get state(): ThreadState {
    return this.#state;
  }

  /** For V8's statistics and for tests that hurt it; undefined while there is none. */
  get thread(): Thread | undefined {
    return this.#thread;
  }

  start(): void {
    if (this.#state !== 'waiting' || this.#thread !== undefined) return;
    this.#backOff?.cancel();
    const { file, name, data, limits, clock, onStart } = this.#options;
    this.#startedMs = clock.monotonicMs();
    let thread: Thread;
    try {
      thread = startThread(file, { name, data, ...(limits === undefined ? {} : { limits }) });
    } catch (error) {
      // The system has no thread to give: a death like any other, tried again with back-off.
      this.#rest(messageOf(error), false);
      return;
    }
    this.#thread = thread;
    let reason = 'it ended by itself';
    thread.on('message', (message: In) => {
      if (this.#thread !== thread) return;
      if (this.#state === 'starting') this.#setState('ready');
      this.#options.onMessage(message);
    });
    thread.on('error', (error) => {
      reason = messageOf(error);
    });
    thread.on('messageerror', (error) => {
      reason = messageOf(error);
      this.#end(thread);
    });
    thread.once('exit', () => this.#died(thread, reason));
    this.#setState('starting');
    onStart?.();
  }

  post(message: Out, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread?.postMessage(message, [...transfer]);
  }

  /** Ends the thread, whatever it does, and starts another at once. */
  replace(): void {
    if (this.#thread === undefined) return;
    this.#replacing = true;
    this.#end(this.#thread);
  }

  /** Ends the thread as if it had died; it is started again with back-off. */
  kill(): void {
    if (this.#thread !== undefined) this.#end(this.#thread);
  }

  /** Ends the thread for good. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#setState('stopped');
    this.#backOff?.cancel();
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }

  #died(thread: Thread, reason: string): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    const onPurpose = this.#replacing;
    this.#replacing = false;
    this.#rest(reason, onPurpose);
  }

  /** There is no thread any more: says so, and starts another in its time. */
  #rest(reason: string, onPurpose: boolean): void {
    const { clock, onDeath, onRestartDue = () => this.start() } = this.#options;
    const isSteady = clock.monotonicMs() - this.#startedMs >= STEADY_MS;
    if (!onPurpose) this.#deathsInARow = isSteady ? 1 : this.#deathsInARow + 1;
    const restartInMs = onPurpose ? 0 : backOffMs(this.#deathsInARow);
    this.#setState('waiting');
    onDeath({ reason: onPurpose ? 'replaced' : reason, onPurpose, inARow: this.#deathsInARow, restartInMs });
    if (onPurpose) this.start();
    else this.#backOff = clock.after(restartInMs, onRestartDue);
  }

  /** The exit handler does the rest. */
  #end(thread: Thread): void {
    thread.terminate().catch(() => {
      // terminate() resolves with the exit code; it is not known to reject, and nothing more could be done.
    });
  }

  #setState(state: ThreadState): void {
    this.#state = state;
    this.#options.onStateChange?.(state);
  }
}
