/**
 * The near side of a reading thread: starts it, tells it which workers there are, asks it for signs of life, starts it again
 * when it dies or is stuck, and ends it. What else the thread is told, and says, is its owner's.
 *
 * | state    | entered when                         | a message of the owner's       | a death                            |
 * |----------|--------------------------------------|--------------------------------|------------------------------------|
 * | waiting  | made; or the thread died             | is dropped                     | cannot happen                      |
 * | feeding  | a thread exists: at `start`, or when | is dropped                     | → waiting; the owner says for how  |
 * |          | the back-off after a death is over   |                                | long, see {@link SupervisedThread} |
 * | fed      | the whole roster was told            | reaches it, behind the roster  | the same                           |
 * | ending   | `kill`, also for signs of life owed  | is dropped                     | the same                           |
 * | stopped  | `stop`                               | is dropped                     | is what was asked for              |
 *
 * A thread that begins knows nothing of what was said before: `onFed` is where its owner tells it what it needs. So messages
 * that are dropped need no queue either. What a thread said before its end is heard to the last, also while it is ending.
 * Announcements: see roster-feed.ts.
 */
import { type Clock, endsWithin, type Timer } from '../lib/clock.ts';
import { SupervisedThread, type ThreadDeath } from '../lib/supervised-thread.ts';
import type { ThreadOptions, ThreadScript } from '../lib/threads.ts';
import type { Announcement } from './directory.ts';
import type { FromReader, ReaderData, ToReader } from './reader-messages.ts';
import { MAX_PINGS_UNANSWERED, PING_EVERY_MS } from './reading-limits.ts';
import { RosterFeed } from './roster-feed.ts';

export interface ReaderHostOptions<FromThread> {
  readonly script: ThreadScript;
  /** Of the thread, as the system shows it. */
  readonly name: string;
  /** What people call it, such as "the HTTP thread". */
  readonly title: string;
  readonly data: ReaderData;
  readonly limits?: ThreadOptions['limits'];
  readonly clock: Clock;
  /**
   * What a new thread must be told, in parts: each is read, and told, in a turn of its own. A part already holds what
   * `announce` has told, or is about to tell in this turn.
   */
  readonly roster: () => Iterable<readonly Announcement[]>;
  /** A new thread has been told of everybody: post what it needs to begin. */
  readonly onFed: () => void;
  readonly onMessage: (message: FromThread) => void;
  /** @returns how long to wait before the next start; undefined: until `start` is called */
  readonly onDeath: (death: ThreadDeath) => number | undefined;
  /** How long the thread may take to end in order. Default: it has nothing to end, and is ended at once. */
  readonly stopWithinMs?: number;
}

export class ReaderHost<ToThread, FromThread> {
  readonly #options: ReaderHostOptions<FromThread>;
  readonly #thread: SupervisedThread<FromReader<FromThread>, ToReader<ToThread>>;
  readonly #feed: RosterFeed;
  /** Since a first thread has said something: how its start goes is for whoever waits for it to judge. */
  #pings: Timer | undefined;
  #unanswered = 0;
  readonly #isOver = Promise.withResolvers<void>();
  #stopping: Promise<void> | undefined;

  constructor(options: ReaderHostOptions<FromThread>) {
    this.#options = options;
    const { script, name, data, limits, clock, roster, onFed } = options;
    this.#feed = new RosterFeed({ tell: (items) => this.#thread.post({ type: 'announcements', items }), onFed });
    this.#thread = new SupervisedThread({
      script,
      name,
      data,
      ...(limits === undefined ? {} : { limits }),
      clock,
      onStart: () => {
        this.#unanswered = 0;
        this.#feed.begin(roster());
      },
      onMessage: (message) => this.#received(message),
      onDeath: (death) => this.#died(death),
    });
  }

  /** For what is shown of threads, and for tests that hurt it. */
  get thread(): Pick<SupervisedThread<unknown, unknown>, 'state' | 'thread'> {
    return this.#thread;
  }

  /** Whether there is a thread that messages reach: not one that is being ended. */
  get isFed(): boolean {
    return this.#feed.isFed;
  }

  /** Starts a thread, if there is none: at once, whatever of a back-off is left. */
  start(): void {
    this.#thread.start();
  }

  /** Tells the thread what has changed, in the turn of the loop in which it did. */
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

  /** Ends the thread for good: in order, then, after `stopWithinMs`, in any case. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#pings?.cancel();
    const { clock, stopWithinMs = 0 } = this.#options;
    if (stopWithinMs > 0 && this.#thread.state === 'ready') {
      this.#thread.post({ type: 'stop' });
      await endsWithin(clock, stopWithinMs, this.#isOver.promise);
    }
    this.#feed.end();
    await this.#thread.stop();
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
        this.#isOver.resolve();
        break;
      default:
        message satisfies never;
    }
  }

  #ping(): void {
    if (this.#thread.thread === undefined) return;
    if (this.#unanswered >= MAX_PINGS_UNANSWERED) {
      // One that is ended may take its time: it is told again when it owes as many once more.
      this.#unanswered = 0;
      this.kill(`${this.#options.title} does not answer and is ended`);
      return;
    }
    this.#unanswered++;
    this.#thread.post({ type: 'ping' });
  }

  #died(death: ThreadDeath): number | undefined {
    this.#feed.end();
    this.#isOver.resolve();
    return this.#stopping === undefined ? this.#options.onDeath(death) : undefined;
  }
}
