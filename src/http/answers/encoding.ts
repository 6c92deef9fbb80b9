/** Which encodings and types a client accepts. */
import { parseAccept } from 'hono/utils/accept';
import type { HttpContext } from '../context.ts';

/** Whether Accept-Encoding allows gzip (RFC 9110, section 12.5.3), by name or by `*`; `q=0` excludes it. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const accepted = parseAccept(acceptEncoding ?? '');
  const named = (...names: string[]) => accepted.find(({ type }) => names.includes(type.toLowerCase()));
  return (named('gzip', 'x-gzip') ?? named('*') ?? { q: 0 }).q > 0;
}

/** Whether Accept allows JSON (RFC 9110, section 12.5.1), by name or by a wildcard; without the header everything is allowed. */
export function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return true;
  const accepted = parseAccept(accept);
  const named = (name: string) => accepted.find(({ type }) => type.toLowerCase() === name);
  return (named('application/json') ?? named('application/*') ?? named('*/*') ?? { q: 0 }).q > 0;
}

/** For answers that depend on Accept-Encoding, compressed or not: caches need to know. */
export function varyHeader(c: HttpContext): { Vary: string } {
  const { Vary } = c.get('commonHeaders');
  return { Vary: Vary === undefined ? 'Accept-Encoding' : `${Vary}, Accept-Encoding` };
}
