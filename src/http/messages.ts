/**
 * The messages between the main thread and the HTTP thread: one union per direction. Announcements of workers and signs of
 * life are in reader-messages.ts.
 */
import type { Address } from '../config/kinds.ts';
import type { InternalState } from '../engine/internal-state.ts';
import type { DatabasePlace } from '../history/database.ts';
import type { ApiToken } from '../lib/tokens.ts';
import type { MetricsSettings } from '../metrics/settings.ts';
import type { AlertCommand, AlertReply } from '../model/alert-command.ts';
import type { Isolation } from '../model/isolation.ts';
import type { ReaderData } from '../reading/reader-messages.ts';
import type { EndedSession } from './access/ended-sessions.ts';
import type { WorkerCredential } from './access/worker-credentials.ts';
import type { WorkerAnswersMessage, WorkerCallsMessage } from './heartbeats/worker-calls.ts';
import type { HttpLimits } from './http-limits.ts';

/** Given to the thread at its start. */
export interface HttpThreadData extends ReaderData {
  /** Browser origins that may read the API. */
  readonly corsOrigins: readonly string[];
  /** Host names allowed besides loopback names: lower case, without ports. */
  readonly allowedHosts: readonly string[];
  readonly limits: HttpLimits;
  readonly secrets: HttpSecrets;
  /** The script of the query pool's threads: see lib/threads.ts. */
  readonly queryScript: string;
  /** Undefined: history is off. */
  readonly history: HttpHistory | undefined;
  /** ALERTS is on. */
  readonly hasAlerts: boolean;
  readonly metrics: MetricsSettings;
  /** The script of the thread that makes the answers of `GET /metrics`. */
  readonly metricsScript: string;
}

/** How the HTTP side asks for history. */
export interface HttpHistory {
  /** May contain a password. */
  readonly place: DatabasePlace;
  /** The script of the threads that ask the database. */
  readonly script: string;
}

/** Secrets from files, which can change without a restart. Never logged. */
export interface HttpSecrets {
  /** None: anyone may read, and only this machine may change something. */
  readonly tokens: readonly ApiToken[];
  /** Seals browser sessions. */
  readonly sessionKey: Uint8Array;
  /** Undefined: plain HTTP. */
  readonly tls: HttpTls | undefined;
  /** The tokens of workers; undefined: workers need not authenticate. */
  readonly workers?: readonly WorkerCredential[] | undefined;
}

export interface HttpTls {
  /** In PEM: the server's certificate, then its intermediate certificates. */
  readonly cert: string;
  readonly key: string;
  /** CA certificates in PEM; every client must have a certificate of one. Undefined: no client certificates. */
  readonly clientCa: string | undefined;
}

export type ToHttp =
  /** Sent after all workers are announced, so that no client ever sees an empty fleet just because the thread is new. */
  | { readonly type: 'listen'; readonly address: Address }
  /** Apply from now on; connections and streams continue. TLS cannot be switched on or off. */
  | { readonly type: 'secrets'; readonly secrets: HttpSecrets }
  /** Sessions that were logged out under an earlier thread. Sent before `listen`. */
  | { readonly type: 'endedSessions'; readonly sessions: readonly EndedSession[] }
  /** The reply to the command of this number. */
  | { readonly type: 'reply'; readonly id: number; readonly reply: CommandReply }
  /** The answers to calls of workers. */
  | ({ readonly type: 'workerAnswers' } & WorkerAnswersMessage);

/** The commands that the API can send to main. */
export type Command =
  | { readonly type: 'unregister'; readonly workerId: string }
  | { readonly type: 'approve'; readonly workerId: string }
  | { readonly type: 'release'; readonly workerId: string }
  | { readonly type: 'isolate'; readonly workerId: string; readonly isolation: Isolation }
  /** `group`: undefined means all. */
  | { readonly type: 'release-brakes'; readonly group: string | undefined }
  /** Changes nothing: the reply has the state. */
  | { readonly type: 'internal-state' }
  | { readonly type: 'alerts'; readonly asked: AlertCommand };

/** The result. `message` is for people. */
export type CommandReply =
  | (Extract<AlertReply, { readonly ok: true }> & { readonly state?: InternalState })
  | Extract<AlertReply, { readonly ok: false }>;

export type HttpLogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Has main write a log line. */
export type HttpLog = (level: HttpLogLevel, message: string) => void;

export type FromHttp =
  | { readonly type: 'listening'; readonly address: Address }
  /** `code` is the system's, such as EADDRINUSE; empty if there is none. */
  | { readonly type: 'listenFailed'; readonly message: string; readonly code: string }
  /** Threads do not own stdout. */
  | { readonly type: 'log'; readonly level: HttpLogLevel; readonly message: string }
  /** Kept by main for the next thread. */
  | { readonly type: 'sessionEnded'; readonly ended: EndedSession }
  /** Answered by `reply`. Numbers are unique within one life of the thread. */
  | { readonly type: 'command'; readonly id: number; readonly command: Command }
  /** Answered by `workerAnswers`. */
  | ({ readonly type: 'workerCalls' } & WorkerCallsMessage);
