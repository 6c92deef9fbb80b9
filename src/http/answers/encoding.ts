/** Which encodings a client takes (RFC 9110, section 12.5.3). */
import { parseAccept } from 'hono/utils/accept';
import type { HttpContext } from '../context.ts';

/** Whether an Accept-Encoding allows gzip: by its name, or else by `*`; never with `q=0`. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const accepted = parseAccept(acceptEncoding ?? '');
  const named = (...names: string[]) => accepted.find(({ type }) => names.includes(type.toLowerCase()));
  return (named('gzip', 'x-gzip') ?? named('*') ?? { q: 0 }).q > 0;
}

/** For answers whose bytes depend on it: caches must know, whether this one is compressed or not. */
export function varyHeader(c: HttpContext): { Vary: string } {
  const { Vary } = c.get('commonHeaders');
  return { Vary: Vary === undefined ? 'Accept-Encoding' : `${Vary}, Accept-Encoding` };
}
