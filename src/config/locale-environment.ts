/** What characters a terminal shows, as far as the environment says. */

/**
 * Whether the locale is one of UTF-8: the first that is set of LC_ALL, LC_CTYPE and LANG counts, as for every program. Where none
 * is set, as in most containers, the terminal is most likely one of UTF-8 all the same.
 */
export function isAsciiLocale(environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = environment;
  const locale = LC_ALL || LC_CTYPE || LANG || '';
  return locale !== '' && !/utf-?8/i.test(locale);
}
