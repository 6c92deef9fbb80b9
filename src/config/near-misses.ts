/**
 * Names of variables that are no setting, but nearly one: a slip in `API_TOKENS_FILE` would leave the door open without a
 * word, since unknown names are ignored. So are those that were settings once. Few guesses, since the environment holds the names of other programs, too.
 */
import type { Options } from './options.ts';
import type { Environment, Sources } from './resolve.ts';

/** Of the master's, once. */
const REMOVED: ReadonlySet<string> = new Set(['RING_SAMPLES']);

/** In a name this long two slips are more likely than another meaning; `SMTP_PORT` is none of `HTTP_PORT`. */
const LONG_NAME = 12;
/** One letter for another counts as much as one too many and one missing: `WORKER_IP` is no slip of `WORKER_ID`. */
const OTHER_LETTER = 2;

/**
 * One line for each.
 * @param options whose names may be meant
 * @param known names beside those that mean something to other commands, and are right as they are
 */
export function nearMisses(
  options: Options,
  known: ReadonlySet<string>,
  { environment, dotenv }: Pick<Sources, 'environment' | 'dotenv'>,
): string[] {
  const names = Object.values(options).map(({ env }) => env);
  const lines = (from: Environment, where: string) =>
    Object.keys(from).flatMap((given) => {
      if (known.has(given) || names.includes(given)) return [];
      if (REMOVED.has(given)) return [`${given}${where} is a setting no more, and is ignored`];
      const meant = names.find((name) => isSlipOf(given.toUpperCase(), name));
      return meant === undefined ? [] : [`${given}${where} is no setting, and is ignored: is ${meant} meant?`];
    });
  return [...lines(environment, ' (in the environment)'), ...lines(dotenv, ' (in .env)')];
}

function isSlipOf(given: string, name: string): boolean {
  const most = name.length >= LONG_NAME ? 2 : 1;
  return Math.abs(given.length - name.length) <= most && slipsBetween(given, name) <= most;
}

/** Letters that are missing, too many or swapped with their neighbour (optimal string alignment). */
export function slipsBetween(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row++) {
    const now = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      now[column] = Math.min(
        (last[column] as number) + 1,
        (now[column - 1] as number) + 1,
        (last[column - 1] as number) + (isSame ? 0 : OTHER_LETTER),
        isSwapped ? (before[column - 2] as number) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, last] = [last, now];
  }
  return last[b.length] as number;
}
