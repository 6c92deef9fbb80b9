/** What the environment says of colours, before anybody asks whether a terminal reads. */

/**
 * NO_COLOR (https://no-color.org) wins over FORCE_COLOR; either counts only when it is not empty. A terminal that
 * calls itself `dumb` shows none.
 * @returns undefined: it says nothing
 */
export function colourWish(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean | undefined {
  const { NO_COLOR, FORCE_COLOR, TERM } = environment;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return TERM === 'dumb' ? false : undefined;
}
