/** The program: joins the command line and the agent's command, and is the one place where the process is ended. */
import type { Writable } from 'node:stream';
import { agentCommand } from './agent/command.ts';
import { startLocalAgent } from './agent/local.ts';
import { startMaster } from './app/master.ts';
import { EXIT_OK, failureOf } from './cli/exit-codes.ts';
import { buildProgram } from './cli/program.ts';
import { StopSignals } from './cli/stop-signals.ts';
import { masterOptions } from './config/options.ts';
import { processSources, resolveOptions } from './config/resolve.ts';
import { systemClock, until } from './lib/clock.ts';
import { threadsLeftBehind } from './lib/supervised-thread.ts';

const { stdin, stdout, stderr } = process;

/** Errors come with their stack only for somebody who asked for it. */
function isDebugging(): boolean {
  try {
    const { logLevel } = resolveOptions({ logLevel: masterOptions.logLevel }, processSources({}));
    return logLevel === 'debug' || logLevel === 'trace';
  } catch {
    return false;
  }
}

/** Whoever reads the output may go away at any time (`| head`): what they do not want is not written. */
function outliveReaders(...streams: Writable[]): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** Without a terminal that could be closed, SIGHUP is a manager's "reload", and must not end an agent. */
function onReloadSignal(take: () => void): void {
  if (stdin.isTTY !== true) process.on('SIGHUP', take);
}

/** Says what went wrong. @returns the exit code */
function report(error: unknown): number {
  const { text, exitCode } = failureOf(error, isDebugging());
  if (text !== '') stderr.write(text);
  return exitCode;
}

async function main(): Promise<number> {
  const signals = new StopSignals((code) => process.exit(code), systemClock);
  const program = buildProgram({
    streams: { stdin, stdout, stderr },
    clock: systemClock,
    signals,
    startMaster,
    startLocalAgent,
    extraCommands: [agentCommand({ stdout, untilSignal: () => signals.first(), onReloadSignal })],
  });
  try {
    await program.parseAsync(process.argv);
    return EXIT_OK;
  } catch (error) {
    return report(error);
  }
}

/**
 * Exits. A thread that waits in a system call would hold the exit up for as long as that takes; everything that had to be
 * done is done, so the process is killed then.
 */
async function endProcess(exitCode: number): Promise<void> {
  const isFree = await until(systemClock, () => threadsLeftBehind() === 0, { withinMs: 1000, everyMs: 20 });
  if (isFree) process.exit(exitCode);
  stderr.write('a thread does not end: the process is killed\n', () => process.kill(process.pid, 'SIGKILL'));
}

outliveReaders(stdout, stderr);
process.on('uncaughtException', (error) => process.exit(report(error)));
const exitCode = await main();
// What was written goes out first; a closed pipe calls back too.
stdout.write('', () => void endProcess(exitCode));
