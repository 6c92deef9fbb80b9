/** The HTTP side over a fleet of the test's own: without a socket, and with one. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import type { DatabasePlace } from '../../src/history/database.ts';
import { Access } from '../../src/http/access/access.ts';
import type { EndedSession } from '../../src/http/access/ended-sessions.ts';
import type { WorkerCredential } from '../../src/http/access/worker-credentials.ts';
import { createApp } from '../../src/http/app.ts';
import { Bodies } from '../../src/http/bodies/bodies.ts';
import type { CommandOutcome } from '../../src/http/commands.ts';
import type { HistoryPool } from '../../src/http/history/pool.ts';
import { type HttpLimits, httpLimitsOf, MIN_GZIP_BYTES } from '../../src/http/http-limits.ts';
import { HttpRefusals } from '../../src/http/http-refusals.ts';
import { LiveStreams } from '../../src/http/live/streams.ts';
import type { Command, HttpTls } from '../../src/http/messages.ts';
import type { Scrapes } from '../../src/http/metrics/pool.ts';
import { Queries } from '../../src/http/query/queries.ts';
import { HttpServer } from '../../src/http/server.ts';
import type { ApiToken } from '../../src/lib/tokens.ts';
import { Scraper } from '../../src/metrics/scrape/scraper.ts';
import { Directory } from '../../src/reading/directory.ts';
import { takeIn } from '../../src/reading/reader-thread.ts';
import { Revisions } from '../../src/reading/revisions.ts';
import type { RelayedAnswer, RelayedCall } from '../../src/rpc/relayed-calls.ts';
import { BoardReader } from '../../src/store/board.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Fleet } from '../support/fleet.ts';

/** 2026-11-23T17:54:55Z, the contract's own example. */
export const NOW_S = 1_795_456_495;

/** A fleet at {@link NOW_S}, by a clock that stands. */
export function newFleet(rows?: number, clock = new FakeClock(NOW_S * 1000), ringSamples?: number) {
  return { clock, fleet: new Fleet(clock, rows, ringSamples) };
}

/** Limits as they are unless somebody sets them. */
export const DEFAULT_LIMITS = httpLimitsOf(resolveOptions(masterOptions, { flags: {}, environment: {}, dotenv: {} }));
export const SESSION_KEY = Buffer.alloc(32, 7);

/** Main accepts whatever workers send. */
export async function acceptAll(call: RelayedCall): Promise<RelayedAnswer> {
  if (call.type === 'farewell') return { type: 'farewell' };
  return { type: 'heartbeats', accepted: call.ends.length / 2, notes: [] };
}

export function newApp({
  corsOrigins = [] as readonly string[],
  rows = 64,
  tokens = [] as readonly ApiToken[],
  workers = undefined as readonly WorkerCredential[] | undefined,
  requestsPerS = 0,
  hasAlerts = true,
  ringSamples = undefined as number | undefined,
  history = undefined as HistoryPool | undefined,
} = {}) {
  const { clock, fleet } = newFleet(rows, undefined, ringSamples);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
    queries.announced(items);
  };
  const logged: string[] = [];
  const revisions = new Revisions(directory, 'epochabc');
  const bodies = new Bodies(directory);
  const log = (level: string, message: string) => void logged.push(`${level} ${message}`);
  const queries = new Queries({ directory, texts: bodies.texts, clock, log });
  const live = new LiveStreams({ directory, revisions, clock, log, maxClients: 10 });
  const command = async () => ({ ok: true, message: 'done' }) as const;
  const access = new Access({
    corsOrigins,
    allowedHosts: [],
    machineNames: [],
    requestsPerS,
    workerCallsPerS: 0,
    workers,
    tokens,
    sessionKey: SESSION_KEY,
    clock,
    warn: (message) => log('warn', message),
  });
  const refusals = new HttpRefusals();
  const parts = {
    directory,
    revisions,
    clock,
    corsOrigins,
    live,
    bodies,
    queries,
    history,
    hasAlerts,
    metrics: scrapesInline(directory, clock),
    log,
    command,
    relay: acceptAll,
  };
  const logOut = () => {};
  const app = createApp({ ...parts, access, refusals, limits: DEFAULT_LIMITS, logOut });
  /** Asks for a target as it stands, where a URL would be tidied up first. */
  const raw = (target: string) => app.request('/', {}, { incoming: { url: target } });
  return { app, raw, fleet, clock, live, bodies, queries, directory, revisions, logged };
}

/** Scrapes without a thread. */
function scrapesInline(directory: Directory, clock: FakeClock): Scrapes {
  const maxSeries = 1_000_000;
  const scraper = new Scraper({ directory, clock, isAllowed: () => true, maxSeries, minGzipBytes: MIN_GZIP_BYTES });
  return { maxSeries, last: undefined, scrape: async (request) => scraper.scrape(request) };
}

/** A listening server; the caller stops it through `stop`. */
export async function newServer({
  corsOrigins = [] as readonly string[],
  rows = 64,
  maxLiveClients = 1_000,
  replyTo = (_: Command): CommandOutcome | Promise<CommandOutcome> => ({ ok: true, message: 'done' }),
  allowedHosts = [] as readonly string[],
  tokens = [] as readonly ApiToken[],
  workers = undefined as readonly WorkerCredential[] | undefined,
  relay = acceptAll,
  tls = undefined as HttpTls | undefined,
  limits = {} as Partial<HttpLimits>,
  host = '127.0.0.1',
  history = undefined as DatabasePlace | undefined,
  ringSamples = undefined as number | undefined,
  hasAlerts = true,
} = {}) {
  const { clock, fleet } = newFleet(rows, undefined, ringSamples);
  const logged: string[] = [];
  const log = (level: string, message: string) => void logged.push(`${level} ${message}`);
  const commands: Command[] = [];
  const endedSessions: EndedSession[] = [];
  const command = async (asked: Command): Promise<CommandOutcome> => {
    commands.push(asked);
    return replyTo(asked);
  };
  const directory = new Directory(new BoardReader(fleet.memory));
  const server = new HttpServer({
    directory,
    corsOrigins,
    allowedHosts,
    limits: { ...DEFAULT_LIMITS, maxLiveClients, ...limits },
    secrets: { tokens, sessionKey: SESSION_KEY, tls, workers },
    clock,
    log,
    command,
    relay,
    hasAlerts,
    metrics: { labels: ['*'], maxSeries: 1_000_000 },
    sessionEnded: (ended) => endedSessions.push(ended),
    history,
  });
  fleet.onAnnounce = (items) => {
    takeIn(directory, items);
    server.announced(items);
  };
  const { port } = await server.listen({ host, port: 0 });
  /** Time stands, so the grace passes only when it is made to: at once, for clients that are gone or stay. */
  const stop = async () => {
    const stopped = server.stop();
    clock.advance(60_000);
    await stopped;
  };
  return {
    server,
    fleet,
    clock,
    port,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    logged,
    commands,
    endedSessions,
    stop,
  };
}

/** The same, stopped when the test is over. */
export async function serve(options: Parameters<typeof newServer>[0] = {}) {
  const server = await newServer(options);
  onTestFinished(server.stop);
  return server;
}

/** What the server answers to bytes of the test's own, up to the end of the connection. */
export async function exchange(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  return text(socket);
}
