/** Where a browser goes after the login: to the page that it wanted, if that is one of this server. */

/** The login page, which then leads on to `target`. */
export function loginPath(target: string): string {
  return `/login?next=${encodeURIComponent(target)}`;
}

/**
 * The path to go on to. Anything that could lead to another server is taken for the start page: `//host`, `/\host`, what
 * a browser would make one of these (it leaves out tabs and line breaks), and a whole URL.
 */
export function nextPage(asked: string | undefined): string {
  if (asked === undefined || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(asked)) return '/';
  return asked;
}
