/** Colour preferences from the environment, before the terminal is considered. */

/**
 * NO_COLOR (https://no-color.org) overrides FORCE_COLOR; empty values do not count. A terminal of type `dumb` shows no
 * colours.
 * @returns undefined: no preference
 */
export function colourWish(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean | undefined {
  const { NO_COLOR, FORCE_COLOR, TERM } = environment;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return TERM === 'dumb' ? false : undefined;
}
