/** Reads and writes the expiry of tokens in token files. */

/** Written before the hash of a token: `expires:2026-12-24T18:00:00Z`. */
const WORD = 'expires:';

/** A date, or a date and a time with its zone. Years of four digits limit the range. */
const INSTANT = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d))?$/;

/**
 * Parses a date (`2026-12-24`: the start of that day in UTC), or a time with its zone (`2026-12-24T18:00Z`,
 * `2026-12-24T18:00:00+01:00`). A time without a zone would depend on the machine.
 * @returns milliseconds since the Unix epoch; undefined if it is neither, or does not exist
 */
export function instantIn(text: string): number | undefined {
  const [, date, minutes = '00:00', seconds = '00', zone = 'Z'] = INSTANT.exec(text) ?? [];
  if (date === undefined) return undefined;
  const local = `${date}T${minutes}:${seconds}`;
  const localMs = Date.parse(`${local}Z`);
  // Parsers differ on days such as February 30; an existing time formats as it was read.
  if (Number.isNaN(localMs) || !new Date(localMs).toISOString().startsWith(local)) return undefined;
  const atMs = Date.parse(local + zone);
  return Number.isNaN(atMs) ? undefined : atMs;
}

/** In UTC and whole seconds, the format in files. */
export function instantText(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Whether the time has passed. @param expiresUnixMs undefined: never */
export function isExpired(expiresUnixMs: number | undefined, nowUnixMs: number): boolean {
  return expiresUnixMs !== undefined && expiresUnixMs <= nowUnixMs;
}

/** The expiry as written in a line, followed by a space; empty for a token that does not expire. */
export function expiryWord(expiresUnixMs: number | undefined): string {
  return expiresUnixMs === undefined ? '' : `${WORD}${instantText(expiresUnixMs)} `;
}

/**
 * Removes the expiry from the end of a line's words.
 * @returns `expiresUnixMs` undefined if there is no expiry; undefined as a whole if it is invalid
 */
export function splitExpiry(
  words: readonly string[],
): { readonly words: readonly string[]; readonly expiresUnixMs: number | undefined } | undefined {
  const last = words.at(-1);
  if (last?.startsWith(WORD) !== true) return { words, expiresUnixMs: undefined };
  const expiresUnixMs = instantIn(last.slice(WORD.length));
  return expiresUnixMs === undefined ? undefined : { words: words.slice(0, -1), expiresUnixMs };
}
