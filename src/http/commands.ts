/**
 * The HTTP thread's side of commands: sends one to main and waits for the reply. Main may be stuck, so a time-out always
 * produces an answer, and the number of waiting commands is limited.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import type { HttpRefusalReason } from '../model/http-figures.ts';
import { COMMAND_WITHIN_MS, MAX_COMMANDS_UNDER_WAY, TRIAL_WITHIN_MS } from './http-limits.ts';
import type { Command, CommandReply } from './messages.ts';

/** Main's reply, or why main was not asked: then `reason` is the limit reached, for the caller to count. */
export type CommandOutcome = CommandReply & { readonly reason?: HttpRefusalReason };

interface Waiting {
  readonly resolve: (reply: CommandReply) => void;
  readonly timer: Timer;
}

export class Commands {
  readonly #clock: Clock;
  readonly #post: (id: number, command: Command) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(clock: Clock, post: (id: number, command: Command) => void) {
    this.#clock = clock;
    this.#post = post;
  }

  /** Never rejects: failures are in the reply. */
  run(command: Command): Promise<CommandOutcome> {
    if (this.#waiting.size >= MAX_COMMANDS_UNDER_WAY) {
      const message = 'too many commands are waiting for the master; try again';
      return Promise.resolve({ ok: false, code: 'resource_exhausted', message, reason: 'commands' });
    }
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const timer = this.#clock.after(withinMs(command), () => {
        this.replied(id, {
          ok: false,
          code: 'unavailable',
          message: 'the master does not answer; it may still carry out the command',
        });
      });
      this.#waiting.set(id, { resolve, timer });
      this.#post(id, command);
    });
  }

  replied(id: number, reply: CommandReply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    waiting.resolve(reply);
  }
}

function withinMs(command: Command): number {
  const isTrial = command.type === 'alerts' && command.asked.type === 'test-receiver';
  return isTrial ? TRIAL_WITHIN_MS : COMMAND_WITHIN_MS;
}
