/**
 * Whether a request may have its answer. Checked in this order; the first that fails answers:
 *
 * | check                                        | fails when                                                  | answer |
 * |----------------------------------------------|-------------------------------------------------------------|--------|
 * | how often this peer asks (`middleware.ts`)         | more than API_RATE; never for loopback                      | 429    |
 * | form of Host, and of the target's authority  | several, none that RFC 9110 knows, or two that differ       | 400    |
 * | Host                                         | see `hosts.ts`                                              | 421    |
 * | preflight of an origin of CORS_ORIGINS       | – (it carries no credentials)                               | 204    |
 * | Origin, of a change or a WebSocket           | given, and neither this server's nor one of CORS_ORIGINS    | 403    |
 * | public path                                  | – (/health, /livez, /readyz, /login)                        | allow  |
 * | change, where there are no tokens            | not from this machine under a name of loopback, or by a     | 403    |
 * |                                              | proxy, or by a page of another origin                       |        |
 * | token or session, where there are tokens     | none (a browser that wants a page is sent to /login)        | 401    |
 * |                                              | one that is not known, or has expired                       | 401    |
 * |                                              | one that is not known, more often than a few a second (`middleware.ts`)        | 429    |
 * | scope                                        | a change by who may only read                               | 403    |
 * | Origin, of a change or WebSocket by a cookie | not this server's own                                       | 403    |
 * | size of the body (`middleware.ts`)                 | over MAX_HTTP_BODY_SIZE                                     | 413    |
 *
 * WebSocket and SSE are asked for by GET: they need `read`. The legacy paths can only be read: whatever the method, `read`
 * is enough to be told 405.
 */
import { instantText } from '../../lib/token-expiry.ts';
import type { ApiScope } from '../../lib/tokens.ts';
import type { HttpRefusalReason } from '../http-refusals.ts';
import { type HostFacts, type HostRules, hostMistake, isHostAllowed, isLoopbackHost } from './hosts.ts';
import { type Headers, isLoopbackPeer, isProxied } from './peer.ts';
import type { Session } from './session.ts';

export interface Facts {
  readonly method: string;
  /** As the client wrote it, without the query. */
  readonly path: string;
  readonly headers: Headers;
  /** The peer's address; undefined without a connection. */
  readonly peer: string | undefined;
  readonly isTls: boolean;
  /** Under which names the server is asked for, where there is a connection. */
  readonly names?: HostFacts;
}

export interface Identity {
  /** Of the token. */
  readonly name: string;
  readonly scopes: readonly ApiScope[];
  /** Of the token. */
  readonly hash: string;
  /** Until when the token is valid; undefined: for ever. */
  readonly expiresUnixMs: number | undefined;
  readonly by: 'token' | 'cookie';
  /** Of a cookie. */
  readonly session?: Session;
}

/** A token that was valid once: whoever holds it may be told why it is not any more. */
export interface ExpiredToken {
  readonly name: string;
  readonly expiredUnixMs: number;
}

/** `none`: no credentials came; `unknown`: some came, and nobody has them. */
export type Who = Identity | ExpiredToken | 'none' | 'unknown';

export interface Rules extends HostRules {
  readonly corsOrigins: readonly string[];
}

export type Decision =
  | { readonly type: 'allow'; readonly mayRead: boolean; readonly identity: Identity | undefined }
  | { readonly type: 'preflight' }
  | { readonly type: 'login' }
  | {
      readonly type: 'refuse';
      readonly code: 'invalid_argument' | 'misdirected' | 'permission_denied' | 'unauthenticated';
      readonly reason: HttpRefusalReason;
      readonly detail: string;
    };

/** Its answer tells whether the master lives, or takes a token: nothing that a token protects. */
const PUBLIC_PATHS: ReadonlySet<string> = new Set(['/health', '/livez', '/readyz', '/login']);
const EARLIER_PATH = /^\/(?:health|telemetry|workers|ws\/telemetry)(?:\/|$)/;

/** @param whoAsks looked up only where it matters: it costs two hashes */
export function decide(facts: Facts, rules: Rules, whoAsks: () => Who): Decision {
  const { method, path, headers, peer } = facts;
  const mistake = facts.names === undefined ? undefined : hostMistake(facts.names);
  if (mistake !== undefined) return refuse('invalid_argument', 'host', mistake);
  const host = (headers as { host?: string }).host ?? facts.names?.target?.authority;
  const { origin } = headers as { origin?: string };
  const isLocal = () => isLoopbackPeer(peer) && !isProxied(headers);
  if (!isHostAllowed(host, isLocal, rules)) {
    return refuse('misdirected', 'host', 'the Host of the request is no name of this server; ALLOWED_HOSTS names more');
  }
  const isListed = origin !== undefined && rules.corsOrigins.includes(origin);
  if (method === 'OPTIONS' && isListed) return { type: 'preflight' };
  const isGuarded = isChange(method) || isWebSocket(headers);
  if (isGuarded && origin !== undefined && !isListed && !isOwnOrigin(origin, facts)) {
    return refuse(
      'permission_denied',
      'origin',
      'this can be done not from a page of another origin; see CORS_ORIGINS',
    );
  }
  const isPublic = PUBLIC_PATHS.has(path);
  if (!rules.hasTokens) {
    const forbidden = isPublic || scopeOf(method, path) === 'read' ? undefined : notLocalReason(facts);
    if (forbidden === undefined) return { type: 'allow', mayRead: true, identity: undefined };
    return refuse('permission_denied', 'permission', `this can be done ${forbidden}; API_TOKENS lets others do it`);
  }
  const who = whoAsks();
  const identity = typeof who === 'string' || 'expiredUnixMs' in who ? undefined : who;
  if (isPublic) return { type: 'allow', mayRead: identity !== undefined, identity };
  if (identity === undefined) {
    if (method === 'GET' && headers.authorization === undefined && wantsPage(headers)) return { type: 'login' };
    return refuse('unauthenticated', 'unauthenticated', unauthenticatedDetail(who));
  }
  if (!identity.scopes.includes(scopeOf(method, path))) {
    return refuse('permission_denied', 'permission', `the token ${identity.name} may read, and not operate`);
  }
  if (identity.by === 'cookie' && isGuarded && !(origin !== undefined && isOwnOrigin(origin, facts))) {
    return refuse('permission_denied', 'origin', 'with a session this can be done only from a page of this server');
  }
  return { type: 'allow', mayRead: true, identity };
}

function unauthenticatedDetail(who: Who): string {
  if (who === 'none') return 'a token is needed: Authorization: Bearer <token>';
  if (typeof who === 'object' && 'expiredUnixMs' in who) return expiredText(who);
  return 'the token is not known, or the session is over';
}

export function expiredText({ name, expiredUnixMs }: ExpiredToken): string {
  return `the token ${name} expired at ${instantText(expiredUnixMs)}`;
}

function refuse(code: (Decision & { type: 'refuse' })['code'], reason: HttpRefusalReason, detail: string): Decision {
  return { type: 'refuse', code, reason, detail };
}

function isChange(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
}

function isWebSocket({ upgrade }: Headers): boolean {
  return typeof upgrade === 'string' && upgrade.toLowerCase() === 'websocket';
}

/** What a token must have for it. */
export function scopeOf(method: string, path: string): ApiScope {
  // Who may read may also leave.
  return !isChange(method) || path === '/logout' || EARLIER_PATH.test(path) ? 'read' : 'operate';
}

/**
 * Whether a page of this server has that origin. Where we do not speak TLS ourselves a proxy before us may: then both
 * schemes are ours.
 */
function isOwnOrigin(origin: string, { headers, isTls }: Pick<Facts, 'headers' | 'isTls'>): boolean {
  const { host } = headers as { host?: string };
  if (host === undefined || host === '') return false;
  return origin === `https://${host}` || (!isTls && origin === `http://${host}`);
}

/** Whether it is a browser that would show the answer. */
export function wantsPage({ accept, upgrade }: Headers): boolean {
  return typeof accept === 'string' && accept.includes('text/html') && upgrade === undefined;
}

/**
 * Why a request may not change anything where there are no tokens; undefined if it may: it comes from this very machine,
 * by no page of another server in somebody's browser, and through no proxy that says that it is one.
 */
function notLocalReason(facts: Facts): string | undefined {
  const { headers, peer } = facts;
  if (!isLoopbackPeer(peer)) return 'only from the machine that the master runs on, through localhost';
  if (isProxied(headers)) return 'not through a proxy';
  const { host = '', origin } = headers as { host?: string; origin?: string };
  // Under any other name it may be a page that had its own name point here.
  if (!isLoopbackHost(host)) return 'only under a name of loopback, such as localhost';
  // CORS_ORIGINS lets pages read.
  if (origin !== undefined && !isOwnOrigin(origin, facts)) return 'not from a page of another origin';
  return undefined;
}
