/** The end of the process, which nothing may hold up. */
import { existsSync } from 'node:fs';
import { endChildGroups } from '../lib/child-groups.ts';
import { type Clock, endsWithin, until } from '../lib/clock.ts';
import type { LossyOutput } from '../lib/output/lossy-output.ts';
import { threadsLeftBehind, threadsLeftToProcessEnd } from '../lib/supervised-thread.ts';
import type { KeySource } from './prompt/keyboard.ts';

/** What was written goes out first, if whoever reads it lets it. */
const FLUSH_WITHIN_MS = 1000;
/** Calls of the system that are about to return take milliseconds. */
const FREE_WITHIN_MS = 1000;

/** What Node calls the work of its thread pool that the system may never give back: files, names. */
const SYSTEM_CALL = /^(FSReq|GetAddrInfo|GetNameInfo)/;
const SHELL = '/bin/sh';

export interface ProcessEnd {
  /** What has to be written before. */
  readonly outputs: readonly LossyOutput[];
  readonly errors: LossyOutput;
  /** Where keys are typed: a prompt may have set it to tell of each of them. */
  readonly stdin: KeySource;
  readonly clock: Clock;
}

export async function endProcess(exitCode: number, { outputs, errors, stdin, clock }: ProcessEnd): Promise<never> {
  await endsWithin(clock, FLUSH_WITHIN_MS, Promise.all(outputs.map((output) => output.idle())));
  const isFree = await until(clock, () => !waitsForSystem() && threadsLeftBehind() === 0, {
    withinMs: FREE_WITHIN_MS,
    everyMs: 10,
  });
  giveTerminalBack(stdin);
  if (!isFree || threadsLeftToProcessEnd() > 0) endAtOnce(exitCode);
  // Where there is no shell, or no way to become one.
  if (threadsLeftBehind() > 0) return await kill('a thread does not end: the process is killed', errors, clock);
  if (!isFree) return await kill('a call of the system does not return: the process is killed', errors, clock);
  process.exit(exitCode);
}

async function kill(why: string, errors: LossyOutput, clock: Clock): Promise<never> {
  errors.write(`${why}\n`);
  await endsWithin(clock, FLUSH_WITHIN_MS, errors.idle());
  endChildGroups();
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable: nothing outlives SIGKILL');
}

/** `process.exit` alone does it by itself: who has become another program, or was killed, would leave a shell that shows no keys. */
function giveTerminalBack(stdin: KeySource): void {
  try {
    if (stdin.isRaw === true) stdin.setRawMode?.(false);
  } catch {
    // It is gone.
  }
}

function waitsForSystem(): boolean {
  return process.getActiveResourcesInfo().some((name) => SYSTEM_CALL.test(name));
}

/**
 * `process.exit` ends threads one after the other, and would wait for one that waits in the system (a file on a dead
 * server, a terminal that stands still) for as long as that takes. Becoming another program ends all of them at once,
 * also those that loop, and keeps the exit code. Returns where that cannot be done.
 */
function endAtOnce(exitCode: number): void {
  if (!existsSync(SHELL)) return;
  // Nothing that listens for the exit is called.
  endChildGroups();
  try {
    process.execve?.(SHELL, ['sh', '-c', `exit ${exitCode}`], {});
  } catch {
    // It may not be run.
  }
}
