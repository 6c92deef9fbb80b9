/**
 * One thread of the query pool, and the question that it has in hand.
 *
 * | state   | entered when                                          | left when                                        |
 * |---------|-------------------------------------------------------|--------------------------------------------------|
 * | coming  | made; or it died, and is started again with back-off  | it was told of all workers → idle                |
 * | idle    | told of all workers; or it has answered               | `ask` → asked; idle for long → the pool's matter |
 * | asked   | `ask`                                                 | its answer → idle                                |
 * | ending  | `giveUp`; or it owes signs of life                    | death → coming                                   |
 * | stopped | `stop`                                                | never                                            |
 *
 * Death leads from each of them but the last to coming. What an ending thread has answered is heard; it is asked nothing more.
 * A question is put only to an idle thread, behind all that is told of workers: its answer is as new as what is known here.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import type { Announcement, Directory } from '../../reading/directory.ts';
import { ReaderHost } from '../../reading/reader-host.ts';
import { rosterParts } from '../../reading/roster-feed.ts';
import { POOL_HEAP_MIB, POOL_IDLE_MS } from '../http-limits.ts';
import type { Answer, Said, Task } from './tasks.ts';

/** A task and who waits for its answer. */
export interface Question {
  readonly task: Task;
  readonly answered: (answer: Answer) => void;
  readonly failed: (error: Error) => void;
}

export interface PoolThreadDeath {
  readonly reason: string;
  /** For people to read; undefined: it was given up, of which the failure of its question tells. */
  readonly text: string | undefined;
  /** The question that it had in hand, which is the pool's again. */
  readonly question: Question | undefined;
  /** It had answered before, and had not begun with this one: what it died of was something else. */
  readonly isQuestionUntouched: boolean;
}

export interface PoolThreadOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  /** It may be asked. */
  readonly onIdle: () => void;
  /** It has had nothing to do for POOL_IDLE_MS. */
  readonly onIdleLong: () => void;
  readonly onDeath: (death: PoolThreadDeath) => void;
}

export class PoolThread {
  readonly #options: PoolThreadOptions;
  readonly #host: ReaderHost<Task, Said>;
  #question: Question | undefined;
  /** The thread has begun with the question. */
  #hasBegun = false;
  #isGivenUp = false;
  /** The thread has answered something since it began. */
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

  /** For tests that hurt it; undefined while there is none. */
  get thread() {
    return this.#host.thread.thread;
  }

  /** There is no thread yet, or it does not know all workers, or it is being ended, so that another comes. */
  get isComing(): boolean {
    return !this.#host.isFed;
  }

  get isIdle(): boolean {
    return this.#host.isFed && this.#question === undefined;
  }

  start(): void {
    this.#host.start();
  }

  /** It is needed: one that died of a question is started at once, one that could not even begin waits for its time. */
  startAgain(): void {
    if (!this.#wasOfUse || this.#host.thread.state !== 'waiting') return;
    this.#wasOfUse = false;
    this.#host.start();
  }

  announce(items: readonly Announcement[]): void {
    this.#host.announce(items);
  }

  /** Only while it is idle. */
  ask(question: Question): void {
    this.#idleLong?.cancel();
    this.#question = question;
    this.#hasBegun = false;
    this.#host.post(question.task);
  }

  /** Ends it if it has that question in hand. @returns whether it has */
  giveUp(question: Question, reason: string): boolean {
    if (this.#question !== question) return false;
    this.#isGivenUp = true;
    this.#host.kill(reason);
    return true;
  }

  /** What it has in hand fails. */
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
