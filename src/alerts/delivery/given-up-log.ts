/** Says in the log what was given up: the first at once, then how many more, once a minute. */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { DeadLetter } from '../../model/dead-letter.ts';
import { oneLine } from './receivers/message.ts';

const EVERY_MS = 60_000;

export class GivenUpLog {
  readonly #clock: Clock;
  readonly #log: (level: 'warn', message: string) => void;
  #timer: Timer | undefined;
  #more = 0;

  constructor(clock: Clock, log: (level: 'warn', message: string) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  add(letter: DeadLetter): void {
    if (this.#timer !== undefined) {
      this.#more++;
      return;
    }
    this.#log('warn', textOf(letter));
    this.#timer = this.#clock.after(EVERY_MS, () => {
      this.#timer = undefined;
      if (this.#more > 0) this.#log('warn', `${this.#more} more notifications of alerts were given up within a minute`);
      this.#more = 0;
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}

function textOf({ receiver, kind, alerts, alertCount, attempts, detail }: DeadLetter): string {
  const [first] = alerts;
  const what =
    first === undefined ? 'no alert' : `${first.rule}${first.subject.name === '' ? '' : ` of ${first.subject.name}`}`;
  const more = alertCount > 1 ? ` and ${alertCount - 1} more` : '';
  const tries = attempts === 0 ? '' : ` after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  return `a notification for receiver ${receiver} (${kind}) was given up${tries}: ${detail}; it told of ${oneLine(what)}${more}`;
}
