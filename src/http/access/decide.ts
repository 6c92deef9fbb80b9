/**
 * Decides whether a request is answered. The checks run in this order; the first that fails decides the answer:
 *
 * | check                                        | fails when                                                  | answer |
 * |----------------------------------------------|-------------------------------------------------------------|--------|
 * | request rate of this peer (`middleware.ts`)  | above API_RATE; never for loopback                          | 429    |
 * | form of Host, and of the target's authority  | several, malformed (RFC 9110), or different                 | 400    |
 * | Host                                         | see `hosts.ts`                                              | 421    |
 * | preflight of an origin of CORS_ORIGINS       | – (it carries no credentials)                               | 204    |
 * | Origin, of a change or a WebSocket           | present, and neither this server's nor one of CORS_ORIGINS  | 403    |
 * | public path                                  | – (/health, /livez, /readyz, /login)                        | allow  |
 * | calls of workers                             | below, instead of what follows here                         |        |
 * | `operate`, if there are no tokens            | not from this machine under a loopback name, or through a   | 403    |
 * |                                              | proxy, or from a page of another origin                     |        |
 * | token or session, if there are tokens        | missing (a browser that wants a page is sent to /login)     | 401    |
 * |                                              | unknown or expired                                          | 401    |
 * |                                              | unknown, too often (`middleware.ts`)                        | 429    |
 * | scope                                        | the token lacks the one that the route declares             | 403    |
 * | Origin, of a change or WebSocket by a cookie | not this server's own                                       | 403    |
 * | size of the body (`middleware.ts`)           | over MAX_HTTP_BODY_SIZE                                     | 413    |
 *
 * Calls of workers (`worker` as the scope of their route) follow the rules of gRPC, not those of the API:
 *
 * | check                                        | fails when                                                  | answer |
 * |----------------------------------------------|-------------------------------------------------------------|--------|
 * | request rate of this peer (`middleware.ts`)  | above MAX_PEER_HEARTBEAT_RATE, instead of API_RATE          | 429    |
 * | Origin                                       | present, and not this server's own under a name for certain | 403    |
 * | worker token or certificate, if workers must | missing, unknown, expired, or the token is one of the API   | 401    |
 * | authenticate                                 | unknown, too often (`middleware.ts`)                        | 429    |
 * | size of the body (`middleware.ts`)           | see `maxHeartbeatsBytes` of `http-limits.ts`                | 413    |
 *
 * WebSocket and SSE requests are GETs and need `read`. Paths of the earlier system are read-only: with any method, `read` is
 * enough to get the 405.
 */
import { instantText } from '../../lib/token-expiry.ts';
import type { ApiScope } from '../../lib/tokens.ts';
import type { HttpRefusalReason } from '../../model/http-figures.ts';
import {
  type HostFacts,
  type HostRules,
  hostMistake,
  isHostAllowed,
  isLoopbackHost,
  isNamedForCertain,
} from './hosts.ts';
import { type Headers, isLoopbackPeer, isProxied } from './peer.ts';
import type { RouteScope } from './route-scope.ts';
import type { Session } from './session.ts';
import type { WhoSpeaks, WorkerIdentity } from './worker-credentials.ts';

export interface Facts {
  readonly method: string;
  /** As the client wrote it, without the query. */
  readonly path: string;
  readonly headers: Headers;
  /** The peer's address; undefined without a connection. */
  readonly peer: string | undefined;
  readonly isTls: boolean;
  /** The scope that its route declares; undefined: no route does. */
  readonly scope?: RouteScope | undefined;
  /** The names by which the request addresses this server, if it came over a connection. */
  readonly names?: HostFacts;
}

export interface Identity {
  /** The token's name. */
  readonly name: string;
  readonly scopes: readonly ApiScope[];
  /** The token's hash. */
  readonly hash: string;
  /** When the token expires; undefined: never. */
  readonly expiresUnixMs: number | undefined;
  readonly by: 'token' | 'cookie';
  /** For `by: 'cookie'`. */
  readonly session?: Session;
}

/** A token that was valid once: its holder may learn why it no longer is. */
export interface ExpiredToken {
  readonly name: string;
  readonly expiredUnixMs: number;
}

/** `none`: no credentials; `unknown`: credentials that match no token. */
export type Who = Identity | ExpiredToken | 'none' | 'unknown';

export interface Rules extends HostRules {
  readonly corsOrigins: readonly string[];
  /** Whether workers must authenticate. */
  readonly asksWorkers: boolean;
}

export type Decision =
  | { readonly type: 'allow'; readonly mayRead: boolean; readonly identity: Identity | undefined }
  /** A call of a worker. */
  | { readonly type: 'worker'; readonly identity: WorkerIdentity }
  | { readonly type: 'preflight' }
  | { readonly type: 'login' }
  | {
      readonly type: 'refuse';
      readonly code: 'invalid_argument' | 'misdirected' | 'permission_denied' | 'unauthenticated';
      readonly reason: HttpRefusalReason;
      readonly detail: string;
    };

/** Public: they show whether the master is alive, or accept a token, but nothing that a token protects. */
const PUBLIC_PATHS: ReadonlySet<string> = new Set(['/health', '/livez', '/readyz', '/login']);
const EARLIER_PATH = /^\/(?:health|telemetry|workers|ws\/telemetry)(?:\/|$)/;

/** How to find out who asks. Called only when needed: each costs two hashes. */
export interface Credentials {
  readonly whoAsks: () => Who;
  /** The same for calls of workers. */
  readonly whoSpeaks: () => WhoSpeaks;
}

export function decide(facts: Facts, rules: Rules, { whoAsks, whoSpeaks }: Credentials): Decision {
  const { method, path, headers, peer } = facts;
  const mistake = facts.names === undefined ? undefined : hostMistake(facts.names);
  if (mistake !== undefined) return refuse('invalid_argument', 'host', mistake);
  const host = (headers as { host?: string }).host ?? facts.names?.target?.authority;
  const { origin } = headers as { origin?: string };
  const isLocal = () => isLoopbackPeer(peer) && !isProxied(headers);
  if (!isHostAllowed(host, isLocal, rules)) {
    return refuse('misdirected', 'host', 'the Host header does not name this server; see ALLOWED_HOSTS');
  }
  const isListed = origin !== undefined && rules.corsOrigins.includes(origin);
  if (method === 'OPTIONS' && isListed) return { type: 'preflight' };
  const isGuarded = isChange(method) || isWebSocket(headers);
  if (isGuarded && origin !== undefined && !isListed && !isOwnOrigin(origin, facts)) {
    return refuse('permission_denied', 'origin', 'not allowed from a page of another origin; see CORS_ORIGINS');
  }
  if (facts.scope === 'worker') return decideWorker(facts, rules, whoSpeaks);
  const isPublic = PUBLIC_PATHS.has(path);
  if (!rules.hasTokens) {
    const forbidden = isPublic || scopeOf(facts) === 'read' ? undefined : notLocalReason(facts);
    if (forbidden === undefined) return { type: 'allow', mayRead: true, identity: undefined };
    return refuse('permission_denied', 'permission', `without API_TOKENS, a change is allowed only ${forbidden}`);
  }
  const who = whoAsks();
  const identity = typeof who === 'string' || 'expiredUnixMs' in who ? undefined : who;
  if (isPublic) return { type: 'allow', mayRead: identity !== undefined, identity };
  if (identity === undefined) {
    if (method === 'GET' && headers.authorization === undefined && wantsPage(headers)) return { type: 'login' };
    return refuse('unauthenticated', 'unauthenticated', unauthenticatedDetail(who));
  }
  if (!identity.scopes.includes(scopeOf(facts))) {
    return refuse(
      'permission_denied',
      'permission',
      `the token ${identity.name} has the scope read, but this needs operate`,
    );
  }
  if (identity.by === 'cookie' && isGuarded && !(origin !== undefined && isOwnOrigin(origin, facts))) {
    return refuse('permission_denied', 'origin', 'with a session cookie, allowed only from a page of this server');
  }
  return { type: 'allow', mayRead: true, identity };
}

function decideWorker(facts: Facts, rules: Rules, whoSpeaks: () => WhoSpeaks): Decision {
  const { host = '', origin } = facts.headers as { host?: string; origin?: string };
  // Any program may report, but no page that a person happens to have open.
  if (origin !== undefined && !(isOwnOrigin(origin, facts) && isNamedForCertain(host, rules))) {
    return refuse('permission_denied', 'origin', 'workers cannot report from a page of another origin');
  }
  if (!rules.asksWorkers) return { type: 'worker', identity: {} };
  const who = whoSpeaks();
  if (who === 'none') return refuse('unauthenticated', 'unauthenticated', NO_WORKER);
  if (who === 'unknown') return refuse('unauthenticated', 'unauthenticated', NO_WORKER_TOKEN);
  if ('expiredUnixMs' in who) return refuse('unauthenticated', 'unauthenticated', expiredTokenText(who));
  return { type: 'worker', identity: who };
}

const NO_WORKER =
  'missing worker token; expected the header Authorization: Bearer <token>, or a client certificate that names a worker or a group';
const NO_WORKER_TOKEN = 'unknown worker token; tokens of the API do not speak for workers';

function unauthenticatedDetail(who: Who): string {
  if (who === 'none') return 'missing token; expected the header Authorization: Bearer <token>';
  if (typeof who === 'object' && 'expiredUnixMs' in who) return expiredText(who);
  return 'unknown token, or the session has ended';
}

export function expiredText({ name, expiredUnixMs }: ExpiredToken): string {
  return `the token ${name} expired at ${instantText(expiredUnixMs)}`;
}

/** The same for a worker token, whose name is `the token of worker-1`. */
function expiredTokenText({ name, expiredUnixMs }: ExpiredToken): string {
  return `${name} expired at ${instantText(expiredUnixMs)}`;
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

/** The scope that a request needs: what its route declares. Without a route, the answer is an error in any case. */
export function scopeOf({ method, path, scope }: Pick<Facts, 'method' | 'path' | 'scope'>): ApiScope {
  if (scope === 'read' || scope === 'operate') return scope;
  return !isChange(method) || EARLIER_PATH.test(path) ? 'read' : 'operate';
}

/**
 * Whether the origin is a page of this server. Without TLS of our own, a proxy in front may add it: then both schemes
 * count.
 */
function isOwnOrigin(origin: string, { headers, isTls }: Pick<Facts, 'headers' | 'isTls'>): boolean {
  const { host } = headers as { host?: string };
  if (host === undefined || host === '') return false;
  return origin === `https://${host}` || (!isTls && origin === `http://${host}`);
}

/** Whether the client is a browser that would display the answer. */
export function wantsPage({ accept, upgrade }: Headers): boolean {
  return typeof accept === 'string' && accept.includes('text/html') && upgrade === undefined;
}

/**
 * Why a request may not change anything while there are no tokens; undefined if it may. Allowed are direct requests from
 * this machine that no page of another server has caused.
 */
function notLocalReason(facts: Facts): string | undefined {
  const { headers, peer } = facts;
  if (!isLoopbackPeer(peer)) return 'from the master’s own machine, through localhost';
  if (isProxied(headers)) return 'on a direct connection, not through a proxy';
  const { host = '', origin } = headers as { host?: string; origin?: string };
  // Under another name it may be a page whose name was made to resolve to this machine (DNS rebinding).
  if (!isLoopbackHost(host)) return 'under a loopback name, such as localhost';
  // CORS_ORIGINS allows pages to read only.
  if (origin !== undefined && !isOwnOrigin(origin, facts)) return 'from a page of this server, not of another origin';
  return undefined;
}
