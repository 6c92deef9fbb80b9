/**
 * The headers of every response, and the answer to CORS preflights. They are set before the route runs, because large bodies
 * are written past Hono: a middleware that adds headers afterwards, such as hono/cors, would come too late.
 */
import { createMiddleware } from 'hono/factory';
import type { HttpContext, HttpEnv } from '../context.ts';
import { isApiPath } from './api-path.ts';

const METHODS = 'GET, HEAD';
const API_METHODS = 'GET, HEAD, POST, PUT, DELETE';

type HeaderMap = Readonly<Record<string, string>>;

/**
 * In every response. They keep browsers from using a response as a script, style or frame of another site.
 * Resource policy: pages of CORS_ORIGINS read by CORS, to which it does not apply. Referrer policy: with `no-referrer`, our
 * own forms would send `Origin: null`.
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
 * Tells browsers that came over TLS to use only TLS for a year, the minimum for preload lists. It applies to the host
 * on all ports, so it is not sent for loopback names, which other servers share.
 */
const STRICT_TRANSPORT = { 'Strict-Transport-Security': 'max-age=31536000' } as const;

/** Response headers that pages of other origins may read, besides those that CORS always allows. */
const EXPOSED = 'ETag, Link, Retry-After, X-Pulselane-Index';
/** How long a browser caches a preflight. CORS_ORIGINS changes only with a restart. */
const PREFLIGHT_MAX_AGE_S = '600';

export interface CommonHeaderFacts {
  readonly origin: string | undefined;
  /** Requested over TLS and not under a loopback name. */
  readonly isStrictTransport: boolean;
}

export class CommonHeaders {
  readonly #corsOrigins: readonly string[];
  readonly #unlisted: HeaderMap;

  constructor(corsOrigins: readonly string[]) {
    this.#corsOrigins = corsOrigins;
    // Responses depend on the origin only if there is a list.
    this.#unlisted = corsOrigins.length === 0 ? BASE_HEADERS : Object.freeze({ ...BASE_HEADERS, Vary: 'Origin' });
  }

  /** The headers for a request with these facts. */
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

/** Answers a preflight of a listed origin. Cookies are never allowed: pages of other origins use a token. */
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
 * A response with the common headers and its own. Built directly and not with `c.body` or `c.header`, which would copy the
 * headers into a `Headers` object and back: 10 % of the time of a small response.
 */
export function answer(
  c: HttpContext,
  status: number,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string>,
): Response {
  return new Response(body, { status, headers: { ...c.get('commonHeaders'), ...headers } });
}

/** For an unsupported method on a read-only route. */
export const ALLOW = { Allow: METHODS };
