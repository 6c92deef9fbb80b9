/**
 * Ended tasks that a master has to be told of. Each is in every heartbeat until two acks have covered it without a rejection between
 * them: a rejection may follow the ack of its heartbeat, but not the next one (`sender/acceptance.ts`). Another connection begins
 * anew, since its master may be another one.
 */
import { MAX_ENDED_TASKS } from '../model/heartbeat-limits.ts';
import type { EndedTask } from '../model/telemetry.ts';
import type { Report } from './report.ts';

/** Numbered by the host from 1, so that both sides of a thread can name it. */
export interface NumberedEnd {
  readonly number: number;
  readonly task: EndedTask;
}

interface Waiting {
  /** Undefined if the host does not know it. */
  readonly number: number | undefined;
  readonly task: EndedTask;
  /** The heartbeat of this connection that had it first. */
  firstSequence: number | undefined;
  acks: number;
}

/** The second one shows that no rejection came between. */
const ACKS_NEEDED = 2;

export class EndedTasks {
  readonly #report: Report;
  /** All ended tasks of the host up to this one are told, or dropped. */
  readonly #onTold: (upTo: number) => void;
  /** In the order in which they came; those of the host in order of their numbers. */
  #waiting: Waiting[] = [];
  #lastNumber = 0;
  #ownChanges = 0;
  #dropped = 0;

  constructor(report: Report, onTold: (upTo: number) => void) {
    this.#report = report;
    this.#onTold = onTold;
  }

  /** Those that wait, oldest first, for the next heartbeat. */
  get waiting(): readonly EndedTask[] {
    return this.#waiting.map(({ task }) => task);
  }

  /** Of those, the ones that the host does not know. */
  get ownWaiting(): readonly EndedTask[] {
    return this.#waiting.filter(({ number }) => number === undefined).map(({ task }) => task);
  }

  /** Grows with each change of {@link ownWaiting}. */
  get ownChanges(): number {
    return this.#ownChanges;
  }

  /** One that it knows changes nothing. */
  add({ number, task }: NumberedEnd): void {
    if (number <= this.#lastNumber) return;
    this.#lastNumber = number;
    this.#push(number, task);
  }

  /** Of a task that the host does not know. */
  addOwn(task: EndedTask): void {
    this.#ownChanges++;
    this.#push(undefined, task);
  }

  #push(number: number | undefined, task: EndedTask): void {
    this.#waiting.push({ number, task, firstSequence: undefined, acks: 0 });
    if (this.#waiting.length <= MAX_ENDED_TASKS) return;
    if (this.#dropped === 0) {
      const what = `more than ${MAX_ENDED_TASKS} ended tasks wait to be told to a master`;
      this.#report('warn', `${what}: it will not learn how the oldest of them ended`);
    }
    this.#dropped++;
    this.#remove(1);
  }

  /** The heartbeat has the first `count` of them. */
  sent(sequence: number, count: number): void {
    for (const waiting of this.#waiting.slice(0, count)) waiting.firstSequence ??= sequence;
  }

  accepted(sequence: number): void {
    for (const waiting of this.#waiting) {
      if (waiting.firstSequence !== undefined && waiting.firstSequence <= sequence) waiting.acks++;
    }
    const open = this.#waiting.findIndex(({ acks }) => acks < ACKS_NEEDED);
    this.#remove(open === -1 ? this.#waiting.length : open);
    if (this.#dropped === 0 || this.#waiting.length === MAX_ENDED_TASKS) return;
    this.#report('warn', `the master was not told of ${this.#dropped} ended tasks: too many waited`);
    this.#dropped = 0;
  }

  /** That heartbeat was refused, or its values rejected, perhaps with some before it. */
  refused(sequence: number): void {
    for (const waiting of this.#waiting) {
      if (waiting.firstSequence === undefined || waiting.firstSequence > sequence) continue;
      waiting.firstSequence = undefined;
      waiting.acks = 0;
    }
  }

  reconnected(): void {
    this.refused(Number.POSITIVE_INFINITY);
  }

  #remove(count: number): void {
    const removed = this.#waiting.slice(0, count);
    const told = removed.findLast(({ number }) => number !== undefined);
    if (removed.some(({ number }) => number === undefined)) this.#ownChanges++;
    this.#waiting = this.#waiting.slice(count);
    if (told?.number !== undefined) this.#onTold(told.number);
  }
}
