/**
 * A thread with its life cycle: started, restarted with back-off when it dies, ended for good by `stop`.
 *
 * | state      | entered when                                          | left when                                   |
 * |------------|-------------------------------------------------------|---------------------------------------------|
 * | waiting    | created; or a back-off runs after a death             | `start`, or end of the back-off → starting  |
 * | starting   | the thread exists, but has not sent a message         | first message → ready; death → waiting      |
 * | ready      | its first message arrived                             | death → waiting                             |
 * | stopped    | `stop`                                                | never                                       |
 *
 * Messages posted while there is a thread reach it in order; otherwise they are dropped, since the owner gives a new
 * thread its state in `onStart`.
 *
 * A thread that waits in a system call (a file on a dead server, a child process) does not terminate when told to. If
 * the owner allows it (`canAbandon`), such a thread is abandoned: it counts as dead, and further messages from it are
 * ignored. This is decided when all its messages so far, including its end, have been handled.
 */
import { afterHearing, type Clock, endsWithin, type Timer } from './clock.ts';
import { messageOf } from './errors.ts';
import { receivedOn, type StartedThread, startThread, type ThreadOptions, type ThreadScript } from './threads.ts';

export type ThreadState = 'waiting' | 'starting' | 'ready' | 'stopped';

/** How a thread ended. */
export interface ThreadDeath {
  readonly reason: string;
  /** It threw, exited, exhausted its heap, or was terminated by {@link SupervisedThread.kill}. */
  readonly how: 'threw' | 'exited' | 'out of memory' | 'killed';
  /** It did not terminate and was abandoned: it may still run. */
  readonly abandoned: boolean;
  /** It was terminated because of an invalid message, so what it was doing is unknown. */
  readonly isDisbelieved: boolean;
  /** Number of consecutive deaths without {@link STEADY_MS} of life in between, including this one. */
  readonly inARow: number;
  /** A suitable back-off, see {@link backOffMs}. */
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
   * Returns what is wrong with a message of the thread; undefined if it is valid. A thread that sends an invalid
   * message is terminated, and further messages are ignored. Without it every message is accepted: for threads that run
   * only our code.
   */
  readonly problemOf?: (message: unknown) => string | undefined;
  readonly onMessage: (message: In) => void;
  /** @returns the delay before the next start; undefined: until `start` is called */
  readonly onDeath: (death: ThreadDeath) => number | undefined;
  readonly onStateChange?: (state: ThreadState) => void;
  /** The back-off has passed: call `start` now or later. Without this callback the thread is started at once. */
  readonly onRestartDue?: () => void;
  /** Whether a thread that does not terminate may be abandoned. */
  readonly canAbandon?: boolean;
}

type Thread = StartedThread['thread'];

/** A thread that lived this long counts as healthy: the back-off restarts at its minimum. */
export const STEADY_MS = 10_000;
const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 10_000;
/** A thread that can be terminated ends within milliseconds; on an overloaded machine, within tens of them. */
const ABANDON_AFTER_MS = 500;
/** At shutdown many threads may be terminated at once. */
const STOP_WITHIN_MS = 1800;

/** Threads that were terminated and still run, although nobody waits for them any more. */
const leftBehind = new Set<Thread>();

/** Their number: while it is not 0, the process does not end by itself. */
export function threadsLeftBehind(): number {
  return leftBehind.size;
}

let endsWithProcess = false;
let leftToProcessEnd = 0;

/** Number of threads that still run and are left to the end of the process. */
export function threadsLeftToProcessEnd(): number {
  return leftToProcessEnd;
}

/**
 * The process is about to end: threads stopped from now on are left to that. The system ends a thousand threads at
 * once; terminating them one by one would take a core for more than a second. A caller that stops a thread lets it
 * finish its work first.
 */
export function leaveThreadsToProcessEnd(): void {
  endsWithProcess = true;
}

function leaveBehind(thread: Thread): void {
  leftBehind.add(thread);
  thread.once('exit', () => leftBehind.delete(thread));
  thread.unref();
}

/** Delay before the next start: doubles with each consecutive death. */
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
  /** Result of `stop`. */
  #ended: Promise<boolean> = Promise.resolve(true);
  /** What was wrong with a message of the current thread. */
  #disbelief: string | undefined;

  constructor(options: SupervisedThreadOptions<In>) {
    this.#options = options;
  }

  get state(): ThreadState {
    return this.#state;
  }

  /** For V8's statistics and for tests; undefined while there is none. */
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
      // The system cannot create a thread: treated like a death, retried with back-off.
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
      end ??= { reason: `it exited with code ${code}`, how: 'exited' };
      this.#died(thread, { ...end, abandoned: false });
    });
    this.#setState('starting');
    onStart?.();
  }

  post(message: Out, transfer: readonly ArrayBuffer[] = []): void {
    this.#port?.postMessage(message, [...transfer]);
  }

  /** Ends the thread as if it had died; it is restarted with back-off. */
  kill(reason: string): void {
    if (this.#thread === undefined) return;
    this.#killReason ??= reason;
    this.#end(this.#thread);
  }

  /**
   * Ends the thread for good. @returns whether it has ended: false if it was abandoned, or left to the end of the
   * process
   */
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
    // A thread that was already being terminated for another reason keeps that reason.
    const isDisbelieved = reason !== undefined && reason === this.#disbelief;
    this.#disbelief = undefined;
    this.#killReason = undefined;
    this.#rest(reason === undefined ? { ...end, isDisbelieved } : { ...end, isDisbelieved, reason, how: 'killed' });
  }

  /** There is no thread any more: reports it, and schedules the next start. */
  #rest(end: Omit<ThreadDeath, 'inARow' | 'backOffMs'>): void {
    const { clock, onDeath, onRestartDue = () => this.start() } = this.#options;
    const isSteady = clock.monotonicMs() - this.#startedMs >= STEADY_MS;
    this.#deathsInARow = isSteady ? 1 : this.#deathsInARow + 1;
    this.#setState('waiting');
    const inARow = this.#deathsInARow;
    const restartInMs = onDeath({ ...end, inARow, backOffMs: backOffMs(inARow) });
    // The callback may have stopped or started it.
    if (this.#state !== 'waiting' || this.#thread !== undefined || restartInMs === undefined) return;
    this.#backOff = clock.after(restartInMs, onRestartDue);
  }

  /** The exit handler does the rest, or giving up does if the thread does not terminate. */
  #end(thread: Thread): void {
    thread.terminate().catch(() => {
      // terminate() resolves with the exit code; it is not known to reject, and nothing more could be done.
    });
    if (this.#options.canAbandon !== true || this.#giveUp !== undefined) return;
    this.#giveUpLater(thread, true);
  }

  /** @param mayWaitAgain if the whole process was stopped, its threads had no time to end */
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
    this.#died(thread, { reason: 'it does not terminate', how: 'killed', abandoned: true });
  }

  /** They may still be in the port. */
  #hearLastWords(thread: Thread, port: StartedThread['port']): void {
    for (let got = receivedOn(port); got !== undefined; got = receivedOn(port)) this.#received(thread, got.message);
  }

  #setState(state: ThreadState): void {
    this.#state = state;
    this.#options.onStateChange?.(state);
  }
}
