/** Every limit of the history thread, with the reason for its value. */

/** How often samples are taken out of the rings. With a commit of some 100 ms, all is durable within a second. */
export const DRAIN_EVERY_MS = 500;
/** A batch: a second of 20,000 workers; about 10 MB with eight metrics. More is written in several, one after another. */
export const MAX_BATCH_SAMPLES = 20_000;
/** Events of a batch: half of what the event log holds. */
export const MAX_BATCH_EVENTS = 5000;
/** New and changed runs of tasks of a batch; one worker's may exceed it. */
export const MAX_BATCH_TASK_RUNS = 10_000;
/** Workers of a run of the master whose numbers are remembered: ten of the largest fleets, in case names change with each start. */
export const MAX_HEARD_WORKERS = 100_000;
/** A batch is written at least this often, even an empty one: until its time the master is known to have run. */
export const SIGN_OF_LIFE_MS = 10_000;
/** After a failure, the delay before the next attempt doubles from the first to the last of these. */
export const FIRST_RETRY_MS = 500;
export const LAST_RETRY_MS = 15_000;
/** Nothing that a database does takes this long, except on a network that swallows packets: connect again. */
export const WRITE_WITHIN_MS = 60_000;
/** A write that takes this long is shown as slow. */
export const SLOW_AFTER_MS = 5000;
/** `busy` is usual for seconds: another program makes a backup. */
export const BUSY_FOR_MS = 3000;
/** History is no longer degraded when nothing has failed for so long: a database that comes and goes is one fault. */
export const STEADY_AFTER_MS = 2000;
/** How often maintenance is looked at when nothing was due, and tried again after a failure. */
export const MAINTAIN_EVERY_MS = 10_000;
/** How often figures are asked for: it takes milliseconds. */
export const FIGURES_EVERY_MS = 30_000;
export const STATUS_EVERY_MS = 1000;
/**
 * A batch that the database alone refuses (`failed`), so many times in a row over at least that time, is given up, so that it
 * does not hold up all that follow.
 */
export const REFUSED_TIMES = 8;
/** Then so many parts of it are tried at most, to find the refused ones: some eight among thousands. It takes seconds. */
export const MAX_REFUSAL_CHECKS = 256;
/** Lost changes of tasks are logged at most this often: what goes on being lost needs no line a second. */
export const TELL_LOST_EVERY_MS = 600_000;
/** How often main looks whether the thread reports. */
export const LOOK_EVERY_MS = 1000;
/** So many looks without a report: commits take milliseconds, on a busy disk up to a second. */
export const SILENT_AFTER = 5;
/** The thread waits for disks, which may take long when they are busy: it is ended only when there is little hope. */
export const MAX_SILENCE_S = 60;
/** At a stop, for what is in the rings: an hour of a fleet of 1,000 is written in less. */
export const STOP_WITHIN_MS = 3000;
/** More than a thread can write between two of its reports. */
export const BATCHES_PER_THREAD = 1_000_000;
/** Of the disk's free space and the database, and at most, when HISTORY_MAX_SIZE is auto. */
export const AUTO_SHARE_OF_DISK = 0.2;
export const AUTO_MAX_BYTES = 10 * 1024 ** 3;
/**
 * Part of a ring or task log that waits when it goes to the spool. It may be halved at any heartbeat, when all rings have to shorten, so half
 * of it is the most that may wait safely.
 */
export const SPOOL_AT = 0.4;
/** Then all workers of whose ring or task log at least this part waits: few batches, and a while until the next. */
export const SPOOL_FROM = 0.2;
/** Samples of removed workers that wait: a quarter of what is kept of them (MAX_CLOSED_BYTES of reading/). */
export const MAX_WAITING_CLOSED_BYTES = 32 * 1024 ** 2;
/** Events that wait: half of the event log (MAX_EVENTS of model/). */
export const MAX_WAITING_EVENTS = 5000;
/** A database whose last call took this long is not asked at a stop: what is there goes to the spool at once. */
export const STOP_SLOW_MS = 500;
/** At a stop, how long the database may take for what is there, before it goes to the spool. */
export const STOP_ATTEMPT_MS = 1500;
