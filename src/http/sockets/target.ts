/**
 * The path of a request exactly as the client wrote it. URL parsers collapse dot segments (`/telemetry/../x`) and decode
 * escapes, but a worker id may be any text; so routes match the raw request target.
 */

/** Scheme and authority of a target in absolute form, as proxies send it; undefined for any other form. */
export function authorityOfTarget(target: string): { readonly scheme: string; readonly authority: string } | undefined {
  const [, scheme = '', authority] = /^(https?):\/\/([^/?#]*)/i.exec(target) ?? [];
  return authority === undefined ? undefined : { scheme: scheme.toLowerCase(), authority };
}

/** The path of a request target, without query and without the origin of the absolute form. */
export function pathOfTarget(target: string): string {
  const origin = /^https?:\/\/[^/?]*/i.exec(target)?.[0] ?? '';
  const query = target.indexOf('?', origin.length);
  const path = target.slice(origin.length, query === -1 ? undefined : query);
  return path === '' ? '/' : path;
}

/** The query of a request target, without the question mark; empty if there is none. */
export function queryOfTarget(target: string): string {
  const at = target.indexOf('?');
  return at === -1 ? '' : (target.slice(at + 1).split('#', 1)[0] ?? '');
}

/**
 * Decodes the rest of a path; `+` stays `+`.
 * @returns undefined if an escape is malformed or the bytes are not UTF-8
 */
export function percentDecode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
