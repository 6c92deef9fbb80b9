/**
 * Headers of every response, and the answer to a browser's preflight. All are set before the route runs, since a large
 * body is written past Hono: a middleware that adds headers afterwards (as hono/cors does) would come too late.
 */
import { createMiddleware } from 'hono/factory';
import type { HttpContext, HttpEnv } from '../context.ts';
import { isApiPath } from './api-path.ts';

const METHODS = 'GET, HEAD';
const API_METHODS = 'GET, HEAD, POST, PUT, DELETE';

type HeaderMap = Readonly<Record<string, string>>;

/**
 * What every answer has. They tell browsers to take no answer of ours for a script, a style or a frame of theirs.
 * Resource policy: pages of CORS_ORIGINS read by CORS, to which it does not apply. Referrer policy: with `no-referrer` a
 * form of ours would be sent with `Origin: null`.
 */
export const BASE_HEADERS: HeaderMap = Object.freeze({
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
});

/**
 * A browser that was here over TLS comes back over TLS alone, for so many seconds: a year, as lists of such servers want
 * it. It counts for the host, whatever the port: so it is not sent under a name of loopback, where others listen too.
 */
const STRICT_TRANSPORT = { 'Strict-Transport-Security': 'max-age=31536000' } as const;

/** What pages of other origins may see of an answer beside what they always may. */
const EXPOSED = 'ETag, Link, Retry-After, X-Pulselane-Index';
/** How long a browser remembers a preflight: a change of CORS_ORIGINS comes with a restart, which takes longer. */
const PREFLIGHT_MAX_AGE_S = '600';

export interface CommonHeaderFacts {
  readonly origin: string | undefined;
  /** Asked for over TLS, under a name that is not one of loopback. */
  readonly isStrictTransport: boolean;
}

export class CommonHeaders {
  readonly #corsOrigins: readonly string[];
  readonly #unlisted: HeaderMap;

  constructor(corsOrigins: readonly string[]) {
    this.#corsOrigins = corsOrigins;
    // Responses differ by origin only if there is a list.
    this.#unlisted = corsOrigins.length === 0 ? BASE_HEADERS : Object.freeze({ ...BASE_HEADERS, Vary: 'Origin' });
  }

  /** What is sent to `origin`. */
  of({ origin, isStrictTransport }: CommonHeaderFacts): HeaderMap {
    const isListed = origin !== undefined && this.#corsOrigins.includes(origin);
    if (!isListed && !isStrictTransport) return this.#unlisted;
    return {
      ...this.#unlisted,
      ...(isListed ? { 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': EXPOSED } : {}),
      ...(isStrictTransport ? STRICT_TRANSPORT : {}),
    };
  }
}

/** The answer to a preflight of a listed origin. Cookies are never allowed along: a page of another origin has a token. */
export function preflightAnswer(c: HttpContext): Response {
  const asked = c.req.header('access-control-request-headers');
  return answer(c, 204, null, {
    'Access-Control-Allow-Methods': isApiPath(c.req.path) ? API_METHODS : METHODS,
    'Access-Control-Max-Age': PREFLIGHT_MAX_AGE_S,
    ...(asked === undefined ? {} : { 'Access-Control-Allow-Headers': asked }),
  });
}

export function commonHeaders(headers: CommonHeaders, factsOf: (c: HttpContext) => CommonHeaderFacts) {
  return createMiddleware<HttpEnv>((c, next) => {
    c.set('commonHeaders', headers.of(factsOf(c)));
    return next();
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
