/**
 * A pool of threads for work that would block the HTTP thread's event loop. Started on first use, so that those who do not need
 * them do not pay for them; each reads the same shared memory and gets announcements.
 *
 * | a question is | since                                         | until                                                |
 * |---------------|-----------------------------------------------|------------------------------------------------------|
 * | waiting       | it was asked                                  | a thread is idle, first come first served → running  |
 * | running       | it was given to a thread                      | its answer → over; the thread's death → over, or     |
 * |               |                                               | once, if the thread had not started it → waiting     |
 * | over          | answered; failed; late; cancelled; stopped    |                                                      |
 *
 * A thread that is late with an answer, or with the next part of one, is ended, so that waiting questions are not affected. How long its
 * question had waited before does not count for the thread, only for the question.
 * Long answers come in parts, each when it is asked for: whoever sends them to a client holds one at a time.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import type { HttpRefusalReason } from '../../model/http-figures.ts';
import type { Announcement, Directory } from '../../reading/directory.ts';
import { LimitReached } from '../http-refusals.ts';
import type { HttpLog } from '../messages.ts';
import { PoolThread, type PoolThreadDeath, type PoolThreadKind, type Question } from './pool-thread.ts';

export interface PoolOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: HttpLog;
}

/** What a pool is for. */
export interface PoolKind extends PoolThreadKind {
  /** What a question is called in errors: "query". */
  readonly question: string;
  /** How reaching `maxUnderWay` is counted. */
  readonly reason: HttpRefusalReason;
  readonly maxThreads: number;
  /** Questions running or waiting. */
  readonly maxUnderWay: number;
  /** A thread that takes longer is stuck. */
  readonly withinMs: number;
  /** Whether its threads need to know. */
  readonly concerns: (announcement: Announcement) => boolean;
}

export interface Asking {
  /** Ends the question: nobody waits for its answer any more. */
  readonly signal?: AbortSignal;
}

export class Pool<Task, Answer> {
  readonly #options: PoolOptions;
  readonly #kind: PoolKind;
  /** The first one stays and is asked first, so that the others can end when there is little to do. */
  #threads: PoolThread<Task, Answer>[] = [];
  #waiting: Question<Task, Answer>[] = [];
  readonly #underWay = new Set<Question<Task, Answer>>();
  /** Questions that were given to a thread which died of something else. */
  readonly #askedTwice = new WeakSet<Question<Task, Answer>>();
  /** When each was given to a thread. */
  readonly #givenMs = new WeakMap<Question<Task, Answer>, number>();
  /** Of threads whose question is late, but was given to them not long ago. */
  readonly #giveUps = new Set<Timer>();
  #isStopped = false;

  constructor(options: PoolOptions, kind: PoolKind) {
    this.#options = options;
    this.#kind = kind;
  }

  /** Publishes changes, after the directory has applied them. */
  announced(announcements: readonly Announcement[]): void {
    if (this.#threads.length === 0) return;
    const items = announcements.filter(this.#kind.concerns);
    for (const thread of this.#threads) thread.announce(items);
  }

  /** For fault tests; none before the first query. */
  threads() {
    return this.#threads.flatMap(({ thread }) => (thread === undefined ? [] : [thread]));
  }

  /** No question will be answered any more. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Ends all threads; queries in progress fail. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#giveUps) timer.cancel();
    for (const { failed } of this.#waiting.splice(0)) failed(stopped());
    await Promise.all(this.#threads.map((thread) => thread.stop(stopped())));
  }

  /** @throws PulselaneError `resource_exhausted` or `unavailable` */
  async ask<A extends Answer>(task: Task, { signal }: Asking = {}): Promise<A> {
    const { maxUnderWay, withinMs, question: name, reason } = this.#kind;
    if (this.#underWay.size >= maxUnderWay) {
      throw new LimitReached(
        'resource_exhausted',
        reason,
        `too many ${name}s: ${maxUnderWay} are already running or waiting`,
      );
    }
    // Ended threads would be restarted.
    if (this.#isStopped) throw stopped();
    const { clock, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const question: Question<Task, Answer> = {
      task,
      answered: resolve,
      failed: reject,
    };
    this.#underWay.add(question);
    const late = clock.after(withinMs, () => this.#late(question));
    const cancel = () => this.#cancel(question);
    signal?.addEventListener('abort', cancel, { once: true });
    this.#waiting.push(question);
    this.#dispatch();
    if (signal?.aborted === true) cancel();
    try {
      return (await promise) as A;
    } catch (error) {
      if (this.#isStopped) throw stopped();
      if (signal?.aborted === true) throw new PulselaneError('unavailable', `the ${name} was cancelled`);
      log('warn', `a ${name} failed: ${messageOf(error)}`);
      throw new PulselaneError('unavailable', `the ${name} failed; it may succeed if repeated`);
    } finally {
      signal?.removeEventListener('abort', cancel);
      late.cancel();
      this.#underWay.delete(question);
    }
  }

  #cancel(question: Question<Task, Answer>): void {
    if (this.#threads.some((thread) => thread.cancel(question))) return;
    this.#waiting = this.#waiting.filter((waiting) => waiting !== question);
    question.failed(new Error('cancelled'));
  }

  #dispatch(): void {
    if (this.#isStopped) return;
    for (const thread of this.#threads) {
      if (!thread.isIdle) continue;
      const question = this.#waiting.shift();
      if (question === undefined) return;
      this.#givenMs.set(question, this.#options.clock.monotonicMs());
      thread.ask(question);
    }
    if (this.#waiting.length === 0) return;
    for (const thread of this.#threads) thread.startAgain();
    const coming = this.#threads.filter(({ isComing }) => isComing).length;
    if (this.#waiting.length > coming && this.#threads.length < this.#kind.maxThreads) this.#add();
  }

  #add(): void {
    const { directory, clock } = this.#options;
    const thread: PoolThread<Task, Answer> = new PoolThread({
      kind: this.#kind,
      index: this.#freeIndex(),
      directory,
      clock,
      onIdle: () => this.#dispatch(),
      onIdleLong: () => this.#endSpare(thread),
      onDeath: (death) => this.#threadDied(death),
    });
    this.#threads.push(thread);
    thread.start();
  }

  #freeIndex(): number {
    const taken = new Set(this.#threads.map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    return index;
  }

  #threadDied({ reason, text, question, isQuestionUntouched }: PoolThreadDeath<Question<Task, Answer>>): void {
    const { log } = this.#options;
    const mayWaitAgain = isQuestionUntouched && question !== undefined && this.#isFirstTry(question);
    if (mayWaitAgain) {
      this.#askedTwice.add(question);
      this.#waiting.unshift(question);
    } else question?.failed(new Error(reason));
    // A failed query is logged by its caller.
    if (text !== undefined && (question === undefined || mayWaitAgain)) log('warn', text);
    this.#dispatch();
  }

  #isFirstTry(question: Question<Task, Answer>): boolean {
    return this.#underWay.has(question) && !this.#askedTwice.has(question);
  }

  #endSpare(thread: PoolThread<Task, Answer>): void {
    if (this.#threads.length === 1) return;
    this.#threads = this.#threads.filter((other) => other !== thread);
    void thread.stop(stopped());
  }

  #late(question: Question<Task, Answer>): void {
    const { withinMs } = this.#kind;
    const { clock } = this.#options;
    const reason = `no answer within ${withinMs} ms`;
    question.failed(new Error(reason));
    this.#waiting = this.#waiting.filter((waiting) => waiting !== question);
    const leftMs = (this.#givenMs.get(question) ?? 0) + withinMs - clock.monotonicMs();
    const giveUp = () => {
      for (const thread of this.#threads) thread.giveUp(question, reason);
    };
    if (leftMs <= 0) {
      giveUp();
      return;
    }
    const timer = clock.after(leftMs, () => {
      this.#giveUps.delete(timer);
      giveUp();
    });
    this.#giveUps.add(timer);
  }
}

function stopped(): PulselaneError {
  return new PulselaneError('unavailable', 'the HTTP server stops');
}
