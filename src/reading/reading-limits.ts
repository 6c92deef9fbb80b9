/** Every limit on what a reading thread keeps and how it is supervised, with the reason for its value. */

/** Removed workers that are remembered: twice a fleet of 10,000, so that all of it may be replaced. About 2 MiB. */
export const MAX_GONE_REMEMBERED = 20_000;
/** Parsed records that are kept for sharing: a fleet of 10,000, one kilobyte each. */
export const MAX_PARSED_BYTES = 16 * 1024 ** 2;
/** Workers sent to a new thread at a time, if its host must not be blocked: about a millisecond. */
export const ROSTER_PART = 250;
/** How often a thread is asked for a sign of life. */
export const PING_EVERY_MS = 1000;
/**
 * A thread with this many missing answers is stuck: nothing it does takes 10 s. A stall of the host does not count: it asks
 * only once for the whole stall.
 */
export const MAX_PINGS_UNANSWERED = 10;
/**
 * Maximum size of the samples of removed workers that a drain keeps until they are committed: 10,000 workers that leave at once, each
 * with 128 samples.
 */
export const MAX_CLOSED_BYTES = 128 * 1024 ** 2;
