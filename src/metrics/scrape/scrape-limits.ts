/** Every limit of the text that scrapes get, with the reason for its value. METRICS_MAX_SERIES is a setting. */

/**
 * Custom metrics of one worker: ten times what a large one has. One that sends more has none of them exposed, so that a few
 * workers cannot use up METRICS_MAX_SERIES for all.
 */
export const MAX_CUSTOM_PER_WORKER = 1000;
/**
 * Names of custom metrics that have a family; beyond them, those of the fewest workers have none. A family takes about 3 kB of heap in
 * one format, measured with 10,000, so all take at most a fifth of the thread's heap (POOL_HEAP_MIB) in three. A name without one
 * takes about 100 bytes. No fleet needs as many: such names have a host or a task in them, which belongs in a label.
 */
export const MAX_CUSTOM_FAMILIES = 10_000;
/** Enough to recognise what they are. */
export const NAMED = 10;
/** As in messages about a heartbeat. */
export const SHOWN_NAME_LENGTH = 64;
/**
 * Formats with text in memory: two Prometheus servers of different age, and a person with curl. The one that was not used for
 * longest is dropped for another.
 */
export const MAX_FLAVOURS = 3;
/** Without a scrape for this long, values and text are dropped: scrapers ask every minute at the latest. */
export const KEPT_WITHOUT_SCRAPES_MS = 5 * 60_000;
/** Text is compressed, and kept so, in pieces of at least this size: smaller ones would not be worth a dictionary each. */
export const LEAST_SEGMENT_BYTES = 64 * 1024;
/** Scrapes of one text by which the next one is expected: a rhythm needs four, and eight scrapers may ask for the same. */
export const KEPT_TIMES = 32;
/** Texts whose next scrape is expected. Each is a format and a choice of families, and several may share a format. */
export const MAX_TEXTS = 8;
/** Work ahead of a scrape, at a time: a scrape that comes early waits no longer, and it takes longer than that by itself. */
export const SLICE_MS = 5;
/** Workers read at a time: about a millisecond. */
export const READ_AT_ONCE = 100;
