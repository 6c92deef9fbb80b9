/** Where a browser goes after login: to the requested page, if it is one of this server. */

/** The login page that then continues to `target`. */
export function loginPath(target: string): string {
  return `/login?next=${encodeURIComponent(target)}`;
}

/**
 * The path to continue to. Anything that could lead to another server becomes the start page: `//host`, `/\host`, anything
 * that browsers turn into these (they drop tabs and line breaks), and full URLs.
 */
export function nextPage(asked: string | undefined): string {
  if (asked === undefined || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(asked)) return '/';
  return asked;
}
