/**
 * Headers of every response, and the answer to a browser's preflight. All are set before the route runs, since a large
 * body is written past Hono: a middleware that adds headers afterwards (as hono/cors does) would come too late.
 */
import { createMiddleware } from 'hono/factory';
import type { HttpContext, HttpEnv } from './context.ts';

const METHODS = 'GET, HEAD';

/** What `origin` gets to see. Responses differ by origin only if there is a list. */
export function commonHeadersFor(origin: string | undefined, corsOrigins: readonly string[]): Record<string, string> {
  return {
    'Cache-Control': 'no-store',
    ...(corsOrigins.length === 0 ? {} : { Vary: 'Origin' }),
    ...(isListed(origin, corsOrigins) ? { 'Access-Control-Allow-Origin': origin } : {}),
  };
}

function isListed(origin: string | undefined, corsOrigins: readonly string[]): origin is string {
  return origin !== undefined && corsOrigins.includes(origin);
}

export function commonHeaders(corsOrigins: readonly string[]) {
  return createMiddleware<HttpEnv>(async function commonHeaders(c, next) {
    const origin = c.req.header('origin');
    c.set('commonHeaders', commonHeadersFor(origin, corsOrigins));
    if (c.req.method !== 'OPTIONS' || !isListed(origin, corsOrigins)) return next();
    const asked = c.req.header('access-control-request-headers');
    return answer(c, 204, null, {
      'Access-Control-Allow-Methods': METHODS,
      ...(asked === undefined ? {} : { 'Access-Control-Allow-Headers': asked }),
    });
  });
}

/**
 * An answer with the common headers and its own. By hand and not by `c.body` or `c.header`, which would put the headers
 * into a `Headers` object for node-server to take them out again: a tenth of the time that a small answer takes.
 */
export function answer(
  c: HttpContext,
  status: number,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string>,
): Response {
  return new Response(body, { status, headers: { ...c.get('commonHeaders'), ...headers } });
}

/** For methods that a known route does not have. */
export const ALLOW = { Allow: METHODS };
