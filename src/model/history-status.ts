/**
 * The state of history, as the master tells it: in `GET /api/v1/history`, in `/readyz`, in the log. The history thread
 * reports it about once a second, and whenever the state changes; main announces it to every reader.
 */

/**
 * | state    | meaning                                                                                        |
 * |----------|------------------------------------------------------------------------------------------------|
 * | starting | the database has not answered yet, and nothing has failed                                      |
 * | ok       | what came in is in the database within about a second                                          |
 * | degraded | the database does not take what came in; `problem` says why, and nothing is lost until `lost` says so |
 */
export const HISTORY_STATES = ['starting', 'ok', 'degraded'] as const;
export type HistoryState = (typeof HISTORY_STATES)[number];

/**
 * Why the database does not take what came in: the kinds of errors of a database (history/history-error.ts), and what can
 * happen to the thread itself.
 *
 * | code   | meaning                                                                      |
 * |--------|------------------------------------------------------------------------------|
 * | slow   | a write has not returned for seconds                                         |
 * | thread | the history thread ended or does not answer; it is restarted                 |
 */
export const HISTORY_PROBLEMS = [
  'away',
  'full',
  'read_only',
  'busy',
  'newer',
  'refused',
  'damaged',
  'failed',
  'slow',
  'thread',
] as const;
export type HistoryProblemCode = (typeof HISTORY_PROBLEMS)[number];

export interface HistoryProblem {
  readonly code: HistoryProblemCode;
  /** Readable text, without passwords. */
  readonly detail: string;
  readonly sinceUnixMs: number;
}

/**
 * | reason        | samples that history lacks because                                                        |
 * |---------------|-------------------------------------------------------------------------------------------|
 * | overwritten   | they were overwritten in their ring before they were taken out                            |
 * | spool_full    | the database was away, and HISTORY_SPOOL_MAX was reached, or the spool could not be written |
 * | spool_damaged | their part of the spool could not be read                                                 |
 * | refused       | the database refuses them again and again, while it takes others                          |
 */
export const LOSS_REASONS = ['overwritten', 'spool_full', 'spool_damaged', 'refused'] as const;
export type LossReason = (typeof LOSS_REASONS)[number];

/** Sizes and times of the database, as it last told them. */
export interface HistoryDatabaseFigures {
  readonly bytes: number;
  /** Unix ms of the oldest data of each tier; absent: there is none. */
  readonly oldestUnixMs: { readonly raw?: number; readonly '1m'?: number; readonly '1h'?: number };
  /** Raw samples deleted before HISTORY_RAW because of HISTORY_MAX_SIZE. */
  readonly deletedEarly: number;
  /** Parts that could not be read since the start. */
  readonly damaged: number;
}

export interface HistoryStatus {
  readonly state: HistoryState;
  readonly backend: 'sqlite' | 'postgres';
  /** The file; or host, port and database of PostgreSQL, without user and password. */
  readonly place: string;
  /** Null unless degraded. */
  readonly problem: HistoryProblem | null;
  /** When the thread made this report. */
  readonly atUnixMs: number;
  /** Since when the database has been open; null: it is not. */
  readonly openSinceUnixMs: number | null;
  /** Everything that the master applied until then is in the database; null: nothing is, of this run of the master. */
  readonly durableUntilUnixMs: number | null;
  /** Of this run of the master: samples, and batches, that are in the database. */
  readonly samples: number;
  readonly batches: number;
  /** Samples of present workers that are in memory and not in the database yet, nor in the spool. */
  readonly waitingSamples: number;
  /** Over the last seconds. */
  readonly samplesPerS: number;
  /** How long the last commit took. */
  readonly commitMs: number;
  /** Samples that are known to be missing, of this run of the master. */
  readonly lost: Readonly<Record<LossReason, number>>;
  /** Events that are missing, and workers whose last samples and tasks were, how many, is unknown. */
  readonly lostEvents: number;
  /** Changes of tasks that are missing, and tasks beyond what is recorded. */
  readonly lostTaskChanges: number;
  readonly closedTooLate: number;
  readonly spool: HistorySpoolStatus;
  readonly figures: HistoryDatabaseFigures | null;
  readonly retention: HistoryRetentionStatus;
}

export interface HistorySpoolStatus {
  readonly bytes: number;
  readonly maxBytes: number;
  readonly batches: number;
  /** Parts that could not be read since the start. */
  readonly damaged: number;
}

/** How long each tier is kept, and how large the database may become; null: Pulselane does not bound it. */
export interface HistoryRetentionStatus {
  readonly rawMs: number;
  readonly minuteMs: number;
  readonly hourMs: number;
  readonly maxBytes: number | null;
}
