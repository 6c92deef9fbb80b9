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
 * A question that nobody waits for any more stays in progress until its answer: the thread is told to end it soon.
 * Death leads from every state but the last to coming. An answer of an ending thread still counts, but it gets no more
 * questions. Only an idle thread gets a question, after all announcements, so its answer is as new as this thread's knowledge.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import type { ThreadScript } from '../../lib/threads.ts';
import type { Announcement, Directory } from '../../reading/directory.ts';
import { ReaderHost } from '../../reading/reader-host.ts';
import type { ReaderData } from '../../reading/reader-messages.ts';
import { rosterParts } from '../../reading/roster-feed.ts';
import { POOL_HEAP_MIB, POOL_IDLE_MS } from '../http-limits.ts';
import type { Said, ToPoolThread } from './pool-messages.ts';

/** A task, with the promise of its answer. */
export interface Question<Task, Answer> {
  readonly task: Task;
  readonly answered: (answer: Answer) => void;
  readonly failed: (error: Error) => void;
}

/** What the threads of a pool are. */
export interface PoolThreadKind {
  readonly script: ThreadScript;
  /** The thread's name in the system. */
  readonly name: string;
  /** Its name for people, such as "a query thread". */
  readonly title: string;
  readonly data: ReaderData;
  /** Besides the workers: what a new thread has to be told. */
  readonly roster?: () => readonly Announcement[];
}

export interface PoolThreadDeath<Question> {
  readonly reason: string;
  /** For people; undefined if the thread was given up, which the failed question reports. */
  readonly text: string | undefined;
  /** The question in progress, which returns to the pool. */
  readonly question: Question | undefined;
  /** It had answered questions before, but had not started this one: so this question was not the cause. */
  readonly isQuestionUntouched: boolean;
}

export interface PoolThreadOptions<Question> {
  readonly kind: PoolThreadKind;
  /** Which of the pool's threads it is, from 0. */
  readonly index: number;
  readonly directory: Directory;
  readonly clock: Clock;
  /** The thread can take a question. */
  readonly onIdle: () => void;
  /** The thread had nothing to do for POOL_IDLE_MS. */
  readonly onIdleLong: () => void;
  readonly onDeath: (death: PoolThreadDeath<Question>) => void;
}

export class PoolThread<Task, Answer> {
  readonly #options: PoolThreadOptions<Question<Task, Answer>>;
  readonly #host: ReaderHost<ToPoolThread<Task>, Said<Answer>>;
  #question: Question<Task, Answer> | undefined;
  /** The thread has started the question. */
  #hasBegun = false;
  #isGivenUp = false;
  /** The thread has answered a question since it started. */
  #wasOfUse = false;
  #idleLong: Timer | undefined;

  constructor(options: PoolThreadOptions<Question<Task, Answer>>) {
    this.#options = options;
    const { directory, clock, kind, index } = options;
    const { script, name, title, data } = kind;
    this.#host = new ReaderHost<ToPoolThread<Task>, Said<Answer>>({
      script,
      name,
      title,
      data,
      index,
      limits: { maxOldGenerationSizeMb: POOL_HEAP_MIB },
      clock,
      roster: () => rosterOf(directory, kind),
      onFed: () => this.#rest(),
      onMessage: (said) => this.#heard(said),
      onDeath: (death) => this.#died(death),
    });
  }

  get index(): number {
    return this.#options.index;
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
  ask(question: Question<Task, Answer>): void {
    this.#idleLong?.cancel();
    this.#question = question;
    this.#hasBegun = false;
    this.#host.post({ type: 'task', task: question.task });
  }

  /** Asks to end the question soon. @returns whether it is in progress here */
  cancel(question: Question<Task, Answer>): boolean {
    if (this.#question !== question) return false;
    this.#host.post({ type: 'cancel' });
    return true;
  }

  /** Ends the thread if this question is in progress. @returns whether it is */
  giveUp(question: Question<Task, Answer>, reason: string): boolean {
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

  #heard(said: Said<Answer>): void {
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
    const told = how === 'killed' ? reason : `${this.#options.kind.title} ended: ${reason}`;
    const text = this.#isGivenUp ? undefined : told;
    this.#isGivenUp = false;
    this.#options.onDeath({ reason, text, question, isQuestionUntouched: this.#wasOfUse && !this.#hasBegun });
    return backOffMs;
  }
}

function* rosterOf(directory: Directory, { roster }: PoolThreadKind): Generator<readonly Announcement[]> {
  if (roster !== undefined) yield roster();
  yield* rosterParts(directory);
}
