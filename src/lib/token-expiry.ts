/** When a token expires: how that is written in a file of tokens, and read again. */

/** Written before the hash of a token: `expires:2026-12-24T18:00:00Z`. */
const WORD = 'expires:';

/** A date, or a date and a time with its zone. Years of four digits bound what can be written. */
const INSTANT = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d))?$/;

/**
 * Reads a date (`2026-12-24`: that day's first moment in UTC), or a time with its zone (`2026-12-24T18:00Z`,
 * `2026-12-24T18:00:00+01:00`). A time without a zone would mean another moment on another machine.
 * @returns milliseconds since the Unix epoch; undefined if it is neither, or no such day or time exists
 */
export function instantIn(text: string): number | undefined {
  const [, date, minutes = '00:00', seconds = '00', zone = 'Z'] = INSTANT.exec(text) ?? [];
  if (date === undefined) return undefined;
  const local = `${date}T${minutes}:${seconds}`;
  const localMs = Date.parse(`${local}Z`);
  // Parsers differ on days such as February 30; a moment that exists is written as it was read.
  if (Number.isNaN(localMs) || !new Date(localMs).toISOString().startsWith(local)) return undefined;
  const atMs = Date.parse(local + zone);
  return Number.isNaN(atMs) ? undefined : atMs;
}

/** In UTC and whole seconds, which is what files hold. */
export function instantText(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Whether the time has come. @param expiresUnixMs undefined: never */
export function isExpired(expiresUnixMs: number | undefined, nowUnixMs: number): boolean {
  return expiresUnixMs !== undefined && expiresUnixMs <= nowUnixMs;
}

/** The word of a line, with the space behind it; empty for a token that does not expire. */
export function expiryWord(expiresUnixMs: number | undefined): string {
  return expiresUnixMs === undefined ? '' : `${WORD}${instantText(expiresUnixMs)} `;
}

/**
 * Takes the expiry off the end of a line's words.
 * @returns undefined for `expiresUnixMs` where there is none; undefined if there is one that cannot be read
 */
export function splitExpiry(
  words: readonly string[],
): { readonly words: readonly string[]; readonly expiresUnixMs: number | undefined } | undefined {
  const last = words.at(-1);
  if (last?.startsWith(WORD) !== true) return { words, expiresUnixMs: undefined };
  const expiresUnixMs = instantIn(last.slice(WORD.length));
  return expiresUnixMs === undefined ? undefined : { words: words.slice(0, -1), expiresUnixMs };
}
