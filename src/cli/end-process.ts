/** The end of the process, which nothing may hold up. */
import { type Clock, endsWithin, until } from '../lib/clock.ts';
import { threadsLeftBehind } from '../lib/supervised-thread.ts';

/** What was written goes out first, if whoever reads it lets it. */
const FLUSH_WITHIN_MS = 1000;
/** Threads that were told to end, and calls of the system that are about to return, take milliseconds. */
const FREE_WITHIN_MS = 1000;

/** What Node calls the work of its thread pool that the system may never give back: files, names. */
const SYSTEM_CALL = /^(FSReq|GetAddrInfo|GetNameInfo)/;

/** @param outputs what has to be written before; each resolves when nothing waits any more */
export async function endProcess(exitCode: number, outputs: readonly Promise<void>[], clock: Clock): Promise<never> {
  await endsWithin(clock, FLUSH_WITHIN_MS, Promise.all(outputs));
  const isFree = await until(clock, () => threadsLeftBehind() === 0 && !waitsForSystem(), {
    withinMs: FREE_WITHIN_MS,
    everyMs: 10,
  });
  if (isFree) process.exit(exitCode);
  return endAtOnce(exitCode);
}

function waitsForSystem(): boolean {
  return process.getActiveResourcesInfo().some((name) => SYSTEM_CALL.test(name));
}

/**
 * `process.exit` joins every thread, and would wait for one that waits in the system (a file on a dead server, a terminal
 * that stands still) for as long as that takes. Becoming another program ends them all, and keeps the exit code.
 */
function endAtOnce(exitCode: number): never {
  try {
    process.execve?.('/bin/sh', ['sh', '-c', `exit ${exitCode}`], {});
  } catch {
    // There is no shell: the code is lost, the end is not.
  }
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable: SIGKILL cannot be survived');
}
