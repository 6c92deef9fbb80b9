/** How the program ends: its exit code, and the one line that says why. */
import { CommanderError } from 'commander';
import { messageOf, PulselaneError, problemsOf } from '../lib/errors.ts';
import { printable } from '../lib/printable.ts';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
/** Wrong usage, or a wrong setting. */
export const EXIT_USAGE = 2;

export interface Failure {
  readonly exitCode: number;
  /** For stderr; empty if everything has been said. */
  readonly text: string;
}

/** Ends the program with this code, when all has been said: that of a command that it has run, for example. */
export class ExitWith extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** @param showStack whether an error of our own making comes with its stack */
export function failureOf(error: unknown, showStack: boolean): Failure {
  // Commander has printed it; help and version are no failures.
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? EXIT_OK : EXIT_USAGE, text: '' };
  if (error instanceof ExitWith) return { exitCode: error.exitCode, text: '' };
  if (error instanceof PulselaneError) {
    const isUsage = error.code === 'bad_setting' || error.code === 'invalid_argument';
    return { exitCode: isUsage ? EXIT_USAGE : EXIT_FAILURE, text: problemsOf(error).map(line).join('') };
  }
  if (showStack && error instanceof Error) return { exitCode: EXIT_FAILURE, text: `pulselane: ${error.stack}\n` };
  return { exitCode: EXIT_FAILURE, text: line(`internal error: ${messageOf(error)} (LOG_LEVEL=debug shows where)`) };
}

/** `pulselane: …`, on one line whatever is in it. */
export function line(message: string): string {
  return `pulselane: ${printable(message.trim().replaceAll(/\s*\n\s*/g, ' '))}\n`;
}
