/**
 * The state of the export of metrics, as the master tells it: in `GET /api/v1/export`, in `/readyz`, in `/metrics`, in the log. The
 * export thread reports it about once a second, and whenever a state changes; main announces it to every reader.
 */

export const RECEIVER_KINDS = ['remote_write', 'otlp'] as const;
export type ReceiverKind = (typeof RECEIVER_KINDS)[number];

/**
 * | state    | meaning                                                              |
 * |----------|----------------------------------------------------------------------|
 * | starting | nothing was sent yet, and nothing has failed for long                |
 * | ok       | the receiver takes what is sent                                      |
 * | degraded | it has taken nothing for a minute; `problem` says why                |
 */
export const EXPORT_STATES = ['starting', 'ok', 'degraded'] as const;
export type ExportState = (typeof EXPORT_STATES)[number];

/**
 * Why a receiver did not take a message.
 *
 * | code        | meaning                                                              | sent again |
 * |-------------|----------------------------------------------------------------------|------------|
 * | unreachable | no connection, or it broke                                           | yes        |
 * | timeout     | no answer in time                                                    | yes        |
 * | throttled   | the receiver asks to wait (429, RESOURCE_EXHAUSTED)                  | yes        |
 * | failed      | the receiver reports a fault of its own (5xx)                        | yes        |
 * | refused     | the receiver will never take it (other 4xx)                          | no         |
 * | thread      | the export thread ended or does not answer; it is restarted          | –          |
 */
export const EXPORT_PROBLEMS = ['unreachable', 'timeout', 'throttled', 'failed', 'refused', 'thread'] as const;
export type ExportProblemCode = (typeof EXPORT_PROBLEMS)[number];
/** Those of one attempt to send. */
export type SendFailureCode = Exclude<ExportProblemCode, 'thread'>;

export interface ExportProblem {
  readonly code: ExportProblemCode;
  /** Readable text, without passwords and tokens. */
  readonly detail: string;
  readonly sinceUnixMs: number;
}

/**
 * | reason   | samples that the receiver lacks because                                   |
 * |----------|---------------------------------------------------------------------------|
 * | full     | the queue was full: the oldest were dropped                               |
 * | old      | they had waited for too long                                              |
 * | refused  | the receiver refused the whole message                                    |
 * | rejected | the receiver took the message, but not these samples of it                |
 * | thread   | they waited in an export thread that ended unexpectedly                   |
 * | stop     | they still waited when the master stopped                                 |
 */
export const EXPORT_DROP_REASONS = ['full', 'old', 'refused', 'rejected', 'thread', 'stop'] as const;
export type ExportDropReason = (typeof EXPORT_DROP_REASONS)[number];

export const NOTHING_DROPPED: Readonly<Record<ExportDropReason, number>> = {
  full: 0,
  old: 0,
  refused: 0,
  rejected: 0,
  thread: 0,
  stop: 0,
};

export interface ExportQueueStatus {
  readonly messages: number;
  readonly samples: number;
  readonly bytes: number;
  readonly maxBytes: number;
  /** When the oldest waiting sample was taken; null: none waits. */
  readonly oldestUnixMs: number | null;
}

/** One receiver. Counts are of this run of the master. */
export interface ReceiverStatus {
  readonly kind: ReceiverKind;
  /** Its URL, without user, password and query. */
  readonly place: string;
  /** What it is sent at present, such as `2.0` or `grpc`. */
  readonly protocol: string;
  readonly intervalMs: number;
  readonly state: ExportState;
  /** Null unless degraded. */
  readonly problem: ExportProblem | null;
  /** When the thread made this report. */
  readonly atUnixMs: number;
  /** When the receiver last took something; null: never. */
  readonly lastSentUnixMs: number | null;
  readonly sentMessages: number;
  readonly sentSamples: number;
  /** Attempts that did not succeed. */
  readonly failedAttempts: number;
  readonly dropped: Readonly<Record<ExportDropReason, number>>;
  readonly queue: ExportQueueStatus;
  /** Series in the last round. */
  readonly series: number;
  /** Series of workers that METRICS_MAX_SERIES left out of the last round. */
  readonly leftOutSeries: number;
  /** How long the last round took to collect, with the pauses in it. */
  readonly collectMs: number;
  /** Rounds that were left out because the last one was still being collected. */
  readonly skippedRounds: number;
  /** The last attempt that failed; null: none has. */
  readonly lastFailure: {
    readonly code: SendFailureCode;
    readonly detail: string;
    readonly atUnixMs: number;
  } | null;
}
