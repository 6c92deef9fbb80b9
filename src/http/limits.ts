/** Every bound of the HTTP side, and why it is that number. */

const KIB = 1024;
const MIB = 1024 ** 2;

/** Main's beat is stamped at least every second: ten missed ones are no hiccup. Named in the contract. */
export const UNHEALTHY_BEAT_MS = 10_000;

// ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Node's own default. The longest id, percent-encoded, is 768 bytes; cookies of other ports of localhost come along. */
export const MAX_HEADER_BYTES = 16 * KIB;
/** From the first byte of a request to the end of its headers: seconds on the slowest line, no room for slow-loris. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** From the first byte to the last of a request, whose body nobody reads. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** How often the two above are looked at; half of the shorter one. */
export const TIMEOUT_CHECK_MS = 5_000;
/** An idle connection stays open a little longer than the minute after which proxies give up theirs. */
export const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** A connection on which nothing moves, not even a byte of a response that its reader does not take. */
export const SOCKET_IDLE_MS = 90_000;
/** Four times the 1,000 live clients that are aimed at; half of the 8,192 files that a service is usually allowed. */
export const MAX_CONNECTIONS = 4096;
/** How long clients have to say goodbye when the server stops. The whole master has 10 s to end. */
export const STOP_GRACE_MS = 1_000;

/** Main answers within a turn of its event loop; whoever waits longer than this should look at /health. */
export const COMMAND_WITHIN_MS = 5_000;
/** Commands come from people and scripts, one at a time; a hundred at once are an accident. */
export const MAX_COMMANDS_UNDER_WAY = 100;

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

// ── revisions ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Workers that are gone and still told of: twice a fleet of 10,000, so that all of it may be replaced. Some 2 MiB. */
export const MAX_GONE_REMEMBERED = 20_000;

// ── queries ──────────────────────────────────────────────────────────────────────────────────────────────────────────

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
/** Workers told to a new thread at a time: about a millisecond of the http thread. */
export const ROSTER_PART = 250;

// ── live streams ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A change must be on its way within 100 ms: looked for twice in that time. */
export const POLL_MS = 50;
/** Named in the contract; below the minute after which proxies close silent connections. */
export const PING_MS = 54_000;
/** Nothing that clients send is used; a ping of theirs has at most 125 bytes. */
export const MAX_CLIENT_MESSAGE_BYTES = 4 * KIB;
/** What may wait in a client's socket before it gets only the newest: some 250 workers' frames, a moment of a busy fleet. */
export const MAX_BUFFERED_BYTES = 256 * KIB;
