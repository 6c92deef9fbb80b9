/**
 * What goes between the main thread and the http thread: one union per direction. Which workers there are, and signs of life,
 * are reader-messages.ts.
 */
import type { Address } from '../config/kinds.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { ApiToken } from '../lib/tokens.ts';
import type { Isolation } from '../model/isolation.ts';
import type { ReaderData } from '../reading/reader-messages.ts';
import type { EndedSession } from './access/ended-sessions.ts';
import type { HttpLimits } from './http-limits.ts';

/** Handed to the thread when it is made. */
export interface HttpThreadData extends ReaderData {
  /** Browser origins that may read the API. */
  readonly corsOrigins: readonly string[];
  /** Names beside those of loopback under which the server may be asked, in lower case, without ports. */
  readonly allowedHosts: readonly string[];
  readonly limits: HttpLimits;
  readonly secrets: HttpSecrets;
  /** What threads of the query pool are started from: see lib/threads.ts. */
  readonly queryScript: string;
}

/** What files hold, and what changes without a restart. Never logged. */
export interface HttpSecrets {
  /** None: anybody may read, and this machine may change. */
  readonly tokens: readonly ApiToken[];
  /** Seals the sessions of browsers. */
  readonly sessionKey: Uint8Array;
  /** Undefined: plain HTTP. */
  readonly tls: HttpTls | undefined;
}

export interface HttpTls {
  /** In PEM, followed by those that lead to its authority. */
  readonly cert: string;
  readonly key: string;
  /** Authorities, in PEM, of which every client must show a certificate; undefined: none is asked for. */
  readonly clientCa: string | undefined;
}

export type ToHttp =
  /** No client ever sees a fleet that is empty only because the thread is new: what is told of workers comes before. */
  | { readonly type: 'listen'; readonly address: Address }
  /** From now on; connections and streams go on. TLS cannot be switched on or off. */
  | { readonly type: 'secrets'; readonly secrets: HttpSecrets }
  /** Sessions that were logged out in the life of an earlier thread. Comes before `listen`. */
  | { readonly type: 'endedSessions'; readonly sessions: readonly EndedSession[] }
  /** The outcome of a command, by its number. */
  | { readonly type: 'reply'; readonly id: number; readonly reply: CommandReply };

/** What the API asks main to do. */
export type Command =
  | { readonly type: 'unregister'; readonly workerId: string }
  | { readonly type: 'approve'; readonly workerId: string }
  | { readonly type: 'release'; readonly workerId: string }
  | { readonly type: 'isolate'; readonly workerId: string; readonly isolation: Isolation }
  /** `group`: undefined means all. */
  | { readonly type: 'release-brakes'; readonly group: string | undefined };

/** What became of it. `message` is for people. */
export type CommandReply =
  | { readonly ok: true; readonly message: string }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

export type HttpLogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Has main write a line of the log. */
export type HttpLog = (level: HttpLogLevel, message: string) => void;

export type FromHttp =
  | { readonly type: 'listening'; readonly address: Address }
  /** `code` is the system's, such as EADDRINUSE; empty if there is none. */
  | { readonly type: 'listenFailed'; readonly message: string; readonly code: string }
  /** Threads do not own stdout. */
  | { readonly type: 'log'; readonly level: HttpLogLevel; readonly message: string }
  /** To be told to the next thread. */
  | { readonly type: 'sessionEnded'; readonly ended: EndedSession }
  /** Answer `reply`. Numbers count within one life of the thread. */
  | { readonly type: 'command'; readonly id: number; readonly command: Command };
