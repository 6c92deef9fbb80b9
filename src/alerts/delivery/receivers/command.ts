/**
 * Runs a program of this machine with the alerts as JSON on its standard input, in the payload of the webhook. No shell, few
 * variables, one program at a time, and an end: after 30 s it is killed with all it has started, also when it has ended itself.
 *
 * | ends with                       | then                                               |
 * |---------------------------------|----------------------------------------------------|
 * | 0                               | sent                                               |
 * | 64 to 78, except 75             | refused: sysexits.h calls them errors of the input |
 * | others, a signal, no end        | again                                              |
 * | it cannot be started            | refused                                            |
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { ChildGroups, endGroup } from '../../../lib/child-groups.ts';
import { messageOf } from '../../../lib/errors.ts';
import { printable } from '../../../lib/printable.ts';
import { fileCauseText } from '../../../lib/setting-file.ts';
import type { CommandSettings } from '../../rules/receivers/command.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import type { ReceiverContext } from './context.ts';
import { oneLine } from './message.ts';
import { COMMAND_WITHIN_MS, MAX_COMMAND_OUTPUT_BYTES, MAX_SHOWN_OUTPUT, OUTPUT_WITHIN_MS } from './receiver-limits.ts';
import { webhookBody } from './webhook-payload.ts';

const BECAUSE_ABORTED = 'because the master stops or the trial took too long';

/** One program at a time, of all receivers. */
export class CommandTurns {
  readonly groups: ChildGroups;
  #last: Promise<unknown> = Promise.resolve();

  constructor(groups = new ChildGroups()) {
    this.groups = groups;
  }

  take<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

export class CommandSender implements Sender {
  readonly #settings: CommandSettings;
  readonly #context: ReceiverContext;
  readonly #turns: CommandTurns;

  constructor(settings: CommandSettings, context: ReceiverContext, turns: CommandTurns) {
    this.#settings = settings;
    this.#context = context;
    this.#turns = turns;
  }

  readonly inTurn = <T>(deliver: () => Promise<T>): Promise<T> => this.#turns.take(deliver);

  async close(): Promise<void> {}

  async send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    if (signal.aborted) return { outcome: 'retry', detail: this.#detail(`it was not started, ${BECAUSE_ABORTED}`) };
    const ended = await this.#endOf(webhookBody(notification, this.#context.externalUrl), notification, signal);
    const output = shownOutput(ended.output);
    const facts = {
      receiver: oneLine(notification.receiver),
      command: this.#settings.path,
      ...(output === '' ? {} : { output }),
    };
    if (ended.isSent) this.#context.log('info', 'the command of a receiver has ended', facts);
    else this.#context.log('warn', `the command of a receiver failed: ${ended.detail}`, facts);
    if (ended.isSent) return { outcome: 'sent' };
    const detail = this.#detail(`${ended.detail}${output === '' ? '' : `: ${oneLine(output, 200)}`}`);
    return { outcome: ended.isForGood ? 'refused' : 'retry', detail };
  }

  #endOf(input: string, { receiver, dedupKey, isTrial }: Notification, signal: AbortSignal): Promise<End> {
    const { promise, resolve } = Promise.withResolvers<End>();
    const output: Buffer[] = [];
    let bytes = 0;
    let child: ChildProcess;
    try {
      child = spawn(this.#settings.path, this.#settings.args, {
        cwd: '/',
        // It leads a group of its own, so that what it starts ends with it.
        detached: true,
        shell: false,
        stdio: ['pipe', 'pipe', 'pipe'],
        windowsHide: true,
        env: {
          ...this.#context.commandEnvironment,
          PULSELANE_RECEIVER: withoutNul(receiver),
          PULSELANE_DEDUP_KEY: withoutNul(dedupKey),
          PULSELANE_TRIAL: isTrial ? '1' : '0',
        },
      });
    } catch (error) {
      return Promise.resolve(notStarted(error));
    }
    let group = child.pid;
    if (group !== undefined) this.#turns.groups.add(group);
    const endProcesses = () => {
      if (group === undefined) return;
      endGroup(group);
      this.#turns.groups.delete(group);
      // From now on, its id may be that of others.
      group = undefined;
    };
    let isOver = false;
    const end = (reason: Omit<End, 'output'>) => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      signal.removeEventListener('abort', stop);
      endProcesses();
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
      resolve({ ...reason, output: Buffer.concat(output).toString() });
    };
    const within = COMMAND_WITHIN_MS / 1000;
    const timer = this.#context.clock.after(COMMAND_WITHIN_MS, () =>
      end({ isSent: false, isForGood: false, detail: `it had not ended after ${within} s and was killed` }),
    );
    const stop = () => end({ isSent: false, isForGood: false, detail: `it was killed, ${BECAUSE_ABORTED}` });
    signal.addEventListener('abort', stop);
    const take = (chunk: Buffer) => {
      if (bytes < MAX_COMMAND_OUTPUT_BYTES) output.push(chunk.subarray(0, MAX_COMMAND_OUTPUT_BYTES - bytes));
      bytes += chunk.length;
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    // A program may end without reading its input.
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => end(notStarted(error)));
    child.on('exit', (code, killedBy) => {
      const reason = endOf(code, killedBy);
      // What it has started ends with it, and with that its output, unless something has left the group.
      endProcesses();
      child.on('close', () => end(reason));
      this.#context.clock.after(OUTPUT_WITHIN_MS, () => end(reason));
    });
    child.stdin?.end(input);
    return promise;
  }

  #detail(text: string): string {
    return `${printable(this.#settings.path)}: ${text}`;
  }
}

interface End {
  readonly isSent: boolean;
  readonly isForGood: boolean;
  readonly detail: string;
  readonly output: string;
}

/** EX_TEMPFAIL of sysexits.h. */
const TEMPORARY = 75;

function endOf(code: number | null, signal: string | null): Omit<End, 'output'> {
  if (code === null) return { isSent: false, isForGood: false, detail: `it was ended by ${signal}` };
  const isForGood = code >= 64 && code <= 78 && code !== TEMPORARY;
  return { isSent: code === 0, isForGood, detail: `it ended with exit code ${code}` };
}

function notStarted(error: unknown): End {
  const { code } = error as NodeJS.ErrnoException;
  const cause =
    code === 'EACCES' ? 'it is not executable' : code === undefined ? messageOf(error) : fileCauseText(error);
  return {
    isSent: false,
    isForGood: code !== 'EAGAIN' && code !== 'ENOMEM' && code !== 'EMFILE',
    detail: `it cannot be started: ${cause}`,
    output: '',
  };
}

function shownOutput(output: string): string {
  return oneLine(output, MAX_SHOWN_OUTPUT);
}

function withoutNul(text: string): string {
  return text.replaceAll('\0', '');
}
