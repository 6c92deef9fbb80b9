/** Every bound of what a reading thread keeps, and of how it is kept alive, and why it is that number. */

/** Workers that are gone and still told of: twice a fleet of 10,000, so that all of it may be replaced. Some 2 MiB. */
export const MAX_GONE_REMEMBERED = 20_000;
/** Of what was read of workers and is kept for all who look at the same change: a fleet of 10,000, a kilobyte each. */
export const MAX_PARSED_BYTES = 16 * 1024 ** 2;
/** Workers told to a new thread at a time, where its host must not be held up: about a millisecond. */
export const ROSTER_PART = 250;
/** How often a thread is asked for a sign of life. */
export const PING_EVERY_MS = 1000;
/**
 * A thread that owes this many answers is stuck: nothing that one does takes 10 s. A stall of its host does not count: it
 * asks once for all the time that it stood still.
 */
export const MAX_PINGS_UNANSWERED = 10;
