/** The middleware in front of all routes: refuses requests that are not allowed, so routes need not check. */
import { createMiddleware } from 'hono/factory';
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import { HEARTBEATS_PATH, isApiPath } from '../answers/api-path.ts';
import { answer, preflightAnswer } from '../answers/common-headers.ts';
import { problem } from '../answers/problem.ts';
import { errorJson } from '../answers/respond.ts';
import type { HttpContext, HttpEnv } from '../context.ts';
import { type HttpLimits, maxBodyRoomBytes, maxHeartbeatsBytes, SMALL_BODY_BYTES } from '../http-limits.ts';
import type { HttpRefusals } from '../http-refusals.ts';
import { type BodyLimits, BodyRoom, readBounded } from '../sockets/request-body.ts';
import { authorityOfTarget } from '../sockets/target.ts';
import type { Access, AccessVerdict } from './access.ts';
import type { Facts } from './decide.ts';
import { isLoopbackHost } from './hosts.ts';
import { loginPath } from './next-page.ts';
import type { RouteScope } from './route-scope.ts';

export interface AccessMiddlewareOptions {
  readonly access: Access;
  readonly refusals: HttpRefusals;
  /** The scopes that routes declare. */
  readonly scopes: { of(method: string, path: string): RouteScope | undefined };
  readonly limits: Pick<HttpLimits, 'maxBodyBytes' | 'maxMessageBytes'>;
}

export function accessMiddleware({ access, refusals, scopes, limits }: AccessMiddlewareOptions) {
  const usual: BodyLimits = { maxBytes: limits.maxBodyBytes };
  const large: BodyLimits = {
    maxBytes: maxHeartbeatsBytes(limits),
    room: new BodyRoom(SMALL_BODY_BYTES, maxBodyRoomBytes(limits)),
  };
  /** @returns the answer to a request that is not allowed */
  const refusalOf = (c: HttpContext, verdict: AccessVerdict): Response | undefined => {
    switch (verdict.type) {
      case 'allow':
        c.set('mayRead', verdict.mayRead);
        c.set('identity', verdict.identity);
        return undefined;
      case 'worker':
        c.set('workerIdentity', verdict.identity);
        return undefined;
      case 'preflight':
        return preflightAnswer(c);
      case 'login':
        refusals.count('unauthenticated');
        return answer(c, 302, null, { Location: loginPath(targetOf(c)) });
      case 'refuse':
        refusals.count(verdict.reason);
        return refuse(c, verdict);
      default:
        throw verdict satisfies never;
    }
  };

  return createMiddleware<HttpEnv>((c, next) => {
    const facts = { ...factsOf(c), scope: scopes.of(c.req.method, c.req.path) };
    const { incoming, outgoing } = bindingsOf(c);
    const refused = refusalOf(c, access.admit(facts, incoming?.socket));
    if (refused !== undefined) return Promise.resolve(refused);
    c.set('refusals', refusals);
    const identity = c.get('identity');
    if (identity !== undefined && incoming?.socket !== undefined) access.hold(incoming.socket, identity);
    const bounds = facts.scope === 'worker' && facts.path === HEARTBEATS_PATH ? large : usual;
    // A WebSocket handshake has no response object yet, and its body, if any, is never read.
    const body = incoming === undefined || outgoing === undefined ? undefined : readBounded(incoming, bounds);
    if (body === undefined) return next();
    return body.then(async ({ outcome, release }): Promise<Response | undefined> => {
      switch (outcome) {
        case 'whole': {
          // The body may have taken long, and the credentials may have expired meanwhile; a stream would start too late to be ended.
          try {
            const late = refusalOf(c, access.admitStill(facts, incoming?.socket));
            if (late === undefined) await next();
            return late;
          } finally {
            release();
          }
        }
        case 'too large':
          refusals.count('body');
          return refuse(c, {
            code: 'too_large',
            detail:
              bounds === large
                ? `the body is larger than ${bounds.maxBytes} bytes (4 × MAX_MESSAGE_SIZE); send fewer heartbeats at a time`
                : `the body is larger than ${bounds.maxBytes} bytes (MAX_HTTP_BODY_SIZE)`,
            // The rest of the body is not read, so the connection cannot be reused.
            headers: { Connection: 'close' },
          });
        case 'no room':
          refusals.count('heartbeats');
          return refuse(c, {
            code: 'resource_exhausted',
            detail: 'too many large requests are being received; try again, or send fewer heartbeats at a time',
            retryAfterMs: 1000,
            headers: { Connection: 'close' },
          });
        case 'broken':
          return refuse(c, { code: 'invalid_argument', detail: 'the body is incomplete' });
        default:
          throw outcome satisfies never;
      }
    });
  });
}

export interface RefusalAnswer {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryAfterMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal in the format of the path's other errors. */
export function refuse(c: HttpContext, { code, detail, retryAfterMs, headers: own }: RefusalAnswer): Response {
  const headers = {
    ...(code === 'unauthenticated' ? { 'WWW-Authenticate': 'Bearer realm="pulselane"' } : {}),
    ...(retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }),
    ...own,
  };
  if (isApiPath(c.req.path)) return problem(c, code, detail, { headers });
  return errorJson(c, ERRORS[code].httpStatus, detail, headers);
}

export function factsOf(c: HttpContext): Facts {
  const { incoming } = bindingsOf(c);
  return {
    method: c.req.method,
    path: c.req.path,
    // node-server builds the headers of `raw` only on demand, at the cost of a small response.
    headers: incoming?.headers ?? Object.fromEntries(c.req.raw.headers),
    peer: incoming?.socket?.remoteAddress,
    isTls: isTls(c),
    ...(incoming?.rawHeaders === undefined
      ? {}
      : { names: { target: authorityOfTarget(incoming.url ?? ''), hosts: valuesOf('host', incoming.rawHeaders) } }),
  };
}

/** All values of a header: Node itself keeps the first Host and drops the others. */
function valuesOf(name: string, rawHeaders: readonly string[]): readonly string[] {
  const values: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const given = rawHeaders[at] as string;
    if (given.length === name.length && given.toLowerCase() === name) values.push(rawHeaders[at + 1] as string);
  }
  return values;
}

/** The facts for the common headers. */
export function headerFactsOf(c: HttpContext): { origin: string | undefined; isStrictTransport: boolean } {
  const { incoming } = bindingsOf(c);
  const headers = incoming?.headers;
  const origin = headers === undefined ? c.req.header('origin') : headers.origin;
  return { origin, isStrictTransport: isTls(c) && !isLoopbackHost(headers?.host ?? '') };
}

function isTls(c: HttpContext): boolean {
  const socket = bindingsOf(c).incoming?.socket;
  return socket !== undefined && 'encrypted' in socket;
}

/** The requested path and query, as the client wrote them. */
function targetOf(c: HttpContext): string {
  const query = c.req.url.indexOf('?');
  return query < 0 ? c.req.path : c.req.path + c.req.url.slice(query);
}

/** Undefined without a server, as with `app.request()` in tests. */
function bindingsOf(c: HttpContext): HttpEnv['Bindings'] {
  return c.env ?? {};
}
