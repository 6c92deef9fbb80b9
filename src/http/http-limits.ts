/** Every limit of the HTTP side, with the reason for its value. Limits that are settings are explained in `config/options.ts`. */
import type { MasterConfig } from '../config/options.ts';

const KIB = 1024;
const MIB = 1024 ** 2;

// ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Limits that are settings. */
export interface HttpLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerPeer: number;
  /** SSE and WebSocket. */
  readonly maxLiveClients: number;
  readonly maxHeaderBytes: number;
  readonly maxBodyBytes: number;
  /** Of one heartbeat, as the message that it becomes. */
  readonly maxMessageBytes: number;
  /** Heartbeats of all transports per second and peer, and requests that bring some; 0 = no limit. */
  readonly heartbeatsPerS: number;
  /** From the first byte of a request to the last. */
  readonly requestTimeoutMs: number;
  /** Requests per second and peer; 0 = no limit. */
  readonly requestsPerS: number;
}

export function httpLimitsOf(config: MasterConfig): HttpLimits {
  return {
    maxConnections: config.maxHttpConnections,
    maxConnectionsPerPeer: config.maxPeerHttpConnections,
    maxLiveClients: config.maxLiveClients,
    maxHeaderBytes: config.maxHttpHeaderBytes,
    maxBodyBytes: config.maxHttpBodyBytes,
    maxMessageBytes: config.maxMessageBytes,
    heartbeatsPerS: config.maxPeerHeartbeatsPerS,
    requestTimeoutMs: config.httpRequestTimeoutMs,
    requestsPerS: config.maxPeerHttpRequestsPerS,
  };
}

// ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Main answers within one turn of its event loop; a client that waits longer should check /health. */
export const COMMAND_WITHIN_MS = 5_000;
/** A trial waits for the receivers; the slowest, a command, is given 30 s. */
export const TRIAL_WITHIN_MS = 35_000;
/** People and scripts send commands one at a time; a hundred at once are a mistake. */
export const MAX_COMMANDS_UNDER_WAY = 100;

// ── heartbeats/ ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Heartbeats of one request: the largest planned fleet behind one gateway. */
export const MAX_HEARTBEATS = 10_000;
/** How much larger a heartbeat may be as JSON: member names make tasks twice as long, escapes and blanks the rest. */
const JSON_TIMES_MESSAGE = 4;
/** The body of a request with heartbeats: the largest heartbeat, or 10,000 usual ones of 400 bytes. */
export function maxHeartbeatsBytes({ maxMessageBytes }: Pick<HttpLimits, 'maxMessageBytes'>): number {
  return JSON_TIMES_MESSAGE * Math.max(maxMessageBytes, MIB);
}
/** Parts of bodies beyond this are counted against the next limit; what is not is as much as before, MAX_HTTP_BODY_SIZE. */
export const SMALL_BODY_BYTES = 64 * KIB;
/**
 * Large bodies that are being received or answered: four of the largest, and thousands of usual ones. The messages made of them
 * that wait for main take no more. Beyond it: 503.
 */
export function maxBodyRoomBytes(limits: Pick<HttpLimits, 'maxMessageBytes'>): number {
  return 4 * maxHeartbeatsBytes(limits);
}
/** Larger bodies take more than a few ms to read (200 MB/s): in the pool. */
export const MAX_BODY_BYTES_INLINE = 512 * KIB;
/** Calls of workers that wait for main: half a second of MAX_PEER_HEARTBEAT_RATE. Beyond it main is stuck: 503. */
export const MAX_WORKER_CALLS = 10_000;
/** How long main answers such calls in one turn of its event loop: no ack over gRPC should wait longer for them. */
export const WORKER_CALLS_TURN_MS = 5;
/** Refused heartbeats that an answer lists, at up to a few hundred bytes each; the rest is counted. */
export const MAX_REFUSED_LISTED = 1_000;

// ── sockets/ ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** From the first byte of a request to the end of its headers: seconds even on a slow line; protects against slow-loris. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** From a connection to the end of its TLS handshake: two round trips and some computing; the same as for headers. */
export const HANDSHAKE_TIMEOUT_MS = HEADERS_TIMEOUT_MS;
/** How often the two request time-outs are checked; half of the shorter one. */
export const TIMEOUT_CHECK_MS = 5_000;
/** Idle connections stay open a little longer than the minute after which proxies close theirs. */
export const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** A connection without any traffic for this long is closed, also if its client does not read a response. */
export const SOCKET_IDLE_MS = 90_000;
/** How many connections over the limit are still accepted, to answer them with 503; further ones are closed at once. */
export const SPARE_CONNECTIONS = 64;
/** How long such a connection may take to send a request and get that answer; also how long a handed-over socket may stay open. */
export const SPARE_CONNECTION_MS = 2_000;
/** Requests on one connection that wait for earlier answers: tools that pipeline send tens. */
export const MAX_PIPELINED = 100;
/** How long clients have to disconnect when the server stops or their token is removed. The whole master has 10 s to stop. */
export const STOP_GRACE_MS = 1_000;

// ── access/ ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** How many peers' rates are remembered: as many as the largest planned fleet; about 2 MB. */
export const MAX_PEERS = 10_000;
/**
 * Wrong tokens of one peer, per second and as a burst: people mistype, and a dashboard sends several requests together. This
 * protects the log and the CPU; tokens of 256 random bits cannot be guessed at any rate. For the same reason a right token is
 * always accepted: nobody can lock out others at the same address.
 */
export const WRONG_TOKENS_PER_S = 3;
export const WRONG_TOKENS_AT_ONCE = 10;
/**
 * Logged-out sessions that are remembered, at most 12 h, at about 100 bytes each: a hundred people logging out ten times a
 * day. Beyond it, all sessions of the token with the most entries end together, and its browsers must log in again.
 */
export const MAX_ENDED_SESSIONS = 1_000;
/** The time between two log lines about wrong tokens; each line has a count. */
export const WRONG_TOKENS_LOG_MS = 10_000;

// ── bodies/ ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Smaller bodies are copied, so that their buffer is free at once; larger ones are sent from the pooled buffer. */
export const DIRECT_BODY_BYTES = 64 * KIB;
/** Forty answers of 10,000 workers at a time. Beyond it clients that do not read would use up the memory: 503. */
export const MAX_BODY_BYTES_IN_FLIGHT = 256 * MIB;
/** A text buffer always keeps this much memory: two frames. */
export const KEPT_TEXT_BYTES = 512 * KIB;
/** After this many uses in a row that need less than a quarter of a buffer, it shrinks: a moment on a busy server, a minute on a quiet one. */
export const TEXT_USES_BEFORE_SHRINKING = 64;
/** Buffers kept for the next large answers; more concurrent readers are rare. */
export const BUFFERS_KEPT = 4;
/** The size limit of each: a map of 10,000 workers. Larger ones are freed: their idle memory is worth more than the millisecond saved. */
export const MAX_TEXT_BYTES_KEPT = 8 * MIB;
/**
 * Kept bodies per map of all workers: one for each concurrent reader, up to a number that is rarely exceeded. Beyond it an answer
 * is built from scratch, which is slower and bounded by MAX_BODY_BYTES_IN_FLIGHT.
 */
export const JOINED_BODIES = 4;
/** Ten times a body of 10,000 workers. Larger ones are freed: their idle memory is worth more than the milliseconds saved. */
export const MAX_JOINED_BYTES_KEPT = 64 * MIB;
/**
 * How much of a kept body may be blank. A newly built one is at most a quarter blank, so a third is reached only by changes.
 * Rebuilding costs as much as several answers, and happens after 10 % of the workers have left or outgrown their regions.
 */
export const MAX_BLANK_SHARE = 1 / 3;

// ── query/ ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Up to this many workers are processed in the HTTP thread: a few ms, which no live client notices. Beyond it: the pool. */
export const MAX_WORKERS_INLINE = 1000;
/** The default and largest number of workers per page; one takes about 600 bytes. */
export const PAGE_WORKERS = 100;
export const MAX_PAGE_WORKERS = 1000;
/** Records may be megabytes each: a page this large ends early, and the next one continues. */
export const MAX_PAGE_BYTES = 16 * MIB;
/**
 * Smaller bodies are sent uncompressed: with their headers they fit into the first ten segments of a connection, which need no
 * acknowledgement, so compressing them would save no round trip.
 */
export const MIN_GZIP_BYTES = 14 * KIB;
/** Larger bodies take more than a few ms to compress: in the pool, which is bounded, and not in libuv's threads. */
export const MIN_GZIP_BYTES_IN_POOL = 256 * KIB;
/** The fastest level: for lists, level 6 takes two to three times as long and saves 5 % more. */
export const GZIP_LEVEL = 1;
/** Two queries at a time; lanes and streams need the other cores more. */
export const POOL_THREADS = 2;
/** The second thread ends after this long without work. */
export const POOL_IDLE_MS = 60_000;
/** Running or waiting; at 20 to 100 ms each, the last one waits a second or two. Beyond it: 503. */
export const MAX_QUERIES_UNDER_WAY = 64;
/** A thread that takes longer is stuck and is ended: a hundred times what a query over 10,000 workers takes. */
export const QUERY_WITHIN_MS = 10_000;
/** A cap, not a reservation: 100,000 workers take about 80 MB, and sorting them creates 180 MB of garbage. */
export const POOL_HEAP_MIB = 512;

// ── history/ ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Two questions at a time: the database writes beside them, and lanes and streams need the other cores more. */
export const HISTORY_THREADS = 2;
/** Running or waiting; a dashboard asks a dozen at once. At some 50 ms each, the last one waits a second or two. Beyond it: 503. */
export const MAX_HISTORY_QUERIES = 64;
/** A question ends by itself after QUERY_TIME_MS (history/query/budget.ts); a thread that has not ended it then is stuck. */
export const HISTORY_ANSWER_WITHIN_MS = 15_000;
/** The default and largest number of task runs per page; one takes about 400 bytes. */
export const TASK_RUNS = 100;
export const MAX_TASK_RUNS = 1000;
/** Workers named in one query; more by filters. */
export const MAX_WORKERS_NAMED = 1000;
/** Exports at a time: each keeps a thread of history busy for as long as its client keeps up. Beyond it: 503. */
export const MAX_EXPORTS = 4;
/** A step of an export that fails is tried again: a thread is back in a second, a database that restarts in some. */
export const EXPORT_TRIES = 5;
export const EXPORT_RETRY_MS = 2000;
/** Events that memory lacks are worth a short wait behind other questions to history: what memory has is answered then. */
export const EARLIER_EVENTS_WITHIN_MS = 3000;
/** Metrics in one query: as many as a worker may have. */
export const MAX_METRICS_NAMED = 64;

// ── mcp/ ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** About 5,000 tokens: a model can take several such answers, and one says how to ask for more. */
export const MAX_MCP_ANSWER_BYTES = 16 * KIB;
/** Calls of tools at a time: each asks the API a few times, one after the other. A model calls a handful. Beyond it: 503. */
export const MAX_MCP_CALLS = 16;

// ── metrics/ ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** One thread: scrapes share the text that it keeps. */
export const SCRAPE_THREADS = 1;
/** Running or waiting: two Prometheus servers that shard by four. At 0.2 s for 10,000 workers, the last one waits 2 s. Beyond it: 503. */
export const MAX_SCRAPES = 8;
/** A thread that takes longer is stuck: a million series take a few seconds, and Prometheus waits 10 s by default. */
export const SCRAPE_WITHIN_MS = 30_000;

// ── live/ ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A change must be sent within 100 ms, so memory is polled twice in that time. */
export const POLL_MS = 50;
/** Promised to clients of the earlier system; below the minute after which proxies close silent connections. */
export const PING_MS = 54_000;
/** Messages from clients are ignored; a ping has at most 125 bytes. */
export const MAX_CLIENT_MESSAGE_BYTES = 4 * KIB;
/** How much may wait in a client's socket before it gets only the newest state: about 250 workers' frames, a moment of a busy fleet. */
export const MAX_BUFFERED_BYTES = 256 * KIB;
/** About 500 workers: a millisecond's work, and no more than may wait in a client's socket anyway. */
export const MAX_FRAME_BYTES = 256 * KIB;
/**
 * Clients that follow the same share their frames. Slow clients hold on to different frames: beyond this limit the slowest are
 * disconnected and new ones refused, as for large answers.
 */
export const MAX_FRAME_BYTES_IN_FLIGHT = 256 * MIB;
/** A line that takes less than one frame in it (9 KB/s) cannot follow a fleet; a short network failure is over by then. */
export const CLIENT_STILL_MS = 30_000;
/** A WebSocket starts with a map of all workers: this much more time for each 64 KiB of it. */
export const CLIENT_STILL_MORE_MS = 1_000;
/** How often slow clients are looked for: 1/30 of the time they have. */
export const STILL_CHECK_MS = 1_000;
/** Documented in the API; well below the minute after which proxies close idle connections, and below SOCKET_IDLE_MS. */
export const STREAM_PING_MS = 15_000;
/** How long a browser waits before it reconnects: a restarted HTTP thread is ready by then. */
export const STREAM_RETRY_MS = 2_000;
/** Updates per second that a stream may request: from one in ten seconds to one per poll. */
export const LEAST_STREAM_RATE = 0.1;
export const MOST_STREAM_RATE = 1_000 / POLL_MS;
/** What people can follow; programs may request more. */
export const STREAM_RATE = 2;
/**
 * Filters followed at a time. Each takes about 70 bytes per worker: 256 over 10,000 workers take 180 MB.
 * The limits below bound their CPU time, however many they are.
 */
export const MAX_VIEWS = 256;
/**
 * Filters per client: a quarter, so that three clients cannot shut out the others; a dashboard follows a handful. The view of
 * all workers is shared, does not count, and is never refused.
 */
export const MAX_VIEWS_PER_CLIENT = MAX_VIEWS / 4;
/** The longest uninterrupted work: answers wait no longer than this, and ten of these per 100 ms are acceptable for the loop. */
export const VIEW_SLICE_MS = 4;
/** The turn of one view: a few thousand workers, more than change between two polls. */
export const VIEW_TURN_MS = 1;
/** The rest after each full slice, relative to it: views take half of the thread's time, everything else the other half. */
export const VIEW_REST_SHARE = 1;
/** Per poll: after a second, 5 % is left of a view's recorded cost. */
export const VIEW_COST_DECAY = 0.86;
/** Streams send twice a second by default: a view later than this is noticeable. Beyond it, new filters get 503. */
export const MAX_VIEW_LATE_MS = 1_000;
/**
 * If a rest ends later than this, the thread or the machine was stalled and no filter is to blame.
 * Smaller delays are normal on a busy thread and count.
 */
export const VIEW_STALL_MS = 100;
/** How long a new filter may take to go through all workers: 0.1 s if it is the only one. Beyond it, new filters get 503. */
export const MAX_VIEW_BUILD_MS = 5_000;
/** A client that lost its connection, or asks again, is back within seconds. */
export const VIEW_KEPT_MS = 60_000;
/**
 * Clients are served this long without interruption, then rest equally long: a thousand clients with different fields take
 * longer than the time between two polls. Together with the views, this leaves room for answers in between.
 */
export const SERVE_SLICE_MS = 4;
/** The time between two log lines about clients that could not be served; each line has a count, since it may happen on each poll. */
export const SERVE_FAILURES_LOG_MS = 10_000;
/** Workers that left a filter, remembered at least; a client further behind is sent more removals than necessary. */
export const MAX_LEFT_REMEMBERED = 1_000;
/** Concurrent blocking queries: each holds a connection, and they may hold a quarter of all connections. */
export const MAX_WAITING = 1_000;
/**
 * Per client, which is a token with its sessions, or else an address. A quarter, so that three clients cannot shut out the
 * others; a dashboard waits with a handful. Behind a proxy all clients have one address, and tokens tell them apart.
 */
export const MAX_WAITING_PER_CLIENT = MAX_WAITING / 4;
/** The longest wait; similar systems such as Consul allow the same. */
export const MOST_WAIT_MS = 600_000;
/** The wait if a client gives only an index: below the minute after which proxies close idle connections. */
export const WAIT_MS = 30_000;
/** Up to this share of the wait is added at random, so that clients that started together do not all return together. */
export const WAIT_JITTER = 1 / 16;
