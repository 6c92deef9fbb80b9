/** Every bound of the HTTP side, and why it is that number. Those that are settings have their reasons there. */
import type { MasterConfig } from '../config/options.ts';

const KIB = 1024;
const MIB = 1024 ** 2;

// ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Those that are settings. */
export interface HttpLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerPeer: number;
  /** SSE and WebSocket. */
  readonly maxLiveClients: number;
  readonly maxHeaderBytes: number;
  readonly maxBodyBytes: number;
  /** From the first byte of a request to its last one. */
  readonly requestTimeoutMs: number;
  /** Of one peer; 0 = no limit. */
  readonly requestsPerS: number;
}

export function httpLimitsOf(config: MasterConfig): HttpLimits {
  return {
    maxConnections: config.maxHttpConnections,
    maxConnectionsPerPeer: config.maxPeerHttpConnections,
    maxLiveClients: config.maxLiveClients,
    maxHeaderBytes: config.maxHttpHeaderBytes,
    maxBodyBytes: config.maxHttpBodyBytes,
    requestTimeoutMs: config.httpRequestTimeoutMs,
    requestsPerS: config.maxPeerHttpRequestsPerS,
  };
}

// ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Main answers within a turn of its event loop; whoever waits longer than this should look at /health. */
export const COMMAND_WITHIN_MS = 5_000;
/** Commands come from people and scripts, one at a time; a hundred at once are an accident. */
export const MAX_COMMANDS_UNDER_WAY = 100;

// ── sockets/ ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** From the first byte of a request to the end of its headers: seconds on the slowest line, no room for slow-loris. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** From a connection to the end of its TLS handshake: two round trips and some arithmetic; the same as for headers. */
export const HANDSHAKE_TIMEOUT_MS = HEADERS_TIMEOUT_MS;
/** How often the two time-outs of a request are looked at; half of the shorter one. */
export const TIMEOUT_CHECK_MS = 5_000;
/** An idle connection stays open a little longer than the minute after which proxies give up theirs. */
export const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** A connection on which nothing moves, not even a byte of a response that its reader does not take. */
export const SOCKET_IDLE_MS = 90_000;
/** Connections beyond the most that are taken all the same, to be told 503; further ones are closed without a word. */
export const SPARE_CONNECTIONS = 64;
/** How long such a connection may take to ask for something, and so to be told; and one that Node hands over to end. */
export const SPARE_CONNECTION_MS = 2_000;
/** Requests on one connection that wait for the answers before theirs: tools that send several at once send tens. */
export const MAX_PIPELINED = 100;
/** How long clients have to say goodbye when the server stops, or their token is taken back. The whole master has 10 s to end. */
export const STOP_GRACE_MS = 1_000;

// ── access/ ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Peers whose rates are remembered: as many as the largest fleet that is aimed at, some 2 MB. */
export const MAX_PEERS = 10_000;
/**
 * Wrong tokens of one peer, a second and at once: people mistype, and a dashboard asks for several things together. What
 * this protects is the log and the processor: 256 random bits are not guessed, however often somebody tries. That is
 * also why a right token is taken at any time: nobody can lock others out who share an address with him.
 */
export const WRONG_TOKENS_PER_S = 3;
export const WRONG_TOKENS_AT_ONCE = 10;
/**
 * Sessions that were logged out and are remembered, for 12 h at most, at some 100 bytes each: a hundred people who log out
 * ten times a day. Beyond it all sessions of the token with the most end together, and their browsers log in again.
 */
export const MAX_ENDED_SESSIONS = 1_000;
/** Between two lines of the log about wrong tokens, each with how many there were. */
export const WRONG_TOKENS_LOG_MS = 10_000;

// ── bodies/ ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Smaller bodies are copied and their buffer is free at once; larger ones are sent from the pooled buffer itself. */
export const DIRECT_BODY_BYTES = 64 * KIB;
/** Forty answers of 10,000 workers at a time. Beyond it readers that take nothing would eat the master's memory: 503. */
export const MAX_BODY_BYTES_IN_FLIGHT = 256 * MIB;
/** A text keeps this much memory whatever was in it: two frames. */
export const KEPT_TEXT_BYTES = 512 * KIB;
/** So many texts in a row that need less than a quarter of the memory give it back: a moment of a busy server, a minute of a quiet one. */
export const TEXT_USES_BEFORE_SHRINKING = 64;
/** Buffers kept for the next large answers; as many readers at a time are a lot. */
export const BUFFERS_KEPT = 4;
/** Of each: a map of 10,000 workers. Larger ones are not kept: idle memory of that size is worth more than a millisecond. */
export const MAX_TEXT_BYTES_KEPT = 8 * MIB;
/**
 * Bodies of a map of all workers that are kept joined, for each map: one for each reader at a time, up to as many as are
 * a lot. Beyond them an answer is joined anew, which takes longer and is bounded by MAX_BODY_BYTES_IN_FLIGHT.
 */
export const JOINED_BODIES = 4;
/** Ten times a body of 10,000 workers. Larger ones are not kept: idle memory of that size is worth more than some ms. */
export const MAX_JOINED_BYTES_KEPT = 64 * MIB;
/**
 * How much of a kept body may be blank. Freshly joined it is at most a quarter, so a third is only reached by change:
 * joining anew, which takes as long as several answers, comes after a tenth of the workers left or outgrew theirs.
 */
export const MAX_BLANK_SHARE = 1 / 3;

// ── query/ ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Up to so many workers are gone through in the http thread: a few ms, which no stream's client sees. Beyond: the pool. */
export const MAX_WORKERS_INLINE = 1000;
/** Workers in a page unless the client says how many, and at most: one is some 600 bytes. */
export const PAGE_WORKERS = 100;
export const MAX_PAGE_WORKERS = 1000;
/** Records may have megabytes each: a page that is that large ends before its limit, and the next one goes on. */
export const MAX_PAGE_BYTES = 16 * MIB;
/**
 * Smaller bodies are sent as they are: with their headers they arrive in the first ten segments of a connection, which
 * nobody has to acknowledge, so that fewer bytes would not be fewer round trips.
 */
export const MIN_GZIP_BYTES = 14 * KIB;
/** From here on it takes more than a few ms of a processor: in the pool, which is bounded, and not in libuv's threads. */
export const MIN_GZIP_BYTES_IN_POOL = 256 * KIB;
/** The fastest: for pages of the list level 6 takes two to three times as long and saves a twentieth more. */
export const GZIP_LEVEL = 1;
/** One for who asks, one for who asks at the same time; lanes and streams need the other processors more. */
export const POOL_THREADS = 2;
/** The second thread ends after so long without work. */
export const POOL_IDLE_MS = 60_000;
/** Under way or waiting; at 20 to 100 ms each the last one waits for a second or two. Beyond: 503. */
export const MAX_QUERIES_UNDER_WAY = 64;
/** A thread that takes longer is stuck, and is ended: a hundred times what a query of 10,000 workers takes. */
export const QUERY_WITHIN_MS = 10_000;
/** A cap, not a reservation: 100,000 workers take some 80 MB, and a sort of them leaves 180 MB to the collector. */
export const POOL_HEAP_MIB = 512;

// ── live/ ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A change must be on its way within 100 ms: looked for twice in that time. */
export const POLL_MS = 50;
/** Named in the contract; below the minute after which proxies close silent connections. */
export const PING_MS = 54_000;
/** Nothing that clients send is used; a ping of theirs has at most 125 bytes. */
export const MAX_CLIENT_MESSAGE_BYTES = 4 * KIB;
/** What may wait in a client's socket before it gets only the newest: some 250 workers' frames, a moment of a busy fleet. */
export const MAX_BUFFERED_BYTES = 256 * KIB;
/** Some 500 workers: a millisecond's work, and no more than what may wait in a client's socket anyway. */
export const MAX_FRAME_BYTES = 256 * KIB;
/**
 * Frames are shared by the clients that are told the same. Clients that take nothing hold on to different ones: beyond this
 * the slowest are dropped and new ones refused, as for large answers.
 */
export const MAX_FRAME_BYTES_IN_FLIGHT = 256 * MIB;
/** A line that takes less than one frame in it (9 KB/s) follows no fleet; a network that broke for a moment is back. */
export const CLIENT_STILL_MS = 30_000;
/** Frames are small, but a WebSocket begins with a map of all workers: so much more time for each 64 KiB of it. */
export const CLIENT_STILL_MORE_MS = 1_000;
/** How often slow clients are looked for: a thirtieth of the time that they have. */
export const STILL_CHECK_MS = 1_000;
/** Named in the interface; well below the minute after which proxies, and SOCKET_IDLE_MS after which we, give up. */
export const STREAM_PING_MS = 15_000;
/** How long a browser waits before it connects again: a new http thread is up by then. */
export const STREAM_RETRY_MS = 2_000;
/** Updates a second that a stream may ask for: from one in ten seconds to one with each look. */
export const LEAST_STREAM_RATE = 0.1;
export const MOST_STREAM_RATE = 1_000 / POLL_MS;
/** What people can follow; more is for programs, which ask for it. */
export const STREAM_RATE = 2;
/**
 * Filters that are followed at a time. Each takes some 70 bytes for each worker that there is: 256 of 10,000 take 180 MB.
 * The time that they take is bounded by the limits below, however many they are.
 */
export const MAX_VIEWS = 256;
/**
 * Of one client, as with blocking queries: a quarter, so that no three of them keep others out; a dashboard follows a
 * handful. The view of all workers is beside it, and is never refused: there is one.
 */
export const MAX_VIEWS_PER_CLIENT = MAX_VIEWS / 4;
/** Without a pause: answers that come in meanwhile wait for no longer, and ten of these in 100 ms is what a loop may lose. */
export const VIEW_SLICE_MS = 4;
/** Of one view: a few thousand workers, which is more than change between two looks. */
export const VIEW_TURN_MS = 1;
/** Behind each slice that was not enough, as long again: half of the thread is for views, the rest for everybody else. */
export const VIEW_REST_SHARE = 1;
/** With each look: after a second, a twentieth is left of what a view took. */
export const VIEW_COST_DECAY = 0.86;
/** Streams are told twice a second unless they want more: what is late by more than this is felt. Beyond: 503. */
export const MAX_VIEW_LATE_MS = 1_000;
/**
 * A rest that ends late by more than this says that the thread stood still (it, or the machine,
 * did something else): nobody's filter made the others late. Less is what a busy thread does, and counts.
 */
export const VIEW_STALL_MS = 100;
/** How long a new filter may go through all workers before its first answer: a tenth of a second where it is the only one. Beyond: 503. */
export const MAX_VIEW_BUILD_MS = 5_000;
/** A client that lost its connection, or asks again, is back within seconds. */
export const VIEW_KEPT_MS = 60_000;
/**
 * Clients are served for so long without a pause, and then wait as long: a thousand that are told different fields cost more
 * than there is between two looks. With views, which take as much, it leaves answers their places in between.
 */
export const SERVE_SLICE_MS = 4;
/** Between two lines of the log about live clients that could not be served, each with how often: it may be each look. */
export const SERVE_FAILURES_LOG_MS = 10_000;
/** Workers that left a filter, remembered at least; whoever asks for older ones is told of more than need be. */
export const MAX_LEFT_REMEMBERED = 1_000;
/** Blocking queries at a time: each holds a connection, a quarter of which they may have. */
export const MAX_WAITING = 1_000;
/**
 * Of one client: a token, with its sessions, or else an address. A quarter, so that no three of them keep others out; a
 * dashboard asks with a handful. Behind a proxy, where all have one address, tokens tell clients apart.
 */
export const MAX_WAITING_PER_CLIENT = MAX_WAITING / 4;
/** What proxies of the field, such as Consul's, let a query wait at most. */
export const MOST_WAIT_MS = 600_000;
/** Where a client gives an index and no time: below the minute after which proxies give up. */
export const WAIT_MS = 30_000;
/** Up to so much of the wait is added at random, so that clients that began together do not all ask again together. */
export const WAIT_JITTER = 1 / 16;
