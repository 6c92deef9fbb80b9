/** Whether a reader is shown colours, as far as the environment says. */

/**
 * NO_COLOR (https://no-color.org) wins over FORCE_COLOR; either counts only when it is not empty. Without them there are
 * colours in a terminal, unless it calls itself `dumb`.
 */
export function hasColours(
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = environment;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return isTerminal && TERM !== 'dumb';
}
