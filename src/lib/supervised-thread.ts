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
 *
 * A thread that waits in a system call (a file on a dead server, a child process) does not end when it is told to. Where
 * the owner says that it can do without (`canAbandon`), such a thread is given up: it counts as dead, and nothing that
 * it still says is heard. That is judged when all that it has said, its end included, has been heard.
 */
import { afterHearing, type Clock, endsWithin, type Timer } from './clock.ts';
import { messageOf } from './errors.ts';
import { receivedOn, type StartedThread, startThread, type ThreadOptions, type ThreadScript } from './threads.ts';

export type ThreadState = 'waiting' | 'starting' | 'ready' | 'stopped';

/** Why a thread ended. */
export interface ThreadDeath {
  readonly reason: string;
  /** How it ended: it threw, it ended itself, its heap was full, or it was ended by {@link SupervisedThread.kill}. */
  readonly how: 'threw' | 'exited' | 'out of memory' | 'killed';
  /** It would not end, and was given up: it may still run. */
  readonly abandoned: boolean;
  /** It was ended for saying what it cannot mean: what it was about then tells nothing. */
  readonly isDisbelieved: boolean;
  /** Deaths in a row without {@link STEADY_MS} of life between them, this one included. */
  readonly inARow: number;
  /** A back-off that suits, see {@link backOffMs}. */
  readonly backOffMs: number;
}

export interface SupervisedThreadOptions<In> {
  readonly script: ThreadScript;
  readonly name: string;
  readonly data?: unknown;
  readonly limits?: ThreadOptions['limits'];
  readonly clock: Clock;
  /** A new thread exists and has its port: post what it needs to begin. */
  readonly onStart?: () => void;
  /**
   * What is wrong with a message of the thread's; undefined if nothing is. A thread that says what it cannot mean is ended
   * and not heard any more. Without it every message is believed: for threads that run no code but ours.
   */
  readonly problemOf?: (message: unknown) => string | undefined;
  readonly onMessage: (message: In) => void;
  /** @returns how long to wait before the next start; undefined: until `start` is called. */
  readonly onDeath: (death: ThreadDeath) => number | undefined;
  readonly onStateChange?: (state: ThreadState) => void;
  /** The back-off is over: call `start` now, or when it suits. Without it the thread is started at once. */
  readonly onRestartDue?: () => void;
  /** Whether a thread that does not end when it is told to may be left behind. */
  readonly canAbandon?: boolean;
}

type Thread = StartedThread['thread'];

/** A thread that lived this long is taken for healthy: the back-off begins anew. */
export const STEADY_MS = 10_000;
const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 10_000;
/** A thread that can be ended ends within milliseconds; on a machine that is overloaded, within tens of them. */
const ABANDON_AFTER_MS = 500;
/** At the end many threads may be told to end at once. */
const STOP_WITHIN_MS = 1800;

/** Threads that were told to end and have not, though nobody waits for them any more. */
const leftBehind = new Set<Thread>();

/** How many there are: the process cannot end by itself while one does not. */
export function threadsLeftBehind(): number {
  return leftBehind.size;
}

let endsWithProcess = false;
let leftToProcessEnd = 0;

/** How many still run, and are only waiting for that. */
export function threadsLeftToProcessEnd(): number {
  return leftToProcessEnd;
}

/**
 * The process ends next: a thread that is stopped from now on is left to that. The system ends a thousand at once, where
 * ending them one by one takes a core for a second and more. Whoever stops a thread has it finish first what it was given.
 */
export function leaveThreadsToProcessEnd(): void {
  endsWithProcess = true;
}

function leaveBehind(thread: Thread): void {
  leftBehind.add(thread);
  thread.once('exit', () => leftBehind.delete(thread));
  thread.unref();
}

/** How long to wait before the next start: doubles with each death in a row. */
export function backOffMs(deathsInARow: number): number {
  return Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.max(0, deathsInARow - 1));
}

type End = Pick<ThreadDeath, 'reason' | 'how' | 'abandoned'>;

export class SupervisedThread<In, Out> {
  readonly #options: SupervisedThreadOptions<In>;
  #state: ThreadState = 'waiting';
  #thread: Thread | undefined;
  #port: StartedThread['port'] | undefined;
  #startedMs = 0;
  #deathsInARow = 0;
  #backOff: Timer | undefined;
  #giveUp: Timer | undefined;
  #killReason: string | undefined;
  /** Since it is stopped. */
  #ended: Promise<boolean> = Promise.resolve(true);
  /** What was wrong with what the thread that lives now has said. */
  #disbelief: string | undefined;

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
    const { script, name, data, limits, clock, onStart } = this.#options;
    this.#startedMs = clock.monotonicMs();
    let started: StartedThread;
    try {
      started = startThread(script, { name, data, ...(limits === undefined ? {} : { limits }) });
    } catch (error) {
      // The system has no thread to give: a death like any other, tried again with back-off.
      this.#rest({ reason: messageOf(error), how: 'threw', abandoned: false, isDisbelieved: false });
      return;
    }
    const { thread, port } = started;
    this.#thread = thread;
    this.#port = port;
    let end: Omit<End, 'abandoned'> | undefined;
    port.on('message', (message: unknown) => this.#received(thread, message));
    port.on('messageerror', (error) => {
      end ??= { reason: messageOf(error), how: 'threw' };
      this.#end(thread);
    });
    thread.on('error', (error: Error & { code?: string }) => {
      const how = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out of memory' : 'threw';
      end ??= { reason: messageOf(error), how };
    });
    thread.once('exit', (code) => {
      this.#hearLastWords(thread, port);
      port.close();
      end ??= { reason: `it ended by itself with exit code ${code}`, how: 'exited' };
      this.#died(thread, { ...end, abandoned: false });
    });
    this.#setState('starting');
    onStart?.();
  }

  post(message: Out, transfer: readonly ArrayBuffer[] = []): void {
    this.#port?.postMessage(message, [...transfer]);
  }

  /** Ends the thread as if it had died; it is started again with back-off. */
  kill(reason: string): void {
    if (this.#thread === undefined) return;
    this.#killReason ??= reason;
    this.#end(this.#thread);
  }

  /** Ends the thread for good. @returns whether there is none any more: not if it is left behind, or to the process's end */
  async stop(): Promise<boolean> {
    if (this.#state === 'stopped') return this.#ended;
    this.#setState('stopped');
    this.#ended = this.#stop();
    return this.#ended;
  }

  async #stop(): Promise<boolean> {
    this.#backOff?.cancel();
    this.#giveUp?.cancel();
    const thread = this.#thread;
    this.#thread = undefined;
    this.#port?.close();
    this.#port = undefined;
    if (thread === undefined) return true;
    if (endsWithProcess) {
      leftToProcessEnd++;
      thread.unref();
      return false;
    }
    const ended = thread.terminate();
    if (this.#options.canAbandon !== true) await ended;
    else if (!(await endsWithin(this.#options.clock, STOP_WITHIN_MS, ended))) {
      leaveBehind(thread);
      return false;
    }
    return true;
  }

  #received(thread: Thread, message: unknown): void {
    if (this.#thread !== thread || this.#disbelief !== undefined) return;
    const problem = this.#options.problemOf?.(message);
    if (problem !== undefined) {
      this.#disbelief = problem;
      this.kill(problem);
      return;
    }
    if (this.#state === 'starting') this.#setState('ready');
    this.#options.onMessage(message as In);
  }

  #died(thread: Thread, end: End): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#port?.close();
    this.#port = undefined;
    this.#giveUp?.cancel();
    this.#giveUp = undefined;
    const reason = this.#killReason;
    // Whoever was being ended for something else before is ended for that.
    const isDisbelieved = reason !== undefined && reason === this.#disbelief;
    this.#disbelief = undefined;
    this.#killReason = undefined;
    this.#rest(reason === undefined ? { ...end, isDisbelieved } : { ...end, isDisbelieved, reason, how: 'killed' });
  }

  /** There is no thread any more: says so, and starts another in its time. */
  #rest(end: Omit<ThreadDeath, 'inARow' | 'backOffMs'>): void {
    const { clock, onDeath, onRestartDue = () => this.start() } = this.#options;
    const isSteady = clock.monotonicMs() - this.#startedMs >= STEADY_MS;
    this.#deathsInARow = isSteady ? 1 : this.#deathsInARow + 1;
    this.#setState('waiting');
    const inARow = this.#deathsInARow;
    const restartInMs = onDeath({ ...end, inARow, backOffMs: backOffMs(inARow) });
    // Whoever was told may have stopped it, or started it.
    if (this.#state !== 'waiting' || this.#thread !== undefined || restartInMs === undefined) return;
    this.#backOff = clock.after(restartInMs, onRestartDue);
  }

  /** The exit handler does the rest; or, where the thread does not end, whoever gives it up. */
  #end(thread: Thread): void {
    thread.terminate().catch(() => {
      // terminate() resolves with the exit code; it is not known to reject, and nothing more could be done.
    });
    if (this.#options.canAbandon !== true || this.#giveUp !== undefined) return;
    this.#giveUpLater(thread, true);
  }

  /** @param mayWaitAgain if the process as a whole was held up, as one that is stopped is, its threads had no time to end */
  #giveUpLater(thread: Thread, mayWaitAgain: boolean): void {
    const { clock } = this.#options;
    const fromMs = clock.monotonicMs();
    this.#giveUp = clock.after(ABANDON_AFTER_MS, () => {
      const wasHeldUp = clock.monotonicMs() - fromMs >= 2 * ABANDON_AFTER_MS;
      if (wasHeldUp && mayWaitAgain) this.#giveUpLater(thread, false);
      else afterHearing(() => this.#abandon(thread));
    });
  }

  #abandon(thread: Thread): void {
    if (this.#thread !== thread) return;
    if (this.#port !== undefined) this.#hearLastWords(thread, this.#port);
    leaveBehind(thread);
    this.#died(thread, { reason: 'it does not end', how: 'killed', abandoned: true });
  }

  /** They may still lie in the port. */
  #hearLastWords(thread: Thread, port: StartedThread['port']): void {
    for (let got = receivedOn(port); got !== undefined; got = receivedOn(port)) this.#received(thread, got.message);
  }

  #setState(state: ThreadState): void {
    this.#state = state;
    this.#options.onStateChange?.(state);
  }
}
