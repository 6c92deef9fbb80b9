/** Every limit of evaluation, with the reason for its value. */

/**
 * Into how many parts a window is divided: values leave it a part at a time, so a window is up to a sixtieth shorter than its name.
 * `10m` has parts of 10 s, which is two evaluations at the default interval.
 */
export const WINDOW_PARTS = 60;
/**
 * Memory of all windows, in bytes: 8 functions with windows of their own for 10,000 workers take 60 to 80 MB; this is enough for 30 of the
 * largest kind.
 */
export const MAX_WINDOW_BYTES = 512 * 1024 ** 2;
/** How much of a window must lie behind the first value of a worker before its function has a value: less says little. */
export const LEAST_COVERED = 0.5;
/** Values of so many workers are read from history at a time, so that a new rule does not hold up evaluations: some ms. */
export const WORKERS_PER_FILL = 100;
/** After an error of history, its next part is read so much later: a database that is away stays away for seconds. */
export const FILL_RETRY_MS = 10_000;
/** So often the same part is tried: ten minutes. Live values fill the window meanwhile. */
export const MAX_FILL_TRIES = 60;

/**
 * How long one rule may take at one evaluation, in ms: 100 comparisons of 10,000 workers take a tenth of it all together. A rule that needs
 * CEL's own evaluator for each of 10,000 workers takes 10 to 50 ms.
 */
export const RULE_BUDGET_MS = 250;
/**
 * How long expressions of annotations that may loop take for all alerts of a rule after one evaluation, in ms: those of 1,000 alerts. The
 * thread is held up meanwhile; with 100 such rules for a third of the time after which it counts as stuck, and it gets a turn after each.
 */
export const SHOWN_BUDGET_MS = 100;
/** The event loop gets a turn after so much work of CEL's own evaluator, in ms: pings and commands are answered meanwhile. */
export const PIECE_MS = 20;
/** A rule that was cut off is evaluated half as often each time, down to every so many evaluations: every 80 s by default. */
export const MAX_SKIPPED = 16;
/** Main writes its figures four times a second; after eight missing ones it stalls, and nobody knows who is silent. */
export const STALL_MS = 2000;
/** Characters of an error's text that are shown: CEL's own errors quote the expression. */
export const MAX_ERROR_TEXT = 500;

/** A rule that fails in so many evaluations in a row is a problem, and is none after as many without: one may meet a change half done. */
export const ALWAYS_FAILS_AFTER = 3;
/** A rule of the file that has had no value for so long, beside its longest window, is a problem: workers send far more often. */
export const NO_VALUE_AFTER_MS = 5 * 60_000;
