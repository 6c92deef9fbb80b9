/** Every bound of the HTTP side, and why it is that number. Those that are settings have their reasons there. */
import type { MasterConfig } from '../config/options.ts';

const KIB = 1024;
const MIB = 1024 ** 2;

/** Main's beat is stamped at least every second: ten missed ones are no hiccup. Named in the contract. */
export const UNHEALTHY_BEAT_MS = 10_000;

// ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

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
/** How long such a connection may take to ask for something, and so to be told. */
export const SPARE_CONNECTION_MS = 2_000;
/** How long clients have to say goodbye when the server stops. The whole master has 10 s to end. */
export const STOP_GRACE_MS = 1_000;

/** Main answers within a turn of its event loop; whoever waits longer than this should look at /health. */
export const COMMAND_WITHIN_MS = 5_000;
/** Commands come from people and scripts, one at a time; a hundred at once are an accident. */
export const MAX_COMMANDS_UNDER_WAY = 100;

// ── peers ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Peers whose rates are remembered: as many as the largest fleet that is aimed at, some 2 MB. */
export const MAX_PEERS = 10_000;
/**
 * Wrong tokens of one peer, a second and at once: people mistype, and a dashboard asks for several things together. What
 * this protects is the log and the processor: 256 random bits are not guessed, however often somebody tries. That is
 * also why a right token is taken at any time: nobody can lock others out who share an address with him.
 */
export const WRONG_TOKENS_PER_S = 3;
export const WRONG_TOKENS_AT_ONCE = 10;
/** Between two lines of the log about wrong tokens, each with how many there were. */
export const WRONG_TOKENS_LOG_MS = 10_000;

// ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Smaller bodies are copied and their buffer is free at once; larger ones are sent from the pooled buffer itself. */
export const DIRECT_BODY_BYTES = 64 * KIB;
/** Forty answers of 10,000 workers at a time. Beyond it readers that take nothing would eat the master's memory: 503. */
export const MAX_BODY_BYTES_IN_FLIGHT = 256 * MIB;
/** Buffers kept for the next large answers; as many readers at a time are a lot. */
export const BUFFERS_KEPT = 4;
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

// ── live streams ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A change must be on its way within 100 ms: looked for twice in that time. */
export const POLL_MS = 50;
/** Named in the contract; below the minute after which proxies close silent connections. */
export const PING_MS = 54_000;
/** Nothing that clients send is used; a ping of theirs has at most 125 bytes. */
export const MAX_CLIENT_MESSAGE_BYTES = 4 * KIB;
/** What may wait in a client's socket before it gets only the newest: some 250 workers' frames, a moment of a busy fleet. */
export const MAX_BUFFERED_BYTES = 256 * KIB;
