/** What a command of the prompt is; each has a file of its own in `commands/`. */
import type { Operator } from '../../app/operator.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Page } from '../text/page.ts';
import type { Size } from '../views/live-text.ts';

/** What commands do their work with. */
export interface PromptContext {
  readonly operator: Operator;
  readonly clock: Clock;
  /** For `help`. */
  readonly commands: readonly PromptCommand[];
  /** Where the HTTP API answers, for hints; undefined if it is off. */
  readonly httpUrl: string | undefined;
  /** What text is laid out for, as the terminal is now. */
  page(): Page;
  /** Draws `frame` anew about each second until a key is pressed. */
  live(frame: (size: Size) => string[]): Promise<void>;
  /**
   * Begins to stop the master; where workers are connected, only when it is asked for twice in a row.
   * @returns what to say instead of stopping
   */
  exit(): string | undefined;
  /** The same, without being asked for twice. */
  exitNow(): void;
}

export interface PromptCommand {
  /** The first is the one that is shown. */
  readonly names: readonly [string, ...string[]];
  /** `status [<id>]` */
  readonly usage: string;
  /** One line. */
  readonly help: string;
  /**
   * @returns the text to print, if any; control characters in it are made harmless when it is printed.
   * @throws UsageError if the arguments do not fit, PulselaneError if it cannot be done
   */
  run(args: readonly string[], context: PromptContext): string | undefined | Promise<string | undefined>;
  /** What may stand where `partial` is being typed, the first argument or any; by default nothing. */
  readonly complete?: (context: Pick<PromptContext, 'operator' | 'commands'>) => Iterable<string>;
  /** Whether the same may stand in all arguments. */
  readonly completesAll?: boolean;
}

/** The arguments do not fit: the usage line is shown. */
export class UsageError extends Error {}

/** The arguments, if there are `least` to `most` of them. @throws UsageError */
export function expectArgs(args: readonly string[], least: number, most: number): readonly (string | undefined)[] {
  if (args.length < least || args.length > most) throw new UsageError();
  return args;
}

/** The single argument. @throws UsageError */
export function oneArg(args: readonly string[]): string {
  const [only] = expectArgs(args, 1, 1);
  return only as string;
}

export function workerIds({ operator }: Pick<PromptContext, 'operator'>): string[] {
  return Array.from(operator.directory.all(), ({ workerId }) => workerId);
}
