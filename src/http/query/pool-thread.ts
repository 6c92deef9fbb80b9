/**
 * One thread of the query pool, with at most one question in progress.
 *
 * | state   | entered when                                           | left when                                              |
 * |---------|--------------------------------------------------------|--------------------------------------------------------|
 * | coming  | created; or the thread died and restarts with back-off | all workers are announced → idle                       |
 * | idle    | all workers are announced; or a question was answered  | `ask` → asked; idle for long → the pool decides        |
 * | asked   | `ask`                                                  | its answer → idle                                      |
 * | ending  | `giveUp`; or signs of life are missing                 | death → coming                                         |
 * | stopped | `stop`                                                 | never                                                  |
 *
 * Death leads from every state but the last to coming. An answer of an ending thread still counts, but it gets no more
 * questions. Only an idle thread gets a question, after all announcements, so its answer is as new as this thread's knowledge.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import type { Announcement, Directory } from '../../reading/directory.ts';
import { ReaderHost } from '../../reading/reader-host.ts';
import { rosterParts } from '../../reading/roster-feed.ts';
import { POOL_HEAP_MIB, POOL_IDLE_MS } from '../http-limits.ts';
import type { Answer, Said, Task } from './tasks.ts';

/** A task, with the promise of its answer. */
export interface Question {
  readonly task: Task;
  readonly answered: (answer: Answer) => void;
  readonly failed: (error: Error) => void;
}

export interface PoolThreadDeath {
  readonly reason: string;
  /** For people; undefined if the thread was given up, which the failed question reports. */
  readonly text: string | undefined;
  /** The question in progress, which returns to the pool. */
  readonly question: Question | undefined;
  /** It had answered questions before, but had not started this one: so this question was not the cause. */
  readonly isQuestionUntouched: boolean;
}

export interface PoolThreadOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  /** The thread can take a question. */
  readonly onIdle: () => void;
  /** The thread had nothing to do for POOL_IDLE_MS. */
  readonly onIdleLong: () => void;
  readonly onDeath: (death: PoolThreadDeath) => void;
}

export class PoolThread {
  readonly #options: PoolThreadOptions;
  readonly #host: ReaderHost<Task, Said>;
  #question: Question | undefined;
  /** The thread has started the question. */
  #hasBegun = false;
  #isGivenUp = false;
  /** The thread has answered a question since it started. */
  #wasOfUse = false;
  #idleLong: Timer | undefined;

  constructor(options: PoolThreadOptions) {
    this.#options = options;
    const { directory, clock } = options;
    this.#host = new ReaderHost<Task, Said>({
      script: 'http/query/thread',
      name: 'pulselane-query',
      title: 'a query thread',
      data: { board: directory.board.memory },
      limits: { maxOldGenerationSizeMb: POOL_HEAP_MIB },
      clock,
      roster: () => rosterParts(directory),
      onFed: () => this.#rest(),
      onMessage: (said) => this.#heard(said),
      onDeath: (death) => this.#died(death),
    });
  }

  /** For fault tests; undefined while there is none. */
  get thread() {
    return this.#host.thread.thread;
  }

  /** The thread is not ready yet, or is being ended and will be replaced. */
  get isComing(): boolean {
    return !this.#host.isFed;
  }

  get isIdle(): boolean {
    return this.#host.isFed && this.#question === undefined;
  }

  start(): void {
    this.#host.start();
  }

  /** It is needed: restarts at once if a question killed it; if it failed to start, the back-off applies. */
  startAgain(): void {
    if (!this.#wasOfUse || this.#host.thread.state !== 'waiting') return;
    this.#wasOfUse = false;
    this.#host.start();
  }

  announce(items: readonly Announcement[]): void {
    this.#host.announce(items);
  }

  /** Call it only while the thread is idle. */
  ask(question: Question): void {
    this.#idleLong?.cancel();
    this.#question = question;
    this.#hasBegun = false;
    this.#host.post(question.task);
  }

  /** Ends the thread if this question is in progress. @returns whether it is */
  giveUp(question: Question, reason: string): boolean {
    if (this.#question !== question) return false;
    this.#isGivenUp = true;
    this.#host.kill(reason);
    return true;
  }

  /** Fails the question in progress. */
  async stop(reason: Error): Promise<void> {
    this.#idleLong?.cancel();
    this.#question?.failed(reason);
    await this.#host.stop();
  }

  #heard(said: Said): void {
    if (said === 'begun') {
      this.#hasBegun = true;
      return;
    }
    const question = this.#question;
    this.#question = undefined;
    this.#wasOfUse = true;
    if (said.ok) question?.answered(said.answer);
    else question?.failed(new Error(said.message));
    if (this.isIdle) this.#rest();
  }

  #rest(): void {
    const { clock, onIdle, onIdleLong } = this.#options;
    this.#idleLong?.cancel();
    this.#idleLong = clock.after(POOL_IDLE_MS, onIdleLong);
    onIdle();
  }

  #died({ how, reason, backOffMs }: ThreadDeath): number {
    this.#idleLong?.cancel();
    const question = this.#question;
    this.#question = undefined;
    const told = how === 'killed' ? reason : `a query thread ended: ${reason}`;
    const text = this.#isGivenUp ? undefined : told;
    this.#isGivenUp = false;
    this.#options.onDeath({ reason, text, question, isQuestionUntouched: this.#wasOfUse && !this.#hasBegun });
    return backOffMs;
  }
}
