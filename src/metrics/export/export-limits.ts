/** Every limit of the export of metrics, with the reason for its value. */

/**
 * A Prometheus accepts no samples that are more than an hour older than its newest one: older ones would only be refused.
 */
export const MAX_AGE_MS = 3_600_000;

/** One message that waits is kept even if it alone is larger than the queue may be. */
export const LEAST_MESSAGES = 1;

/** An attempt that has no answer by then is given up, as by a Prometheus that sends. */
export const SEND_WITHIN_MS = 30_000;

/** The first wait after a failure; each further failure doubles it … */
export const FIRST_BACK_OFF_MS = 500;
/** … up to this: a receiver that is back gets data within half a minute. */
export const MAX_BACK_OFF_MS = 30_000;
/** A receiver may ask to wait, but not for longer than this: what waits would become too old. */
export const MAX_RETRY_AFTER_MS = 300_000;
/** So that masters that failed together do not try together. */
export const BACK_OFF_JITTER = 0.2;

/** A receiver that has taken nothing for this long is degraded: a restart of one takes less. */
export const AWAY_AFTER_MS = 60_000;

/** Workers per slice of a round: a few milliseconds. */
export const WORKERS_PER_SLICE = 100;
/** A slice ends with the worker that brings it to this many series: more than 100 workers have, unless they have many custom metrics. */
export const SERIES_PER_SLICE = 5000;

/** Reports to main, in which nothing else is waited for. */
export const REPORT_EVERY_MS = 1000;
/**
 * What a removed worker had registered with is known for one to two of these. The event that tells its removal follows at once, or after the
 * stall of a busy master.
 */
export const FORGET_FACTS_EVERY_MS = 10_000;

/** The last flush at the stop, and what the host adds to it: the master must stop within 8 s. */
export const FLUSH_WITHIN_MS = 1500;
export const STOP_WITHIN_MS = 2000;
