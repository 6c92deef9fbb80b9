/** What every route gets. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Context } from 'hono';
import type { Clock } from '../lib/clock.ts';
import type { Directory } from '../reading/directory.ts';
import type { Revisions } from '../reading/revisions.ts';
import type { RelayedAnswer, RelayedCall } from '../rpc/relayed-calls.ts';
import type { Access } from './access/access.ts';
import type { Identity } from './access/decide.ts';
import type { Session } from './access/session.ts';
import type { WorkerIdentity } from './access/worker-credentials.ts';
import type { Bodies } from './bodies/bodies.ts';
import type { CommandOutcome } from './commands.ts';
import type { HistoryPool } from './history/pool.ts';
import type { HttpLimits } from './http-limits.ts';
import type { HttpRefusals } from './http-refusals.ts';
import type { LiveStreams } from './live/streams.ts';
import type { Command, HttpLog } from './messages.ts';
import type { Scrapes } from './metrics/pool.ts';
import type { Queries } from './query/queries.ts';

/** Sends a command to main. Never rejects. */
export type RunCommand = (command: Command) => Promise<CommandOutcome>;

/** Sends a call of a worker to main. Rejects with a LimitReached only. */
export type RelayCall = (call: RelayedCall) => Promise<RelayedAnswer>;

export interface AppContext {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly corsOrigins: readonly string[];
  /** What changed when: used by ETags, blocking queries and live streams. */
  readonly revisions: Revisions;
  readonly live: LiveStreams;
  readonly bodies: Bodies;
  /** Runs queries over many workers and other long work. */
  readonly queries: Queries;
  /** Asks the database of history; undefined: history is off. */
  readonly history: HistoryPool | undefined;
  /** ALERTS is on. */
  readonly hasAlerts: boolean;
  /** Answers `GET /metrics`. */
  readonly metrics: Scrapes;
  readonly log: HttpLog;
  readonly command: RunCommand;
  readonly relay: RelayCall;
  /** Checked before any route runs. */
  readonly access: Access;
  readonly limits: HttpLimits;
  readonly refusals: HttpRefusals;
  /** Ends a session and its live clients. */
  readonly logOut: (session: Session, by: Socket | undefined) => void;
}

/** The bindings of @hono/node-server; without a server (`app.request()`) there are none. */
export interface HttpEnv {
  Bindings: {
    readonly incoming?: Pick<IncomingMessage, 'url'> &
      Partial<Pick<IncomingMessage, 'socket' | 'headers' | 'rawHeaders'>> & { readonly rawBody?: Buffer };
    readonly outgoing?: ServerResponse;
  };
  Variables: {
    /** The common headers, for responses that are written past Hono. */
    commonHeaders: Readonly<Record<string, string>>;
    /** On a public path: whether the client may also read what is not public. */
    mayRead: boolean;
    /** Counts refusals after the access middleware; undefined before it. */
    refusals: HttpRefusals | undefined;
    /** The client's identity; undefined if no token is required. */
    identity: Identity | undefined;
    /** On a call of a worker: who calls. */
    workerIdentity: WorkerIdentity | undefined;
  };
}

export type HttpContext = Context<HttpEnv>;
