/**
 * Runs a command as a task. The command has our own standard input, output and error, the other files that we inherited, our process group and terminal, and the signals that
 * this process gets; this process ends as it does. Nothing that concerns the agent makes a difference to it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { statOf } from '../../lib/proc-stat.ts';
import { inheritedStdio } from './inherited-files.ts';
import { TreeMeter } from './tree-meter.ts';

/** As shells have it for a command that cannot be run, and that is not there. */
const EXIT_CANNOT_RUN = 126;
const EXIT_NOT_FOUND = 127;
/** And for one that a signal has ended. */
const EXIT_BY_SIGNAL = 128;

/** All that ask a program for something. The terminal itself tells both of us of its size, and stops both of us. */
const FORWARDED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;
type Forwarded = (typeof FORWARDED)[number];
/** Of these the terminal tells every process of the group in its foreground. */
const TYPED: readonly Forwarded[] = ['SIGINT', 'SIGQUIT'];

const LOOK_MS = { first: 10, last: 1_000 } as const;

export interface CommandEnd {
  /** Of this process. */
  readonly exitCode: number;
  /** For the agent: `status`, and what is known of how it was. */
  readonly end: Readonly<Record<string, unknown>>;
  /** Why it could not be started. */
  readonly failure: string | undefined;
}

/** Passes signals on from now on: before there is a command they are kept, and it gets them then. */
export class Signals {
  #child: ChildProcess | undefined;
  #kept: Forwarded[] = [];
  readonly #listeners = FORWARDED.map((signal) => [signal, () => this.#take(signal)] as const);

  constructor() {
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
  }

  to(child: ChildProcess): void {
    this.#child = child;
    for (const signal of this.#kept.splice(0)) child.kill(signal);
  }

  #take(signal: Forwarded): void {
    if (TYPED.includes(signal) && isInForeground() && this.#child !== undefined) return;
    if (this.#child === undefined) this.#kept.push(signal);
    else this.#child.kill(signal);
  }
}

export interface RunOptions {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signals: Signals;
  readonly clock: Clock;
}

/** Resolves when the command has ended. Never rejects. */
export async function runCommand({ command, environment, signals, clock }: RunOptions): Promise<CommandEnd> {
  const [program = '', ...args] = command;
  let child: ChildProcess;
  try {
    child = spawn(program, args, { stdio: inheritedStdio(), env: environment });
  } catch (error) {
    return notRun(program, error);
  }
  const ended = Promise.withResolvers<CommandEnd>();
  let watch: Watch | undefined;
  child.once('error', (error) => {
    // Also when a signal cannot be sent, which is none of ours.
    if (child.pid === undefined) ended.resolve(notRun(program, error));
  });
  child.once('exit', (code, signal) => {
    ended.resolve({ ...endOf(code, signal), ...usageOf(watch, code, signal) });
  });
  if (child.pid !== undefined) watch = new Watch(child.pid, clock);
  signals.to(child);
  const end = await ended.promise;
  watch?.stop();
  return end;
}

/** Looks at the command again and again, first often: it may be short. */
class Watch {
  readonly #meter: TreeMeter;
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(pid: number, clock: Clock) {
    this.#meter = new TreeMeter(pid);
    this.#clock = clock;
    this.#look(LOOK_MS.first);
  }

  usage() {
    return this.#meter.usage();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(againMs: number): void {
    this.#meter.look();
    this.#timer = this.#clock.after(againMs, () => this.#look(Math.min(LOOK_MS.last, againMs * 2)));
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null) {
  const number = signal === null ? 0 : (constants.signals[signal] ?? 0);
  return { exitCode: signal === null ? (code ?? 1) : EXIT_BY_SIGNAL + number, failure: undefined };
}

function usageOf(watch: Watch | undefined, code: number | null, signal: NodeJS.Signals | null) {
  const { cpuSeconds, maxRssBytes } = watch?.usage() ?? {};
  return {
    end: {
      status: signal !== null ? 'killed' : code === 0 ? 'finished' : 'failed',
      // Negative: the signal.
      exit_code: signal === null ? (code ?? 1) : -(constants.signals[signal] ?? 0),
      ...(cpuSeconds === undefined ? {} : { cpu_seconds: Math.round(cpuSeconds * 100) / 100 }),
      ...(maxRssBytes === undefined ? {} : { max_rss_bytes: maxRssBytes }),
    },
  };
}

function notRun(program: string, error: unknown): CommandEnd {
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  const exitCode = isMissing ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
  const reason = isMissing ? 'no such command' : messageOf(error);
  return {
    exitCode,
    end: { status: 'failed', exit_code: exitCode },
    failure: `${JSON.stringify(program)} cannot be run: ${reason}`,
  };
}

/** Whether what is typed reaches this process, and with it the command, from the terminal. */
function isInForeground(): boolean {
  const stat = statOf('self');
  if (stat === undefined) return process.stdin.isTTY === true;
  return stat.terminal !== 0 && stat.foregroundGroup === stat.groupId;
}
