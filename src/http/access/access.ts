/** Who may access the API: the active rules and tokens, and the rates of each peer. */
import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import { networkOf, plainAddress } from '../../lib/networks.ts';
import { isExpired } from '../../lib/token-expiry.ts';
import { type ApiToken, bearerToken, TokenTable } from '../../lib/tokens.ts';
import * as limits from '../http-limits.ts';
import { ConnectionTokens, type HolderEnd } from './connection-tokens.ts';
import { type Decision, decide, expiredText, type Facts, type Identity, type Rules, type Who } from './decide.ts';
import { type EndedSession, EndedSessions } from './ended-sessions.ts';
import { isLoopbackPeer } from './peer.ts';
import { PeerRequestRates } from './rates.ts';
import { openSession, SESSION_S, type Session, sealSession, sessionIn } from './session.ts';
import {
  subjectsOfConnection,
  type WhoSpeaks,
  type WorkerCredential,
  WorkerCredentials,
} from './worker-credentials.ts';

export interface AccessOptions {
  readonly corsOrigins: readonly string[];
  /** In lower case, without ports. */
  readonly allowedHosts: readonly string[];
  /** The machine's own names; see `hosts.ts`. */
  readonly machineNames: readonly string[];
  /** Requests per peer per second; 0 = no limit. */
  readonly requestsPerS: number;
  /** The same for calls of workers; 0 = no limit. */
  readonly workerCallsPerS: number;
  /** Tokens of workers; undefined: workers need not authenticate. */
  readonly workers?: readonly WorkerCredential[] | undefined;
  readonly tokens: readonly ApiToken[];
  /** Seals the sessions of browsers. */
  readonly sessionKey: Uint8Array;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** The session or token last used on this connection has expired. */
  readonly onEnd?: (socket: Socket, end: HolderEnd) => void;
  /** A session was logged out; the next HTTP thread must know. */
  readonly sessionEnded?: (ended: EndedSession) => void;
}

/** What {@link Access.admit} adds to the decisions of `decide.ts`. */
export type AccessVerdict =
  | Decision
  | {
      readonly type: 'refuse';
      readonly code: 'rate_limited';
      readonly reason: 'rate' | 'guesses';
      readonly detail: string;
      readonly retryAfterMs: number;
    };

export class Access {
  readonly #options: AccessOptions;
  readonly #requests: PeerRequestRates | undefined;
  readonly #workerCalls: PeerRequestRates | undefined;
  readonly #wrong = new PeerRequestRates({
    perS: limits.WRONG_TOKENS_PER_S,
    burst: limits.WRONG_TOKENS_AT_ONCE,
    maxPeers: limits.MAX_PEERS,
  });
  readonly #tokens: ConnectionTokens;
  readonly #ended = new EndedSessions();
  #rules: Rules;
  #table = new TokenTable<ApiToken>([]);
  #workers = new WorkerCredentials([]);
  /** By name; several hashes while a token is being replaced by another of the same name. */
  #hashesByName: ReadonlyMap<string, readonly string[]> = new Map();
  #wrongSinceLine = 0;
  #nextLineMs = Number.NEGATIVE_INFINITY;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#tokens = new ConnectionTokens(options.clock, (socket, end) => options.onEnd?.(socket, end));
    const { corsOrigins, allowedHosts, machineNames, requestsPerS: perS, workerCallsPerS } = options;
    // Allows one second's worth as a burst: a dashboard requests many things together.
    if (perS > 0) this.#requests = new PeerRequestRates({ perS, burst: perS, maxPeers: limits.MAX_PEERS });
    if (workerCallsPerS > 0) {
      // As each heartbeat, see rpc/peers.ts; there the heartbeats are counted. It has the burst of one second, too.
      const rates = { perS: workerCallsPerS, burst: workerCallsPerS, maxPeers: limits.MAX_PEERS };
      this.#workerCalls = new PeerRequestRates(rates);
    }
    this.#rules = {
      corsOrigins,
      allowedHosts: new Set(allowedHosts),
      machineNames: new Set(machineNames.map((name) => name.toLowerCase())),
      listensBeyondLoopback: false,
      hasTokens: false,
      asksWorkers: false,
    };
    this.setTokens(options.tokens);
    this.setWorkers(options.workers);
  }

  get hasTokens(): boolean {
    return this.#rules.hasTokens;
  }

  /** Applies from the next request on; sessions of removed tokens end. @returns their connections, for the caller to end */
  setTokens(tokens: readonly ApiToken[]): readonly Socket[] {
    this.#table = new TokenTable(tokens.map((token) => [token.hash, token] as const));
    const hashes = new Map<string, string[]>();
    for (const { name, hash } of tokens) hashes.set(name, [...(hashes.get(name) ?? []), hash]);
    this.#hashesByName = hashes;
    this.#rules = { ...this.#rules, hasTokens: tokens.length > 0 };
    return this.#tokens.setTokens(new Map(tokens.map(({ hash, expiresUnixMs }) => [hash, expiresUnixMs])));
  }

  /** Applies from the next request on. @param tokens undefined: workers need not authenticate */
  setWorkers(tokens: readonly WorkerCredential[] | undefined): void {
    this.#workers = new WorkerCredentials(tokens ?? []);
    this.#rules = { ...this.#rules, asksWorkers: tokens !== undefined };
  }

  /** Records that a request with this identity was accepted on the connection. */
  hold(socket: Socket, { hash, expiresUnixMs, session }: Identity): void {
    this.#tokens.note(socket, { hash, expiresUnixMs, session });
  }

  /** Ends a session early. @returns its connections, for the caller to end */
  logOut(session: Session): readonly Socket[] {
    const sockets = new Set<Socket>();
    for (const ended of this.#ended.endOf(session, this.#nowUnixS)) {
      this.#options.sessionEnded?.(ended);
      for (const socket of this.endSession(ended)) sockets.add(socket);
    }
    return [...sockets];
  }

  /** As `logOut`, for a session that was logged out in an earlier thread. */
  endSession(ended: EndedSession): readonly Socket[] {
    this.#ended.add(ended, this.#nowUnixS);
    return this.#tokens.of((session) => this.#ended.has(session));
  }

  /** Sets where the server listens; before that, the stricter rule applies. */
  boundTo(isLoopback: boolean): void {
    this.#rules = { ...this.#rules, listensBeyondLoopback: !isLoopback };
  }

  /**
   * Not pure: counts against the peer's rates.
   * @param socket of the connection, whose certificate may identify a worker
   */
  admit(facts: Facts, socket?: object): AccessVerdict {
    const limited = facts.scope === 'worker' ? this.#tooManyCalls(facts.peer) : this.#tooManyRequests(facts.peer);
    if (limited !== undefined) return limited;
    let who: Who | WhoSpeaks = 'none';
    const decision = decide(facts, this.#rules, {
      whoAsks: () => {
        const asks = this.#whoAsks(facts);
        who = asks;
        return asks;
      },
      whoSpeaks: () => {
        const speaks = this.#whoSpeaks(facts, socket);
        who = speaks;
        return speaks;
      },
    });
    // Only a wrong token counts as a guess: an expired session reveals nothing to guess from.
    if ((who as Who | WhoSpeaks) !== 'unknown' || facts.headers.authorization === undefined) return decision;
    const guesses = this.#wrongToken(facts.peer);
    // Public paths stay public: a probe with an old token must not report the master as dead.
    return decision.type === 'allow' ? decision : (guesses ?? decision);
  }

  /** Checks the request again once its body has arrived, without counting it again. */
  admitStill(facts: Facts, socket?: object): Decision {
    return decide(facts, this.#rules, {
      whoAsks: () => this.#whoAsks(facts),
      whoSpeaks: () => this.#whoSpeaks(facts, socket),
    });
  }

  /** Opens a session for a token from the login page. Wrong tokens count as in a header. */
  logIn(token: string, peer: string | undefined): { readonly session: string } | AccessVerdict {
    const found = this.#table.find(token);
    if (found === undefined) {
      const detail = 'unknown token';
      const limited = this.#wrongToken(peer);
      return limited ?? { type: 'refuse', code: 'unauthenticated', reason: 'unauthenticated', detail };
    }
    const who = this.#holderOf(found, 'token');
    if ('expiredUnixMs' in who) {
      return { type: 'refuse', code: 'unauthenticated', reason: 'unauthenticated', detail: expiredText(who) };
    }
    // A session never outlives its token: it may end up to a second earlier, never later.
    const lastUnixS = Math.floor((found.expiresUnixMs ?? Number.POSITIVE_INFINITY) / 1000);
    const expiresUnixS = Math.min(Math.floor(this.#nowUnixS) + SESSION_S, lastUnixS);
    return { session: sealSession({ name: found.name, expiresUnixS }, found.hash, this.#options.sessionKey) };
  }

  get #nowUnixS(): number {
    return this.#options.clock.wallMs() / 1000;
  }

  #tooManyRequests(peer: string | undefined): AccessVerdict | undefined {
    // Loopback has no limit: a local proxy carries everyone's requests, and local programs have access to the machine anyway.
    if (this.#requests === undefined || peer === undefined || isLoopbackPeer(peer)) return undefined;
    const waitMs = this.#requests.take(networkOf(peer), this.#options.clock.monotonicMs());
    return waitMs === 0 ? undefined : tooMany(`${this.#options.requestsPerS} requests a second (API_RATE)`, waitMs);
  }

  /** Heartbeats have a limit on loopback, too, as over gRPC. */
  #tooManyCalls(peer: string | undefined): AccessVerdict | undefined {
    if (this.#workerCalls === undefined || peer === undefined) return undefined;
    const waitMs = this.#workerCalls.take(networkOf(peer), this.#options.clock.monotonicMs());
    if (waitMs === 0) return undefined;
    return tooMany(`${this.#options.workerCallsPerS} requests of workers a second (MAX_PEER_HEARTBEAT_RATE)`, waitMs);
  }

  #whoSpeaks({ headers }: Facts, socket: object | undefined): WhoSpeaks {
    const { authorization } = headers as { authorization?: string };
    return this.#workers.whoSpeaks(authorization, () => subjectsOfConnection(socket), this.#options.clock.wallMs());
  }

  #whoAsks({ headers }: Facts): Who {
    const { authorization, cookie } = headers as { authorization?: string; cookie?: string };
    if (authorization !== undefined) {
      const token = bearerToken(authorization);
      const found = token === undefined ? undefined : this.#table.find(token);
      return found === undefined ? 'unknown' : this.#holderOf(found, 'token');
    }
    const session = cookie === undefined ? undefined : sessionIn(cookie);
    if (session === undefined) return 'none';
    const opened = openSession(session, {
      nowUnixS: this.#nowUnixS,
      hashesOf: (name) => this.#hashesByName.get(name) ?? [],
      key: this.#options.sessionKey,
    });
    if (opened === undefined || this.#ended.has(opened)) return 'unknown';
    const { name, expiresUnixS, hash } = opened;
    const token = this.#table.findHash(hash);
    return token === undefined ? 'unknown' : this.#holderOf(token, 'cookie', { name, expiresUnixS });
  }

  /** The identity behind a token, while it is valid. */
  #holderOf(token: ApiToken, by: Identity['by'], session?: Session): Exclude<Who, string> {
    const { name, scopes, hash, expiresUnixMs } = token;
    if (expiresUnixMs !== undefined && isExpired(expiresUnixMs, this.#options.clock.wallMs())) {
      return { name, expiredUnixMs: expiresUnixMs };
    }
    return { name, scopes, hash, expiresUnixMs, by, ...(session === undefined ? {} : { session }) };
  }

  #wrongToken(peer = ''): AccessVerdict | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    this.#wrongSinceLine++;
    if (nowMs >= this.#nextLineMs) {
      this.#options.warn(
        `HTTP: ${this.#wrongSinceLine} request${this.#wrongSinceLine === 1 ? '' : 's'} with an unknown token, ` +
          `the last from ${peer === '' ? 'an unknown address' : plainAddress(peer)}`,
      );
      this.#wrongSinceLine = 0;
      this.#nextLineMs = nowMs + limits.WRONG_TOKENS_LOG_MS;
    }
    const waitMs = this.#wrong.take(networkOf(peer), nowMs);
    if (waitMs === 0) return undefined;
    const detail = 'this address has sent too many unknown tokens';
    return { type: 'refuse', code: 'rate_limited', reason: 'guesses', detail, retryAfterMs: waitMs };
  }
}

function tooMany(what: string, retryAfterMs: number): AccessVerdict {
  const detail = `this address sends more than ${what}`;
  return { type: 'refuse', code: 'rate_limited', reason: 'rate', detail, retryAfterMs };
}
