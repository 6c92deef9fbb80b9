/**
 * Warns of variables whose names are misspelled. Unknown names are ignored, so a typo in
 * `API_TOKENS_FILE` would silently disable authentication. The match is strict, because the environment also holds other
 * programs' variables.
 */
import type { Options } from './options.ts';
import type { Environment, Sources } from './sources.ts';

/** From this length, names may differ by two typos; in shorter ones, `SMTP_PORT` would match `HTTP_PORT`. */
const LONG_NAME = 12;
/** A replaced letter costs as much as a missing plus an extra one, so that `WORKER_IP` does not match `WORKER_ID`. */
const OTHER_LETTER = 2;

/**
 * Returns one warning per variable.
 * @param options the options to match against
 * @param known valid variables of other commands
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
      const meant = names.find((name) => isNearMiss(given.toUpperCase(), name));
      return meant === undefined ? [] : [`${given}${where} is not a setting and is ignored; did you mean ${meant}?`];
    });
  return [...lines(environment, ' (in the environment)'), ...lines(dotenv, ' (in .env)')];
}

export function isNearMiss(given: string, name: string): boolean {
  const most = name.length >= LONG_NAME ? 2 : 1;
  return Math.abs(given.length - name.length) <= most && slipsBetween(given, name) <= most;
}

/** Edit distance that counts missing, extra and swapped letters (optimal string alignment). */
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
