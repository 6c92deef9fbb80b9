/** Limits of the alerts thread and its host, with the reason for each value. */

/** Between two evaluations at least: what is due earlier waits, so that a clock that stands still does not keep the thread busy. */
export const LEAST_WAIT_MS = 20;
/** The event loop gets a turn between the alerts of two rules after so much work, in ms: pings and commands are answered meanwhile. */
export const TURN_MS = 20;
/** How much of a pending alert's time is lost at most if the master is killed. A write of one row every 10 s costs nothing. */
export const STORE_PROGRESS_EVERY_MS = 10_000;
/** What the thread has for an evaluation under way and what is being delivered, at a stop. The whole master has 8 s. */
export const STOP_WITHIN_MS = 3000;
/**
 * The thread may give no sign of life for this long: SQLite may wait for the disk. Main waits for nothing of it.
 */
export const MAX_SILENCE_S = 30;
/** A command is answered by then: less than HTTP waits for main. */
export const COMMAND_WITHIN_MS = 4000;
/** … except a trial: a mail server may take its whole time-out. A little more than a target has, and less than HTTP waits. */
export const TRIAL_WITHIN_MS = 32_000;
/** A reload by SIGHUP, for which nobody waits: an evaluation that is under way comes first. */
export const SIGNAL_RELOAD_WITHIN_MS = 60_000;
/** Commands that wait for the thread: each is a person. */
export const MAX_COMMANDS = 32;
/** How often figures are told at most. */
export const REPORT_EVERY_MS = 1000;
/** Of evaluations: so many intervals in a row must be too short before it is said that evaluations are slow. */
export const SLOW_AFTER = 3;
