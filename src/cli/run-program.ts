/** The process around a command line: its streams and signals, how errors are reported, and the only place that ends it. */
import type { Command } from 'commander';
import { masterOptions } from '../config/options.ts';
import { resolveOptions } from '../config/resolve.ts';
import { processSources } from '../config/sources.ts';
import { type Clock, systemClock as clock } from '../lib/clock.ts';
import { endProcess } from './end-process.ts';
import { EXIT_FAILURE, EXIT_OK, failureOf } from './exit-codes.ts';
import { type ProcessStreams, processStreams } from './process-streams.ts';
import { StopSignals } from './stop-signals.ts';

/** What commands need of their process. */
export interface ProgramProcess extends ProcessStreams {
  readonly clock: Clock;
  readonly signals: StopSignals;
  /** Without a terminal that could be closed, SIGHUP is a service manager's "reload" and must not end an agent. */
  readonly onHangUp: (reload: () => void) => void;
}

/** An orderly stop takes at most 10 s; if an internal error delays it, it is not awaited further. */
const STOP_AFTER_CRASH_WITHIN_MS = 10_000;

/** Runs the command that the process's arguments name, then ends the process. An internal error ends it in order, with exit code 1. */
export async function runProgram(programOf: (around: ProgramProcess) => Command): Promise<never> {
  const { answering, lasting } = processStreams(process, clock);
  const { stderr } = lasting;
  const ending = { errors: stderr, stdin: answering.stdin, clock };
  const signals = new StopSignals((code) => void endProcess(code, { outputs: [], ...ending }), clock);
  let hasCrashed = false;

  /** Reports an error. @returns the exit code */
  function report(error: unknown): number {
    const { text, exitCode } = failureOf(error, isDebugging());
    if (text !== '') stderr.write(text);
    return exitCode;
  }

  function end(exitCode: number): Promise<never> {
    return endProcess(hasCrashed ? EXIT_FAILURE : exitCode, { outputs: [lasting.stdout, stderr], ...ending });
  }

  /** Handles an internal error: everything is stopped in order, so that workers, files and lanes are not harmed. */
  function crash(error: unknown): void {
    report(error);
    if (hasCrashed) return;
    hasCrashed = true;
    if (signals.crashed()) clock.after(STOP_AFTER_CRASH_WITHIN_MS, () => void end(EXIT_FAILURE));
    else void end(EXIT_FAILURE);
  }

  process.on('uncaughtException', crash);
  const onHangUp = (reload: () => void): void => {
    if (answering.stdin.isTTY === true) signals.hangUpEnds();
    else process.on('SIGHUP', reload);
  };
  const program = programOf({ answering, lasting, clock, signals, onHangUp });
  let exitCode = EXIT_OK;
  for (const step of [() => program.parseAsync(process.argv), () => answering.stdout.finished()]) {
    try {
      await step();
    } catch (error) {
      exitCode ||= report(error);
    }
  }
  return await end(exitCode);
}

/** Errors are shown with their stack only on request. */
function isDebugging(): boolean {
  try {
    const { logLevel } = resolveOptions({ logLevel: masterOptions.logLevel }, processSources({}));
    return logLevel === 'debug' || logLevel === 'trace';
  } catch {
    return false;
  }
}
