/**
 * The host's side of a reading thread: starts it, announces workers to it, checks its signs of life, restarts it when it dies or
 * is stuck, and ends it. All other messages are between the host's owner and the thread's user.
 *
 * | state    | entered when                          | a message of the owner         | a death                             |
 * |----------|---------------------------------------|--------------------------------|-------------------------------------|
 * | waiting  | created; or the thread died           | is dropped                     | cannot happen                       |
 * | feeding  | a thread exists: after `start`, or    | is dropped                     | → waiting; the owner decides for    |
 * |          | when the back-off is over             |                                | how long: {@link SupervisedThread}  |
 * | fed      | the whole roster was sent             | arrives after the roster       | the same                            |
 * | ending   | `kill`, also for missing signs of life | is dropped                    | the same                            |
 * | stopped  | `stop`; for `finishesWork`, a thread  | is dropped                     | is expected                         |
 * |          | that is dead is started once more     |                                |                                     |
 *
 * A new thread knows nothing of earlier messages: in `onFed` its owner sends what it needs. So dropped messages need no queue.
 * Messages from a thread are received up to its last, also while it is ending.
 * Announcements: see roster-feed.ts.
 */
import { type Clock, endsWithin, type Timer } from '../lib/clock.ts';
import { SupervisedThread, type ThreadDeath } from '../lib/supervised-thread.ts';
import type { ThreadOptions, ThreadScript } from '../lib/threads.ts';
import type { ReadingThreadName } from '../model/reading-threads.ts';
import { markThreadEnded, type ThreadPlace } from '../store/thread-figures.ts';
import type { Announcement } from './directory.ts';
import type { FromReader, ReaderData, ToReader } from './reader-messages.ts';
import { MAX_PINGS_UNANSWERED, PING_EVERY_MS } from './reading-limits.ts';
import { RosterFeed } from './roster-feed.ts';

/** A thread that dies before it is told to stop is started again this soon: there are seconds only. */
const RESTART_AT_STOP_MS = 100;

export interface ReaderHostOptions<FromThread> {
  readonly script: ThreadScript;
  /** The thread's name in the system. */
  readonly name: string;
  /** Its name for people, such as "the HTTP thread". */
  readonly title: string;
  readonly data: ReaderData;
  /** Which thread of its script it is, from 0; default 0. */
  readonly index?: number;
  readonly limits?: ThreadOptions['limits'];
  readonly clock: Clock;
  /**
   * The roster for a new thread, in parts: each is read and sent in its own turn. A part already includes what `announce` has
   * published, or is about to publish in this turn.
   */
  readonly roster: () => Iterable<readonly Announcement[]>;
  /** A new thread knows all workers: post what else it needs to begin. */
  readonly onFed: () => void;
  readonly onMessage: (message: FromThread) => void;
  /** @returns how long to wait before the next start; undefined: until `start` is called */
  readonly onDeath: (death: ThreadDeath) => number | undefined;
  /** How long the thread may give no sign of life, in seconds; default: {@link MAX_PINGS_UNANSWERED} pings. */
  readonly maxSilenceS?: number;
  /** How long the thread may take to end gracefully. Default: it is ended at once. */
  readonly stopWithinMs?: number;
  /** If the thread is dead at the stop, a new one does what is left, within the same time. */
  readonly finishesWork?: boolean;
}

/** Of the threads that have figures (store/thread-figures.ts). */
const NAMES: Partial<Readonly<Record<ThreadScript, ReadingThreadName>>> = {
  'http/thread': 'http',
  'http/query/thread': 'query',
  'http/history/thread': 'history_query',
  'http/metrics/thread': 'metrics',
  'history/thread': 'history',
  'metrics/export/thread': 'export',
  'app/alerts/thread': 'alerts',
};

export class ReaderHost<ToThread, FromThread> {
  readonly #options: ReaderHostOptions<FromThread>;
  readonly #thread: SupervisedThread<FromReader<FromThread>, ToReader<ToThread>>;
  readonly #feed: RosterFeed;
  readonly #place: ThreadPlace | undefined;
  /** Whether any thread has responded. Before that, whoever waits for the start decides whether it takes too long. */
  #pings: Timer | undefined;
  #unanswered = 0;
  #isStuck = false;
  #isStarted = false;
  /** Only while a thread is to end gracefully: whether it did. */
  #ending: PromiseWithResolvers<boolean> | undefined;
  #isToldToStop = false;
  #stopping: Promise<boolean> | undefined;

  constructor(options: ReaderHostOptions<FromThread>) {
    this.#options = options;
    const { script, name, limits, clock, roster, index = 0 } = options;
    const ownName = NAMES[script];
    this.#place = ownName === undefined ? undefined : { name: ownName, index };
    const data = { ...options.data, thread: this.#place };
    this.#feed = new RosterFeed({
      tell: (items) => this.#thread.post({ type: 'announcements', items }),
      onFed: () => this.#fed(),
    });
    this.#thread = new SupervisedThread({
      script,
      name,
      data,
      ...(limits === undefined ? {} : { limits }),
      clock,
      onStart: () => {
        this.#unanswered = 0;
        this.#isStuck = false;
        this.#feed.begin(roster());
      },
      onMessage: (message) => this.#received(message),
      onDeath: (death) => this.#died(death),
    });
  }

  /** For the display of threads, and for fault tests. */
  get thread(): Pick<SupervisedThread<unknown, unknown>, 'state' | 'thread'> {
    return this.#thread;
  }

  /** Whether messages reach a thread, that is, one exists and is not being ended. */
  get isFed(): boolean {
    return this.#feed.isFed;
  }

  /** Whether the thread does not answer and is being ended for that, but has not ended. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Starts a thread if there is none, without waiting for the rest of a back-off. */
  start(): void {
    this.#isStarted = true;
    this.#thread.start();
  }

  /** Publishes changes to the thread, in the turn in which they happened. */
  announce(items: readonly Announcement[]): void {
    this.#feed.announce(items);
  }

  post(message: ToThread): void {
    if (this.#feed.isFed) this.#thread.post({ type: 'message', message });
  }

  /** Ends the thread as if it had died. */
  kill(reason: string): void {
    this.#feed.end();
    this.#thread.kill(reason);
  }

  /**
   * Ends the thread for good: gracefully, then by force after `stopWithinMs`. Idempotent. @returns whether it ended gracefully
   */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends the thread for good and at once: what it does could hit what is another's now. */
  abandon(): void {
    this.#pings?.cancel();
    this.#feed.end();
    this.#stopping ??= this.#thread.stop().then(() => false);
  }

  async #stop(): Promise<boolean> {
    this.#pings?.cancel();
    const { clock, stopWithinMs = 0, finishesWork = false } = this.#options;
    let isGraceful = false;
    if (stopWithinMs > 0 && (this.#thread.state === 'ready' || (finishesWork && this.#isStarted))) {
      this.#ending = Promise.withResolvers();
      const { promise } = this.#ending;
      if (finishesWork) this.#thread.start();
      // One that has work learns of all workers before.
      if (this.#feed.isFed || !finishesWork) this.#tellToStop();
      isGraceful = (await endsWithin(clock, stopWithinMs, promise)) && (await promise);
      this.#ending = undefined;
    }
    this.#feed.end();
    await this.#thread.stop();
    this.#noteEnd();
    return isGraceful;
  }

  #fed(): void {
    this.#options.onFed();
    if (this.#ending !== undefined && !this.#isToldToStop) this.#tellToStop();
  }

  #tellToStop(): void {
    this.#isToldToStop = true;
    this.#thread.post({ type: 'stop' });
  }

  #received(message: FromReader<FromThread>): void {
    if (this.#stopping === undefined) this.#pings ??= this.#options.clock.every(PING_EVERY_MS, () => this.#ping());
    switch (message.type) {
      case 'message':
        this.#options.onMessage(message.message);
        break;
      case 'pong':
        this.#unanswered = 0;
        break;
      case 'stopped':
        this.#ending?.resolve(true);
        break;
      default:
        message satisfies never;
    }
  }

  #ping(): void {
    if (this.#thread.thread === undefined) return;
    const { maxSilenceS, title } = this.#options;
    const most = maxSilenceS === undefined ? MAX_PINGS_UNANSWERED : (maxSilenceS * 1000) / PING_EVERY_MS;
    if (this.#unanswered >= most) {
      // A thread being ended may take a while: it is ended again after as many more missing answers.
      this.#unanswered = 0;
      this.#isStuck = true;
      this.kill(`${title} does not answer and is being ended`);
      return;
    }
    this.#unanswered++;
    this.#thread.post({ type: 'ping' });
  }

  #noteEnd(): void {
    if (this.#place !== undefined) markThreadEnded(this.#options.data.board.threads, this.#place);
  }

  #died(death: ThreadDeath): number | undefined {
    this.#feed.end();
    this.#noteEnd();
    this.#isStuck = false;
    if (this.#stopping === undefined) return this.#options.onDeath(death);
    if (this.#ending === undefined) return undefined;
    if (this.#isToldToStop) {
      this.#ending.resolve(false);
      return undefined;
    }
    // It was being ended when the stop came.
    this.#options.onDeath(death);
    return RESTART_AT_STOP_MS;
  }
}
