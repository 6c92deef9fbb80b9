/**
 * Threads for queries that would block the HTTP thread's event loop. Started on first use, so that small fleets do not pay for
 * them; each reads the same shared memory and gets all announcements.
 *
 * | a question is | since                                         | until                                                |
 * |---------------|-----------------------------------------------|------------------------------------------------------|
 * | waiting       | it was asked                                  | a thread is idle, first come first served → running  |
 * | running       | it was given to a thread                      | its answer → over; the thread's death → over, or     |
 * |               |                                               | once, if the thread had not started it → waiting     |
 * | over          | answered; failed; late; the pool was stopped  |                                                      |
 *
 * A thread that is late with an answer is ended, so that waiting questions are not affected.
 */
import type { Clock } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import type { Announcement, Directory } from '../../reading/directory.ts';
import { MAX_QUERIES_UNDER_WAY, POOL_THREADS, QUERY_WITHIN_MS } from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';
import type { HttpLog } from '../messages.ts';
import type { PageRequest } from './page.ts';
import { PoolThread, type PoolThreadDeath, type Question } from './pool-thread.ts';
import type { Answer, Answers, Task } from './tasks.ts';

export interface QueryPoolOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: HttpLog;
}

export class QueryPool {
  readonly #options: QueryPoolOptions;
  /** The first one stays and is asked first, so that the others can end when there is little to do. */
  #threads: PoolThread[] = [];
  #waiting: Question[] = [];
  readonly #underWay = new Set<Question>();
  /** Questions that were given to a thread which died of something else. */
  readonly #askedTwice = new WeakSet<Question>();
  #isStopped = false;

  constructor(options: QueryPoolOptions) {
    this.#options = options;
  }

  /** Publishes changes, after the directory has applied them. */
  announced(announcements: readonly Announcement[]): void {
    if (this.#threads.length === 0) return;
    const items = announcements.filter(concernsQueries);
    for (const thread of this.#threads) thread.announce(items);
  }

  /** @throws PulselaneError `resource_exhausted` or `unavailable` */
  page(request: PageRequest, gzip: boolean): Promise<Answers['page']> {
    return this.#ask({ type: 'page', request, gzip });
  }

  /** @throws PulselaneError as `page` does */
  cluster(): Promise<Answers['cluster']> {
    return this.#ask({ type: 'cluster' });
  }

  /** @throws PulselaneError as `page` does */
  gzip(bytes: Uint8Array): Promise<Answers['gzip']> {
    // Copied: transferring a view would send all the memory behind it.
    return this.#ask({ type: 'gzip', bytes: new Uint8Array(bytes) });
  }

  /** For fault tests; none before the first query. */
  threads() {
    return this.#threads.flatMap(({ thread }) => (thread === undefined ? [] : [thread]));
  }

  /** Ends all threads; queries in progress fail. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { failed } of this.#waiting.splice(0)) failed(stopped());
    await Promise.all(this.#threads.map((thread) => thread.stop(stopped())));
  }

  async #ask<A extends Answer>(task: Task): Promise<A> {
    if (this.#underWay.size >= MAX_QUERIES_UNDER_WAY) {
      throw new LimitReached(
        'resource_exhausted',
        'queries',
        `too many queries: ${MAX_QUERIES_UNDER_WAY} are already running or waiting`,
      );
    }
    // Ended threads would be restarted.
    if (this.#isStopped) throw stopped();
    const { clock, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const question: Question = { task, answered: resolve, failed: reject };
    this.#underWay.add(question);
    const late = clock.after(QUERY_WITHIN_MS, () => this.#late(question));
    this.#waiting.push(question);
    this.#dispatch();
    try {
      return (await promise) as A;
    } catch (error) {
      if (this.#isStopped) throw stopped();
      log('warn', `a query failed: ${messageOf(error)}`);
      throw new PulselaneError('unavailable', 'the query failed; it may succeed if repeated');
    } finally {
      late.cancel();
      this.#underWay.delete(question);
    }
  }

  #dispatch(): void {
    if (this.#isStopped) return;
    for (const thread of this.#threads) {
      if (!thread.isIdle) continue;
      const question = this.#waiting.shift();
      if (question === undefined) return;
      thread.ask(question);
    }
    if (this.#waiting.length === 0) return;
    for (const thread of this.#threads) thread.startAgain();
    const coming = this.#threads.filter(({ isComing }) => isComing).length;
    if (this.#waiting.length > coming && this.#threads.length < POOL_THREADS) this.#add();
  }

  #add(): void {
    const { directory, clock } = this.#options;
    const thread: PoolThread = new PoolThread({
      directory,
      clock,
      onIdle: () => this.#dispatch(),
      onIdleLong: () => this.#endSpare(thread),
      onDeath: (death) => this.#threadDied(death),
    });
    this.#threads.push(thread);
    thread.start();
  }

  #threadDied({ reason, text, question, isQuestionUntouched }: PoolThreadDeath): void {
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

  #isFirstTry(question: Question): boolean {
    return this.#underWay.has(question) && !this.#askedTwice.has(question);
  }

  #endSpare(thread: PoolThread): void {
    if (this.#threads.length === 1) return;
    this.#threads = this.#threads.filter((other) => other !== thread);
    void thread.stop(stopped());
  }

  #late(question: Question): void {
    const reason = `no answer within ${QUERY_WITHIN_MS} ms`;
    question.failed(new Error(reason));
    if (this.#threads.some((thread) => thread.giveUp(question, reason))) return;
    this.#waiting = this.#waiting.filter((waiting) => waiting !== question);
  }
}

/** Queries use neither events nor holds. */
export function concernsQueries({ type }: Announcement): boolean {
  return (
    type === 'slotAdded' ||
    type === 'slotGrown' ||
    type === 'slotGone' ||
    type === 'slotsLetGo' ||
    type === 'workerFacts' ||
    type === 'laneFault'
  );
}

function stopped(): PulselaneError {
  return new PulselaneError('unavailable', 'the HTTP server stops');
}
